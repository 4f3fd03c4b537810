/* How it is decided. D = B - A = L + N, where L has the rank that is looked for and N is what rounding to the
 * dtype of storage left in each element, with a variance of at most step^2 / 12 (a uniform error; elements
 * that change by much less than a step have less of it). Two figures say how large a singular value pure
 * noise could have:
 *
 *   the edge of the model:    max_i sqrt(sum_j v_ij) + max_j sqrt(sum_i v_ij),  v_ij = step_ij^2 / 12
 *   the edge of the residual: the same with the squares of D less the components found so far in place of v
 *
 * Both are the bound of Bandeira and van Handel on the norm of a matrix of independent entries ("Sharp
 * nonasymptotic bounds on the norm of random matrices with independent entries", Ann. Probab. 44, 2016),
 * which for equal variances is the edge of Marchenko and Pastur. The first knows nothing of D and is too
 * large where most elements stayed what they were; the second scales with what there is, and its quotient
 * with the next singular value is 0.7 to 1 for noise and 1 / (largest entries of the two vectors) for a
 * component.
 *
 * Measured on 576 x 1536 weights (BF16, F16, F32; changes of 0.03 to 5 % of the norm; plain rounding and the
 * one of rows_round_along): components stand at 1.9 or more of the edge of the residual. Rounding is no
 * independent noise, as it loses small changes and keeps large ones: what it adds beside L lies below 1.7 of
 * the edge of the residual and below 1.3 of the edge of the model, and its norm below that of the model.
 *
 * The components are the rank if what they leave is no more than rounding leaves. Where the change is so
 * small that rounding swallows most of it, the tail of a full rank disappears, too, so they must end in a gap
 * or hold nearly all of it. Else the rank is full. */
#include "change_rank.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "rows.h"
#include "step.h"
#include "svd.h"

static const double ABOVE_MODEL = 1.5;    /* a component: times the edge of the model, or ... */
static const double ABOVE_RESIDUAL = 1.9; /* ... of the residual */
static const double ROUNDED = 1.1;        /* times the norm of the model: no more than rounding */
static const double GAP = 1.3;            /* of the last component to the next singular value */
static const double SOME = .3;            /* of the squared norm, with a gap ... */
static const double NEARLY_ALL = .75;     /* ... and without */
static const double NOTHING = 1e-7;       /* of the first singular value: noise of the arithmetic */
static const double NO_NOISE = .05;       /* of what one rounding leaves: none was done */

/* Components looked for at most, at first (most low ranks are small), and on top, for svd_largest. */
enum { MOST = 128, FIRST = 16, MARGIN = 16, SEED = 1 };
enum { STRIP = 64, STRIPS = 8, PIECE = 512 };

struct rank_pair {
    const struct tensor *a, *b;
    uint64_t rows, columns;
};

/* n <= PIECE elements of D, and, unless noise is NULL, the variance of their rounding. */
static void read_piece(const struct rank_pair *p, uint64_t row, uint64_t column, size_t n, double *change,
                       double *noise)
{
    double a[PIECE], b[PIECE];
    uint64_t at = row * p->columns + column;

    rows_slice_f64(p->a->dtype, p->a->data, at, n, a);
    rows_slice_f64(p->b->dtype, p->b->data, at, n, b);
    for (size_t i = 0; i < n; i++) {
        bool finite = isfinite(a[i]) && isfinite(b[i]);
        change[i] = finite ? b[i] - a[i] : 0;
        if (noise)
            noise[i] = finite ? step_variance(p->a->dtype, a[i], p->b->dtype, b[i]) : 0;
    }
}

static void read_block(const void *user, uint64_t row, size_t n_rows, uint64_t column, size_t n_columns,
                       double *out)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_columns; c += PIECE)
            read_piece(user, row + r, column + c, n_columns - c < PIECE ? n_columns - c : PIECE,
                       out + r * n_columns + c, NULL);
}

/* ---- what rounding would leave, and where anything changed ----
 *
 * Strips of STRIP lines of the longer side are tasks; each has sums of its own over the shorter side, which
 * are added up in order after every STRIPS of them. */

struct survey {
    struct rank_pair pair;
    bool wide; /* lines are columns */
    size_t side;
    uint64_t n_lines, first;
    struct line_survey {
        double largest; /* sum of variances of a line */
        uint64_t changed;
    } lines[STRIPS];
    double *noise, *strip_noise;      /* [side], [STRIPS][side] */
    uint8_t *changed, *strip_changed; /* the same */
};

