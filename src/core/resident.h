/* How much memory this process really takes: pages of its own, without those that only mirror files (a mapped
 * model costs nothing that the system could not take back). The kernel keeps no maximum of that, so a thread
 * looks every few milliseconds. */
#ifndef LANCET_RESIDENT_H
#define LANCET_RESIDENT_H

#include <stdint.h>

#include "error.h"

struct resident_watch;

bool resident_watch_new(struct resident_watch **out, struct error *err);
/* Highest RssAnon + RssShmem so far, in bytes, the present moment included; 0 where the system does not tell.
 */
uint64_t resident_watch_peak(struct resident_watch *watch);
void resident_watch_free(struct resident_watch *watch);

#endif
