#include "merge_run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chunk.h"
#include "chunk_queue.h"
#include "memory.h"
#include "quote.h"
#include "rows.h"
#include "size.h"

/* What the process uses itself: program and libraries, and for each tensor names, plan and results. */
enum { PROCESS_BYTES = 8 << 20, TENSOR_BYTES = 1 << 10 };
enum { MOST_CHUNK_BYTES = 8 << 20, LEAST_CHUNK_BYTES = CHUNK_TASK * 8 };
static const uint64_t standard_memory = UINT64_C(1) << 30;

struct run {
    const struct context *context;
    const struct merge_plan *plan;
    const struct merge_sink *sink;
    struct chunk_worker *worker;
    struct chunk_queue *queue;
    size_t chunk_bytes;
    uint8_t *staged;        /* [n_staged, chunk_bytes] sources that are read by sink->old */
    const uint8_t **inputs; /* [most sources] */
    double *pairs;          /* [2, most sources] of tensor_sums */
    size_t n_sources;       /* at most */
    struct merge_done *done;
    uint64_t total, passed; /* bytes of results */
};

/* ---- memory ---- */

static size_t most_staged(const struct merge_plan *plan)
{
    size_t most = 0;

    for (size_t i = 0; i < plan->n_tensors; i++) {
        size_t n = 0;
        for (size_t j = 0; j < plan->tensors[i].n_sources; j++)
            n += plan->models[plan->tensors[i].sources[j].model].is_target;
        most = n > most ? n : most;
    }
    return most;
}

static uint64_t process_bytes(const struct merge_plan *plan)
{
    uint64_t n = plan->n_tensors;

    for (size_t i = 0; i < plan->n_tensors; i++)
        n += plan->tensors[i].n_sources;
    return PROCESS_BYTES + TENSOR_BYTES * n;
}

/* With chunks of that size. */
static bool memory_of(const struct context *context, const struct merge_plan *plan,
                      merge_sink_memory *sink_memory, bool in_place, size_t chunk_bytes, uint64_t *out)
{
    uint64_t worker, buffers = QUEUE_BUFFERS + (in_place ? most_staged(plan) : 0);

    return chunk_worker_bytes(context, plan, chunk_bytes, &worker) &&
           u64_mul(buffers, chunk_bytes, &buffers) && u64_add(buffers, worker, &buffers) &&
           u64_add(buffers, sink_memory ? sink_memory(chunk_bytes) : 0, &buffers) &&
           u64_add(buffers, process_bytes(plan), out);
}

static bool choose_chunk(const struct context *context, const struct merge_plan *plan,
                         const struct merge_limits *limits, merge_sink_memory *sink_memory, bool in_place,
                         struct merge_size *out, struct error *err)
{
    uint64_t cap = limits->memory ? limits->memory : standard_memory, need = 0;

    for (size_t bytes = MOST_CHUNK_BYTES; bytes >= LEAST_CHUNK_BYTES; bytes /= 2) {
        if (!memory_of(context, plan, sink_memory, in_place, bytes, &need))
            return error_set(err, ERROR_UNSUPPORTED, "a tensor cannot be merged from %zu models at once",
                             plan_most_sources(plan));
        if (need <= cap) {
            *out = (struct merge_size){.chunk_bytes = bytes, .memory = need};
            return true;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "%" PRIu64 " MiB of memory is too little for this merge: it needs %" PRIu64 " MiB",
                     cap >> 20, (need >> 20) + 1);
}

/* ---- checks ---- */

static bool check_dtypes(const struct merge_plan *plan, const struct merge_tensor *t, struct error *err)
{
    if (t->copied)
        return true;
    for (size_t i = 0; i < t->n_sources; i++) {
        const struct tensor *source = t->sources[i].tensor;
        if (!rows_readable(source->dtype) || !dtype_facts(source->dtype)->is_float ||
            dtype_facts(source->dtype)->block_elements != 1)
            return error_set(err, ERROR_UNSUPPORTED, "%s: tensor %s: %s cannot be merged",
                             quote(plan->models[t->sources[i].model].path).text, quote(source->name).text,
                             dtype_facts(source->dtype)->name);
        if (source->elements != t->elements)
            return error_set(err, ERROR_MISMATCH, "%s: tensor %s has %" PRIu64 " elements, not %" PRIu64,
                             quote(plan->models[t->sources[i].model].path).text, quote(source->name).text,
                             source->elements, t->elements);
    }
    if (!rows_writable(t->dtype) || (t->cast != DTYPE_COUNT && !rows_writable(t->cast)))
        return error_set(err, ERROR_UNSUPPORTED, "tensor %s: nothing is rounded to %s", quote(t->name).text,
                         dtype_facts(t->dtype)->name);
    return true;
}

static bool check_parameters(const struct merge_plan *plan, const struct merge_tensor *t, double *weights,
                             struct error *err)
{
    const struct merge_method *method = plan->method;
    const char *fault;

