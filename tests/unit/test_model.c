#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"
#include "suite.h"
#include "write_model.h"

/* A Llama of two layers, width 8, whose tensors a test may change before it is written. */
enum { LAYERS = 2, WIDTH = 8, FF = 12, VOCABULARY = 5, KV = 4, MAX_TENSORS = 40 };

#define CONFIG(TYPE, MORE)                                                                                   \
    "{\"model_type\":\"" TYPE "\",\"hidden_size\":8,\"num_hidden_layers\":2,\"num_attention_heads\":2,"      \
    "\"num_key_value_heads\":1,\"intermediate_size\":12,\"vocab_size\":5" MORE "}"

static float numbers[WIDTH * FF];

struct fixture {
    char folder[64];
    const char *config;
    struct written_tensor tensors[MAX_TENSORS];
    size_t n;
    struct context context;
    struct checkpoint *checkpoint;
    struct model *model;
    struct error err;
};

static void add(struct fixture *f, const char *name, size_t rows, size_t columns)
{
    struct written_tensor *t = &f->tensors[f->n++];

    *t = (struct written_tensor){.rows = rows, .columns = columns, .data = numbers};
    snprintf(t->name, sizeof t->name, "%s", name);
}

static void setup(struct fixture *f)
{
    static const struct {
        const char *name;
        size_t rows, columns;
    } rows[] = {
        {"input_layernorm.weight", WIDTH, 0},      {"self_attn.q_proj.weight", WIDTH, WIDTH},
        {"self_attn.k_proj.weight", KV, WIDTH},    {"self_attn.v_proj.weight", KV, WIDTH},
        {"self_attn.o_proj.weight", WIDTH, WIDTH}, {"post_attention_layernorm.weight", WIDTH, 0},
        {"mlp.gate_proj.weight", FF, WIDTH},       {"mlp.up_proj.weight", FF, WIDTH},
        {"mlp.down_proj.weight", WIDTH, FF},
    };
    char name[96];

    *f = (struct fixture){
        .folder = "/tmp/lancet-model-XXXXXX", .config = CONFIG("llama", ""), .context = {.fs = fs_real()}};
    for (size_t i = 0; i < WIDTH * FF; i++)
        numbers[i] = (float)i / 64;
    add(f, "model.embed_tokens.weight", VOCABULARY, WIDTH);
    add(f, "model.norm.weight", WIDTH, 0);
    add(f, "lm_head.weight", VOCABULARY, WIDTH);
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            snprintf(name, sizeof name, "model.layers.%zu.%s", l, rows[i].name);
            add(f, name, rows[i].rows, rows[i].columns);
        }
}

static struct written_tensor *tensor_of(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

static void drop(struct fixture *f, const char *name)
{
    *tensor_of(f, name) = f->tensors[--f->n];
}

/* Writes and opens; the answer of model_open. */
static bool open_model(struct fixture *f)
{
    write_model(f->folder, f->config, f->tensors, f->n);
    ck_assert_msg(pool_new(1, &f->context.pool, &f->err), "%s", f->err.text);
    ck_assert_msg(
        checkpoint_open(&f->context, f->folder, &(struct checkpoint_options){0}, &f->checkpoint, &f->err),
        "%s", f->err.text);
    return model_open(&f->context, f->checkpoint, &f->model, &f->err);
}

static void teardown(struct fixture *f)
{
    model_close(f->model);
    checkpoint_close(f->checkpoint);
    pool_free(f->context.pool);
    remove_model(f->folder);
}

static void expect_error(struct fixture *f, enum error_kind kind, const char *words)
{
    ck_assert(!open_model(f));
    ck_assert_msg(f->err.kind == kind && strstr(f->err.text, words), "%d: %s", (int)f->err.kind, f->err.text);
    ck_assert_msg(strstr(f->err.text, f->folder) != NULL, "%s", f->err.text);
    teardown(f);
}

START_TEST(test_roles)
{
    struct fixture f;
    const struct weight *site;

    setup(&f);
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    site = model_site(f.model, 1);
    ck_assert_str_eq(site->tensor->name, "model.layers.1.mlp.down_proj.weight");
    ck_assert_uint_eq(site->out, WIDTH);
    ck_assert_uint_eq(site->in, FF);
    ck_assert_str_eq(f.model->global[ROLE_HEAD].tensor->name, "lm_head.weight");
    ck_assert(!f.model->config.tied);
    ck_assert_ptr_null(f.model->layer[0][ROLE_QUERY_BIAS].tensor);
    ck_assert_ptr_null(f.model->layer_vector[0][ROLE_QUERY_BIAS]);
    ck_assert_float_eq((float)f.model->layer_vector[1][ROLE_MLP_NORM][3], numbers[3]);
    ck_assert_ptr_null(model_not_finite(f.model));
    teardown(&f);
}
END_TEST

START_TEST(test_absent_head_is_the_embedding)
{
    struct fixture f;

    setup(&f);
    drop(&f, "lm_head.weight");
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert(f.model->config.tied);
    ck_assert_str_eq(f.model->global[ROLE_HEAD].tensor->name, "model.embed_tokens.weight");
    teardown(&f);
}
END_TEST

START_TEST(test_tied_pair_under_the_name_of_the_head)
{
    struct fixture f;

    setup(&f);
    f.config = CONFIG("llama", ",\"tie_word_embeddings\":true");
    drop(&f, "model.embed_tokens.weight");
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_str_eq(f.model->global[ROLE_EMBEDDING].tensor->name, "lm_head.weight");
    teardown(&f);
}
END_TEST

START_TEST(test_names_without_prefix)
{
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < f.n; i++)
        if (strncmp(f.tensors[i].name, "model.", 6) == 0)
            memmove(f.tensors[i].name, f.tensors[i].name + 6, strlen(f.tensors[i].name + 6) + 1);
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_str_eq(f.model->prefix, "");
    teardown(&f);
}
END_TEST

