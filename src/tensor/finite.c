#include "finite.h"

#include <math.h>

#include "memory.h"
#include "pool.h"
#include "rows.h"

enum { BLOCK = 1 << 16, PIECE = 1024 }; /* elements of a task; converted at once */

struct scan {
    const struct tensor *tensor;
    struct finite_count *counts; /* [n_tasks] */
};

static void scan_block(void *user, size_t task, unsigned worker)
{
    struct scan *scan = user;
    (void)worker;
    const struct tensor *t = scan->tensor;
    uint64_t begin = (uint64_t)task * BLOCK, end = begin + BLOCK < t->elements ? begin + BLOCK : t->elements;
    struct finite_count count = {.first = t->elements};
    for (uint64_t i = begin; i < end; i += PIECE) {
        double values[PIECE];
        size_t n = end - i < PIECE ? (size_t)(end - i) : PIECE;
        rows_slice_f64(t->dtype, t->data, i, n, values);
        for (size_t k = 0; k < n; k++) {
            if (isfinite(values[k]))
                continue;
            count.nans += isnan(values[k]) != 0;
            count.infinities += isnan(values[k]) == 0;
            if (count.first == t->elements)
                count.first = i + k;
        }
    }
    scan->counts[task] = count;
}

bool finite_count(const struct context *context, const struct tensor *tensor, struct finite_count *out,
                  struct error *err)
{
    const struct dtype_facts *facts = dtype_facts(tensor->dtype);
    struct finite_count sum = {.first = tensor->elements};
    struct scan scan = {.tensor = tensor};
    if (tensor->elements && facts->is_float && rows_readable(tensor->dtype)) {
        size_t n_tasks = (size_t)((tensor->elements + BLOCK - 1) / BLOCK);
        scan.counts = memory_zeroed(n_tasks, sizeof *scan.counts);
        if (!scan.counts)
            return error_memory(err, "looking for NaN");
        pool_run(context->pool, n_tasks, scan_block, &scan);
        for (size_t i = n_tasks; i-- > 0;) {
            sum.nans += scan.counts[i].nans;
            sum.infinities += scan.counts[i].infinities;
            if (scan.counts[i].first < tensor->elements)
                sum.first = scan.counts[i].first;
        }
        free(scan.counts);
    }
    *out = sum;
    return true;
}
