/* Both forms are rows of the architecture table (gguf_names.c makes GGUF's of transformers'), so a tensor of
 * the target is the rows of one role, or of the two or three that share it, as the source's model sees them.
 * What changes in them, docs/gguf.md and formats of llama.cpp's convert_hf_to_gguf.py:
 *
 *     Llama and its kin   row 2 i + b of a head of queries or keys is transformers' row b d / 2 + i,
 *                         d rows a head
 *     Gemma               norms + 1, in float
 *     GPT-2               Conv1D's [in, out] is [out, in]
 *     experts             behind one another in one tensor; transformers has one tensor for each
 *
 * The head of a model with tied weights is left out, also where llama.cpp's converter writes it twice. */
#include "gguf_convert.h"

#include <math.h>
#include <string.h>

#include "gguf_names.h"
#include "memory.h"
#include "pool.h"
#include "quote.h"
#include "rows.h"
#include "size.h"

enum {
    NAME_SIZE = 256,
    MOST_PARTS = 3,
    TASK_NUMBERS = 1 << 16,
    BLOCK_TASKS = 64,
    ROW_BYTES = 2 * sizeof(double), /* of scratch for a number: as real and as double */
};

struct convert_tensor {
    struct convert_part {
        const struct weight *from; /* [items] */
        size_t first, run,
            step;    /* row r is row first + r / run * step + r % run of the tensor; run 0: first + r */
        size_t head; /* permuted in heads of so many rows; 0: not */
    } parts[MOST_PARTS];
    size_t n_parts;
    size_t items;         /* that lie behind one another; 1: a tensor of one */
    size_t rows, columns; /* of an item, along out and in */
    bool transposed;      /* stored [columns, rows] */
    const real *values;   /* [rows] of a vector that is in no tensor of the source, or NULL */
    float add;
};

struct planner {
    struct conversion *c;
    const struct architecture *target;
    unsigned traits;
    enum dtype dtype;
    size_t capacity, layer_start; /* tensors of the present layer begin there */
    struct error *err;
};

/* ---- which tensors there will be ---- */

static bool is_norm(enum role role)
{
    switch (role) {
    case ROLE_EMBEDDING_NORM:
    case ROLE_FINAL_NORM:
    case ROLE_ATTENTION_NORM:
    case ROLE_QUERY_NORM:
    case ROLE_KEY_NORM:
    case ROLE_ATTENTION_POST_NORM:
    case ROLE_MID_NORM:
    case ROLE_MLP_NORM:
    case ROLE_MLP_POST_NORM:
    case ROLE_STATE_NORM:
        return true;
    default:
        return false;
    }
}

static bool is_query_or_key(enum role role)
{
    return role == ROLE_QUERY || role == ROLE_KEY || role == ROLE_QUERY_BIAS || role == ROLE_KEY_BIAS;
}

/* Matrices that llama.cpp reads in F32 only. */
static bool stays_f32(enum role role)
{
    return role == ROLE_POSITION || role == ROLE_TOKEN_TYPE || role == ROLE_ROUTER ||
           role == ROLE_SHARED_ROUTER;
}

static enum dtype dtype_of(struct planner *p, const struct tensor_role *row, size_t columns, const char *name)
{
    struct conversion *c = p->c;

    if (!c->to_gguf)
        return p->dtype;
    if (row->in == DIM_NONE || stays_f32(row->role))
        return DTYPE_F32;
    if (columns % dtype_facts(p->dtype)->block_elements == 0)
        return p->dtype;
    if (c->n_fallback++ == 0)
        c->fallback = name;
    return DTYPE_F16;
}

static bool grow(struct planner *p)
{
    struct conversion *c = p->c;
    size_t capacity = p->capacity ? 2 * p->capacity : 64;
    struct tensor_plan *plans;
    struct convert_tensor *tensors;

    if (c->n < p->capacity)
        return true;
    plans = memory_resize(c->plans, capacity, sizeof *plans);
    if (plans)
        c->plans = plans;
    tensors = memory_resize(c->tensors, capacity, sizeof *tensors);
    if (tensors)
        c->tensors = tensors;
    p->capacity = capacity;
    return (plans && tensors) || error_memory(p->err, "planning a conversion");
}

/* The tensor of that name among those of the layer; a new one, empty, when there is none; NULL and an error.
 */
