/* Gradients with respect to the MLP output of a layer.
 *
 * In the build with double: against central differences along random directions d, |L(x + h d) - L(x - h d)|
 * / 2 h - g d at most 1e-5 |g| |d| / sqrt(n), n the width. In the build with float: against the double
 * build's gradient, within 1e-4 of its norm; that program (GRADIENT_DOUBLE) prints its gradient when it is
 * called with a case's number. */
#include "engine.h"

#include "random.h"
#include "random_model.h"
#include "suite.h"

enum { DIRECTIONS = 20, N_SEQUENCES = 4, LONGEST = 44 };

/* What a config of Llama's kin begins with, and one of GPT-2's. */
#define KIN(TYPE)                                                                                            \
    "{\"model_type\":\"" TYPE "\",\"vocab_size\":31,\"hidden_size\":24,\"intermediate_size\":40,"            \
    "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"num_key_value_heads\":2,"                           \
    "\"max_position_embeddings\":64,"
#define GPT(TYPE)                                                                                            \
    "{\"model_type\":\"" TYPE "\",\"vocab_size\":31,\"n_embd\":24,\"n_layer\":3,\"n_head\":3,"               \
    "\"n_positions\":64,"
#define MAMBA                                                                                                \
    "{\"model_type\":\"mamba\",\"vocab_size\":31,\"hidden_size\":24,\"num_hidden_layers\":3,\"state_size\":" \
    "4"

