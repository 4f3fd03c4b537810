/* Where a result goes: standard output, or a file that gets its name only when it is whole. */
#ifndef LANCET_OUT_FILE_H
#define LANCET_OUT_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "fs.h"

struct out_file;

/* ERROR_USAGE when the file exists and is not to be overwritten: to be asked before a long computation.
 * Devices and pipes hold nothing that could be lost. */
bool out_file_check(const struct fs *fs, const char *path, bool force, struct error *err);
/* path NULL: `stream`, which stays the caller's. Else a temporary file beside it, which out_file_commit
 * renames. */
bool out_file_open(const struct fs *fs, const char *path, FILE *stream, bool force, struct out_file **out,
                   struct error *err);
bool out_file_put(struct out_file *file, const void *bytes, size_t n, struct error *err);
/* How many bytes were put so far. */
uint64_t out_file_bytes(const struct out_file *file);
bool out_file_commit(struct out_file *file, struct error *err);
/* Removes what was not committed. */
void out_file_free(struct out_file *file);

#endif
