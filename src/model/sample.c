#include "sample.h"

#include "exponential.h"
#include "memory.h"

/* A draw takes the candidates in order of their logits, largest first and lower ids first among equals, and
 * cuts that list after top_k, then where its probabilities (made to add up to 1 again) first reach top_p. One
 * uniform number then picks from what is left. NaN is never a candidate. */

static uint32_t most_probable(const real *logits, size_t limit)
{
    uint32_t best = 0;

    for (size_t i = 1; i < limit; i++)
        if (logits[i] > logits[best] || (logits[best] != logits[best] && logits[i] == logits[i]))
            best = (uint32_t)i;
    return best;
}

struct candidates { /* a heap of ids, the largest logit on top */
    const real *logits;
    uint32_t *ids;
    size_t n;
};

static bool comes_before(const struct candidates *c, uint32_t a, uint32_t b)
{
    return c->logits[a] > c->logits[b] || (c->logits[a] == c->logits[b] && a < b);
}

static void sift_down(struct candidates *c, size_t at)
{
    uint32_t id = c->ids[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= c->n)
            break;
        if (child + 1 < c->n && comes_before(c, c->ids[child + 1], c->ids[child]))
            child++;
        if (!comes_before(c, c->ids[child], id))
            break;
        c->ids[at] = c->ids[child];
        at = child;
    }
    c->ids[at] = id;
}

/* Moves the largest to the end of the array, behind the heap. */
static uint32_t pop_largest(struct candidates *c)
{
    uint32_t id = c->ids[0];

    c->ids[0] = c->ids[--c->n];
    sift_down(c, 0);
    c->ids[c->n] = id;
    return id;
}

static double weight_of(const struct sampler *sampler, const real *logits, uint32_t id, double max)
{
    return exp(((double)logits[id] - max) / sampler->temperature);
}

enum { PIECE = 256 };

/* Weights of ids [at, at + width), width <= PIECE; 0 for NaN. Returns their sum. */
static double piece_weights(const struct sampler *sampler, const real *logits, size_t at, size_t width,
                            double max, real *out)
{
    double sum = 0;

    for (size_t i = 0; i < width; i++)
        out[i] = (real)(((double)logits[at + i] - max) / sampler->temperature);
    exponential(out, width, 1, 0, out);
    for (size_t i = 0; i < width; i++) {
        out[i] = out[i] == out[i] ? out[i] : 0;
        sum += (double)out[i];
    }
    return sum;
}

static double total_weight(const struct sampler *sampler, const real *logits, size_t limit, double max)
{
    real weights[PIECE];
    double total = 0;

    for (size_t at = 0; at < limit; at += PIECE)
        total += piece_weights(sampler, logits, at, limit - at < PIECE ? limit - at : PIECE, max, weights);
    return total;
}

/* With nothing to cut, ids in their own order serve as well as sorted ones. */
static uint32_t draw_from_all(const struct sampler *sampler, const real *logits, size_t limit, double max,
                              double u)
{
    real weights[PIECE];
    double wanted = u * total_weight(sampler, logits, limit, max), sum = 0;
    uint32_t last = most_probable(logits, limit);

    for (size_t at = 0; at < limit; at += PIECE) {
        size_t width = limit - at < PIECE ? limit - at : PIECE;
        double piece = piece_weights(sampler, logits, at, width, max, weights), within = sum;

        sum += piece;
        if (sum <= wanted)
            continue;
        for (size_t i = 0; i < width; i++) {
            within += (double)weights[i];
            if (weights[i] > 0)
                last = (uint32_t)(at + i);
            if (weights[i] > 0 && within > wanted)
                return last;
        }
    }
    return last; /* sums of pieces and of elements may differ in the last place */
}

static uint32_t draw_from_best(const struct sampler *sampler, const real *logits, size_t limit, double max,
                               double u, uint32_t *ids)
{
    struct candidates c = {logits, ids, 0};
    size_t n_all, n_taken = 0;
    double total = 0, kept = 0, sum = 0;

    for (size_t i = 0; i < limit; i++)
        if (logits[i] == logits[i])
            ids[c.n++] = (uint32_t)i;
    n_all = c.n;
    for (size_t i = c.n / 2; i-- > 0;)
        sift_down(&c, i);
    if (sampler->top_k && sampler->top_k < n_all) {
        for (; n_taken < sampler->top_k; n_taken++)
            total += weight_of(sampler, logits, pop_largest(&c), max);
    } else {
        total = total_weight(sampler, logits, limit, max);
    }
    /* What was taken lies at the end of ids, the largest last. */
    size_t n_kept = 0, n_most = n_taken ? n_taken : n_all;
    while (n_kept < n_most && (n_kept == 0 || sampler->top_p >= 1 || kept < sampler->top_p * total)) {
        if (n_kept >= n_taken) {
            pop_largest(&c);
            n_taken++;
        }
        kept += weight_of(sampler, logits, ids[n_all - 1 - n_kept], max);
        n_kept++;
    }
    for (size_t i = 0; i < n_kept; i++) {
        uint32_t id = ids[n_all - 1 - i];

        sum += weight_of(sampler, logits, id, max);
        if (sum > u * kept)
            return id;
    }
    return n_kept ? ids[n_all - n_kept] : 0;
}