START_TEST(test_vision_language_wrapper)
{
    struct fixture f;

    setup(&f);
    f.config = "{\"model_type\":\"some_wrapper\",\"text_config\":" CONFIG("llama", "") "}";
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_str_eq(f.model->architecture->model_type, "llama");
    teardown(&f);
}
END_TEST

/* The nearest row is the one that shares the tensors' names, not the one that is spelt most alike. */
START_TEST(test_unknown_architecture_names_the_nearest)
{
    struct fixture f;

    setup(&f);
    f.config = CONFIG("lama9", ",\"spin\":3,\"odd\":false");
    expect_error(
        &f, ERROR_UNSUPPORTED,
        "\"lama9\" is not supported; the nearest that is: llama (Llama); not known of those: \"spin\"");
    setup(&f);
    f.config = CONFIG("gpt_2", "");
    f.n = 0;
    add(&f, "x", 1, 0);
    expect_error(&f, ERROR_UNSUPPORTED, "the nearest that is: gpt2");
}
END_TEST

START_TEST(test_tensors_that_do_not_fit)
{
    struct fixture f;

    setup(&f);
    drop(&f, "model.layers.1.mlp.up_proj.weight");
    expect_error(&f, ERROR_FORMAT, "\"model.layers.1.mlp.up_proj.weight\" (up projection) is missing");
    setup(&f);
    drop(&f, "model.norm.weight");
    expect_error(&f, ERROR_FORMAT, "\"model.norm.weight\" (final norm) is missing");
    setup(&f);
    tensor_of(&f, "model.layers.0.mlp.down_proj.weight")->columns = FF - 1;
    expect_error(&f, ERROR_FORMAT, "F32 [8, 11], but config.json makes it [8, 12]");
    setup(&f);
    tensor_of(&f, "model.norm.weight")->columns = 1;
    expect_error(&f, ERROR_FORMAT, "F32 [8, 1], but config.json makes it [8]");
    setup(&f);
    f.config = CONFIG("llama", ",\"attention_bias\":true");
    expect_error(&f, ERROR_FORMAT, "q_proj.bias\" (query bias) is missing");
    setup(&f);
    f.config = CONFIG("llama", ",\"tie_word_embeddings\":2");
    expect_error(&f, ERROR_FORMAT, "tie_word_embeddings must be true or false");
    setup(&f);
    f.config = "{\"hidden_size\":8}";
    expect_error(&f, ERROR_FORMAT, "model_type");
    setup(&f);
    f.config = "{\"model_type\":";
    expect_error(&f, ERROR_FORMAT, "config.json");
}
END_TEST

START_TEST(test_no_config)
{
    struct fixture f;
    char path[128];

    setup(&f);
    write_model(f.folder, f.config, f.tensors, f.n);
    snprintf(path, sizeof path, "%s/config.json", f.folder);
    remove(path);
    ck_assert(checkpoint_open(&f.context, f.folder, &(struct checkpoint_options){0}, &f.checkpoint, &f.err));
    ck_assert(!model_open(&f.context, f.checkpoint, &f.model, &f.err));
    ck_assert_int_eq(f.err.kind, ERROR_UNSUPPORTED);
    ck_assert_msg(strstr(f.err.text, "config.json") != NULL, "%s", f.err.text);
    teardown(&f);
}
END_TEST