static struct convert_tensor *tensor_named(struct planner *p, const char *name, const struct tensor_role *row,
                                           size_t rows, size_t items)
{
    struct conversion *c = p->c;
    struct tensor_plan *plan;
    struct convert_tensor *t;

    for (size_t i = p->layer_start; i < c->n; i++)
        if (strcmp(c->plans[i].name, name) == 0)
            return &c->tensors[i];
    if (!grow(p))
        return NULL;
    plan = &c->plans[c->n];
    t = &c->tensors[c->n];
    *t = (struct convert_tensor){.items = items,
                                 .rows = rows,
                                 .columns = row->in ? model_dimension(&c->model->config, row->in) : 1,
                                 .transposed = row->transposed};
    *plan = (struct tensor_plan){.name = arena_copy(&c->arena, name, strlen(name))};
    if (!plan->name) {
        error_memory(p->err, "planning a conversion");
        return NULL;
    }
    if (row->stacked)
        plan->shape[plan->rank++] = items;
    plan->shape[plan->rank++] = row->by_head      ? rows / c->model->config.head_dim
                                : row->transposed ? t->columns
                                                  : rows;
    if (row->in || row->by_head)
        plan->shape[plan->rank++] = row->by_head      ? c->model->config.head_dim
                                    : row->transposed ? rows
                                                      : t->columns;
    plan->dtype = dtype_of(p, row, t->columns, plan->name);
    c->n++;
    return t;
}

/* The part of a role in the tensor that holds its item, or all of its `items`, which begin at `from`. */
static bool add_part(struct planner *p, const struct tensor_role *row, size_t layer, size_t item,
                     const struct weight *from, size_t items)
{
    const struct model_config *config = &p->c->model->config;
    struct weight place = {0};
    size_t rows = model_place(config, row, &place);
    char name[NAME_SIZE];
    struct convert_tensor *t;

    if (!architecture_tensor_name(row, p->target->prefixes[0], layer, item, name, sizeof name))
        return error_set(p->err, ERROR_UNSUPPORTED, "a tensor name is too long");
    t = tensor_named(p, name, row, rows, items);
    if (!t)
        return false;
    if (row->skip || t->n_parts == MOST_PARTS)
        return error_set(p->err, ERROR_UNSUPPORTED, "tensor %s (%s) cannot be converted", quote(name).text,
                         role_name(row->role));
    t->parts[t->n_parts++] = (struct convert_part){
        .from = from,
        .first = place.first_out,
        .run = place.run,
        .step = place.step,
        .head = p->traits & GGUF_PERMUTED && is_query_or_key(row->role) ? config->head_dim : 0,
    };
    if (p->traits & GGUF_NORM_PLUS_ONE && is_norm(row->role))
        t->add = p->c->to_gguf ? 1 : -1;
    return true;
}

/* The first row of the role that the config wants, a list or not. */
static const struct tensor_role *row_of(const struct planner *p, enum role role, bool list)
{
    const struct tensor_role *row;

    for (size_t i = 0; (row = architecture_row(p->target, i)); i++)
        if (row->role == role && (row->items != DIM_NONE) == list && model_wants(&p->c->model->config, row))
            return row;
    return NULL;
}

/* The n weights that the source has for a role: a list, or one. */
static bool add_role(struct planner *p, enum role role, size_t layer, const struct weight *weights, size_t n,
                     bool list)
{
    const struct tensor_role *row = row_of(p, role, list);

    if (!row)
        return true; /* check_left finds it */
    if (!list || row->stacked)
        return add_part(p, row, layer, 0, weights, n);
    for (size_t i = 0; i < n; i++)
        if (!add_part(p, row, layer, i, &weights[i], 1))
            return false;
    return true;
}

static bool add_globals(struct planner *p, size_t first, size_t end)
{
    const struct weight *weights = p->c->model->global;

    p->layer_start = p->c->n;
    for (size_t role = first; role < end; role++)
        if (weights[role].tensor && !add_role(p, (enum role)role, 0, &weights[role], 1, false))
            return false;
    return true;
}

