#include "change.h"

#include <math.h>
#include <string.h>

#include "folder.h"
#include "memory.h"
#include "quant_adjust.h"

/* ---- rounding ----
 *
 * A site is rounded line by line: a line [in] is what one output sees, a stored row, or a stored column of a
 * transposed tensor. Lines are taken LINES at a time, so that the columns of a transposed tensor are read in
 * pieces of a cache line. The first pass rounds plainly and measures; when that misses the intended change at
 * the key, a second pass rounds along the key. A line of a type with blocks fills whole ones, of which what
 * stays keeps its bytes. */

enum { LINES = 16 };

struct line_sums {
    double intended, realised;    /* sums over lines of a . a and (W' - W) key . a */
    double noise, change, weight; /* squares of W' - wanted, W' - W, W */
    size_t bad_line, bad_element; /* where wanted or W' is not finite */
    bool bad;
};

struct rounding {
    const struct context *context;
    const struct overlay *overlay;
    const struct change_site *site;
    bool along;
    size_t n_lines, length; /* out, in */
    uint8_t *bytes;         /* the tensor, rounded */
    struct line_sums *sums; /* [tasks] */
};

struct line_scratch { /* in a worker's scratch */
    double *block;    /* [LINES, length] or, as stored, [length, LINES] */
    double *wanted;   /* [length] */
    double *old;      /* [LINES, length], as block */
    double *spare;    /* [4 length] */
    size_t *order;    /* [length] */
    uint8_t *line;    /* [length] stored elements */
};

enum { SCRATCH_PER_ELEMENT = 2 * LINES * 8 + 8 + 4 * 8 + 8 + 8 };

static struct line_scratch scratch_of(void *base, size_t length)
{
    double *at = base;
    struct line_scratch s;

    s.block = at;
    s.old = s.block + LINES * length;
    s.wanted = s.old + LINES * length;
    s.spare = s.wanted + length;
    s.order = (size_t *)(void *)(s.spare + 4 * length);
    s.line = (uint8_t *)(s.order + length);
    return s;
}

/* Element i of line l of a block of n lines. */
static size_t block_index(const struct rounding *r, size_t n, size_t l, size_t i)
{
    return r->site->transposed ? i * n + l : l * r->length + i;
}

static void store_line(const struct rounding *r, size_t line, const uint8_t *from)
{
    enum dtype dtype = r->site->tensor->dtype;
    size_t element = dtype_extent(dtype, 1); /* of a transposed tensor, which has no blocks */

    if (!r->site->transposed) {
        memcpy(r->bytes + line * dtype_extent(dtype, r->length), from, dtype_extent(dtype, r->length));
        return;
    }
    for (size_t i = 0; i < r->length; i++)
        memcpy(r->bytes + (i * r->n_lines + line) * element, from + i * element, element);
}

/* The line's wanted numbers as stored elements. */
static void round_line(const struct rounding *r, const struct line_scratch *s, size_t line)
{
    const struct tensor *tensor = r->site->tensor;
    const double *key = r->along ? r->site->key : NULL;

    if (quant_adjustable(tensor->dtype))
        quant_adjust(tensor->dtype,
                     (const uint8_t *)tensor->data + line * dtype_extent(tensor->dtype, r->length), s->wanted,
                     key, r->length, s->line, s->spare, s->order);
    else if (key)
        rows_round_along(tensor->dtype, s->wanted, key, r->length, s->line, s->spare, s->order);
    else
        rows_from_f64(tensor->dtype, s->wanted, r->length, s->line);
}

