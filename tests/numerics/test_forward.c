/* The forward of tiny random models against what transformers computed of them (make_tiny_models.py), and
 * against itself: batches, caches, threads, restarts, taps. Limits are those of the live comparison with
 * transformers (tests/peers): float32 on both sides, sums in other orders. */
#include "engine.h"

#include "random.h"
#include "suite.h"

#define LOGITS_LIMIT 2e-4 /* of the logits' standard deviation */
#define STATE_LIMIT 1e-5

static const char *const models[] = {
    /* layers of attention and one MLP */
    "tiny-gpt2", "tiny-llama", "tiny-gemma3", "tiny-bloom", "tiny-cohere", "tiny-falcon", "tiny-gemma",
    "tiny-gemma2", "tiny-glm4", "tiny-gpt_neo", "tiny-gpt_neox", "tiny-gptj", "tiny-granite", "tiny-mistral",
    "tiny-olmo2", "tiny-opt", "tiny-phi", "tiny-phi3", "tiny-qwen2", "tiny-qwen3", "tiny-smollm3",
    "tiny-stablelm", "tiny-starcoder2",
    /* mixers */
    "tiny-mamba",
    /* experts */
    "tiny-mixtral", "tiny-qwen2_moe", "tiny-qwen3_moe",
    /* encoders */
    "tiny-bert", "tiny-roberta", "tiny-distilbert"};
enum {
    N_MODELS = sizeof models / sizeof *models,
    N_DECODERS = N_MODELS - 3,
    N_ONE_KEY = N_DECODERS - 3, /* each layer has one key a token */
    N_DENSE = N_ONE_KEY - 1,
    N_PROMPTS = 2,
    LONGEST = 24
};

struct expected {
    struct checkpoint *file;
    size_t length[N_PROMPTS];
    uint32_t ids[N_PROMPTS][LONGEST];
    struct sequence sequences[N_PROMPTS];
};

static void expected_open(struct engine *e, const char *model, struct expected *x)
{
    char name[64], *path;
    double ids[LONGEST];

    snprintf(name, sizeof name, "%s/expected.safetensors", model);
    path = folder_of("LANCET_NUMERICS", name);
    ck_ok(e, checkpoint_open(&e->context, path, &(struct checkpoint_options){0}, &x->file, &e->err));
    free(path);
    for (size_t i = 0; i < N_PROMPTS; i++) {
        const struct tensor *tensor;

        snprintf(name, sizeof name, "ids.%zu", i);
        tensor = checkpoint_find(x->file, name);
        ck_assert_ptr_nonnull(tensor);
        x->length[i] = (size_t)tensor->elements;
        ck_assert_uint_le(x->length[i], LONGEST);
        rows_to_f64(tensor->dtype, tensor->data, x->length[i], ids);
        for (size_t t = 0; t < x->length[i]; t++)
            x->ids[i][t] = (uint32_t)ids[t];
        x->sequences[i] = (struct sequence){x->ids[i], x->length[i]};
    }
}

/* A stored array as numbers; freed with free(). */
static real *expected_array(const struct expected *x, const char *name, size_t prompt, size_t n)
{
    char full[64];
    const struct tensor *tensor;
    real *out = new_array(n, sizeof *out);

    snprintf(full, sizeof full, "%s.%zu", name, prompt);
    tensor = checkpoint_find(x->file, full);
    ck_assert_ptr_nonnull(tensor);
    ck_assert_uint_eq(tensor->elements, n);
    rows_to_real(tensor->dtype, tensor->data, n, out);
    return out;
}

struct recorder { /* what taps saw, by prompt */
    struct engine *engine;
    real *attention[N_PROMPTS], *states[N_PROMPTS];
    size_t length[N_PROMPTS];
};

static void record_pattern(void *user, const struct tap_view *view)
{
    struct recorder *r = user;
    size_t n = view->n_heads * view->n_queries * view->n_keys;

    ck_assert_uint_eq(view->n_keys, r->length[view->sequence]);
    ck_assert_uint_eq(view->n_queries, view->n_keys);
    memcpy(r->attention[view->sequence] + view->layer * n, view->data, n * sizeof(real));
}

