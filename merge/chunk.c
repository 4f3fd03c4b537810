#include "chunk.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "row_kernels.h"
#include "rows.h"
#include "size.h"

/* A task goes through its elements a block at a time: all sources of a block are widened into the scratch of
 * the thread, combined, rounded, and measured as they were rounded, while they are in the first-level cache.
 *
 * A sum of squares tells whether all of its terms are finite, so that nothing else has to look at every
 * element; where it is not, the block is searched. */

enum { RESULT = -1 }; /* in place of a source */

struct task_result {
    double squares, method[MERGE_MOST_SUMS];
    bool bad;
    int bad_source; /* or RESULT */
    uint64_t bad_element;
    double bad_value;
};

struct chunk_worker {
    const struct context *context;
    const struct merge_plan *plan;
    size_t most_sources;
    struct task_result *results; /* [tasks] */
    double *pairs;               /* [tasks, most_sources, 2] squares of a source, of result - source */
    const struct chunk *chunk;
    const double *sums; /* of the method, over the tensor */
};

static size_t task_count(size_t n)
{
    return n / CHUNK_TASK + (n % CHUNK_TASK != 0);
}

/* Sources, the result, what is being rounded, and pointers to the sources. */
static bool scratch_bytes(size_t n_sources, size_t *out)
{
    size_t each = MERGE_BLOCK * sizeof(double) + 2 * sizeof(double *);

    return size_mul(n_sources + 2, each, out);
}

bool chunk_worker_bytes(const struct context *context, const struct merge_plan *plan, size_t most_elements,
                        uint64_t *out)
{
    size_t n_sources = plan_most_sources(plan), n_tasks = task_count(most_elements), scratch, results;

    if (!scratch_bytes(n_sources, &scratch) || scratch > POOL_SCRATCH ||
        !size_mul(n_tasks, sizeof(struct task_result) + 2 * n_sources * sizeof(double), &results))
        return false;
    *out = (uint64_t)results + (uint64_t)scratch * pool_threads(context->pool);
    return true;
}

bool chunk_worker_new(const struct context *context, const struct merge_plan *plan, size_t most_elements,
                      struct chunk_worker **out, struct error *err)
{
    struct chunk_worker *w = memory_zeroed(1, sizeof *w);
    size_t n_tasks = task_count(most_elements), n_pairs;
    uint64_t bytes;

    if (!chunk_worker_bytes(context, plan, most_elements, &bytes)) {
        free(w);
        return error_set(err, ERROR_UNSUPPORTED, "a tensor cannot be merged from %zu models at once",
                         plan_most_sources(plan));
    }
    if (w) {
        *w = (struct chunk_worker){.context = context, .plan = plan, .most_sources = plan_most_sources(plan)};
        w->results = memory_array(n_tasks, sizeof *w->results);
        w->pairs =
            size_mul(n_tasks, 2 * w->most_sources, &n_pairs) ? memory_array(n_pairs, sizeof *w->pairs) : NULL;
    }
    if (!w || !w->results || !w->pairs) {
        chunk_worker_free(w);
        return error_memory(err, "merging");
    }
    *out = w;
    return true;
}

void chunk_worker_free(struct chunk_worker *worker)
{
    if (!worker)
        return;
    free(worker->results);
    free(worker->pairs);
    free(worker);
}

static bool has_whole_bytes(enum dtype dtype)
{
    const struct dtype_facts *facts = dtype_facts(dtype);

    return facts->block_elements == 1 && facts->block_bits % 8 == 0;
}

size_t chunk_unit(const struct merge_tensor *tensor)
{
    return has_whole_bytes(tensor->dtype) ? dtype_facts(tensor->dtype)->block_bits / 8 : 1;
}

uint64_t chunk_units(const struct merge_tensor *tensor)
{
    return has_whole_bytes(tensor->dtype) ? tensor->elements : tensor->sources[0].tensor->bytes;
}

/* ---- a block ---- */

struct block_room {
    double **in;     /* [n_sources] of [MERGE_BLOCK] */
    double *weights; /* [n_sources] */
    double *out, *spare;
};

static struct block_room room_of(void *scratch, size_t n_sources)
{
    struct block_room room;
    double *at = scratch;

    room.out = at;
    room.spare = at + MERGE_BLOCK;
    at += 2 * MERGE_BLOCK;
    room.weights = at + n_sources * MERGE_BLOCK;
    room.in = (double **)(void *)(room.weights + n_sources);
    for (size_t i = 0; i < n_sources; i++)
        room.in[i] = at + i * MERGE_BLOCK;
    return room;
}