static void measure_line(const struct rounding *r, const struct line_scratch *s, size_t line, size_t n,
                         size_t l, struct line_sums *sums)
{
    const double *key = r->site->key;
    double intended = 0, realised = 0;

    rows_to_f64(r->site->tensor->dtype, s->line, r->length, s->spare);
    for (size_t i = 0; i < r->length; i++) {
        double old = s->old[block_index(r, n, l, i)], wanted = s->wanted[i], got = s->spare[i];

        if (!isfinite(wanted) || !isfinite(got)) {
            if (!sums->bad)
                *sums = (struct line_sums){.bad = true, .bad_line = line, .bad_element = i};
            return;
        }
        if (key) {
            intended += (wanted - old) * key[i];
            realised += (got - old) * key[i];
        }
        sums->noise += (got - wanted) * (got - wanted);
        sums->change += (got - old) * (got - old);
        sums->weight += old * old;
    }
    sums->intended += intended * intended;
    sums->realised += realised * intended;
}

static void round_task(void *user, size_t task, unsigned worker)
{
    struct rounding *r = user;
    const struct tensor *tensor = r->site->tensor;
    struct line_scratch s = scratch_of(pool_scratch(r->context->pool, worker), r->length);
    size_t first = task * LINES, n = r->n_lines - first < LINES ? r->n_lines - first : LINES;
    bool columns = r->site->transposed;
    struct error never; /* ranges and dtype were checked before */
    struct line_sums sums = {0};

    overlay_block(r->overlay, tensor, columns ? 0 : first, columns ? r->length : n, columns ? first : 0,
                  columns ? n : r->length, s.block, &never);
    overlay_block(NULL, tensor, columns ? 0 : first, columns ? r->length : n, columns ? first : 0,
                  columns ? n : r->length, s.old, &never);
    for (size_t l = 0; l < n; l++) {
        for (size_t i = 0; i < r->length; i++)
            s.wanted[i] = s.block[block_index(r, n, l, i)];
        round_line(r, &s, first + l);
        store_line(r, first + l, s.line);
        measure_line(r, &s, first + l, n, l, &sums);
    }
    r->sums[task] = sums;
}

/* Rounds every line; the sums of the tasks are added in their order. */
static bool round_lines(struct rounding *r, struct line_sums *out, struct error *err)
{
    size_t n_tasks = (r->n_lines + LINES - 1) / LINES;
    struct line_sums total = {0};

    pool_run(r->context->pool, n_tasks, round_task, r);
    for (size_t t = 0; t < n_tasks; t++) {
        const struct line_sums *s = &r->sums[t];

        if (s->bad)
            return error_set(err, ERROR_NUMERIC,
                             "tensor %s: the changed value in row %zu, column %zu is not finite in %s",
                             r->site->tensor->name, r->site->transposed ? s->bad_element : s->bad_line,
                             r->site->transposed ? s->bad_line : s->bad_element,
                             dtype_facts(r->site->tensor->dtype)->name);
        total.intended += s->intended;
        total.realised += s->realised;
        total.noise += s->noise;
        total.change += s->change;
        total.weight += s->weight;
    }
    *out = total;
    return true;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 1;
}

static bool round_site(const struct context *context, struct model *model, struct change_site *site,
                       struct error *err)
{
    const struct tensor *tensor = site->tensor;
    struct rounding r = {.context = context, .overlay = model->overlay, .site = site};
    struct line_sums plain, last;
    size_t rows, columns;
    bool ok = false;