    if (!method->fault || t->copied)
        return true;
    fault = method->fault(&(struct merge_block){
        .n_sources = t->n_sources, .weights = chunk_weights(method, t, weights), .values = t->values});
    return !fault || error_set(err, ERROR_USAGE, "tensor %s cannot be merged by %s: %s", quote(t->name).text,
                               method->name, fault);
}

bool merge_prepare(const struct context *context, const struct merge_plan *plan,
                   const struct merge_limits *limits, merge_sink_memory *sink_memory, bool in_place,
                   struct merge_size *out, struct error *err)
{
    double *weights = memory_array(plan_most_sources(plan), sizeof *weights);
    bool ok = weights ? true : error_memory(err, "checking a merge");

    for (size_t i = 0; ok && i < plan->n_tensors; i++)
        ok = check_dtypes(plan, &plan->tensors[i], err) &&
             check_parameters(plan, &plan->tensors[i], weights, err);
    free(weights);
    return ok && choose_chunk(context, plan, limits, sink_memory, in_place, out, err);
}

/* ---- sources ---- */

static size_t source_unit(const struct merge_tensor *t, size_t source)
{
    return t->copied ? chunk_unit(t) : dtype_facts(t->sources[source].tensor->dtype)->block_bits / 8;
}

/* Elements of a chunk at most: a multiple of CHUNK_TASK whose result and staged sources fit in a buffer. */
static size_t chunk_elements(const struct run *r, const struct merge_tensor *t)
{
    size_t unit = chunk_unit(t);

    for (size_t i = 0; r->sink->old && i < t->n_sources; i++)
        if (source_unit(t, i) > unit)
            unit = source_unit(t, i);
    return r->chunk_bytes / unit / CHUNK_TASK * CHUNK_TASK;
}

static bool is_moving(const struct run *r, size_t tensor, size_t source)
{
    return r->sink->old && r->plan->models[r->plan->tensors[tensor].sources[source].model].is_target &&
           r->sink->is_moving(r->sink->user, tensor, source);
}

/* A hint that these bytes will be needed soon. */
static void fetch(const struct tensor *tensor, uint64_t offset, uint64_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)tensor->data + offset,
              first = at / page * page;

    if (offset < tensor->bytes) {
        n = n < tensor->bytes - offset ? n : tensor->bytes - offset;
        madvise((void *)first, at + n - first, MADV_WILLNEED);
    }
}

static void fetch_chunk(const struct run *r, size_t tensor, uint64_t first, size_t n)
{
    const struct merge_tensor *t = &r->plan->tensors[tensor];

    for (size_t i = 0; i < t->n_sources; i++)
        if (!is_moving(r, tensor, i))
            fetch(t->sources[i].tensor, first * source_unit(t, i), (uint64_t)n * source_unit(t, i));
}

