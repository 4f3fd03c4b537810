#include "chunk_queue.h"

#include <pthread.h>
#include <signal.h>

#include "memory.h"

struct chunk_queue {
    const struct merge_sink *sink;
    struct merge_tensor_done *tensors;
    uint8_t *buffers[QUEUE_BUFFERS];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_lock, has_thread;
    /* under the lock */
    struct queued_chunk ring[QUEUE_BUFFERS];
    size_t added, written; /* chunk i has slot and buffer i % QUEUE_BUFFERS */
    bool quit, failed;
    uint64_t done;
    struct error error;
    /* of the thread */
    struct digest_stream *digest;
};

static bool write_chunk(struct chunk_queue *q, const struct queued_chunk *chunk, struct error *err)
{
    bool ok = !q->sink->digests || ((q->digest || digest_stream_new(&q->digest, err)) &&
                                    digest_stream_add(q->digest, chunk->bytes, chunk->n, err));

    ok = ok && (!chunk->put ||
                q->sink->put(q->sink->user, chunk->tensor, chunk->offset, chunk->bytes, chunk->n, err));
    if (ok && q->digest && chunk->last) {
        ok = digest_stream_finish(q->digest, &q->tensors[chunk->tensor].digest, err);
        digest_stream_free(q->digest);
        q->digest = NULL;
    }
    return ok;
}

static void *write_all(void *user)
{
    struct chunk_queue *q = user;

    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (!q->quit && q->written == q->added)
            pthread_cond_wait(&q->changed, &q->lock);
        if (q->quit)
            break;
        struct queued_chunk chunk = q->ring[q->written % QUEUE_BUFFERS];
        struct error err = {0};
        pthread_mutex_unlock(&q->lock);
        bool ok = write_chunk(q, &chunk, &err);
        pthread_mutex_lock(&q->lock);
        q->written++;
        q->done += ok ? chunk.n : 0;
        if (!ok) {
            q->failed = q->quit = true;
            q->error = err;
        }
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* Signals that ask the program to stop are the main thread's; faults stay with the thread that made them. */
static bool start(struct chunk_queue *q, struct error *err)
{
    sigset_t blocked, old;
    int failure;

    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    failure = pthread_create(&q->thread, NULL, write_all, q);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    q->has_thread = !failure;
    return !failure || error_set(err, ERROR_IO, "cannot start a thread that writes");
}

static bool make_lock(struct chunk_queue *q)
{
    if (pthread_mutex_init(&q->lock, NULL))
        return false;
    if (pthread_cond_init(&q->changed, NULL)) {
        pthread_mutex_destroy(&q->lock);
        return false;
    }
    q->has_lock = true;
    return true;
}

bool chunk_queue_new(const struct merge_sink *sink, size_t buffer_bytes, struct merge_tensor_done *tensors,
                     struct chunk_queue **out, struct error *err)
{
    struct chunk_queue *q = memory_zeroed(1, sizeof *q);
    bool ok = q != NULL;

    if (q) {
        q->sink = sink;
        q->tensors = tensors;
    }
    for (size_t i = 0; ok && i < QUEUE_BUFFERS; i++)
        ok = (q->buffers[i] = memory_aligned(1, buffer_bytes)) != NULL;
    ok = (ok && make_lock(q)) || error_memory(err, "merging");
    if (ok && start(q, err)) {
        *out = q;
        return true;
    }
    chunk_queue_free(q);
    return false;
}

uint8_t *chunk_queue_buffer(struct chunk_queue *queue)
{
    uint8_t *buffer;

    pthread_mutex_lock(&queue->lock);
    while (!queue->failed && queue->added - queue->written == QUEUE_BUFFERS)
        pthread_cond_wait(&queue->changed, &queue->lock);
    buffer = queue->failed ? NULL : queue->buffers[queue->added % QUEUE_BUFFERS];
    pthread_mutex_unlock(&queue->lock);
    return buffer;
}

void chunk_queue_add(struct chunk_queue *queue, const struct queued_chunk *chunk)
{
    pthread_mutex_lock(&queue->lock);
    queue->ring[queue->added++ % QUEUE_BUFFERS] = *chunk;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool chunk_queue_finish(struct chunk_queue *queue, struct error *err)
{
    bool ok;

    pthread_mutex_lock(&queue->lock);
    while (!queue->failed && queue->written < queue->added)
        pthread_cond_wait(&queue->changed, &queue->lock);
    ok = !queue->failed;
    if (!ok)
        *err = queue->error;
    pthread_mutex_unlock(&queue->lock);
    return ok;
}

uint64_t chunk_queue_done(struct chunk_queue *queue)
{
    uint64_t done;

    pthread_mutex_lock(&queue->lock);
    done = queue->done;
    pthread_mutex_unlock(&queue->lock);
    return done;
}

void chunk_queue_free(struct chunk_queue *queue)
{
    if (!queue)
        return;
    if (queue->has_thread) {
        pthread_mutex_lock(&queue->lock);
        queue->quit = true;
        pthread_cond_signal(&queue->changed);
        pthread_mutex_unlock(&queue->lock);
        pthread_join(queue->thread, NULL);
    }
    if (queue->has_lock) {
        pthread_cond_destroy(&queue->changed);
        pthread_mutex_destroy(&queue->lock);
    }
    for (size_t i = 0; i < QUEUE_BUFFERS; i++)
        free(queue->buffers[i]);
    digest_stream_free(queue->digest);
    free(queue);
}
