/* Which file lies where in memory, so that a file cut short under a read-only map (SIGBUS) ends the program
 * with the file's name and not with a signal. Belongs to the program: it has a global table, which the
 * library may not have. */
#ifndef LANCET_MAP_REGISTRY_H
#define LANCET_MAP_REGISTRY_H

#include "fs.h"

/* fs_real() whose maps are entered into the registry, and that knows whether files were locked for a change.
 */
const struct fs *map_registry_fs(void);
/* Installs the handler of SIGBUS: exit status 3 and "PATH: cut short (or unreadable) while it was in use";
 * where files were locked for a change, also how that is taken back. */
void map_registry_watch(void);

#endif
