#include "next.h"

#include "ops.h"

/* Whether a comes before b. */
static int precedes(const struct next_token *a, const struct next_token *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

/* The heap's root is the token that would go first: the last of those kept. */
static void sift_down(struct next_token *heap, size_t n, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && precedes(&heap[child], &heap[child + 1]))
            child++;
        if (!precedes(&heap[i], &heap[child]))
            return;
        struct next_token t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

size_t next_tokens(const real *logits, size_t n, size_t k, struct next_token *out)
{
    size_t kept = k < n ? k : n;
    if (!kept)
        return 0;
    for (size_t i = 0; i < kept; i++)
        out[i] = (struct next_token){.id = (uint32_t)i, .logit = (double)logits[i]};
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(out, kept, i);
    for (size_t i = kept; i < n; i++)
        if ((double)logits[i] > out[0].logit) {
            out[0] = (struct next_token){.id = (uint32_t)i, .logit = (double)logits[i]};
            sift_down(out, kept, 0);
        }
    for (size_t end = kept; end-- > 1;) { /* the last of those left goes to the end */
        struct next_token t = out[0];
        out[0] = out[end];
        out[end] = t;
        sift_down(out, end, 0);
    }
    double sum = ops_log_sum_exp(logits, n);
    for (size_t i = 0; i < kept; i++)
        out[i].probability = exp(out[i].logit - sum);
    return kept;
}