const double *chunk_weights(const struct merge_method *method, const struct merge_tensor *tensor,
                            double *room)
{
    for (size_t p = 0; p < method->n_parameters; p++)
        if (method->parameters[p].scope == PARAMETER_MODEL) {
            for (size_t i = 0; i < tensor->n_sources; i++)
                room[i] = tensor->sources[i].values[p];
            return room;
        }
    return NULL;
}

static void load_block(const struct chunk *chunk, size_t at, size_t n, const struct block_room *room)
{
    const struct merge_tensor *t = chunk->tensor;

    for (size_t i = 0; i < t->n_sources; i++) {
        enum dtype dtype = t->sources[i].tensor->dtype;
        size_t size = dtype_facts(dtype)->block_bits / 8;
        rows_to_f64(dtype, chunk->inputs[i] + at * size, n, room->in[i]);
        if (t->cast != DTYPE_COUNT && t->cast != dtype && !t->copied) {
            rows_from_f64(t->cast, room->in[i], n, room->spare);
            rows_to_f64(t->cast, room->spare, n, room->in[i]);
        }
    }
}

static struct merge_block describe_block(const struct chunk_worker *w, size_t n,
                                         const struct block_room *room)
{
    const struct merge_tensor *t = w->chunk->tensor;

    return (struct merge_block){.n = n,
                                .n_sources = t->n_sources,
                                .in = (const double *const *)room->in,
                                .weights = chunk_weights(w->plan->method, t, room->weights),
                                .values = t->values,
                                .sums = w->sums,
                                .dtype = t->work};
}

static bool find_bad(const double *x, size_t n, uint64_t first, int source, struct task_result *result)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) {
            result->bad = true;
            result->bad_source = source;
            result->bad_element = first + i;
            result->bad_value = x[i];
            return true;
        }
    return false;
}

static void search_block(const struct chunk *chunk, size_t at, size_t n, const struct block_room *room,
                         struct task_result *result)
{
    for (size_t i = 0; i < chunk->tensor->n_sources; i++)
        if (find_bad(room->in[i], n, chunk->first + at, (int)i, result))
            return;
    find_bad(room->out, n, chunk->first + at, RESULT, result);
}

/* room->out becomes the result as it is stored. */
static void finish_block(const struct chunk *chunk, size_t at, size_t n, const struct block_room *room,
                         struct task_result *result, double *pairs)
{
    const struct row_kernels *k = row_kernels_best();
    const struct merge_tensor *t = chunk->tensor;
    uint8_t *stored = chunk->out + at * chunk_unit(t);
    double total = 0;

    rows_from_f64(t->dtype, room->out, n, stored);
    rows_to_f64(t->dtype, stored, n, room->out);
    for (size_t i = 0; i < t->n_sources; i++) {
        double sums[2] = {0, 0};
        k->add_distance(room->out, room->in[i], n, sums);
        pairs[2 * i] += sums[0];
        pairs[2 * i + 1] += sums[1];
        total += sums[0] + sums[1];
    }
    if (!isfinite(total))
        search_block(chunk, at, n, room, result);
    result->squares += k->squares(room->out, n);
}

static void copy_block(const struct chunk *chunk, size_t at, size_t n, const struct block_room *room,
                       struct task_result *result, double *pairs)
{
    double squares = row_kernels_best()->squares(room->in[0], n);

    (void)chunk;
    if (!isfinite(squares))
        search_block(chunk, at, n, &(struct block_room){.in = room->in, .out = room->in[0]}, result);
    result->squares += squares;
    pairs[0] += squares;
}

/* ---- tasks ---- */

static bool is_measured(const struct merge_tensor *t)
{
    return !t->copied ||
           (dtype_facts(t->dtype)->is_float && rows_readable(t->dtype) && has_whole_bytes(t->dtype));
}

static void merge_task(void *user, size_t task, unsigned worker)
{
    struct chunk_worker *w = user;
    const struct chunk *chunk = w->chunk;
    const struct merge_tensor *t = chunk->tensor;
    size_t first = task * CHUNK_TASK, n = chunk->n - first < CHUNK_TASK ? chunk->n - first : CHUNK_TASK;
    struct task_result *result = &w->results[task];
    double *pairs = w->pairs + 2 * w->most_sources * task;
    struct block_room room = room_of(pool_scratch(w->context->pool, worker), t->n_sources);

    *result = (struct task_result){0};
    memset(pairs, 0, 2 * t->n_sources * sizeof *pairs);
    if (t->copied)
        memcpy(chunk->out + first * chunk_unit(t), chunk->inputs[0] + first * chunk_unit(t),
               n * chunk_unit(t));
    for (size_t at = first; is_measured(t) && at < first + n && !result->bad; at += MERGE_BLOCK) {
        size_t step = first + n - at < MERGE_BLOCK ? first + n - at : MERGE_BLOCK;
        struct merge_block block = describe_block(w, step, &room);
        load_block(chunk, at, step, &room);
        if (t->copied) {
            copy_block(chunk, at, step, &room, result, pairs);
            continue;
        }
        if (w->plan->semantics == MERGE_MERGEKIT && w->plan->method->rows_mergekit)
            w->plan->method->rows_mergekit(&block, room.out);
        else
            w->plan->method->rows(&block, room.out);
        finish_block(chunk, at, step, &room, result, pairs);
    }
}

