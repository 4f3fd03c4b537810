#include "execute.h"

#include <time.h>

#include "chunk.h"
#include "memory.h"
#include "merge_run.h"

bool merge_estimate(const struct context *context, const struct merge_plan *plan,
                    const struct merge_limits *limits, const struct checkpoint *into,
                    struct merge_estimate *out, struct error *err)
{
    struct merge_estimate e = {0};
    struct merge_size size;

    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct merge_tensor *t = &plan->tensors[i];
        uint64_t passes = plan->method->n_sums && !t->copied ? 2 : 1;
        for (size_t j = 0; j < t->n_sources; j++)
            e.read += passes * t->sources[j].tensor->bytes;
        e.written += chunk_units(t) * chunk_unit(t);
    }
    e.disk = e.written;
    if (into ? !merge_into_estimate(context, plan, limits, into, &e, err)
             : !merge_prepare(context, plan, limits, NULL, false, &size, err))
        return false;
    if (!into)
        e.memory = size.memory;
    *out = e;
    return true;
}

/* ---- time ---- */

enum { SAMPLE = 32 * CHUNK_TASK };

static const struct merge_tensor *largest(const struct merge_plan *plan)
{
    const struct merge_tensor *out = NULL;

    for (size_t i = 0; i < plan->n_tensors; i++)
        if (!plan->tensors[i].copied && (!out || plan->tensors[i].elements > out->elements))
            out = &plan->tensors[i];
    return out;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for an element and source of the first elements of a tensor, the second time, when they are in
 * memory. */
static bool sample(const struct context *context, const struct merge_plan *plan, const struct merge_tensor *t,
                   double *out, struct error *err)
{
    size_t n = t->elements < SAMPLE ? (size_t)t->elements : SAMPLE;
    struct chunk_worker *worker = NULL;
    uint8_t *bytes = memory_aligned(n, chunk_unit(t));
    const uint8_t **inputs = memory_array(t->n_sources, sizeof *inputs);
    double *pairs = memory_zeroed(2 * t->n_sources, sizeof *pairs), seconds = 0;
    bool ok = bytes && inputs && pairs ? true : error_memory(err, "estimating a merge");

    ok = ok && chunk_worker_new(context, plan, SAMPLE, &worker, err);
    for (size_t i = 0; ok && i < t->n_sources; i++)
        inputs[i] = t->sources[i].tensor->data;
    for (int run = 0; ok && run < 2; run++) {
        struct chunk chunk = {.tensor = t, .n = n, .inputs = inputs, .out = bytes};
        struct tensor_sums sums = {.source_squares = pairs, .distance = pairs + t->n_sources};
        struct error ignored; /* what is not finite is told by the merge */
        double start = now();
        if (plan->method->n_sums)
            chunk_add_sums(worker, &chunk, &sums, &ignored);
        chunk_merge(worker, &chunk, &sums, &ignored);
        seconds = now() - start;
    }
    if (ok)
        *out = seconds / ((double)n * (double)t->n_sources);
    chunk_worker_free(worker);
    free(bytes);
    free(inputs);
    free(pairs);
    return ok;
}

bool merge_estimate_time(const struct context *context, const struct merge_plan *plan, double *seconds,
                         struct error *err)
{
    const struct merge_tensor *t = largest(plan);
    double each = 0, total = 0;

    if (t && t->elements && !sample(context, plan, t, &each, err))
        return false;
    for (size_t i = 0; i < plan->n_tensors; i++)
        total += (double)plan->tensors[i].elements * (double)plan->tensors[i].n_sources;
    *seconds = each * total;
    return true;
}