static bool add_layers(struct planner *p)
{
    const struct model *model = p->c->model;

    for (size_t l = 0; l < model->config.n_layers; l++) {
        p->layer_start = p->c->n;
        for (size_t role = ROLE_FIRST_OF_LAYER; role < ROLE_COUNT; role++) {
            const struct weight_list *list = &model->list[l][role];
            const struct weight *one = &model->layer[l][role];

            if (one->tensor && !add_role(p, (enum role)role, l, list->n ? list->items : one,
                                         list->n ? list->n : 1, list->n != 0))
                return false;
        }
    }
    return true;
}

/* ---- rope in tensors ---- */

static bool add_values(struct planner *p, const char *name, size_t n, real **out)
{
    struct tensor_role row = {.role = ROLE_FINAL_NORM, .name = name};
    struct convert_tensor *t;

    p->layer_start = p->c->n;
    t = tensor_named(p, name, &row, n, 1);
    *out = arena_array(&p->c->arena, n, sizeof **out);
    if (!t || !*out)
        return error_memory(p->err, "planning a conversion");
    t->values = *out;
    return true;
}

static bool add_longrope(struct planner *p, const struct rope_config *r, size_t n)
{
    real *longer, *shorter;

    if (!add_values(p, "rope_factors_long.weight", n, &longer) ||
        !add_values(p, "rope_factors_short.weight", n, &shorter))
        return false;
    for (size_t i = 0; i < n; i++) {
        longer[i] = (real)r->long_factors[i];
        shorter[i] = (real)r->short_factors[i];
    }
    return true;
}

/* Llama 3's frequencies are divided by what rope_freqs holds, longrope's by factors for short and long texts.
 */
static bool add_rope(struct planner *p)
{
    const struct model_config *config = &p->c->model->config;
    struct rope_config plain = config->ropes[0];
    size_t n = config->rotary_dim / 2;
    real *divisors, *scaled;

    if (!p->c->to_gguf || config->rope == ROPE_NONE)
        return true;
    if (plain.scaling == ROPE_SCALE_LONG)
        return add_longrope(p, &config->ropes[0], n);
    if (plain.scaling != ROPE_SCALE_LLAMA3)
        return true;
    plain.scaling = ROPE_SCALE_NONE;
    scaled = arena_array(&p->c->arena, n, sizeof *scaled);
    if (!scaled || !add_values(p, "rope_freqs.weight", n, &divisors))
        return error_memory(p->err, "planning a conversion");
    config_inverse_frequencies(&plain, config->rotary_dim, config->context, divisors);
    config_inverse_frequencies(&config->ropes[0], config->rotary_dim, config->context, scaled);
    for (size_t i = 0; i < n; i++)
        divisors[i] /= scaled[i];
    return true;
}

/* ---- tensors that are left behind ---- */

/* Buffers that hold no weights, and what the config tells. */
static bool is_derived(const char *name)
{
    static const char *const ends[] = {".attn.bias",      ".attn.masked_bias",      ".rotary_emb.inv_freq",
                                       ".attention.bias", ".attention.masked_bias", NULL};
    size_t n = strlen(name);

    for (size_t i = 0; ends[i]; i++)
        if (n >= strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return strcmp(name, "rope_freqs.weight") == 0 || strcmp(name, "rope_factors_long.weight") == 0 ||
           strcmp(name, "rope_factors_short.weight") == 0;
}

static bool is_used(const struct conversion *c, const struct tensor *tensor)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->tensors[i].n_parts; k++)
            for (size_t item = 0; item < c->tensors[i].items; item++)
                if (c->tensors[i].parts[k].from[item].tensor == tensor)
                    return true;
    return false;
}

/* A second copy of the embedding. */
static bool is_copy_of_embedding(const struct conversion *c, const struct tensor *tensor)
{
    const struct tensor *embedding = c->model->global[ROLE_EMBEDDING].tensor;

    return embedding && tensor->dtype == embedding->dtype && tensor->bytes == embedding->bytes &&
           memcmp(tensor->data, embedding->data, (size_t)tensor->bytes) == 0;
}

static bool check_left(const struct planner *p)
{
    const struct checkpoint *checkpoint = p->c->model->checkpoint;

    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const struct tensor *t = &checkpoint->tensors[i];

        if (!is_derived(t->name) && !is_used(p->c, t) && !is_copy_of_embedding(p->c, t))
            return error_set(p->err, ERROR_UNSUPPORTED, "%s: tensor %s has no place in %s",
                             quote(checkpoint->path).text, quote(t->name).text,
                             p->c->to_gguf ? "a GGUF of its architecture" : "its architecture");
    }
    return true;
}