static void survey_task(void *user, size_t task, unsigned worker)
{
    struct survey *s = user;
    uint64_t begin = s->first + task * STRIP;
    size_t lines = s->n_lines - begin < STRIP ? (size_t)(s->n_lines - begin) : STRIP;
    double sums[STRIP] = {0}, *noise = s->strip_noise + task * s->side;
    uint8_t any[STRIP] = {0}, *changed = s->strip_changed + task * s->side;
    /* A row of the strip as it is stored: [lines] of them with `side` elements, or the other way round. */
    size_t n_rows = s->wide ? s->side : lines, n_columns = s->wide ? lines : s->side;

    (void)worker;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_columns; c += PIECE) {
            double d[PIECE], v[PIECE];
            size_t n = n_columns - c < PIECE ? n_columns - c : PIECE;

            read_piece(&s->pair, s->wide ? r : begin + r, s->wide ? begin + c : c, n, d, v);
            for (size_t i = 0; i < n; i++) {
                size_t line = s->wide ? c + i : r, across = s->wide ? r : c + i;
                sums[line] += v[i];
                noise[across] += v[i];
                any[line] |= d[i] != 0;
                changed[across] |= d[i] != 0;
            }
        }
    for (size_t l = 0; l < lines; l++) {
        s->lines[task].changed += any[l];
        if (sums[l] > s->lines[task].largest)
            s->lines[task].largest = sums[l];
    }
}

struct survey_sums {
    double norm, edge; /* of the noise */
    uint64_t rows, columns;
};

static void add_strips(struct survey *s)
{
    for (size_t t = 0; t < STRIPS; t++)
        for (size_t i = 0; i < s->side; i++) {
            s->noise[i] += s->strip_noise[t * s->side + i];
            s->changed[i] |= s->strip_changed[t * s->side + i];
        }
    memset(s->strip_noise, 0, STRIPS * s->side * sizeof *s->strip_noise);
}

static struct survey_sums sum_up(const struct survey *s)
{
    double line = 0, across = 0, total = 0;
    uint64_t lines = 0, side = 0;

    for (size_t t = 0; t < STRIPS; t++) {
        line = s->lines[t].largest > line ? s->lines[t].largest : line;
        lines += s->lines[t].changed;
    }
    for (size_t i = 0; i < s->side; i++) {
        across = s->noise[i] > across ? s->noise[i] : across;
        total += s->noise[i];
        side += s->changed[i];
    }
    return (struct survey_sums){.norm = sqrt(total),
                                .edge = sqrt(line) + sqrt(across),
                                .rows = s->wide ? side : lines,
                                .columns = s->wide ? lines : side};
}

static bool survey(const struct context *context, const struct rank_pair *pair, struct survey_sums *out,
                   struct error *err)
{
    bool wide = pair->columns > pair->rows;
    struct survey s = {.pair = *pair,
                       .wide = wide,
                       .side = (size_t)(wide ? pair->rows : pair->columns),
                       .n_lines = wide ? pair->columns : pair->rows};
    bool ok;

    s.noise = memory_zeroed(s.side, sizeof *s.noise);
    s.strip_noise = memory_zeroed(STRIPS, s.side * sizeof *s.strip_noise);
    s.changed = memory_zeroed(s.side, sizeof *s.changed);
    s.strip_changed = memory_zeroed(STRIPS, s.side * sizeof *s.strip_changed);
    ok = (s.noise && s.strip_noise && s.changed && s.strip_changed) ||
         error_memory(err, "finding the rank of a change");
    for (; ok && s.first < s.n_lines; s.first += STRIPS * STRIP) {
        uint64_t rest = (s.n_lines - s.first + STRIP - 1) / STRIP;

        ok = context_continue(context, err);
        if (ok)
            pool_run(context->pool, rest < STRIPS ? (size_t)rest : STRIPS, survey_task, &s);
        add_strips(&s);
    }
    if (ok)
        *out = sum_up(&s);
    free(s.noise);
    free(s.strip_noise);
    free(s.changed);
    free(s.strip_changed);
    return ok;
}

/* ---- deciding ---- */

