#include "npy.h"

#include <string.h>

#include "memory.h"
#include "size.h"

struct npy_writer {
    struct out_file *out;
    size_t columns;
};

size_t npy_header(const char *type, const size_t *shape, unsigned rank, char out[NPY_HEADER])
{
    char dictionary[NPY_HEADER];
    size_t n = (size_t)snprintf(dictionary, sizeof dictionary,
                                "{'descr': '%.16s', 'fortran_order': False, 'shape': (", type);
    for (unsigned i = 0; i < rank && i < NPY_RANK; i++)
        n += (size_t)snprintf(dictionary + n, sizeof dictionary - n,
                              rank == 1 ? "%zu,"
                              : i       ? ", %zu"
                                        : "%zu",
                              shape[i]);
    n += (size_t)snprintf(dictionary + n, sizeof dictionary - n, "), }");
    size_t total = (10 + n + 1 + 63) / 64 * 64;
    memset(out, ' ', total);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((total - 10) & 0xff);
    out[9] = (char)((total - 10) >> 8);
    memcpy(out + 10, dictionary, n);
    out[total - 1] = '\n';
    return total;
}

bool npy_new(const struct fs *fs, const char *path, size_t rows, size_t columns, bool force,
             struct npy_writer **out, struct error *err)
{
    char header[NPY_HEADER];
    struct npy_writer *w = memory_zeroed(1, sizeof *w);
    if (!w)
        return error_memory(err, "writing a NumPy file");
    w->columns = columns;
    if (!out_file_open(fs, path, NULL, force, &w->out, err) ||
        !out_file_put(w->out, header, npy_header("<f4", (size_t[]){rows, columns}, 2, header), err)) {
        npy_free(w);
        return false;
    }
    *out = w;
    return true;
}

bool npy_add(struct npy_writer *writer, const float *values, size_t n_rows, struct error *err)
{
    size_t bytes;
    if (!size_mul(n_rows, writer->columns, &bytes) || !size_mul(bytes, sizeof *values, &bytes))
        return error_memory(err, "writing a NumPy file");
    return out_file_put(writer->out, values, bytes, err);
}

bool npy_commit(struct npy_writer *writer, struct error *err)
{
    return out_file_commit(writer->out, err);
}

void npy_free(struct npy_writer *writer)
{
    if (!writer)
        return;
    out_file_free(writer->out);
    free(writer);
}