    overlay_shape(tensor, &rows, &columns);
    r.n_lines = site->transposed ? columns : rows;
    r.length = site->transposed ? rows : columns;
    if (!rows_writable(tensor->dtype) && !(quant_adjustable(tensor->dtype) && !site->transposed))
        return error_set(err, ERROR_UNSUPPORTED, "tensor %s is stored as %s, which lancet cannot change",
                         tensor->name, dtype_facts(tensor->dtype)->name);
    if (r.length > POOL_SCRATCH / SCRATCH_PER_ELEMENT)
        return error_set(err, ERROR_UNSUPPORTED,
                         "tensor %s has lines of %zu elements, at most %d can be rounded", tensor->name,
                         r.length, POOL_SCRATCH / SCRATCH_PER_ELEMENT);
    r.bytes = memory_array((size_t)tensor->bytes, 1);
    r.sums = memory_zeroed((r.n_lines + LINES - 1) / LINES, sizeof *r.sums);
    if (!r.bytes || !r.sums) {
        error_memory(err, "rounding a changed tensor");
        goto out;
    }
    if (!round_lines(&r, &plain, err))
        goto out;
    last = plain;
    site->compensated = site->key && !(fabs(share(plain.realised, plain.intended) - 1) <= .01);
    r.along = site->compensated;
    if (r.along && !round_lines(&r, &last, err))
        goto out;
    site->realised = share(last.realised, last.intended);
    site->noise = plain.noise > 0 ? sqrt(last.noise / plain.noise) : 1;
    site->relative_norm = last.weight > 0 ? sqrt(last.change / last.weight) : last.change > 0 ? INFINITY : 0;
    ok = overlay_replace(model->overlay, tensor, r.bytes, err);
    r.bytes = NULL; /* the overlay's, in any case */
out:
    free(r.bytes);
    free(r.sums);
    return ok;
}

bool change_round(const struct context *context, struct model *model, struct change_site *sites,
                  size_t n_sites, struct error *err)
{
    for (size_t i = 0; i < n_sites; i++) {
        context_progress(context, "rounding", i, n_sites);
        if (!context_continue(context, err) || !round_site(context, model, &sites[i], err))
            return false;
    }
    model_refresh(model);
    return true;
}

/* ---- writing ---- */

/* The rounded bytes of a site. */
static bool site_bytes(const struct model *model, const struct change_site *site, const uint8_t **out,
                       struct error *err)
{
    const struct overlay_entry *entry = overlay_find(model->overlay, site->tensor);

    if (!entry || !entry->bytes || entry->rank || entry->delta)
        return error_set(err, ERROR_NUMERIC, "tensor %s was not rounded before it is written",
                         site->tensor->name);
    *out = entry->bytes;
    return true;
}

bool change_commit(const struct context *context, struct checkpoint *checkpoint, const struct model *model,
                   const struct change_site *sites, size_t n_sites, const struct transaction_options *options,
                   uint32_t *number, struct error *err)
{
    struct transaction *transaction = NULL;
    struct error undone;
    const struct tensor **tensors = memory_array(n_sites, sizeof *tensors);
    const uint8_t *bytes;
    bool ok;

    if (!tensors)
        return error_memory(err, "writing a change");
    for (size_t i = 0; i < n_sites; i++)
        tensors[i] = sites[i].tensor;
    ok = transaction_begin(context, checkpoint, options, tensors, n_sites, &transaction, err);
    for (size_t i = 0; ok && i < n_sites; i++)
        ok = site_bytes(model, &sites[i], &bytes, err) &&
             transaction_write(transaction, sites[i].tensor, 0, bytes, (size_t)sites[i].tensor->bytes, err);
    ok = ok && transaction_commit(transaction, number, err);
    if (!transaction_end(transaction, &undone) && !ok) {
        error_prefix(&undone, "%s",
                     err->text); /* that the record is still open matters most, so its kind counts */
        *err = undone;
    }
    free(tensors);
    return ok;
}

bool change_output(const struct context *context, const struct checkpoint *checkpoint,
                   const struct model *model, const struct change_site *sites, size_t n_sites,
                   const char *directory, bool force, struct error *err)
{
    struct folder_writer *writer = NULL;
    const uint8_t *bytes;
    bool ok = folder_begin(context, checkpoint, directory, force, &writer, err);

    for (size_t i = 0; ok && i < n_sites; i++)
        ok = site_bytes(model, &sites[i], &bytes, err) &&
             folder_write(writer, sites[i].tensor, 0, bytes, (size_t)sites[i].tensor->bytes, err);
    ok = ok && folder_commit(writer, err);
    folder_free(writer);
    return ok;
}
