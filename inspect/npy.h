/* A NumPy file of f32, written row by row.
 *
 *     0   6   "\x93NUMPY"
 *     6   2   version 1, 0
 *     8   2   length of the header, u16 little-endian; 10 + length is a multiple of 64
 *     10      "{'descr': '<f4', 'fortran_order': False, 'shape': (rows, columns), }", spaces, newline
 *             rows x columns f32, little-endian
 *
 * Source: numpy.lib.format. */
#ifndef LANCET_NPY_H
#define LANCET_NPY_H

#include "out_file.h"

enum { NPY_RANK = 4, NPY_HEADER = 256 };

/* The head of an array, with the name of its element type ("<f4"); a rank of 0 is one element. Returns its
 * length, a multiple of 64. */
size_t npy_header(const char *type, const size_t *shape, unsigned rank, char out[NPY_HEADER]);

struct npy_writer;

/* Refuses to overwrite as out_file_check does. The file gets its name when npy_commit has made it whole. */
bool npy_new(const struct fs *fs, const char *path, size_t rows, size_t columns, bool force,
             struct npy_writer **out, struct error *err);
/* values [n_rows, columns], the next rows. */
bool npy_add(struct npy_writer *writer, const float *values, size_t n_rows, struct error *err);
bool npy_commit(struct npy_writer *writer, struct error *err);
/* Removes what was not committed. */
void npy_free(struct npy_writer *writer);

#endif
