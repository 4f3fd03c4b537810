/* Byte ranges of files, read in pieces. */
#ifndef LANCET_RANGE_H
#define LANCET_RANGE_H

#include <stdint.h>

#include "context.h"
#include "digest.h"

enum { RANGE_PIECE = 1 << 20 };

/* SHA-256 of bytes [offset, offset + n). With `stoppable` the context's cancel flag is heeded. */
bool range_digest(const struct context *context, bool stoppable, int fd, const char *path, uint64_t offset,
                  uint64_t n, struct digest *out, struct error *err);
/* The same, added to a stream. */
bool range_digest_add(const struct context *context, bool stoppable, int fd, const char *path,
                      uint64_t offset, uint64_t n, struct digest_stream *stream, struct error *err);

#endif
