/* How a record is told to people: shared by log and undo. */
#ifndef LANCET_CHANGE_LOG_H
#define LANCET_CHANGE_LOG_H

#include "history.h"
#include "str.h"

/* "2026-11-24 08:10", local time. */
void change_log_time(int64_t time, struct str *out);
/* What the change did: the summary that its command left in the note ({"summary": TEXT, ...}), "undo of 2,
 * 3", or the command line. */
void change_log_what(const struct history_record *record, struct str *out);
/* The relative norm of the change, from the note ({"relative_norm": NUMBER}); false when it has none. */
bool change_log_norm(const struct history_record *record, double *out);
/* The record that took this one back and still stands; 0: none. */
uint32_t change_log_undone_by(const struct history *history, size_t record);

#endif
