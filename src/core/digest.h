/* SHA-256 through libcrypto. */
#ifndef LANCET_DIGEST_H
#define LANCET_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct digest {
    uint8_t bytes[32];
};

struct digest_stream; /* opaque */

bool digest_stream_new(struct digest_stream **out, struct error *err);
bool digest_stream_add(struct digest_stream *stream, const void *bytes, size_t n, struct error *err);
bool digest_stream_finish(struct digest_stream *stream, struct digest *out, struct error *err);
void digest_stream_free(struct digest_stream *stream);

bool digest_of(const void *bytes, size_t n, struct digest *out, struct error *err);
bool digest_equal(const struct digest *a, const struct digest *b);
/* 64 hex digits and NUL. */
void digest_hex(const struct digest *d, char out[65]);
bool digest_parse(const char *hex, struct digest *out);

#endif