/* ---- planning ---- */

static bool choose_target(struct planner *p, const struct model *model)
{
    const char *type = model->architecture->model_type;
    const struct gguf_architecture *stored = gguf_architecture_for(type);

    if (!stored)
        return error_set(p->err, ERROR_UNSUPPORTED, "%s: models of type %s are not converted",
                         quote(model->checkpoint->path).text, quote(type).text);
    p->traits = stored->traits;
    p->target = p->c->to_gguf ? gguf_names_of(model->architecture, &model->config, &p->c->arena)
                              : architecture_find(type);
    return p->target || error_memory(p->err, "planning a conversion");
}

/* A head that is the embedding once more. */
static bool has_own_head(const struct conversion *c)
{
    const struct tensor *head = c->model->global[ROLE_HEAD].tensor;

    return head != c->model->global[ROLE_EMBEDDING].tensor && !is_copy_of_embedding(c, head);
}

bool conversion_plan(const struct model *model, enum dtype dtype, struct conversion **out, struct error *err)
{
    struct conversion *c = memory_zeroed(1, sizeof *c);
    struct planner p = {.c = c, .dtype = dtype, .err = err};
    bool ok = false;

    if (!c)
        return error_memory(err, "planning a conversion");
    c->model = model;
    c->to_gguf = !checkpoint_gguf(model->checkpoint);
    ok = choose_target(&p, model) && add_globals(&p, 0, ROLE_FIRST_AFTER_LAYERS) && add_layers(&p) &&
         add_globals(&p, ROLE_FIRST_AFTER_LAYERS, ROLE_HEAD) &&
         (!has_own_head(c) || add_globals(&p, ROLE_HEAD, ROLE_FIRST_OF_LAYER)) && add_rope(&p) &&
         check_left(&p);
    if (ok)
        *out = c;
    else
        conversion_free(c);
    return ok;
}

void conversion_free(struct conversion *conversion)
{
    if (!conversion)
        return;
    free(conversion->plans);
    free(conversion->tensors);
    arena_release(&conversion->arena);
    free(conversion);
}

/* ---- rows ---- */

/* The source's row of row r of a role that is permuted in heads of d rows. */
static size_t permuted(size_t r, size_t d, bool to_pairs)
{
    size_t head = r / d * d, at = r % d;

    return head + (to_pairs ? at % 2 * (d / 2) + at / 2 : at % (d / 2) * 2 + at / (d / 2));
}

/* Row r of [items, rows, columns]. */
static void load_row(const struct conversion *c, const struct convert_tensor *t, size_t r, real *out)
{
    size_t item = r / t->rows;

    if (t->values)
        *out = t->values[r];
    r %= t->rows;
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct convert_part *part = &t->parts[i];
        const struct weight *from = &part->from[item];
        size_t at = r - part->first;

        if (r < part->first || (part->run && at % part->step >= part->run))
            continue;
        if (part->run)
            at = at / part->step * part->run + at % part->step;
        if (at >= from->out)
            continue;
        weight_rows(from, part->head ? permuted(at, part->head, c->to_gguf) : at, 1, out);
    }
    for (size_t k = 0; t->add != 0 && k < t->columns; k++)
        out[k] = (real)((float)out[k] + t->add);
}

struct convert_block {
    const struct context *context;
    const struct conversion *c;
    const struct convert_tensor *t;
    enum dtype dtype;
    const real *whole;       /* [rows, columns] of a transposed tensor, or NULL */
    size_t stored, width;    /* rows as they are stored, and their length */
    size_t first, task_rows; /* of the block; of a task */
    size_t n;
    uint8_t *bytes; /* [n, width] in the dtype */
    bool *bad;      /* [tasks] */
};

static void load_stored(const struct convert_block *b, size_t row, real *out)
{
    if (!b->whole)
        load_row(b->c, b->t, row, out);
    for (size_t k = 0; b->whole && k < b->width; k++)
        out[k] = b->whole[k * b->stored + row];
}

