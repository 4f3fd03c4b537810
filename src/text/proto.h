/* The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding): a message is a row
 * of fields, each a varint (number << 3 | wire type) and its value:
 *
 *     0   varint: 7 bits a byte, lowest first, bit 7 tells that more follow
 *     1   8 bytes, little-endian
 *     2   varint of a length, and as many bytes: a string, or a message
 *     5   4 bytes, little-endian */
#ifndef LANCET_PROTO_H
#define LANCET_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct proto { /* a message: set data and n, and 0 */
    const char *name;
    const unsigned char *data;
    size_t n, at;
};

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_field {
    uint64_t number;
    enum proto_wire wire;
    uint64_t value; /* of the numbers */
    const unsigned char *bytes;
    size_t n; /* of PROTO_BYTES */
};

/* The next field; *more false at the end of the message. ERROR_FORMAT says where the message breaks off. */
bool proto_next(struct proto *p, struct proto_field *out, bool *more, struct error *err);

float proto_float(const struct proto_field *field);

#endif