uint32_t sample_token(const struct sampler *sampler, const real *logits, size_t limit, uint64_t stream,
                      uint64_t counter, uint32_t *scratch)
{
    uint32_t best = most_probable(logits, limit);
    double u;

    if (!(sampler->temperature > 0) || !isfinite((double)logits[best]))
        return best;
    u = random_uniform((struct random_key){sampler->seed, stream}, counter);
    if ((sampler->top_k == 0 || sampler->top_k >= limit) && sampler->top_p >= 1)
        return draw_from_all(sampler, logits, limit, (double)logits[best], u);
    return draw_from_best(sampler, logits, limit, (double)logits[best], u, scratch);
}

/* ---- continuing a batch ---- */

struct continuation_batch {
    const struct context *context;
    const struct model *model;
    const struct sampler *sampler;
    size_t n, limit, n_alive;
    size_t *length;       /* [n] tokens so far */
    bool *ended;          /* [n] */
    uint32_t *next;       /* [n] drawn in this step, or PASS_NO_TOKEN */
    struct place *places; /* [n] of those alive */
    real *logits;         /* [n, vocabulary], by rank among those alive */
    uint32_t *scratch;    /* [n, limit] */
    size_t step;
    size_t *alive; /* [n] sequence by rank */
};

static void draw_task(void *user, size_t rank, unsigned worker)
{
    struct continuation_batch *b = user;
    size_t s = b->alive[rank];

    (void)worker;
    b->next[s] = sample_token(b->sampler, b->logits + rank * b->model->config.vocabulary, b->limit, s,
                              b->step, b->scratch + rank * b->limit);
}

static bool open_batch(struct continuation_batch *b, const struct sequence *prompts, struct error *err)
{
    size_t vocabulary = b->model->config.vocabulary;

    b->limit = b->limit && b->limit < vocabulary ? b->limit : vocabulary;
    b->length = memory_array(b->n, sizeof *b->length);
    b->ended = memory_zeroed(b->n, sizeof *b->ended);
    b->next = memory_array(b->n, sizeof *b->next);
    b->places = memory_array(b->n, sizeof *b->places);
    b->alive = memory_array(b->n, sizeof *b->alive);
    b->logits = memory_aligned(b->n, vocabulary * sizeof *b->logits);
    b->scratch = memory_array(b->n, b->limit * sizeof *b->scratch);
    if (!b->length || !b->ended || !b->next || !b->places || !b->alive || !b->logits || !b->scratch)
        return error_memory(err, "continuing a text");
    for (size_t s = 0; s < b->n; s++)
        b->length[s] = prompts[s].length;
    return true;
}

static void close_batch(struct continuation_batch *b)
{
    free(b->length);
    free(b->ended);
    free(b->next);
    free(b->places);
    free(b->alive);
    free(b->logits);
    free(b->scratch);
}

/* Draws a token for each sequence that goes on. */
static bool draw_step(struct continuation_batch *b, struct pass *pass, struct error *err)
{
    b->n_alive = 0;
    for (size_t s = 0; s < b->n; s++) {
        b->next[s] = PASS_NO_TOKEN;
        if (b->ended[s])
            continue;
        b->places[b->n_alive] = (struct place){s, b->length[s] - 1};
        b->alive[b->n_alive++] = s;
    }
    if (b->n_alive == 0)
        return true;
    if (!pass_logits(pass, b->places, b->n_alive, b->logits, err))
        return false;
    pool_run(b->context->pool, b->n_alive, draw_task, b);
    return true;
}

/* Hands the tokens out; sequences that end, or fill the context, are left out of the next run. Returns how
 * many go on. */
static size_t hand_out(struct continuation_batch *b, bool (*token)(void *, size_t, uint32_t), void *user)
{
    size_t n_on = 0;

    for (size_t rank = 0; rank < b->n_alive; rank++) {
        size_t s = b->alive[rank];

        b->ended[s] = !token(user, s, b->next[s]) || b->length[s] == b->model->config.context;
        b->length[s]++;
        if (b->ended[s])
            b->next[s] = PASS_NO_TOKEN;
        else
            n_on++;
    }
    return n_on;
}

bool sample_continue(const struct context *context, const struct model *model, const struct sequence *prompts,
                     size_t n_prompts, size_t n_tokens, const struct sampler *sampler, size_t limit,
                     bool (*token)(void *user, size_t sequence, uint32_t id), void *user, struct error *err)
{
    struct continuation_batch b = {
        .context = context, .model = model, .sampler = sampler, .n = n_prompts, .limit = limit};
    struct pass_options options = {.keep_cache = true};
    struct pass *pass = NULL;
    size_t longest = 0, room = model->config.context;
    bool ok;

    if (n_prompts == 0 || n_tokens == 0)
        return true;
    for (size_t s = 0; s < n_prompts; s++)
        longest = prompts[s].length > longest ? prompts[s].length : longest;
    options.capacity = longest < room && n_tokens < room - longest ? longest + n_tokens : room;
    ok = open_batch(&b, prompts, err) && pass_new(context, model, prompts, n_prompts, &options, &pass, err) &&
         pass_run(pass, err);
    for (; ok && b.step < n_tokens; b.step++) {
        ok = draw_step(&b, pass, err);
        if (!ok || hand_out(&b, token, user) == 0 || b.step + 1 == n_tokens)
            break;
        ok = context_continue(context, err) && pass_append(pass, b.next, err);
    }
    pass_free(pass);
    close_batch(&b);
    return ok;
}