/* The chunk behind the one at `first`: of the same tensor, or of the next. */
static void fetch_next(const struct run *r, size_t place, uint64_t first, size_t n)
{
    size_t tensor = r->sink->order[place];

    if (first + n < chunk_units(&r->plan->tensors[tensor]))
        fetch_chunk(r, tensor, first + n, n);
    else if (place + 1 < r->sink->n) {
        tensor = r->sink->order[place + 1];
        fetch_chunk(r, tensor, 0, chunk_elements(r, &r->plan->tensors[tensor]));
    }
}

static bool find_inputs(struct run *r, size_t tensor, uint64_t first, size_t n, struct error *err)
{
    const struct merge_tensor *t = &r->plan->tensors[tensor];
    uint8_t *stage = r->staged;

    for (size_t i = 0; i < t->n_sources; i++) {
        const struct tensor *source = t->sources[i].tensor;
        uint64_t offset = first * source_unit(t, i), bytes = (uint64_t)n * source_unit(t, i);
        if (!is_moving(r, tensor, i)) {
            r->inputs[i] = (const uint8_t *)source->data + offset;
            continue;
        }
        if (!r->sink->old(r->sink->user, source, offset, bytes, stage, err))
            return false;
        r->inputs[i] = stage;
        stage += r->chunk_bytes;
    }
    return true;
}

/* ---- tensors ---- */

static bool sum_tensor(struct run *r, size_t place, struct tensor_sums *sums, struct error *err)
{
    size_t tensor = r->sink->order[place], most = chunk_elements(r, &r->plan->tensors[tensor]);
    const struct merge_tensor *t = &r->plan->tensors[tensor];
    bool ok = true;

    for (uint64_t first = 0; ok && first < t->elements; first += most) {
        size_t n = t->elements - first < most ? (size_t)(t->elements - first) : most;
        struct chunk chunk = {.tensor = t, .first = first, .n = n, .inputs = r->inputs};
        if (first + n < t->elements)
            fetch_chunk(r, tensor, first + n, n);
        ok = context_continue(r->context, err) && find_inputs(r, tensor, first, n, err) &&
             chunk_add_sums(r->worker, &chunk, sums, err);
        context_progress(r->context, "merging", r->passed, r->total);
    }
    return ok;
}

static bool has_chunk(const struct run *r, size_t tensor, uint64_t offset, uint64_t n)
{
    return r->sink->has && r->sink->has(r->sink->user, tensor, offset, n);
}

/* Units [first, first + n) of a tensor. */
static bool run_chunk(struct run *r, size_t place, uint64_t first, size_t n, struct tensor_sums *sums,
                      struct error *err)
{
    size_t tensor = r->sink->order[place], unit = chunk_unit(&r->plan->tensors[tensor]);
    const struct merge_tensor *t = &r->plan->tensors[tensor];
    uint64_t offset = first * unit;
    struct queued_chunk queued = {
        .tensor = tensor, .offset = offset, .n = n * unit, .put = true, .last = first + n == chunk_units(t)};
    struct chunk chunk = {.tensor = t, .first = first, .n = n, .inputs = r->inputs};

    chunk.out = chunk_queue_buffer(r->queue);
    if (!chunk.out)
        return chunk_queue_finish(r->queue, err);
    queued.bytes = chunk.out;
    if (has_chunk(r, tensor, offset, queued.n)) {
        queued.bytes = (const uint8_t *)t->target->data + offset;
        queued.put = false;
        r->done->tensors[tensor].measured = false;
    } else {
        fetch_next(r, place, first, n);
        if (!find_inputs(r, tensor, first, n, err) || !chunk_merge(r->worker, &chunk, sums, err))
            return false;
    }
    chunk_queue_add(r->queue, &queued);
    r->passed += queued.n;
    context_progress(r->context, "merging", r->passed, r->total);
    return true;
}