static const struct gradient_case {
    const char *variable, *model; /* a folder; without a variable: the config of a random model */
    size_t layer;
    bool places; /* the last layer computes the places of the loss only */
} cases[] = {
    {"LANCET_NUMERICS", "tiny-gpt2", 0, false},
    {"LANCET_NUMERICS", "tiny-gpt2", 1, true},
    {"LANCET_NUMERICS", "tiny-llama", 0, false},
    {"LANCET_NUMERICS", "tiny-llama", 1, true},
    {"LANCET_NUMERICS", "tiny-gemma3", 0, false},
    {"LANCET_NUMERICS", "tiny-gemma3", 0, true},
    {"LANCET_NUMERICS", "tiny-gemma3", 3, false},
    {"LANCET_NUMERICS", "tiny-gemma3", 2, true},
    {"LANCET_DATA", "facts-gpt2", 2, false},
    {"LANCET_DATA", "facts-gpt2", 3, true},
    {"LANCET_DATA", "facts-llama", 1, false},
    {"LANCET_DATA", "facts-llama", 2, true},
    {NULL, KIN("granite") "\"residual_multiplier\":0.4,\"logits_scaling\":3.0}", 0, true},
    {NULL, KIN("mistral") "\"sliding_window\":5}", 0, false},
    {NULL, KIN("qwen2") "\"use_sliding_window\":true,\"sliding_window\":4,\"max_window_layers\":1}", 0, true},
    {NULL, KIN("qwen3") "\"head_dim\":8}", 0, true},
    {NULL, KIN("gemma") "\"head_dim\":8}", 0, false},
    {NULL,
     KIN("gemma2") "\"head_dim\":8,\"sliding_window\":5,\"attn_logit_softcapping\":1.5,"
                   "\"final_logit_softcapping\":2.5}",
     0, true},
    {NULL, KIN("gemma2") "\"head_dim\":8,\"attn_logit_softcapping\":1.5,\"final_logit_softcapping\":2.5}", 1,
     false},
    {NULL, KIN("smollm3") "\"no_rope_layer_interval\":2}", 0, true},
    {NULL, KIN("olmo2") "\"attention_bias\":true}", 0, true},
    {NULL, KIN("olmo2") "\"attention_bias\":false}", 1, false},
    {NULL, KIN("cohere") "\"use_qk_norm\":true}", 0, true},
    {NULL, KIN("cohere") "\"logit_scale\":0.5}", 1, false},
    {NULL, KIN("glm4") "\"head_dim\":8}", 0, true},
    {NULL,
     KIN("phi3") "\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"longrope\","
                 "\"short_factor\":[1,1.2,1.5],\"long_factor\":[2,3,4]}}",
     0, true},
    {NULL,
     KIN("stablelm") "\"partial_rotary_factor\":0.67,\"use_parallel_residual\":true,"
                     "\"qk_layernorm\":true}",
     0, true},
    {NULL, KIN("stablelm") "\"partial_rotary_factor\":0.34}", 0, false},
    {NULL, KIN("starcoder2") "\"sliding_window\":6}", 0, true},
    {NULL, KIN("phi") "\"partial_rotary_factor\":0.67,\"qk_layernorm\":true}", 0, true},
    {NULL, KIN("gpt_neox") "\"rotary_pct\":0.67}", 0, true},
    {NULL, KIN("gpt_neox") "\"rotary_pct\":0.34,\"use_parallel_residual\":false}", 0, false},
    {NULL,
     KIN("gpt_neo") "\"num_layers\":3,\"num_heads\":4,\"window_size\":5,"
                    "\"attention_types\":[[[\"global\",\"local\"],1],[[\"global\"],1]]}",
     0, true},
    {NULL, GPT("gptj") "\"rotary_dim\":4}", 0, true},
    {NULL, GPT("gptj") "\"rotary_dim\":4}", 1, false},
    {NULL, "{\"model_type\":\"bloom\",\"vocab_size\":31,\"hidden_size\":24,\"n_layer\":3,\"n_head\":3}", 0,
     true},
    {NULL, KIN("opt") "\"ffn_dim\":40}", 0, true},
    {NULL, KIN("opt") "\"ffn_dim\":40,\"do_layer_norm_before\":false,\"word_embed_proj_dim\":12}", 0, true},
    {NULL, KIN("opt") "\"ffn_dim\":40,\"do_layer_norm_before\":false,\"word_embed_proj_dim\":12}", 1, false},
    {NULL, KIN("mixtral") "\"num_local_experts\":4}", 0, true},
    {NULL, KIN("mixtral") "\"num_local_experts\":4,\"num_experts_per_tok\":1}", 1, false},
    {NULL,
     KIN("qwen2_moe") "\"num_experts\":5,\"moe_intermediate_size\":16,\"shared_expert_intermediate_size\":"
                      "12}",
     0, true},
    {NULL,
     KIN("qwen3_moe") "\"num_experts\":5,\"num_experts_per_tok\":3,\"moe_intermediate_size\":16,"
                      "\"norm_topk_prob\":true,\"mlp_only_layers\":[1]}",
     0, false},
    {NULL, MAMBA "}", 0, true},
    {NULL, MAMBA ",\"use_bias\":true,\"use_conv_bias\":false,\"conv_kernel\":3,\"time_step_rank\":5}", 1,
     false},
    {NULL, MAMBA ",\"expand\":3,\"tie_word_embeddings\":false}", 0, false},
    {NULL, KIN("falcon") "\"bias\":true}", 0, true},
    {NULL, KIN("falcon") "\"new_decoder_architecture\":true,\"num_kv_heads\":2}", 0, false},
    {NULL, KIN("falcon") "\"alibi\":true,\"multi_query\":false,\"parallel_attn\":false,\"bias\":true}", 0,
     true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Sequences of several lengths that are restarted at several places; one, never moved, stands for the KL row.
 * The loss is the mean -log p of some token at the last positions, weighted so that each place counts
 * otherwise. */
struct problem {
    struct engine engine;
    const struct gradient_case *gradient_case;
    char folder[64]; /* of a random model */
    size_t length[N_SEQUENCES], from[N_SEQUENCES], at[N_SEQUENCES], n_places;
    uint32_t ids[N_SEQUENCES][LONGEST];
    struct place places[2 * N_SEQUENCES];
    struct pass *pass;
    real *logits, *dlogits;
};

static void problem_open(struct problem *p, const struct gradient_case *c)
{
    struct sequence sequences[N_SEQUENCES];
    struct random_key key = {3, 0};
    size_t n = 0, vocabulary;

    *p = (struct problem){.gradient_case = c, .folder = "/tmp/lancet-gradient-model-XXXXXX"};
    if (c->variable) {
        engine_open(&p->engine, c->variable, c->model, 2);
    } else {
        random_model_write(c->model, p->folder);
        engine_open_folder(&p->engine, p->folder, 2);
    }
    vocabulary = p->engine.model->config.vocabulary;
    for (size_t s = 0; s < N_SEQUENCES; s++) {
        size_t room = p->engine.model->config.context < LONGEST ? p->engine.model->config.context : LONGEST;

        p->length[s] = s == 0 ? room : 6 + 3 * s;
        p->from[s] = s == 0 ? 2 : s + 1;
        p->at[s] = s == 1 ? p->from[s] + 1 : p->from[s];
        for (size_t i = 0; i < p->length[s]; i++)
            p->ids[s][i] = (uint32_t)(random_u64(key, n++) % vocabulary);
        sequences[s] = (struct sequence){p->ids[s], p->length[s]};
        p->places[p->n_places++] = (struct place){s, p->length[s] - 1};
        if (s % 2)
            p->places[p->n_places++] = (struct place){s, p->length[s] - 3};
    }
    p->at[3] = PASS_NOWHERE;
    p->logits = new_array(p->n_places * vocabulary, sizeof(real));
    p->dlogits = new_array(p->n_places * vocabulary, sizeof(real));
    ck_ok(&p->engine, pass_new(&p->engine.context, p->engine.model, sequences, N_SEQUENCES,
                               &(struct pass_options){.resumable = true,
                                                      .resume_layer = c->layer,
                                                      .from = p->from,
                                                      .places = c->places ? p->places : NULL,
                                                      .n_places = c->places ? p->n_places : 0},
                               &p->pass, &p->engine.err));
    ck_ok(&p->engine, pass_run(p->pass, &p->engine.err));
}

static void problem_close(struct problem *p)
{
    pass_free(p->pass);
    free(p->logits);
    free(p->dlogits);
    engine_close(&p->engine);
    if (!p->gradient_case->variable)
        remove_model(p->folder);
}

static double loss(struct problem *p, const real *add)
{
    size_t vocabulary = p->engine.model->config.vocabulary;
    double sum = 0;

    ck_ok(&p->engine, pass_resume(p->pass, add, p->at, &p->engine.err));
    ck_ok(&p->engine, pass_logits(p->pass, p->places, p->n_places, p->logits, &p->engine.err));
    for (size_t i = 0; i < p->n_places; i++) {
        const real *logits = p->logits + i * vocabulary;
        real *d = p->dlogits + i * vocabulary;
        double weight = 1 + (double)i, total = ops_log_sum_exp(logits, vocabulary);
        size_t target = (7 * i + 3) % vocabulary;

        sum += weight * (total - (double)logits[target]);
        for (size_t v = 0; v < vocabulary; v++)
            d[v] = (real)(weight * (exp((double)logits[v] - total) - (v == target)));
    }
    return sum;
}

/* g [width]: sum over the sequences. */
static void take_gradient(struct problem *p, const real *add, double *g)
{
    size_t width = p->engine.model->config.width;
    real *each = new_array(N_SEQUENCES * width, sizeof *each);

    loss(p, add);
    ck_ok(&p->engine,
          pass_backward(p->pass, p->places, p->n_places, p->dlogits, p->at, each, &p->engine.err));
    memset(g, 0, width * sizeof *g);
    for (size_t s = 0; s < N_SEQUENCES; s++)
        for (size_t i = 0; i < width; i++)
            g[i] += (double)each[s * width + i];
    for (size_t i = 0; i < width; i++)
        ck_assert(each[3 * width + i] == 0);
    free(each);
}

static double norm(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

#ifdef LANCET_REAL_DOUBLE

/* The vector at which the gradient is taken: of the size of the MLP output itself. */
static void make_shift(struct problem *p, real *add)
{
    size_t width = p->engine.model->config.width;
    const real *value = pass_value(p->pass, 0, p->from[0]);
    double size = 0;

    for (size_t i = 0; i < width; i++)
        size += (double)value[i] * (double)value[i];
    for (size_t i = 0; i < width; i++)
        add[i] =
            (real)(float)(0.5 * sqrt(size / (double)width) * random_normal((struct random_key){5, 0}, i));
}

START_TEST(test_central_differences)
{
    const struct gradient_case *c = &cases[_i];
    struct problem p;
    size_t width;
    real *add, *moved;
    double *g, *d, h;

    if (c->variable && !getenv(c->variable)) {
        printf("# skipped: %s needs %s\n", c->model, c->variable);
        return;
    }
    problem_open(&p, c);
    width = p.engine.model->config.width;
    add = new_array(width, sizeof *add);
    moved = new_array(width, sizeof *moved);
    g = new_array(width, sizeof *g);
    d = new_array(width, sizeof *d);
    make_shift(&p, add);
    take_gradient(&p, add, g);
    ck_assert(norm(g, width) > 1e-6);
    h = 1e-5 * norm(add, width) / sqrt((double)width);
    for (size_t k = 0; k < DIRECTIONS; k++) {
        double along = 0, plus, minus;

        for (size_t i = 0; i < width; i++) {
            d[i] = random_normal((struct random_key){9, k}, i);
            along += g[i] * d[i];
            moved[i] = add[i] + h * d[i];
        }
        plus = loss(&p, moved);
        for (size_t i = 0; i < width; i++)
            moved[i] = add[i] - h * d[i];
        minus = loss(&p, moved);
        ck_assert_double_le_tol(fabs((plus - minus) / (2 * h) - along),
                                1e-5 * norm(g, width) * norm(d, width) / sqrt((double)width), 0);
    }
    free(add);
    free(moved);
    free(g);
    free(d);
    problem_close(&p);
}
END_TEST

START_TEST(test_write_gradient)
{
    struct problem p;
    FILE *out = fopen(getenv("GRADIENT_OUT"), "w");
    size_t width;
    real *add;
    double *g;

    ck_assert_ptr_nonnull(out);
    problem_open(&p, &cases[strtoul(getenv("GRADIENT_CASE"), NULL, 10) % N_CASES]);
    width = p.engine.model->config.width;
    add = new_array(width, sizeof *add);
    g = new_array(width, sizeof *g);
    make_shift(&p, add);
    take_gradient(&p, add, g);
    for (size_t i = 0; i < width; i++)
        fprintf(out, "%.9g %.17g\n", (double)add[i], g[i]);
    ck_assert_int_eq(fclose(out), 0);
    free(add);
    free(g);
    problem_close(&p);
}
END_TEST

#else

START_TEST(test_float_against_double)
{
    const struct gradient_case *c = &cases[_i];
    struct problem p;
    size_t width;
    real *add;
    double *g, *expected, *difference;
    char command[4096], name[] = "/tmp/lancet-gradient-XXXXXX";
    FILE *in;
    int fd;

    if (c->variable && !getenv(c->variable)) {
        printf("# skipped: %s needs %s\n", c->model, c->variable);
        return;
    }
    ck_assert_ptr_nonnull(getenv("GRADIENT_DOUBLE"));
    fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    snprintf(command, sizeof command, "GRADIENT_CASE=%d GRADIENT_OUT=%s '%s' > /dev/null", _i, name,
             getenv("GRADIENT_DOUBLE"));
    ck_assert_int_eq(system(command), 0);
    in = fdopen(fd, "r");
    ck_assert_ptr_nonnull(in);
    problem_open(&p, c);
    width = p.engine.model->config.width;
    add = new_array(width, sizeof *add);
    g = new_array(width, sizeof *g);
    expected = new_array(width, sizeof *expected);
    difference = new_array(width, sizeof *difference);
    for (size_t i = 0; i < width; i++)
        ck_assert_int_eq(fscanf(in, "%f %lf", &add[i], &expected[i]), 2);
    fclose(in);
    remove(name);
    take_gradient(&p, add, g);
    for (size_t i = 0; i < width; i++)
        difference[i] = g[i] - expected[i];
    ck_assert_double_le_tol(norm(difference, width), 1e-4 * norm(expected, width), 0);
    free(add);
    free(g);
    free(expected);
    free(difference);
    problem_close(&p);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("gradient");
    TCase *tcase = tcase_create("gradient");

    tcase_set_timeout(tcase, 120);
#ifdef LANCET_REAL_DOUBLE
    if (getenv("GRADIENT_OUT"))
        tcase_add_test(tcase, test_write_gradient);
    else
        tcase_add_loop_test(tcase, test_central_differences, 0, N_CASES);
#else
    tcase_add_loop_test(tcase, test_float_against_double, 0, N_CASES);
#endif
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
