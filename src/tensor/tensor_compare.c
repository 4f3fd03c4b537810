#include "tensor_compare.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "memory.h"
#include "rows.h"
#include "size.h"

/* Elements of a task, of a piece that is converted at once, and tasks between two looks at the cancel flag.
 * The partition depends on the tensor only; partial sums are added in the order of the tasks. */
enum { BLOCK = 1 << 16, PIECE = 1024, BATCH = 64 };

struct sums { /* of a block */
    double a2, b2, ab, d2;
    double max_abs;
    uint64_t max_at;
    uint64_t changed, flips, both_nan, nonfinite, nan_a, nan_b;
    uint64_t unrounded; /* elements that are not the other's rounding */
};

struct comparison {
    const struct tensor *a, *b;
    enum dtype narrow; /* the dtype that the other side may have been rounded to; DTYPE_COUNT: none */
    bool b_is_narrow;
    size_t first; /* task of this batch */
    struct sums *sums;
    atomic_bool differ;
};

static uint64_t n_blocks(uint64_t n, uint64_t block)
{
    return n / block + (n % block != 0);
}

/* ---- bytes ---- */

static void bytes_task(void *user, size_t task, unsigned worker)
{
    struct comparison *c = user;
    uint64_t begin = (uint64_t)(c->first + task) * BLOCK, rest = c->a->bytes - begin;
    (void)worker;
    if (memcmp((const uint8_t *)c->a->data + begin, (const uint8_t *)c->b->data + begin,
               rest < BLOCK ? (size_t)rest : BLOCK) != 0)
        atomic_store_explicit(&c->differ, true, memory_order_relaxed);
}

/* Runs all tasks, in batches. */
static bool run_tasks(const struct context *context, struct comparison *c, uint64_t n_tasks,
                      void (*task)(void *user, size_t task, unsigned worker), struct error *err)
{
    for (uint64_t first = 0; first < n_tasks; first += BATCH) {
        if (!context_continue(context, err))
            return false;
        if (atomic_load_explicit(&c->differ, memory_order_relaxed))
            return true;
        c->first = (size_t)first;
        pool_run(context->pool, n_tasks - first < BATCH ? (size_t)(n_tasks - first) : BATCH, task, c);
    }
    return true;
}

bool tensor_same_bytes(const struct context *context, const struct tensor *a, const struct tensor *b,
                       bool *same, struct error *err)
{
    struct comparison c = {.a = a, .b = b};
    bool ok = true;
    if (a->bytes != b->bytes)
        atomic_store(&c.differ, true);
    else
        ok = run_tasks(context, &c, n_blocks(a->bytes, BLOCK), bytes_task, err);
    if (ok)
        *same = !atomic_load(&c.differ);
    return ok;
}

/* ---- values ---- */

/* The norms take finite pairs only: one NaN would hide everything else. */
static void add_element(struct sums *s, double a, double b, uint64_t at)
{
    if (a == b) {
        if (isfinite(a)) {
            s->a2 += a * a;
            s->b2 += a * a;
            s->ab += a * a;
        }
        return;
    }
    if (isnan(a) && isnan(b)) {
        s->both_nan++;
        return;
    }
    s->changed++;
    if (!isfinite(a) || !isfinite(b)) {
        s->nonfinite++;
        s->nan_a += isnan(a);
        s->nan_b += isnan(b);
        return;
    }
    double d = b - a, size = fabs(d);
    s->a2 += a * a;
    s->b2 += b * b;
    s->ab += a * b;
    s->d2 += d * d;
    s->flips += (a < 0 && b > 0) || (a > 0 && b < 0);
    if (size > s->max_abs) {
        s->max_abs = size;
        s->max_at = at;
    }
}

/* How many of n values are not what `wide` rounds to. */
static uint64_t count_unrounded(enum dtype narrow, const double *wide, const double *other, size_t n)
{
    uint8_t bytes[PIECE * 4];
    double rounded[PIECE];
    uint64_t count = 0;
    rows_from_f64(narrow, wide, n, bytes);
    rows_to_f64(narrow, bytes, n, rounded);
    for (size_t i = 0; i < n; i++)
        count += rounded[i] != other[i] && !(isnan(rounded[i]) && isnan(other[i]));
    return count;
}

