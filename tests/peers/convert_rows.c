/* What rows.h makes of stored elements, and of numbers, for test_gguf.py.
 *
 *     convert_rows read DTYPE <elements >F32
 *     convert_rows write DTYPE <F32 >elements */
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "rows.h"
#include "str.h"

static bool convert(bool write, enum dtype dtype, const struct str *in)
{
    const struct dtype_facts *f = dtype_facts(dtype);
    size_t block = f->block_bits / 8, n = write ? in->length / 4 : in->length / block * f->block_elements;
    double *numbers = memory_array(n, sizeof *numbers);
    float *floats = memory_array(n, sizeof *floats);
    uint8_t *bytes = memory_array(dtype_extent(dtype, n), 1);
    bool ok = numbers && floats && bytes;
    if (ok && write) {
        memcpy(floats, in->data, n * sizeof *floats);
        for (size_t i = 0; i < n; i++)
            numbers[i] = floats[i];
        rows_from_f64(dtype, numbers, n, bytes);
        ok = fwrite(bytes, 1, dtype_extent(dtype, n), stdout) == dtype_extent(dtype, n);
    } else if (ok) {
        rows_to_real(dtype, in->data, n, floats);
        rows_to_f64(dtype, in->data, n, numbers);
        for (size_t i = 0; ok && i < n; i++)
            ok = (double)floats[i] == numbers[i] || (floats[i] != floats[i] && numbers[i] != numbers[i]) ||
                 f->block_elements == 1;
        ok = ok && fwrite(floats, sizeof *floats, n, stdout) == n;
    }
    free(numbers);
    free(floats);
    free(bytes);
    return ok;
}

int main(int argc, char **argv)
{
    enum dtype dtype;
    struct str in = {0};
    char piece[65536];
    size_t n;
    bool write = argc == 3 && strcmp(argv[1], "write") == 0;
    if (argc != 3 || (!write && strcmp(argv[1], "read") != 0) || !dtype_parse(argv[2], &dtype) ||
        !(write ? rows_quantisable(dtype) : rows_readable(dtype))) {
        fprintf(stderr, "usage: convert_rows read|write DTYPE\n");
        return 2;
    }
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
        str_append_bytes(&in, piece, n);
    bool ok = !in.failed && convert(write, dtype, &in);
    str_release(&in);
    return ok ? 0 : 1;
}