/* Whether a row that was finite is still so. */
static bool stays_finite(const struct convert_block *b, const uint8_t *bytes, double *row)
{
    for (size_t k = 0; k < b->width; k++)
        if (!isfinite(row[k]))
            return true;
    rows_to_f64(b->dtype, bytes, b->width, row);
    for (size_t k = 0; k < b->width; k++)
        if (!isfinite(row[k]))
            return false;
    return true;
}

static void convert_task(void *user, size_t task, unsigned worker)
{
    struct convert_block *b = user;
    size_t begin = task * b->task_rows, end = begin + b->task_rows < b->n ? begin + b->task_rows : b->n;
    double *row = pool_scratch(b->context->pool, worker);
    real *numbers = (real *)(row + b->width);
    size_t row_bytes = dtype_extent(b->dtype, b->width);

    for (size_t i = begin; i < end; i++) {
        load_stored(b, b->first + i, numbers);
        for (size_t k = 0; k < b->width; k++)
            row[k] = (double)numbers[k];
        rows_from_f64(b->dtype, row, b->width, b->bytes + i * row_bytes);
        b->bad[task] = b->bad[task] || !stays_finite(b, b->bytes + i * row_bytes, row);
    }
}

static bool convert_blocks(struct convert_block *b, size_t i, conversion_put *put, void *user,
                           struct error *err)
{
    size_t row_bytes = dtype_extent(b->dtype, b->width), block = b->task_rows * BLOCK_TASKS;

    for (b->first = 0; b->first < b->stored; b->first += b->n) {
        size_t n_tasks;

        b->n = b->stored - b->first < block ? b->stored - b->first : block;
        n_tasks = (b->n + b->task_rows - 1) / b->task_rows;
        memset(b->bad, 0, n_tasks * sizeof *b->bad);
        if (!context_continue(b->context, err))
            return false;
        pool_run(b->context->pool, n_tasks, convert_task, b);
        for (size_t t = 0; t < n_tasks; t++)
            if (b->bad[t])
                return error_set(err, ERROR_NUMERIC, "tensor %s: a number is too large for %s",
                                 quote(b->c->plans[i].name).text, dtype_facts(b->dtype)->name);
        if (!put(user, i, (uint64_t)b->first * row_bytes, b->bytes, b->n * row_bytes, err))
            return false;
    }
    return true;
}

static real *load_whole(const struct conversion *c, const struct convert_tensor *t)
{
    size_t n;
    real *whole = size_mul(t->items * t->rows, t->columns, &n) ? memory_array(n, sizeof *whole) : NULL;

    for (size_t r = 0; whole && r < t->items * t->rows; r++)
        load_row(c, t, r, whole + r * t->columns);
    return whole;
}

bool conversion_run(const struct context *context, const struct conversion *conversion, size_t i,
                    conversion_put *put, void *user, struct error *err)
{
    const struct convert_tensor *t = &conversion->tensors[i];
    bool flat = t->columns == 1 && !t->transposed; /* a vector: one row */
    struct convert_block b = {
        .context = context, .c = conversion, .t = t, .dtype = conversion->plans[i].dtype};
    real *whole = NULL;
    bool ok = false;

    b.stored = flat ? 1 : t->transposed ? t->columns : t->items * t->rows;
    b.width = t->transposed || flat ? t->items * t->rows : t->columns;
    if (b.width > POOL_SCRATCH / ROW_BYTES)
        return error_set(err, ERROR_UNSUPPORTED,
                         "tensor %s has rows of %zu numbers, at most %zu are converted",
                         quote(conversion->plans[i].name).text, b.width, (size_t)(POOL_SCRATCH / ROW_BYTES));
    b.task_rows = b.width < TASK_NUMBERS ? TASK_NUMBERS / b.width : 1;
    b.bytes = memory_array(b.task_rows * BLOCK_TASKS < b.stored ? b.task_rows * BLOCK_TASKS : b.stored,
                           dtype_extent(b.dtype, b.width));
    b.bad = memory_array(BLOCK_TASKS, sizeof *b.bad);
    if (flat || t->transposed)
        b.whole = whole = load_whole(conversion, t);
    if (!b.bytes || !b.bad || ((flat || t->transposed) && !whole))
        error_memory(err, "converting a tensor");
    else
        ok = convert_blocks(&b, i, put, user, err);
    free(whole);
    free(b.bytes);
    free(b.bad);
    return ok;
}