static void record_state(void *user, const struct tap_view *view, size_t layer)
{
    struct recorder *r = user;

    for (size_t row = 0; row < view->n_rows; row++) {
        size_t s = view->row_sequence[row];

        memcpy(r->states[s] + (layer * r->length[s] + view->row_position[row]) * view->width,
               view->data + row * view->width, view->width * sizeof(real));
    }
}

static void record_embedding(void *user, const struct tap_view *view)
{
    record_state(user, view, 0);
}

static void record_layer(void *user, const struct tap_view *view)
{
    record_state(user, view, view->layer + 1);
}

/* Logits [T, vocabulary] of one sequence of a pass that has run. */
static real *logits_of(struct engine *e, struct pass *pass, size_t sequence, size_t length)
{
    real *logits = new_array(length * e->model->config.vocabulary, sizeof *logits);
    struct place *places = new_array(length, sizeof *places);

    for (size_t i = 0; i < length; i++)
        places[i] = (struct place){sequence, i};
    ck_ok(e, pass_logits(pass, places, length, logits, &e->err));
    free(places);
    return logits;
}

static void check_logits(struct engine *e, const struct expected *x, struct pass *pass)
{
    size_t vocabulary = e->model->config.vocabulary;

    for (size_t i = 0; i < N_PROMPTS; i++) {
        size_t n = x->length[i] * vocabulary;
        real *found = logits_of(e, pass, i, x->length[i]), *wanted = expected_array(x, "logits", i, n);

        ck_assert_double_le(largest_difference(found, wanted, n), LOGITS_LIMIT * deviation(wanted, n));
        free(found);
        free(wanted);
    }
}

