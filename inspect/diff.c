#include "diff.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "rows.h"

const char *diff_status_name(enum diff_status status)
{
    static const char *const names[DIFF_STATUSES] = {
        [DIFF_SAME_BYTES] = "same bytes", [DIFF_SAME_VALUES] = "same values", [DIFF_ROUNDED] = "rounded",
        [DIFF_CHANGED] = "changed",       [DIFF_SHAPE] = "shape differs",     [DIFF_ONLY_A] = "only in A",
        [DIFF_ONLY_B] = "only in B"};
    return names[status];
}

const char *diff_nonfinite_name(const struct tensor_comparison *figures)
{
    static const char *const names[2][2] = {{"infinities", "NaN in B"}, {"NaN in A", "NaN in A and in B"}};
    return figures->nonfinite ? names[figures->nan_a > 0][figures->nan_b > 0] : NULL;
}

bool diff_identical(const struct diff *diff)
{
    return diff->counts[DIFF_SAME_BYTES] + diff->counts[DIFF_SAME_VALUES] == diff->n;
}

/* ---- pairing ---- */

static bool is_wanted(const struct diff_options *options, const char *name)
{
    return !options->wanted || options->wanted(options->user, name);
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static enum diff_status status_of_pair(const struct tensor *a, const struct tensor *b)
{
    if (!a || !b)
        return a ? DIFF_ONLY_A : DIFF_ONLY_B;
    return same_shape(a, b) ? DIFF_CHANGED : DIFF_SHAPE; /* until the bytes are looked at */
}

/* Both lists are sorted by name. */
static bool pair_tensors(const struct checkpoint *a, const struct checkpoint *b,
                         const struct diff_options *options, struct diff *diff, struct error *err)
{
    diff->tensors = memory_zeroed(a->n_tensors + b->n_tensors, sizeof *diff->tensors);
    if (!diff->tensors)
        return error_memory(err, "comparing models");
    for (size_t i = 0, j = 0; i < a->n_tensors || j < b->n_tensors;) {
        int order = i == a->n_tensors   ? 1
                    : j == b->n_tensors ? -1
                                        : strcmp(a->tensors[i].name, b->tensors[j].name);
        struct diff_tensor pair = {.a = order <= 0 ? &a->tensors[i] : NULL,
                                   .b = order >= 0 ? &b->tensors[j] : NULL};
        i += order <= 0;
        j += order >= 0;
        pair.name = pair.a ? pair.a->name : pair.b->name;
        pair.status = status_of_pair(pair.a, pair.b);
        if (is_wanted(options, pair.name))
            diff->tensors[diff->n++] = pair;
    }
    return true;
}

/* ---- comparing ---- */

static bool compare(const struct context *context, bool rank, struct diff_tensor *pair, struct error *err)
{
    const struct tensor *a = pair->a, *b = pair->b;
    bool same = false, rounded = false;
    if (a->dtype == b->dtype && !tensor_same_bytes(context, a, b, &same, err))
        return false;
    if (same) {
        pair->status = DIFF_SAME_BYTES;
        return true;
    }
    if (!rows_readable(a->dtype) || !rows_readable(b->dtype))
        return true;
    if (!tensor_compare(context, a, b, &pair->figures, &rounded, err))
        return false;
    pair->status = pair->figures.changed == 0 ? DIFF_SAME_VALUES : rounded ? DIFF_ROUNDED : DIFF_CHANGED;
    pair->has_figures = pair->figures.changed != 0;
    pair->has_rank =
        rank && pair->status == DIFF_CHANGED && pair->figures.norm_change > 0 && change_rank_applies(a, b);
    return !pair->has_rank || change_rank(context, a, b, &pair->rank, err);
}

bool diff_run(const struct context *context, const struct checkpoint *a, const struct checkpoint *b,
              const struct diff_options *options, struct diff *out, struct error *err)
{
    struct diff diff = {.a = a, .b = b};
    uint64_t total = 0, done = 0;
    bool ok = pair_tensors(a, b, options, &diff, err);
    for (size_t i = 0; ok && i < diff.n; i++)
        total += diff.tensors[i].status == DIFF_CHANGED ? diff.tensors[i].b->bytes : 0;
    for (size_t i = 0; ok && i < diff.n; i++) {
        struct diff_tensor *pair = &diff.tensors[i];
        if (pair->status == DIFF_CHANGED) {
            ok = context_continue(context, err) && compare(context, options->rank, pair, err);
            done += pair->b->bytes;
            context_progress(context, "comparing", done, total);
        }
        diff.counts[pair->status]++;
    }
    if (ok)
        *out = diff;
    else
        diff_release(&diff);
    return ok;
}

void diff_release(struct diff *diff)
{
    free(diff->tensors);
    *diff = (struct diff){0};
}
