/* The second half of a chunk: its record is synced, the chunk listed, its bytes overwritten and read back.
 * With more than one thread at hand this is done behind the back of the writer, who meanwhile reads and
 * digests the next chunk. What comes after what stays the same: nothing more goes into the record before the
 * chunk is done. */
#include "transaction_parts.h"

#include <signal.h>
#include <string.h>

#include "memory.h"
#include "quote.h"

enum { READ_BACK = 256 << 10 };

bool transaction_overwrite(const struct transaction *t, size_t tensor, uint64_t at, const uint8_t *bytes,
                           size_t n, struct error *err)
{
    const struct record_tensor *r = &t->record.tensors[tensor];
    const struct guarded *file = &t->files[r->file];
    size_t piece = n < READ_BACK ? n : READ_BACK;
    uint8_t *back = memory_array(piece, 1);
    bool ok = (back || error_memory(err, "reading back")) &&
              fs_write_at(t->fs, file->fd, file->path, bytes, n, at, err);
    for (size_t done = 0; ok && done < n; done += piece) {
        if (piece > n - done)
            piece = n - done;
        ok = fs_read_at(t->fs, file->fd, file->path, back, piece, at + done, err) &&
             (memcmp(back, bytes + done, piece) == 0 ||
              error_set(err, ERROR_IO, "%s: tensor %s does not read back as it was written", file->path,
                        quote(r->name).text));
    }
    free(back);
    return ok;
}

bool transaction_make_known(struct transaction *t, const struct record_chunk *chunk, bool *unsynced,
                            struct error *err)
{
    if (t->fs->sync(t->fs->state, t->fd) < 0) {
        *unsynced = true;
        return error_set_errno(err, "%s: cannot sync", t->open_path);
    }
    pthread_mutex_lock(&t->index);
    bool ok = record_chunk_add(&t->record, chunk, err);
    pthread_mutex_unlock(&t->index);
    return ok;
}

static bool finish(struct transaction *t, const uint8_t *bytes, bool *unsynced, struct error *err)
{
    const struct behind *b = &t->behind;
    return transaction_make_known(t, &b->chunk, unsynced, err) &&
           transaction_overwrite(t, b->tensor, b->chunk.own_offset, bytes, (size_t)b->chunk.own_bytes, err);
}

static void *run_behind(void *user)
{
    struct transaction *t = user;
    struct behind *b = &t->behind;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        while (!b->busy && !b->quit)
            pthread_cond_wait(&b->changed, &b->lock);
        if (!b->busy)
            break;
        pthread_mutex_unlock(&b->lock);
        bool unsynced = false;
        struct error err = {0};
        bool ok = finish(t, b->bytes.bytes, &unsynced, &err);
        pthread_mutex_lock(&b->lock);
        b->busy = false;
        if (!ok) {
            b->failed = true;
            b->unsynced = unsynced;
            b->err = err;
        }
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Signals that ask the program to stop are the main thread's; faults stay with the thread that made them. */
static bool start(struct transaction *t)
{
    sigset_t blocked, old;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    t->behind.started = pthread_create(&t->behind.thread, NULL, run_behind, t) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return t->behind.started;
}

bool transaction_hand_over(struct transaction *t, size_t tensor, const struct record_chunk *chunk,
                           const uint8_t *bytes, struct error *err)
{
    struct behind *b = &t->behind;
    b->tensor = tensor;
    b->chunk = *chunk;
    bool threads = t->context->pool && pool_threads(t->context->pool) > 1;
    if (!threads || (!b->started && !start(t)))
        return finish(t, bytes, &t->unsynced, err);
    if (!buffer_grow(&b->bytes, (size_t)chunk->own_bytes, "writing", err))
        return false;
    memcpy(b->bytes.bytes, bytes, (size_t)chunk->own_bytes);
    pthread_mutex_lock(&b->lock);
    b->busy = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    return true;
}

bool transaction_catch_up(struct transaction *t, struct error *err)
{
    struct behind *b = &t->behind;
    pthread_mutex_lock(&b->lock);
    while (b->busy)
        pthread_cond_wait(&b->changed, &b->lock);
    bool failed = b->failed, unsynced = b->unsynced;
    if (failed)
        *err = b->err;
    pthread_mutex_unlock(&b->lock);
    if (unsynced)
        t->unsynced = true;
    return !failed;
}

bool transaction_handed_over(struct transaction *t, struct record_chunk *out)
{
    pthread_mutex_lock(&t->behind.lock);
    bool busy = t->behind.busy;
    if (busy)
        *out = t->behind.chunk;
    pthread_mutex_unlock(&t->behind.lock);
    return busy;
}

void transaction_stop_behind(struct transaction *t)
{
    struct behind *b = &t->behind;
    pthread_mutex_lock(&b->lock);
    b->quit = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    if (b->started)
        pthread_join(b->thread, NULL);
    b->started = false;
    t->unsynced = t->unsynced || b->unsynced;
}