static void values_task(void *user, size_t task, unsigned worker)
{
    struct comparison *c = user;
    uint64_t elements = c->a->elements, begin = (uint64_t)(c->first + task) * BLOCK;
    uint64_t end = elements - begin < BLOCK ? elements : begin + BLOCK;
    struct sums s = {0};
    (void)worker;
    for (uint64_t i = begin; i < end; i += PIECE) {
        double a[PIECE], b[PIECE];
        size_t n = end - i < PIECE ? (size_t)(end - i) : PIECE;
        rows_slice_f64(c->a->dtype, c->a->data, i, n, a);
        rows_slice_f64(c->b->dtype, c->b->data, i, n, b);
        for (size_t k = 0; k < n; k++)
            add_element(&s, a[k], b[k], i + k);
        if (c->narrow != DTYPE_COUNT)
            s.unrounded += count_unrounded(c->narrow, c->b_is_narrow ? a : b, c->b_is_narrow ? b : a, n);
    }
    c->sums[c->first + task] = s;
}

static struct sums add_up(const struct sums *sums, uint64_t n)
{
    struct sums total = {0};
    for (uint64_t i = 0; i < n; i++) {
        const struct sums *s = &sums[i];
        total.a2 += s->a2;
        total.b2 += s->b2;
        total.ab += s->ab;
        total.d2 += s->d2;
        total.changed += s->changed;
        total.flips += s->flips;
        total.both_nan += s->both_nan;
        total.nonfinite += s->nonfinite;
        total.nan_a += s->nan_a;
        total.nan_b += s->nan_b;
        total.unrounded += s->unrounded;
        if (s->max_abs > total.max_abs) {
            total.max_abs = s->max_abs;
            total.max_at = s->max_at;
        }
    }
    return total;
}

static void choose_narrow(struct comparison *c)
{
    enum dtype a = c->a->dtype, b = c->b->dtype;
    c->b_is_narrow = c->b->bytes <= c->a->bytes;
    enum dtype narrow = c->b_is_narrow ? b : a;
    c->narrow = a != b && rows_writable(narrow) ? narrow : DTYPE_COUNT;
}

bool tensor_compare(const struct context *context, const struct tensor *a, const struct tensor *b,
                    struct tensor_comparison *out, bool *rounded, struct error *err)
{
    struct comparison c = {.a = a, .b = b};
    uint64_t n_tasks = n_blocks(a->elements, BLOCK);
    choose_narrow(&c);
    c.sums = n_tasks <= SIZE_MAX ? memory_zeroed((size_t)n_tasks, sizeof *c.sums) : NULL;
    if (!c.sums)
        return error_memory(err, "comparing tensors");
    bool ok = run_tasks(context, &c, n_tasks, values_task, err);
    if (ok) {
        struct sums s = add_up(c.sums, n_tasks);
        *out = (struct tensor_comparison){
            .norm_a = sqrt(s.a2),
            .norm_b = sqrt(s.b2),
            .norm_change = sqrt(s.d2),
            .relative_norm = s.a2 > 0   ? sqrt(s.d2 / s.a2)
                             : s.d2 > 0 ? INFINITY
                                        : 0,
            .cosine = s.a2 > 0 && s.b2 > 0 ? s.ab / (sqrt(s.a2) * sqrt(s.b2)) : NAN,
            .max_abs = s.max_abs,
            .max_at = s.max_at,
            .changed = s.changed,
            .flips = s.flips,
            .both_nan = s.both_nan,
            .nonfinite = s.nonfinite,
            .nan_a = s.nan_a,
            .nan_b = s.nan_b,
        };
        *rounded = c.narrow != DTYPE_COUNT && s.unrounded == 0;
    }
    free(c.sums);
    return ok;
}