START_TEST(test_what_keys_depend_on)
{
    struct fixture f;
    const struct tensor **list;
    size_t n;

    setup(&f);
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_msg(model_tensors_below(f.model, 1, &list, &n, &f.err), "%s", f.err.text);
    ck_assert_uint_eq(n, 1 + 9 + 8); /* embedding, layer 0, layer 1 without its down projection */
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(strcmp(list[i - 1]->name, list[i]->name), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_str_ne(list[i]->name, "model.layers.1.mlp.down_proj.weight");
    free(list);
    teardown(&f);
}
END_TEST

START_TEST(test_refresh_sees_the_overlay)
{
    struct fixture f;
    const double left[] = {2}, right[WIDTH] = {0, 0, 0, 0.5};

    setup(&f);
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_msg(overlay_add(f.model->overlay, checkpoint_find(f.checkpoint, "model.norm.weight"), 1, left,
                              right, &f.err),
                  "%s", f.err.text);
    model_refresh(f.model);
    ck_assert_float_eq((float)f.model->global_vector[ROLE_FINAL_NORM][3], numbers[3] + 1);
    ck_assert_float_eq((float)f.model->global_vector[ROLE_FINAL_NORM][4], numbers[4]);
    overlay_clear(f.model->overlay);
    model_refresh(f.model);
    ck_assert_float_eq((float)f.model->global_vector[ROLE_FINAL_NORM][3], numbers[3]);
    teardown(&f);
}
END_TEST

START_TEST(test_not_finite_is_named)
{
    static float bad[WIDTH * WIDTH];
    static const uint32_t ids[] = {1, 2};
    struct pass *pass;
    struct fixture f;

    setup(&f);
    bad[17] = INFINITY;
    tensor_of(&f, "model.layers.1.self_attn.o_proj.weight")->data = bad;
    tensor_of(&f, "model.layers.0.self_attn.q_proj.weight")->data = bad;
    ck_assert_msg(open_model(&f), "%s", f.err.text);
    ck_assert_str_eq(model_not_finite(f.model)->name, "model.layers.0.self_attn.q_proj.weight");
    ck_assert_msg(pass_new(&f.context, f.model, &(struct sequence){ids, 2}, 1, NULL, &pass, &f.err), "%s",
                  f.err.text);
    ck_assert(!pass_run(pass, &f.err));
    ck_assert_int_eq(f.err.kind, ERROR_NUMERIC);
    ck_assert_msg(strstr(f.err.text, "layers.0.self_attn.q_proj.weight\" holds NaN or Inf") != NULL, "%s",
                  f.err.text);
    pass_free(pass);
    teardown(&f);
}
END_TEST

/* Every row of the table: names unique, roles unique, the tensors that every decoder needs. */
START_TEST(test_architecture_table)
{
    static const enum role needed[] = {ROLE_EMBEDDING, ROLE_HEAD, ROLE_DOWN};
    static const enum role attends[] = {ROLE_QUERY, ROLE_KEY, ROLE_VALUE, ROLE_ATTENTION_OUT, ROLE_UP};

    for (size_t i = 0; architectures[i]; i++) {
        const struct architecture *a = architectures[i];
        bool seen[ROLE_COUNT] = {false};
        const struct tensor_role *row;

        ck_assert_ptr_eq(architecture_find(a->model_type), a);
        ck_assert(a->title && a->title[0] && a->read_config && a->prefixes[0]);
        for (size_t k = 0; (row = architecture_row(a, k)); k++) {
            ck_assert(row->role < ROLE_COUNT);
            /* another row of the same role has another condition or another name */
            for (size_t j = 0; j < k; j++) {
                const struct tensor_role *other = architecture_row(a, j);

                ck_assert(other->role != row->role || other->when != row->when ||
                          other->unless != row->unless || strcmp(other->name, row->name) != 0);
            }
            ck_assert_int_eq(strstr(row->name, "[]") != NULL, row->items != DIM_NONE && !row->stacked);
            ck_assert(!row->stacked || (row->items && !row->transposed && !row->by_head));
            ck_assert(!(row->transposed && row->fused == FUSED_QKV_HEAD));
            ck_assert_int_eq(strstr(row->name, "{}") != NULL, row->role >= ROLE_FIRST_OF_LAYER);
            ck_assert_int_ne(row->out, DIM_NONE);
            seen[row->role] = true;
        }
        for (size_t k = 0; k < sizeof needed / sizeof *needed; k++)
            ck_assert_msg(seen[needed[k]], "%s has no %s", a->model_type, role_name(needed[k]));
        for (size_t k = 0; !seen[ROLE_SCAN_IN] && k < sizeof attends / sizeof *attends; k++)
            ck_assert_msg(seen[attends[k]], "%s has no %s", a->model_type, role_name(attends[k]));
        ck_assert_msg(seen[ROLE_FINAL_NORM] || seen[ROLE_STATE_NORM], "%s has no norm before its head",
                      a->model_type);
    }
    for (size_t role = 0; role < ROLE_COUNT; role++)
        ck_assert(role_name((enum role)role) && *role_name((enum role)role));
    ck_assert_ptr_null(architecture_find("lama9"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");

    tcase_add_test(tcase, test_roles);
    tcase_add_test(tcase, test_absent_head_is_the_embedding);
    tcase_add_test(tcase, test_tied_pair_under_the_name_of_the_head);
    tcase_add_test(tcase, test_names_without_prefix);
    tcase_add_test(tcase, test_vision_language_wrapper);
    tcase_add_test(tcase, test_unknown_architecture_names_the_nearest);
    tcase_add_test(tcase, test_tensors_that_do_not_fit);
    tcase_add_test(tcase, test_no_config);
    tcase_add_test(tcase, test_what_keys_depend_on);
    tcase_add_test(tcase, test_refresh_sees_the_overlay);
    tcase_add_test(tcase, test_not_finite_is_named);
    tcase_add_test(tcase, test_architecture_table);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
