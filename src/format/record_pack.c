/* Packed streams: zlib, and byte planes for the XOR of old and new (small edits leave the high bytes zero).
 */
#include "record.h"

#include <string.h>
#include <zlib.h>

size_t record_pack_bound(size_t n)
{
    return compressBound((uLong)n);
}

bool record_pack(const char *path, const uint8_t *bytes, size_t n, int level, uint8_t *out, size_t capacity,
                 size_t *packed, struct error *err)
{
    uLongf length = (uLongf)capacity;
    int code = compress2(out, &length, bytes, (uLong)n, level);
    if (code == Z_MEM_ERROR)
        return error_memory(err, "packing old bytes");
    if (code != Z_OK)
        return error_set(err, ERROR_IO, "%s: zlib cannot pack %zu bytes (%d)", path, n, code);
    *packed = (size_t)length;
    return true;
}

bool record_unpack(const char *path, const uint8_t *packed, size_t packed_bytes, uint8_t *out, size_t n,
                   struct error *err)
{
    uLongf length = (uLongf)n;
    uLong used = (uLong)packed_bytes;
    int code = uncompress2(out, &length, packed, &used);
    if (code == Z_MEM_ERROR)
        return error_memory(err, "unpacking old bytes");
    if (code != Z_OK || length != n || used != packed_bytes)
        return error_set(err, ERROR_FORMAT, "%s: a packed stream does not unpack to its %zu bytes", path, n);
    return true;
}

size_t record_plane_width(enum dtype dtype)
{
    const struct dtype_facts *facts = dtype_facts(dtype);
    return facts->block_elements == 1 && facts->block_bits % 8 == 0 ? facts->block_bits / 8 : 1;
}

void record_planes_split(const uint8_t *in, size_t n, size_t width, uint8_t *out)
{
    size_t elements = n / width;
    for (size_t e = 0; e < elements; e++)
        for (size_t b = 0; b < width; b++)
            out[b * elements + e] = in[e * width + b];
    memcpy(out + elements * width, in + elements * width, n - elements * width);
}

void record_planes_join(const uint8_t *in, size_t n, size_t width, uint8_t *out)
{
    size_t elements = n / width;
    for (size_t e = 0; e < elements; e++)
        for (size_t b = 0; b < width; b++)
            out[e * width + b] = in[b * elements + e];
    memcpy(out + elements * width, in + elements * width, n - elements * width);
}
