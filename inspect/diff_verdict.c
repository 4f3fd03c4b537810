/* What a comparison comes to, in one line. */
#include "diff.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "terminal.h"

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- nothing differs ---- */

/* Whether every tensor lies in a file of the same name on both sides. */
static bool same_files(const struct diff *diff)
{
    for (size_t i = 0; i < diff->n; i++) {
        const struct diff_tensor *t = &diff->tensors[i];
        if (diff->a->n_files != diff->b->n_files ||
            (diff->a->n_files > 1 &&
             strcmp(diff->a->files[t->a->file].name, diff->b->files[t->b->file].name) != 0))
            return false;
    }
    return true;
}

static size_t count_other_dtypes(const struct diff *diff)
{
    size_t n = 0;
    for (size_t i = 0; i < diff->n; i++)
        n += diff->tensors[i].status == DIFF_SAME_VALUES &&
             diff->tensors[i].a->dtype != diff->tensors[i].b->dtype;
    return n;
}

static uint64_t total_bytes(const struct diff *diff)
{
    uint64_t n = 0;
    for (size_t i = 0; i < diff->n; i++)
        n += diff->tensors[i].a->bytes;
    return n;
}

static void say_identical(const struct diff *diff, struct str *out)
{
    size_t values = diff->counts[DIFF_SAME_VALUES], dtypes = count_other_dtypes(diff);
    if (values) {
        str_printf(out, "the same values: %zu of %zu tensor%s %s ", values, diff->n, plural(diff->n),
                   values == 1 ? "is" : "are");
        str_append(out, dtypes == values ? "stored in another dtype" : "spelt otherwise (-0, NaN, dtype)");
        return;
    }
    bool sharding = !same_files(diff);
    str_append(out, sharding ? "identical, but for sharding: " : "identical: ");
    str_printf(out, "%zu tensor%s, ", diff->n, plural(diff->n));
    text_bytes(out, total_bytes(diff));
    if (sharding)
        str_printf(out, ", in %zu file%s and in %zu", diff->a->n_files, plural(diff->a->n_files),
                   diff->b->n_files);
}

/* ---- something differs ---- */

struct spread { /* of the relative changes */
    double least, most;
    size_t n;
};

static struct spread spread_of(const struct diff *diff)
{
    struct spread s = {.least = INFINITY};
    for (size_t i = 0; i < diff->n; i++) {
        const struct diff_tensor *t = &diff->tensors[i];
        double change = t->figures.relative_norm;
        bool counts = t->status == DIFF_CHANGED && t->has_figures && isfinite(change);
        if (!counts || (t->figures.nonfinite && change == 0)) /* all that changed is left out of the norm */
            continue;
        s.least = change < s.least ? change : s.least;
        s.most = change > s.most ? change : s.most;
        s.n++;
    }
    return s;
}

static void say_spread(struct spread s, struct str *out)
{
    struct figure least = percent_figure(s.least), most = percent_figure(s.most);
    if (s.n && strcmp(least.text, most.text) == 0)
        str_printf(out, ", %s", most.text);
    else if (s.n)
        str_printf(out, ", %s to %s", least.text, most.text);
}

static void say_nonfinite(const struct diff *diff, struct str *out)
{
    struct tensor_comparison all = {0};
    for (size_t i = 0; i < diff->n; i++) {
        all.nonfinite += diff->tensors[i].figures.nonfinite;
        all.nan_a += diff->tensors[i].figures.nan_a;
        all.nan_b += diff->tensors[i].figures.nan_b;
    }
    if (all.nonfinite)
        str_printf(out, ", %s", diff_nonfinite_name(&all));
}

/* ---- ranks ---- */

struct ranks { /* of the changed tensors */
    size_t n, full, rounded;
    uint64_t least, most; /* of those that are not full */
};

static struct ranks ranks_of(const struct diff *diff)
{
    struct ranks r = {.least = UINT64_MAX};
    for (size_t i = 0; i < diff->n; i++) {
        const struct diff_tensor *t = &diff->tensors[i];
        if (!t->has_rank)
            continue;
        r.n++;
        if (t->rank.kind == CHANGE_RANK_FULL) {
            r.full++;
            continue;
        }
        r.rounded += t->rank.kind == CHANGE_RANK_ROUNDED;
        r.least = t->rank.rank < r.least ? t->rank.rank : r.least;
        r.most = t->rank.rank > r.most ? t->rank.rank : r.most;
    }
    return r;
}

static void say_low_rank(const struct ranks *r, struct str *out)
{
    if (r->least == r->most)
        str_printf(out, "rank %" PRIu64, r->most);
    else
        str_printf(out, "rank %" PRIu64 " to %" PRIu64, r->least, r->most);
    if (r->rounded)
        str_append(out, " + rounding");
}

/* A change of one matrix may be anything; one of many of full rank is what training leaves. */
static void say_ranks(const struct ranks *r, struct str *out)
{
    if (r->n == 0)
        return;
    str_append(out, ": ");
    if (r->full == 0) {
        say_low_rank(r, out);
    } else if (r->full == r->n) {
        str_append(out, r->n > 1 ? "full rank (a fine-tune)" : "full rank");
    } else if (r->n > 1 && r->full >= r->n - r->n / 10) {
        str_printf(out, "full rank in %zu of %zu matrices (a fine-tune)", r->full, r->n);
    } else {
        say_low_rank(r, out);
        str_printf(out, " in %zu matrices, full rank in %zu", r->n - r->full, r->full);
    }
}

static void say_changed(const struct diff *diff, struct str *out)
{
    size_t n = diff->counts[DIFF_CHANGED], both = n + diff->counts[DIFF_SAME_BYTES] +
                                                  diff->counts[DIFF_SAME_VALUES] + diff->counts[DIFF_ROUNDED];
    if (n == 1)
        str_printf(out, "one tensor of %zu differs", both);
    else if (n == both)
        str_append(out, "every tensor differs");
    else
        str_printf(out, "%zu of %zu tensors differ", n, both);
    struct ranks ranks = ranks_of(diff);
    say_ranks(&ranks, out);
    say_spread(spread_of(diff), out);
    say_nonfinite(diff, out);
}

static void say_more(struct str *out, size_t n, const char *one, const char *many)
{
    if (n)
        str_printf(out, "%s%zu tensor%s %s", out->length ? "; " : "", n, plural(n), n == 1 ? one : many);
}

void diff_verdict(const struct diff *diff, struct str *out)
{
    const size_t *counts = diff->counts;
    struct str s = {0};
    if (diff_identical(diff)) {
        say_identical(diff, out);
        return;
    }
    if (counts[DIFF_ONLY_A] + counts[DIFF_ONLY_B] == diff->n)
        str_append(&s, "nothing in common");
    if (counts[DIFF_CHANGED])
        say_changed(diff, &s);
    say_more(&s, counts[DIFF_ROUNDED], "differs by rounding only", "differ by rounding only");
    say_more(&s, count_other_dtypes(diff), "has the same values in another dtype",
             "have the same values in another dtype");
    say_more(&s, counts[DIFF_SHAPE], "has another shape", "have other shapes");
    say_more(&s, counts[DIFF_ONLY_A], "is only in A", "are only in A");
    say_more(&s, counts[DIFF_ONLY_B], "is only in B", "are only in B");
    out->failed |= s.failed;
    if (s.data)
        str_append(out, s.data);
    str_release(&s);
}