static void report_tensor(struct run *r, size_t tensor, const struct tensor_sums *sums)
{
    const struct merge_tensor *t = &r->plan->tensors[tensor];
    struct merge_tensor_done *d = &r->done->tensors[tensor];

    if (!d->measured)
        return;
    d->norm = sqrt(sums->squares);
    d->change = sums->distance[0] > 0 ? sqrt(sums->distance[0] / sums->source_squares[0]) : 0;
    for (size_t i = 0; i < t->n_sources; i++) {
        struct merge_model_done *m = &r->done->models[t->sources[i].model];
        m->squares += sums->source_squares[i];
        m->distance += sums->distance[i];
        m->n_tensors++;
    }
    r->done->squares += sums->squares;
}

static bool run_tensor(struct run *r, size_t place, struct error *err)
{
    size_t tensor = r->sink->order[place], most = chunk_elements(r, &r->plan->tensors[tensor]);
    const struct merge_tensor *t = &r->plan->tensors[tensor];
    const struct merge_method *method = r->plan->method;
    struct merge_tensor_done *d = &r->done->tensors[tensor];
    struct tensor_sums sums = {.source_squares = r->pairs, .distance = r->pairs + r->n_sources};
    uint64_t units = chunk_units(t), first = 0;

    memset(r->pairs, 0, 2 * r->n_sources * sizeof *r->pairs);
    d->written = d->measured = true;
    if (method->n_sums && !t->copied) {
        if (!sum_tensor(r, place, &sums, err))
            return false;
        if (method->branch)
            d->branch = method->branch(&(struct merge_block){
                .n_sources = t->n_sources, .values = t->values, .sums = sums.method, .dtype = t->work});
    }
    do {
        size_t n = units - first < most ? (size_t)(units - first) : most;
        if (!context_continue(r->context, err) || !run_chunk(r, place, first, n, &sums, err))
            return false;
        first += n;
    } while (first < units);
    report_tensor(r, tensor, &sums);
    return true;
}

/* ---- the run ---- */

static bool make_done(const struct merge_plan *plan, struct merge_done *done, struct error *err)
{
    *done = (struct merge_done){.tensors = memory_zeroed(plan->n_tensors, sizeof *done->tensors),
                                .models = memory_zeroed(plan->n_models, sizeof *done->models)};
    return done->tensors && done->models ? true : error_memory(err, "merging");
}

void merge_done_release(struct merge_done *done)
{
    free(done->tensors);
    free(done->models);
    *done = (struct merge_done){0};
}

static bool make_run(struct run *r, struct error *err)
{
    size_t staged = r->sink->old ? most_staged(r->plan) : 0, n_staged;

    r->n_sources = plan_most_sources(r->plan);
    r->inputs = memory_array(r->n_sources, sizeof *r->inputs);
    r->pairs = memory_array(2 * r->n_sources, sizeof *r->pairs);
    r->staged = size_mul(staged, r->chunk_bytes, &n_staged) ? memory_aligned(1, n_staged) : NULL;
    if (!r->inputs || !r->pairs || !r->staged)
        return error_memory(err, "merging");
    return chunk_worker_new(r->context, r->plan, r->chunk_bytes, &r->worker, err) &&
           chunk_queue_new(r->sink, r->chunk_bytes, r->done->tensors, &r->queue, err);
}

bool merge_run(const struct context *context, const struct merge_plan *plan, const struct merge_sink *sink,
               struct merge_done *done, struct error *err)
{
    struct merge_done made = {0};
    struct run r = {
        .context = context, .plan = plan, .sink = sink, .done = &made, .chunk_bytes = sink->chunk_bytes};
    bool ok = make_done(plan, &made, err) && make_run(&r, err);

    for (size_t i = 0; ok && i < sink->n; i++)
        r.total += chunk_units(&plan->tensors[sink->order[i]]) * chunk_unit(&plan->tensors[sink->order[i]]);
    for (size_t i = 0; ok && i < sink->n; i++)
        ok = run_tensor(&r, i, err);
    ok = ok && chunk_queue_finish(r.queue, err);
    chunk_queue_free(r.queue);
    chunk_worker_free(r.worker);
    free(r.inputs);
    free(r.pairs);
    free(r.staged);
    if (ok)
        *done = made;
    else
        merge_done_release(&made);
    return ok;
}
