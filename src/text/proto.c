#include "proto.h"

#include <string.h>

static bool broken(const struct proto *p, const char *what, struct error *err)
{
    return error_set(err, ERROR_FORMAT, "%s: at byte %zu: %s", p->name, p->at, what);
}

static bool read_varint(struct proto *p, uint64_t *out, struct error *err)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p->at == p->n)
            return broken(p, "a number is cut short", err);
        unsigned char byte = p->data[p->at++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return broken(p, "a number has more than 64 bits", err);
}

static bool read_fixed(struct proto *p, size_t size, uint64_t *out, struct error *err)
{
    uint64_t value = 0;
    if (size > p->n - p->at)
        return broken(p, "a number is cut short", err);
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)p->data[p->at + i] << 8 * i;
    p->at += size;
    *out = value;
    return true;
}

static bool read_bytes(struct proto *p, struct proto_field *out, struct error *err)
{
    uint64_t n;
    if (!read_varint(p, &n, err))
        return false;
    if (n > p->n - p->at)
        return broken(p, "a field reaches beyond its message", err);
    out->bytes = p->data + p->at;
    out->n = (size_t)n;
    p->at += out->n;
    return true;
}

bool proto_next(struct proto *p, struct proto_field *out, bool *more, struct error *err)
{
    uint64_t tag;
    *more = p->at < p->n;
    if (!*more)
        return true;
    if (!read_varint(p, &tag, err))
        return false;
    *out = (struct proto_field){.number = tag >> 3, .wire = (enum proto_wire)(tag & 7)};
    switch (out->wire) {
    case PROTO_VARINT:
        return read_varint(p, &out->value, err);
    case PROTO_FIXED64:
        return read_fixed(p, 8, &out->value, err);
    case PROTO_BYTES:
        return read_bytes(p, out, err);
    case PROTO_FIXED32:
        return read_fixed(p, 4, &out->value, err);
    }
    return broken(p, "a field has an unknown wire type", err);
}

float proto_float(const struct proto_field *field)
{
    uint32_t bits = (uint32_t)field->value;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
