/* Means and squared deviations of pieces are put together by
 *
 *     d = mean_b - mean_a,  mean = mean_a + d n_b / n,  M2 = M2_a + M2_b + d^2 n_a n_b / n
 *
 * (Chan, Golub, LeVeque: "Algorithms for computing the sample variance", Am. Stat. 37, 1983), so that a mean
 * far from zero costs no digits. */
#include "statistics.h"

#include <math.h>

#include "memory.h"
#include "rows.h"

/* Elements of a task and of a piece that is converted at once; tasks between two looks at the cancel flag. */
enum { BLOCK = 1 << 16, PIECE = 1024, BATCH = 64 };

struct part {
    double min, max, mean, deviation, square; /* deviation: M2; square: sum of squares */
    uint64_t finite, zeros, nans, infinities;
};

struct statistics_scan {
    const struct tensor *tensor;
    uint64_t first;
    struct part *parts;
};

static void join(struct part *a, const struct part *b)
{
    double n_a = (double)a->finite, n_b = (double)b->finite, d = b->mean - a->mean;

    a->zeros += b->zeros;
    a->nans += b->nans;
    a->infinities += b->infinities;
    if (b->finite == 0)
        return;
    a->min = a->finite == 0 || b->min < a->min ? b->min : a->min;
    a->max = a->finite == 0 || b->max > a->max ? b->max : a->max;
    a->mean += d * (n_b / (n_a + n_b));
    a->deviation += b->deviation + d * d * (n_a * n_b / (n_a + n_b));
    a->square += b->square;
    a->finite += b->finite;
}

/* The finite ones of n values, moved together at the front. */
static struct part measure(double *values, size_t n)
{
    struct part p = {0};
    size_t m = 0;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double x = values[i];
        p.zeros += x == 0;
        p.nans += isnan(x) != 0;
        p.infinities += isinf(x) != 0;
        values[m] = x;
        m += isfinite(x) != 0;
    }
    if (m == 0)
        return p;
    p.min = p.max = values[0];
    for (size_t i = 0; i < m; i++) {
        p.min = values[i] < p.min ? values[i] : p.min;
        p.max = values[i] > p.max ? values[i] : p.max;
        sum += values[i];
        p.square += values[i] * values[i];
    }
    p.finite = m;
    p.mean = sum / (double)m;
    for (size_t i = 0; i < m; i++)
        p.deviation += (values[i] - p.mean) * (values[i] - p.mean);
    return p;
}

static void statistics_task(void *user, size_t task, unsigned worker)
{
    struct statistics_scan *scan = user;
    const struct tensor *t = scan->tensor;
    uint64_t begin = (scan->first + task) * BLOCK;
    uint64_t end = t->elements - begin < BLOCK ? t->elements : begin + BLOCK;
    struct part sum = {0};

    (void)worker;
    for (uint64_t i = begin; i < end; i += PIECE) {
        double values[PIECE];
        size_t n = end - i < PIECE ? (size_t)(end - i) : PIECE;
        rows_slice_f64(t->dtype, t->data, i, n, values);
        struct part piece = measure(values, n);
        join(&sum, &piece);
    }
    scan->parts[scan->first + task] = sum;
}

bool tensor_statistics_apply(const struct tensor *tensor)
{
    return rows_readable(tensor->dtype);
}

bool tensor_statistics(const struct context *context, const struct tensor *tensor,
                       struct tensor_statistics *out, struct error *err)
{
    struct statistics_scan scan = {.tensor = tensor};
    uint64_t n_tasks = tensor->elements / BLOCK + (tensor->elements % BLOCK != 0);
    struct part sum = {0};
    bool ok = true;

    scan.parts = memory_zeroed((size_t)n_tasks, sizeof *scan.parts);
    if (!scan.parts)
        return error_memory(err, "computing statistics");
    for (; ok && scan.first < n_tasks; scan.first += BATCH) {
        ok = context_continue(context, err);
        if (ok)
            pool_run(context->pool, n_tasks - scan.first < BATCH ? (size_t)(n_tasks - scan.first) : BATCH,
                     statistics_task, &scan);
    }
    for (uint64_t i = 0; ok && i < n_tasks; i++)
        join(&sum, &scan.parts[i]);
    free(scan.parts);
    if (!ok)
        return false;
    bool any = sum.finite != 0;
    *out = (struct tensor_statistics){.min = any ? sum.min : NAN,
                                      .max = any ? sum.max : NAN,
                                      .mean = any ? sum.mean : NAN,
                                      .std = any ? sqrt(sum.deviation / (double)sum.finite) : NAN,
                                      .norm = sqrt(sum.square),
                                      .finite = sum.finite,
                                      .zeros = sum.zeros,
                                      .nans = sum.nans,
                                      .infinities = sum.infinities};
    return true;
}