static bool is_component(const struct svd *svd, size_t i, const struct survey_sums *noise)
{
    double s = svd->values[i], edge = svd->residuals[i].row + svd->residuals[i].column;

    return s > NOTHING * svd->values[0] && (s > ABOVE_MODEL * noise->edge || s > ABOVE_RESIDUAL * edge);
}

static double share_of(const struct svd *svd, size_t n)
{
    double left = svd->residuals[n].norm / svd->residuals[0].norm;

    return 1 - left * left;
}

static bool is_low_rank(const struct svd *svd, size_t n, const struct survey_sums *noise)
{
    double allowed = fmax(ROUNDED * noise->norm, NOTHING * svd->residuals[0].norm);

    if (n == 0 || svd->residuals[n].norm > allowed)
        return false;
    bool gap = n == svd->n || svd->values[n - 1] > GAP * svd->values[n];
    return share_of(svd, n) >= (gap ? SOME : NEARLY_ALL);
}

/* What is left after n components is above what rounding leaves; the next ones are no larger than the last.
 */
static bool needs_more_than(const struct svd *svd, size_t n, const struct survey_sums *noise, size_t limit)
{
    double left = svd->residuals[n].norm, allowed = ROUNDED * noise->norm, last = svd->values[n - 1];

    return left * left - allowed * allowed > (double)(limit - n) * last * last;
}

static void judge(const struct svd *svd, size_t components, const struct survey_sums *noise, size_t limit,
                  struct change_rank *out)
{
    uint64_t most = noise->rows < noise->columns ? noise->rows : noise->columns;
    size_t n = components;

    *out = (struct change_rank){
        .kind = CHANGE_RANK_FULL, .rank = most, .rows = noise->rows, .columns = noise->columns};
    if (n <= limit && is_low_rank(svd, n, noise)) {
        out->kind = svd->residuals[n].norm <= NO_NOISE * noise->norm || noise->norm == 0
                        ? CHANGE_RANK_EXACT
                        : CHANGE_RANK_ROUNDED;
        out->rank = n;
    } else if (most <= limit) { /* few rows or columns: the rank is no more than their number */
        out->kind = CHANGE_RANK_EXACT;
        for (n = 0; n < svd->n && n < most && svd->values[n] > NOTHING * svd->values[0];)
            n++;
        out->rank = n;
    } else {
        n = 1;
    }
    out->share = share_of(svd, n);
    out->noise = noise->norm > 0 ? svd->residuals[n].norm / noise->norm : 0;
    out->stable = pow(svd->residuals[0].norm / svd->values[0], 2);
    out->n_values = svd->n < CHANGE_RANK_VALUES ? svd->n : CHANGE_RANK_VALUES;
    memcpy(out->values, svd->values, out->n_values * sizeof *out->values);
}

static struct rank_pair pair_of(const struct tensor *a, const struct tensor *b)
{
    uint64_t columns = a->rank ? a->shape[a->rank - 1] : 1;

    return (struct rank_pair){
        .a = a, .b = b, .rows = columns ? a->elements / columns : 0, .columns = columns};
}

bool change_rank_applies(const struct tensor *a, const struct tensor *b)
{
    struct rank_pair pair = pair_of(a, b);

    return rows_readable(a->dtype) && rows_readable(b->dtype) && pair.rows > 1 && pair.columns > 1;
}

bool change_rank(const struct context *context, const struct tensor *a, const struct tensor *b,
                 struct change_rank *out, struct error *err)
{
    struct rank_pair pair = pair_of(a, b);
    struct svd_matrix matrix = {
        .rows = pair.rows, .columns = pair.columns, .block = read_block, .user = &pair};
    uint64_t side = pair.rows < pair.columns ? pair.rows : pair.columns;
    size_t limit = side / 3 > MOST ? MOST : side < 3 ? 1 : (size_t)side / 3;
    struct survey_sums noise;
    struct svd svd = {0};
    size_t components = 0;

    if (!survey(context, &pair, &noise, err))
        return false;
    for (size_t n = limit < FIRST ? limit : FIRST;; n = limit) {
        svd_release(&svd);
        if (!svd_largest(context, &matrix, n + MARGIN, SEED, &svd, err))
            return false;
        for (components = 0; components <= n && components < svd.n && is_component(&svd, components, &noise);)
            components++;
        if (n == limit || components <= n || needs_more_than(&svd, n, &noise, limit))
            break;
    }
    judge(&svd, components, &noise, limit, out);
    svd_release(&svd);
    return true;
}
