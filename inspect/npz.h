/* Several NumPy arrays in one file: a zip of .npy members, stored as they are, as numpy.savez makes it. It is
 * written from front to back, so it may go to a pipe: the checksum of a member stands behind it, and all
 * sizes have 64 bits.
 *
 *     local header, name, "\x01\x00\x10\x00" 0 0 (u64 sizes that are not known yet), bytes, descriptor
 *     ... central directory, zip64 end of it and its locator, end of central directory
 *
 * Source: PKWARE APPNOTE 6.3.10, 4.3.7-4.3.16 and 4.5.3. */
#ifndef LANCET_NPZ_H
#define LANCET_NPZ_H

#include "out_file.h"

struct npz_writer;

bool npz_new(struct out_file *out, struct npz_writer **npz, struct error *err);
/* An array follows: z["name"] in NumPy; type and shape as for npy_header. */
bool npz_begin(struct npz_writer *npz, const char *name, const char *type, const size_t *shape, unsigned rank,
               struct error *err);
bool npz_put(struct npz_writer *npz, const void *bytes, size_t n, struct error *err);
bool npz_end(struct npz_writer *npz, struct error *err);
/* All of an array. */
bool npz_array(struct npz_writer *npz, const char *name, const char *type, const size_t *shape, unsigned rank,
               const void *bytes, size_t n, struct error *err);
/* The directory; `out` is not committed. */
bool npz_finish(struct npz_writer *npz, struct error *err);
void npz_free(struct npz_writer *npz);

#endif