START_TEST(test_against_transformers)
{
    struct engine e;
    struct expected x;
    struct recorder r = {.engine = &e};
    struct pass *pass;
    size_t last, width, heads;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    last = e.model->config.n_layers - 1;
    width = e.model->config.width;
    heads = e.model->config.n_heads;
    for (size_t i = 0; i < N_PROMPTS; i++) {
        r.length[i] = x.length[i];
        r.attention[i] = new_array((last + 1) * heads * x.length[i] * x.length[i], sizeof(real));
        r.states[i] = new_array((last + 1) * x.length[i] * width, sizeof(real));
    }
    const struct tap taps[] = {
        {SITE_ATTENTION_PATTERN, 0, last, record_pattern, &r},
        {SITE_EMBEDDING, 0, 0, record_embedding, &r},
        {SITE_STATE, 0, last - 1, record_layer, &r},
    };
    ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                       &(struct pass_options){.taps = taps, .n_taps = 3}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    check_logits(&e, &x, pass);
    if (!model_can(e.model, ABLE_ATTENTION, &e.err))
        heads = 0; /* nothing is stored, and nothing was seen */
    for (size_t i = 0; i < N_PROMPTS; i++) {
        size_t n_states = (last + 1) * x.length[i] * width,
               n_attention = (last + 1) * heads * x.length[i] * x.length[i];
        real *states = expected_array(&x, "states", i, n_states);
        real *attention =
            heads ? expected_array(&x, "attention", i, n_attention) : new_array(1, sizeof *attention);

        ck_assert_double_le(largest_difference(r.states[i], states, n_states), STATE_LIMIT);
        ck_assert_double_le(largest_difference(r.attention[i], attention, n_attention), STATE_LIMIT);
        free(states);
        free(attention);
        free(r.states[i]);
        free(r.attention[i]);
    }
    pass_free(pass);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

/* Without taps attention takes the other path; a cache that grows token by token must end at the same logits.
 */
START_TEST(test_cache)
{
    struct engine e;
    struct expected x;
    struct sequence starts[N_PROMPTS];
    struct pass *pass;
    size_t vocabulary;
    real *logits;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    vocabulary = e.model->config.vocabulary;
    logits = new_array(vocabulary, sizeof *logits);
    ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS, NULL, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    check_logits(&e, &x, pass);
    pass_free(pass);
    for (size_t i = 0; i < N_PROMPTS; i++)
        starts[i] = (struct sequence){x.ids[i], i + 1};
    ck_ok(&e, pass_new(&e.context, e.model, starts, N_PROMPTS,
                       &(struct pass_options){.keep_cache = true, .capacity = LONGEST}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    for (size_t t = 1; t < LONGEST; t++) {
        uint32_t next[N_PROMPTS];

        for (size_t i = 0; i < N_PROMPTS; i++)
            next[i] = t + i < x.length[i] ? x.ids[i][t + i] : PASS_NO_TOKEN;
        ck_ok(&e, pass_append(pass, next, &e.err));
        for (size_t i = 0; i < N_PROMPTS; i++) {
            size_t n = x.length[i] * vocabulary;
            real *wanted;

            if (next[i] == PASS_NO_TOKEN)
                continue;
            wanted = expected_array(&x, "logits", i, n);
            ck_ok(&e, pass_logits(pass, &(struct place){i, t + i}, 1, logits, &e.err));
            ck_assert_double_le(largest_difference(logits, wanted + (t + i) * vocabulary, vocabulary),
                                LOGITS_LIMIT * deviation(wanted, n));
            free(wanted);
        }
    }
    pass_free(pass);
    free(logits);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

/* 40 rows go through BLAS, 3 through our own loops; both must not depend on the threads. */
START_TEST(test_threads_give_the_same_bits)
{
    static const unsigned threads[] = {1, 2, 3};
    struct engine e;
    real *first = NULL;

    for (size_t k = 0; k < 3; k++) {
        uint32_t ids[LONGEST];
        struct sequence sequences[] = {{ids, LONGEST}, {ids + 3, LONGEST - 5}, {ids, 3}};
        struct pass *pass;
        size_t n;

        engine_open(&e, "LANCET_NUMERICS", models[_i], threads[k]);
        n = e.model->config.vocabulary * LONGEST;
        for (size_t i = 0; i < LONGEST; i++)
            ids[i] = (uint32_t)(random_u64((struct random_key){1, 2}, i) % e.model->config.vocabulary);
        ck_ok(&e, pass_new(&e.context, e.model, sequences, 3, NULL, &pass, &e.err));
        ck_ok(&e, pass_run(pass, &e.err));
        real *logits = logits_of(&e, pass, 0, LONGEST);
        if (first) {
            ck_assert(memcmp(first, logits, n * sizeof *logits) == 0);
            free(logits);
        } else {
            first = logits;
        }
        pass_free(pass);
        engine_close(&e);
    }
    free(first);
}
END_TEST

/* ---- restarts ---- */

struct shift {
    const real *add;
    const size_t *at;
};

static void add_to_value(void *user, const struct tap_view *view)
{
    const struct shift *shift = user;

    for (size_t row = 0; row < view->n_rows; row++)
        if (shift->at[view->row_sequence[row]] == view->row_position[row])
            for (size_t i = 0; i < view->width; i++)
                view->data[row * view->width + i] += shift->add[i];
}

/* Resuming with a vector is running with a tap that adds it; resuming with none repeats the bits of the run;
 * the places of the last layer alone give the same. */
static void check_resume(struct engine *e, const struct expected *x, size_t layer, bool places_only)
{
    const size_t from[N_PROMPTS] = {3, 10}, at[N_PROMPTS] = {4, 10};
    const struct place places[] = {{0, 6}, {1, 18}, {1, 12}};
    size_t width = e->model->config.width, vocabulary = e->model->config.vocabulary;
    real *add = new_array(width, sizeof *add), *found[3];
    struct shift shift = {add, at};
    const struct tap tap = {SITE_MLP_VALUE, layer, layer, add_to_value, &shift};
    struct pass *pass;

    for (size_t i = 0; i < 3; i++)
        found[i] = new_array(3 * vocabulary, sizeof(real));
    for (size_t i = 0; i < width; i++)
        add[i] = (real)random_normal((struct random_key){2, 3}, i);
    ck_ok(e, pass_new(&e->context, e->model, x->sequences, N_PROMPTS,
                      &(struct pass_options){.resumable = true,
                                             .resume_layer = layer,
                                             .from = from,
                                             .places = places_only ? places : NULL,
                                             .n_places = 3},
                      &pass, &e->err));
    ck_ok(e, pass_run(pass, &e->err));
    ck_ok(e, pass_logits(pass, places, 3, found[0], &e->err));
    ck_ok(e, pass_resume(pass, add, at, &e->err));
    ck_ok(e, pass_logits(pass, places, 3, found[1], &e->err));
    ck_ok(e, pass_resume(pass, NULL, at, &e->err));
    ck_ok(e, pass_logits(pass, places, 3, found[2], &e->err));
    ck_assert(memcmp(found[0], found[2], 3 * vocabulary * sizeof(real)) == 0);
    ck_assert(!pass_logits(pass, &(struct place){0, 2}, 1, found[2], &e->err));
    ck_assert_int_eq(e->err.kind, ERROR_USAGE);
    pass_free(pass);

    ck_ok(e, pass_new(&e->context, e->model, x->sequences, N_PROMPTS,
                      &(struct pass_options){.taps = &tap, .n_taps = 1}, &pass, &e->err));
    ck_ok(e, pass_run(pass, &e->err));
    ck_ok(e, pass_logits(pass, places, 3, found[2], &e->err));
    pass_free(pass);
    ck_assert_double_gt(largest_difference(found[0], found[2], 3 * vocabulary), 1e-2);
    ck_assert_double_le(largest_difference(found[1], found[2], 3 * vocabulary),
                        LOGITS_LIMIT * deviation(found[2], 3 * vocabulary));
    for (size_t i = 0; i < 3; i++)
        free(found[i]);
    free(add);
}

START_TEST(test_resume)
{
    struct engine e;
    struct expected x;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    for (size_t layer = 0; layer + 1 < e.model->config.n_layers; layer++) {
        check_resume(&e, &x, layer, false);
        check_resume(&e, &x, layer, true);
    }
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

/* Places alone leave the last layer, and the cache goes on all the same. */
START_TEST(test_places)
{
    const struct place places[] = {{1, 11}, {0, 6}, {1, 18}};
    struct engine e;
    struct expected x;
    struct pass *pass;
    size_t vocabulary;
    real *logits, *wanted[N_PROMPTS], *more[2];

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    vocabulary = e.model->config.vocabulary;
    logits = new_array(3 * vocabulary, sizeof *logits);
    for (size_t i = 0; i < N_PROMPTS; i++)
        wanted[i] = expected_array(&x, "logits", i, x.length[i] * vocabulary);
    for (size_t k = 0; k < 2; k++) {
        const uint32_t next[] = {5, PASS_NO_TOKEN};

        ck_ok(
            &e,
            pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                     &(struct pass_options){
                         .keep_cache = true, .capacity = LONGEST, .places = k ? places : NULL, .n_places = 3},
                     &pass, &e.err));
        ck_ok(&e, pass_run(pass, &e.err));
        ck_ok(&e, pass_logits(pass, places, 3, logits, &e.err));
        for (size_t i = 0; i < 3; i++)
            ck_assert_double_le(
                largest_difference(logits + i * vocabulary,
                                   wanted[places[i].sequence] + places[i].position * vocabulary, vocabulary),
                LOGITS_LIMIT * deviation(wanted[1], x.length[1] * vocabulary));
        ck_assert(pass_logits(pass, &(struct place){1, 12}, 1, logits, &e.err) == (k == 0));
        ck_ok(&e, pass_append(pass, next, &e.err));
        more[k] = new_array(vocabulary, sizeof(real));
        ck_ok(&e, pass_logits(pass, &(struct place){0, 7}, 1, more[k], &e.err));
        ck_assert(!pass_logits(pass, &(struct place){1, 19}, 1, logits, &e.err));
        pass_free(pass);
    }
    ck_assert(memcmp(more[0], more[1], vocabulary * sizeof(real)) == 0);
    for (size_t i = 0; i < 2; i++) {
        free(wanted[i]);
        free(more[i]);
    }
    free(logits);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

struct row_copy {
    size_t sequence, position;
    real *data;
};

static void copy_row(void *user, const struct tap_view *view)
{
    struct row_copy *copy = user;

    for (size_t row = 0; row < view->n_rows; row++)
        if (view->row_sequence[row] == copy->sequence && view->row_position[row] == copy->position)
            memcpy(copy->data, view->data + row * view->width, view->width * sizeof(real));
}

/* The value is the down projection of the key, and both are what taps see. */
START_TEST(test_key_and_value)
{
    const size_t from[N_PROMPTS] = {2, 5}, layer = 1;
    struct engine e;
    struct expected x;
    struct pass *pass;
    size_t width, ff;
    real *value;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    width = e.model->config.width;
    ff = e.model->config.ff;
    struct row_copy key = {1, 7, new_array(ff, sizeof(real))}, seen = {1, 7, new_array(width, sizeof(real))};
    const struct tap taps[] = {{SITE_MLP_KEY, layer, layer, copy_row, &key},
                               {SITE_MLP_VALUE, layer, layer, copy_row, &seen}};
    ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                       &(struct pass_options){
                           .taps = taps, .n_taps = 2, .resumable = true, .resume_layer = layer, .from = from},
                       &pass, &e.err));
    ck_assert_ptr_null(pass_key(pass, 1, 7));
    ck_ok(&e, pass_run(pass, &e.err));
    ck_assert_ptr_null(pass_key(pass, 1, 4));
    ck_assert(memcmp(pass_key(pass, 1, 7), key.data, ff * sizeof(real)) == 0);
    ck_assert(memcmp(pass_value(pass, 1, 7), seen.data, width * sizeof(real)) == 0);
    value = new_array(width, sizeof *value);
    weight_matmul(&e.context, model_site(e.model, layer), e.model->layer_vector[layer][ROLE_DOWN_BIAS],
                  key.data, 1, value);
    ck_assert_double_le(largest_difference(value, seen.data, width), STATE_LIMIT);
    free(value);
    free(key.data);
    free(seen.data);
    pass_free(pass);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

static void unexpected(void *user, const struct tap_view *view)
{
    ck_abort_msg("%s: layer %zu was called", (const char *)user, view->layer);
}

/* A pass for keys gives the same keys and goes no further. */
START_TEST(test_keys_only)
{
    struct engine e;
    struct expected x;
    real *found[2], logits[53];
    char value[] = "value", state[] = "state";

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    for (size_t k = 0; k < 2; k++) {
        struct row_copy key = {1, 9, new_array(e.model->config.ff, sizeof(real))};
        const struct tap taps[] = {{SITE_MLP_KEY, 1, 1, copy_row, &key},
                                   {SITE_MLP_VALUE, 1, 1, unexpected, value},
                                   {SITE_STATE, 1, 1, unexpected, state}};
        struct pass *pass;

        ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                           &(struct pass_options){
                               .n_layers = 2, .taps = taps, .n_taps = k ? 3 : 1, .keys_only = k != 0},
                           &pass, &e.err));
        ck_ok(&e, pass_run(pass, &e.err));
        ck_assert(pass_logits(pass, &(struct place){1, 9}, 1, logits, &e.err) == (k == 0));
        pass_free(pass);
        found[k] = key.data;
    }
    ck_assert_double_gt(deviation(found[0], e.model->config.ff), 0);
    ck_assert(memcmp(found[0], found[1], e.model->config.ff * sizeof(real)) == 0);
    free(found[0]);
    free(found[1]);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

/* ---- taps ---- */

static void clear(void *user, const struct tap_view *view)
{
    (void)user;
    memset(view->data, 0, view->n_rows * view->width * sizeof(real));
}

/* With both halves of every layer silenced the stream stays the embedding, but where it is normed. */
START_TEST(test_taps_write)
{
    struct engine e;
    struct expected x;
    struct pass *pass;
    size_t last, width;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    last = e.model->config.n_layers - 1;
    width = e.model->config.width;
    struct row_copy in = {1, 4, new_array(width, sizeof(real))}, out = {1, 4, new_array(width, sizeof(real))};
    const struct tap taps[] = {
        {SITE_EMBEDDING, 0, 0, copy_row, &in},
        {SITE_ATTENTION_OUT, 0, last, clear, NULL},
        {SITE_MLP_OUT, 0, last, clear, NULL},
        {SITE_STATE, last, last, copy_row, &out},
    };
    ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                       &(struct pass_options){.taps = taps, .n_taps = 4}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    ck_assert(in.data[0] != 0);
    ck_assert(e.model->layer_vector[0][ROLE_STATE_NORM] ||
              memcmp(in.data, out.data, width * sizeof(real)) == 0);
    free(in.data);
    free(out.data);
    pass_free(pass);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

struct width_check {
    size_t width, rows;
};

static void check_width(void *user, const struct tap_view *view)
{
    struct width_check *check = user;

    ck_assert_uint_eq(view->width, check->width);
    for (size_t row = 1; row < view->n_rows; row++)
        ck_assert(view->row_sequence[row] > view->row_sequence[row - 1] ||
                  view->row_position[row] == view->row_position[row - 1] + 1);
    check->rows += view->n_rows;
}

/* Every site of rows is called for every row of its layer, once, with its own width and name. */
START_TEST(test_every_site)
{
    struct engine e;
    struct expected x;
    struct width_check checks[SITE_COUNT];
    struct tap taps[SITE_COUNT];
    struct pass *pass;
    size_t n = 0;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    expected_open(&e, models[_i], &x);
    const struct model_config *c = &e.model->config;
    for (enum site site = 0; site < SITE_COUNT; site++) {
        bool ff = site == SITE_MLP_HIDDEN || site == SITE_MLP_KEY;
        bool query = site == SITE_QUERY || site == SITE_ATTENTION_MIX,
             kv = site == SITE_KEY || site == SITE_VALUE;

        ck_assert_ptr_nonnull(site_name(site));
        if (site == SITE_ATTENTION_SCORES || site == SITE_ATTENTION_PATTERN || site == SITE_ROUTER)
            continue; /* tables of sequences; of experts, which these have not */
        checks[n] = (struct width_check){ff      ? c->ff
                                         : query ? c->n_heads * c->head_dim
                                         : kv    ? c->n_kv_heads * c->head_dim
                                                 : c->width,
                                         0};
        taps[n] = (struct tap){site, 0, 0, check_width, &checks[n]};
        n++;
    }
    ck_ok(&e, pass_new(&e.context, e.model, x.sequences, N_PROMPTS,
                       &(struct pass_options){.taps = taps, .n_taps = n}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(checks[i].rows, x.length[0] + x.length[1]);
    ck_assert_uint_gt(pass_bytes(pass), 0);
    pass_free(pass);
    checkpoint_close(x.file);
    engine_close(&e);
}
END_TEST

/* ---- refusals ---- */

static void refused(struct engine *e, const struct sequence *sequence, const struct pass_options *options,
                    const char *words)
{
    struct pass *pass;

    ck_assert(!pass_new(&e->context, e->model, sequence, 1, options, &pass, &e->err));
    ck_assert_int_eq(e->err.kind, ERROR_USAGE);
    ck_assert_msg(strstr(e->err.text, words) != NULL, "%s", e->err.text);
}

START_TEST(test_refusals)
{
    static const uint32_t ids[65] = {1, 2, 3}, unknown[] = {1, 53};
    const size_t from[] = {0};
    struct engine e;
    struct pass *pass;
    real logits[53];
    size_t context;

    engine_open(&e, "LANCET_NUMERICS", models[_i], 1);
    context = e.model->config.context;
    refused(&e, &(struct sequence){ids, 0}, NULL, "no tokens");
    refused(&e, &(struct sequence){ids, context + 1}, NULL, "context");
    refused(&e, &(struct sequence){unknown, 2}, NULL, "53");
    refused(&e, &(struct sequence){ids, 3}, &(struct pass_options){.n_layers = 9}, "9 layers");
    refused(&e, &(struct sequence){ids, 3},
            &(struct pass_options){.keep_cache = true, .capacity = context + 1}, "context");
    refused(&e, &(struct sequence){ids, 3},
            &(struct pass_options){.resumable = true, .resume_layer = 7, .from = from}, "layer 7");
    refused(&e, &(struct sequence){ids, 3}, &(struct pass_options){.keep_cache = true, .keys_only = true},
            "ends at a key");
    ck_ok(&e, pass_new(&e.context, e.model, &(struct sequence){ids, 3}, 1, NULL, &pass, &e.err));
    ck_assert(!pass_logits(pass, &(struct place){0, 0}, 1, logits, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    ck_assert(!pass_logits(pass, &(struct place){0, 3}, 1, logits, &e.err));
    ck_assert(!pass_logits(pass, &(struct place){1, 0}, 1, logits, &e.err));
    ck_assert(!pass_resume(pass, NULL, NULL, &e.err));
    ck_assert(!pass_append(pass, ids, &e.err));
    ck_assert(!pass_backward(pass, &(struct place){0, 0}, 1, logits, from, logits, &e.err));
    pass_free(pass);
    ck_ok(&e, pass_new(&e.context, e.model, &(struct sequence){ids, 3}, 1,
                       &(struct pass_options){.keep_cache = true}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    ck_assert(!pass_append(pass, ids, &e.err));
    ck_assert_msg(strstr(e.err.text, "room for 3") != NULL, "%s", e.err.text);
    pass_free(pass);
    engine_close(&e);
}
END_TEST

START_TEST(test_cancel)
{
    static const uint32_t ids[] = {1, 2, 3};
    volatile sig_atomic_t cancel = 1;
    struct engine e;
    struct pass *pass;

    engine_open(&e, "LANCET_NUMERICS", models[0], 1);
    e.context.cancel = &cancel;
    ck_ok(&e, pass_new(&e.context, e.model, &(struct sequence){ids, 3}, 1, NULL, &pass, &e.err));
    ck_assert(!pass_run(pass, &e.err));
    ck_assert_int_eq(e.err.kind, ERROR_CANCELLED);
    pass_free(pass);
    engine_close(&e);
}
END_TEST

static void on_note(void *user, const char *sentence)
{
    snprintf(user, 128, "%s", sentence);
}

/* Half a gigabyte of activations is said before it is taken; less is not worth a word. */
START_TEST(test_large_activations_are_said)
{
    static const uint32_t ids[] = {1, 2, 3};
    const struct sequence sequence = {ids, 3};
    const size_t capacities[] = {64, 1 << 20};
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-llama", 1);
    e.model->config.context = 1 << 20;
    for (size_t i = 0; i < 2; i++) {
        struct pass_options options = {.keep_cache = true, .capacity = capacities[i]};
        struct pass *pass;
        char note[128] = "";

        e.context.note = on_note;
        e.context.note_user = note;
        ck_ok(&e, pass_new(&e.context, e.model, &sequence, 1, &options, &pass, &e.err));
        ck_assert_str_eq(note,
                         i ? "activations of 3 tokens, with room for 1048576, take 0.6 GB of memory" : "");
        pass_free(pass);
    }
    engine_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forward");
    TCase *tcase = tcase_create("forward");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_against_transformers, 0, N_MODELS);
    tcase_add_loop_test(tcase, test_cache, 0, N_DECODERS);
    tcase_add_loop_test(tcase, test_threads_give_the_same_bits, 0, N_MODELS);
    tcase_add_loop_test(tcase, test_resume, 0, N_DECODERS);
    tcase_add_loop_test(tcase, test_places, 0, N_DECODERS);
    tcase_add_loop_test(tcase, test_key_and_value, 0, N_ONE_KEY);
    tcase_add_loop_test(tcase, test_keys_only, 0, N_ONE_KEY);
    tcase_add_loop_test(tcase, test_taps_write, 0, N_MODELS);
    tcase_add_loop_test(tcase, test_every_site, 0, N_DENSE);
    tcase_add_loop_test(tcase, test_refusals, 0, N_DECODERS);
    tcase_add_test(tcase, test_cancel);
    tcase_add_test(tcase, test_large_activations_are_said);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