static void sums_task(void *user, size_t task, unsigned worker)
{
    struct chunk_worker *w = user;
    const struct merge_method *method = w->plan->method;
    const struct chunk *chunk = w->chunk;
    size_t first = task * CHUNK_TASK, n = chunk->n - first < CHUNK_TASK ? chunk->n - first : CHUNK_TASK;
    struct task_result *result = &w->results[task];
    struct block_room room = room_of(pool_scratch(w->context->pool, worker), chunk->tensor->n_sources);

    *result = (struct task_result){0};
    for (size_t at = first; at < first + n; at += MERGE_BLOCK) {
        size_t step = first + n - at < MERGE_BLOCK ? first + n - at : MERGE_BLOCK;
        struct merge_block block = describe_block(w, step, &room);
        load_block(chunk, at, step, &room);
        if (w->plan->semantics == MERGE_MERGEKIT && method->add_sums_mergekit)
            method->add_sums_mergekit(&block, result->method);
        else
            method->add_sums(&block, result->method);
    }
}

/* ---- chunks ---- */

/* "[3, 17]" of element i. */
static void append_index(const struct merge_tensor *t, uint64_t element, char *out, size_t size)
{
    uint64_t index[TENSOR_MAX_RANK];
    size_t used = 0;

    for (unsigned d = t->rank; d-- > 0;) {
        index[d] = element % t->shape[d];
        element /= t->shape[d];
    }
    used += (size_t)snprintf(out, size, "[");
    for (unsigned d = 0; d < t->rank; d++)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRIu64, d ? ", " : "", index[d]);
    snprintf(out + used, size - used, "]");
}

static bool refuse_bad(const struct chunk_worker *w, const struct merge_tensor *t,
                       const struct task_result *result, struct error *err)
{
    char index[TENSOR_MAX_RANK * 24 + 3];

    append_index(t, result->bad_element, index, sizeof index);
    if (result->bad_source == RESULT)
        return error_set(err, ERROR_NUMERIC, "tensor %s: element %s of the result is %s in %s",
                         quote(t->name).text, index, isnan(result->bad_value) ? "NaN" : "infinite",
                         dtype_facts(t->dtype)->name);
    const struct merge_source *source = &t->sources[result->bad_source];
    return error_set(err, ERROR_NUMERIC, "%s: tensor %s: element %s is %s",
                     quote(w->plan->models[source->model].path).text, quote(source->tensor->name).text, index,
                     isnan(result->bad_value) ? "NaN" : "infinite");
}

bool chunk_add_sums(struct chunk_worker *worker, const struct chunk *chunk, struct tensor_sums *sums,
                    struct error *err)
{
    size_t n_tasks = task_count(chunk->n);

    (void)err;
    worker->chunk = chunk;
    worker->sums = NULL;
    pool_run(worker->context->pool, n_tasks, sums_task, worker);
    for (size_t task = 0; task < n_tasks; task++)
        for (size_t i = 0; i < worker->plan->method->n_sums; i++)
            sums->method[i] += worker->results[task].method[i];
    return true;
}

bool chunk_merge(struct chunk_worker *worker, const struct chunk *chunk, struct tensor_sums *sums,
                 struct error *err)
{
    size_t n_tasks = task_count(chunk->n), n_sources = chunk->tensor->n_sources;

    worker->chunk = chunk;
    worker->sums = sums->method;
    pool_run(worker->context->pool, n_tasks, merge_task, worker);
    for (size_t task = 0; task < n_tasks; task++) {
        const struct task_result *result = &worker->results[task];
        const double *pairs = worker->pairs + 2 * worker->most_sources * task;
        if (result->bad)
            return refuse_bad(worker, chunk->tensor, result, err);
        sums->squares += result->squares;
        for (size_t i = 0; i < n_sources; i++) {
            sums->source_squares[i] += pairs[2 * i];
            sums->distance[i] += pairs[2 * i + 1];
        }
    }
    return true;
}
