#include "range.h"

#include "memory.h"

bool range_digest_add(const struct context *context, bool stoppable, int fd, const char *path,
                      uint64_t offset, uint64_t n, struct digest_stream *stream, struct error *err)
{
    if (n == 0)
        return true;
    size_t piece = n < RANGE_PIECE ? (size_t)n : RANGE_PIECE;
    uint8_t *buffer = memory_array(piece, 1);
    if (!buffer)
        return error_memory(err, "computing a digest");
    bool ok = true;
    for (uint64_t done = 0; ok && done < n; done += piece) {
        if (piece > n - done)
            piece = (size_t)(n - done);
        ok = (!stoppable || context_continue(context, err)) &&
             fs_read_at(context->fs, fd, path, buffer, piece, offset + done, err) &&
             digest_stream_add(stream, buffer, piece, err);
    }
    free(buffer);
    return ok;
}

bool range_digest(const struct context *context, bool stoppable, int fd, const char *path, uint64_t offset,
                  uint64_t n, struct digest *out, struct error *err)
{
    struct digest_stream *stream = NULL;
    bool ok = digest_stream_new(&stream, err) &&
              range_digest_add(context, stoppable, fd, path, offset, n, stream, err) &&
              digest_stream_finish(stream, out, err);
    digest_stream_free(stream);
    return ok;
}
