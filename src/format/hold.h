/* Opening one file of a model so that it stays what it is for as long as we use it. */
#ifndef LANCET_HOLD_H
#define LANCET_HOLD_H

#include "checkpoint.h"

/* Opens checkpoint->files[index] (name and shown are set; the files before it are open), fills path, fd,
 * size, identity and format, and locks it. The file is not mapped. */
bool hold_file(struct checkpoint *checkpoint, size_t index, const char *folder,
               const struct checkpoint_options *options, struct error *err);

#endif
