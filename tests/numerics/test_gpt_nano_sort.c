/* gpt-nano-sort (minGPT, llm-viz): every intermediate of its first block, the later blocks, final norm,
 * logits and probabilities, as PyTorch computed them, within 1e-5. minGPT stores nn.Linear, [out, in];
 * Hugging Face's GPT-2 stores [in, out], so the test transposes. Both files hold base64 of little-endian
 * floats. */
#include "engine.h"

#include "json_document.h"
#include "suite.h"
#include "write_model.h"

#define LIMIT 1e-5

enum { B = 3, T = 11, WIDTH = 48, HEADS = 3, LAYERS = 3, FF = 192, VOCABULARY = 3, ROWS = B * T };

static unsigned base64_value(char c)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);

    ck_assert(at && c);
    return (unsigned)(at - digits);
}

/* n floats of a member; freed with free(). */
static float *member(const cJSON *document, const char *key, size_t n)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(document, key);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "data"));
    uint8_t *bytes = new_array(4 * n + 3, 1);
    size_t used = 0;

    ck_assert_msg(text && strlen(text) == (4 * n + 2) / 3 * 4, "%s", key);
    for (; *text; text += 4) {
        unsigned block = base64_value(text[0]) << 18 | base64_value(text[1]) << 12;

        block |= text[2] == '=' ? 0 : base64_value(text[2]) << 6;
        block |= text[3] == '=' ? 0 : base64_value(text[3]);
        bytes[used++] = (uint8_t)(block >> 16);
        bytes[used++] = (uint8_t)(block >> 8);
        bytes[used++] = (uint8_t)block;
    }
    return (float *)(void *)bytes;
}

static cJSON *read_json(const char *name)
{
    char *path = folder_of("LANCET_DATA", name);
    cJSON *out;
    struct error err;

    ck_assert_msg(json_document_read(fs_real(), path, 1 << 24, &out, &err), "%s", err.text);
    free(path);
    return out;
}

static const struct {
    const char *name; /* "%zu" in it: one for each layer */
    size_t rows, columns;
    bool transposed;
} stored[] = {
    {"transformer.wte.weight", VOCABULARY, WIDTH, false},
    {"transformer.wpe.weight", T, WIDTH, false},
    {"transformer.h.%zu.ln_1.weight", WIDTH, 0, false},
    {"transformer.h.%zu.ln_1.bias", WIDTH, 0, false},
    {"transformer.h.%zu.attn.c_attn.weight", 3 * WIDTH, WIDTH, true},
    {"transformer.h.%zu.attn.c_attn.bias", 3 * WIDTH, 0, false},
    {"transformer.h.%zu.attn.c_proj.weight", WIDTH, WIDTH, true},
    {"transformer.h.%zu.attn.c_proj.bias", WIDTH, 0, false},
    {"transformer.h.%zu.ln_2.weight", WIDTH, 0, false},
    {"transformer.h.%zu.ln_2.bias", WIDTH, 0, false},
    {"transformer.h.%zu.mlp.c_fc.weight", FF, WIDTH, true},
    {"transformer.h.%zu.mlp.c_fc.bias", FF, 0, false},
    {"transformer.h.%zu.mlp.c_proj.weight", WIDTH, FF, true},
    {"transformer.h.%zu.mlp.c_proj.bias", WIDTH, 0, false},
    {"transformer.ln_f.weight", WIDTH, 0, false},
    {"transformer.ln_f.bias", WIDTH, 0, false},
    {"lm_head.weight", VOCABULARY, WIDTH, false},
};

static float *transpose(const float *w, size_t rows, size_t columns)
{
    float *out = new_array(rows * columns, sizeof *out);

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = w[r * columns + c];
    return out;
}

static void convert(char *folder)
{
    static const char config[] =
        "{\"model_type\":\"gpt2\",\"n_embd\":48,\"n_layer\":3,\"n_head\":3,\"vocab_size\":3,"
        "\"n_positions\":11,\"tie_word_embeddings\":false}";
    cJSON *document = read_json("gpt-nano-sort/gpt-nano-sort-model.json");
    struct written_tensor tensors[64] = {0};
    float *data[64];
    size_t n = 0;

    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++)
        for (size_t layer = 0; layer < (strchr(stored[i].name, '%') ? LAYERS : 1); layer++) {
            struct written_tensor *t = &tensors[n];
            size_t rows = stored[i].rows, columns = stored[i].columns;

            snprintf(t->name, sizeof t->name, stored[i].name, layer);
            data[n] = member(document, t->name, rows * (columns ? columns : 1));
            if (stored[i].transposed) {
                float *turned = transpose(data[n], rows, columns);

                free(data[n]);
                data[n] = turned;
            }
            t->rows = stored[i].transposed ? columns : rows;
            t->columns = stored[i].transposed ? rows : columns;
            t->data = data[n++];
        }
    write_model(folder, config, tensors, n);
    while (n)
        free(data[--n]);
    cJSON_Delete(document);
}

/* Stored [B, T, width] (or, by head, [B, heads, T, width / heads]) beside the rows of a tap. */
struct wanted {
    const char *key;
    enum site site;
    size_t layer, width;
    bool by_head;
    size_t column, columns; /* of the stored array; columns 0: width */
    float *data;
    size_t seen;
};

static void compare_rows(void *user, const struct tap_view *view)
{
    struct wanted *w = user;
    size_t columns = w->columns ? w->columns : w->width, head_dim = w->width / HEADS;

    ck_assert_uint_eq(view->width, w->width);
    for (size_t row = 0; row < view->n_rows; row++)
        for (size_t i = 0; i < w->width; i++) {
            size_t s = view->row_sequence[row], p = view->row_position[row];
            size_t at = w->by_head ? ((s * HEADS + i / head_dim) * T + p) * head_dim + i % head_dim
                                   : (s * T + p) * columns + w->column + i;
            double difference = fabs((double)view->data[row * w->width + i] - (double)w->data[at]);

            ck_assert_msg(difference <= LIMIT, "%s: off by %g", w->key, difference);
            w->seen++;
        }
}

static void compare_table(void *user, const struct tap_view *view)
{
    struct wanted *w = user;
    const float *data = w->data + view->sequence * HEADS * T * T;

    ck_assert_uint_eq(view->n_queries, T);
    ck_assert_uint_eq(view->n_keys, T);
    for (size_t i = 0; i < HEADS * T * T; i++) {
        if (isinf(data[i])) {
            ck_assert(view->data[i] == (real)-INFINITY);
            continue;
        }
        ck_assert_double_le(fabs((double)view->data[i] - (double)data[i]), LIMIT);
    }
    w->seen += HEADS * T * T;
}

static struct wanted wanted[] = {
    {.key = "x", .site = SITE_EMBEDDING, .width = WIDTH},
    {.key = "ln1", .site = SITE_ATTENTION_IN, .width = WIDTH},
    {.key = "q", .site = SITE_QUERY, .width = WIDTH, .by_head = true},
    {.key = "k", .site = SITE_KEY, .width = WIDTH, .by_head = true},
    {.key = "v", .site = SITE_VALUE, .width = WIDTH, .by_head = true},
    {.key = "qkv", .site = SITE_QUERY, .width = WIDTH, .columns = 3 * WIDTH},
    {.key = "qkv", .site = SITE_KEY, .width = WIDTH, .columns = 3 * WIDTH, .column = WIDTH},
    {.key = "qkv", .site = SITE_VALUE, .width = WIDTH, .columns = 3 * WIDTH, .column = 2 * WIDTH},
    {.key = "att", .site = SITE_ATTENTION_SCORES, .width = HEADS * T},
    {.key = "attSm", .site = SITE_ATTENTION_PATTERN, .width = HEADS * T},
    {.key = "y", .site = SITE_ATTENTION_MIX, .width = WIDTH},
    {.key = "yProj", .site = SITE_ATTENTION_OUT, .width = WIDTH},
    {.key = "attnResid", .site = SITE_STATE_MID, .width = WIDTH},
    {.key = "ln2", .site = SITE_MLP_IN, .width = WIDTH},
    {.key = "fc", .site = SITE_MLP_HIDDEN, .width = FF},
    {.key = "gelu", .site = SITE_MLP_KEY, .width = FF},
    {.key = "mlp", .site = SITE_MLP_VALUE, .width = WIDTH},
    {.key = "mlp", .site = SITE_MLP_OUT, .width = WIDTH},
    {.key = "mlpResid", .site = SITE_STATE, .width = WIDTH},
    {.key = "block0", .site = SITE_STATE, .width = WIDTH},
    {.key = "block1", .site = SITE_STATE, .layer = 1, .width = WIDTH},
    {.key = "block2", .site = SITE_STATE, .layer = 2, .width = WIDTH},
};
enum { N_WANTED = sizeof wanted / sizeof *wanted };

/* What lies above the blocks: final norm, logits, probabilities of every row. */
static void check_top(struct engine *e, struct pass *pass, const cJSON *partials, const real *last)
{
    float *ln_f = member(partials, "ln_f", ROWS * WIDTH),
          *head = member(partials, "lm_head", ROWS * VOCABULARY),
          *probabilities = member(partials, "probs", ROWS * VOCABULARY);
    const real *w = e->model->global_vector[ROLE_FINAL_NORM],
               *b = e->model->global_vector[ROLE_FINAL_NORM_BIAS];
    struct place places[ROWS];
    real logits[ROWS * VOCABULARY], normed[WIDTH];

    for (size_t row = 0; row < ROWS; row++)
        places[row] = (struct place){row / T, row % T};
    ck_ok(e, pass_logits(pass, places, ROWS, logits, &e->err));
    ck_assert_double_le(largest_difference(logits, head, ROWS * VOCABULARY), LIMIT);
    for (size_t row = 0; row < ROWS; row++) {
        ops_layer_norm(last + row * WIDTH, w, b, e->model->config.norm_eps, WIDTH, normed);
        ck_assert_double_le(largest_difference(normed, ln_f + row * WIDTH, WIDTH), LIMIT);
        ops_softmax(logits + row * VOCABULARY, VOCABULARY);
    }
    ck_assert_double_le(largest_difference(logits, probabilities, ROWS * VOCABULARY), LIMIT);
    free(ln_f);
    free(head);
    free(probabilities);
}

static void check_embeddings(struct engine *e, const cJSON *partials, const uint32_t *ids)
{
    float *tokens = member(partials, "tok_emb", ROWS * WIDTH),
          *positions = member(partials, "pos_emb", T * WIDTH);
    real row[WIDTH];

    for (size_t i = 0; i < ROWS; i++) {
        weight_rows(&e->model->global[ROLE_EMBEDDING], ids[i], 1, row);
        ck_assert_double_le(largest_difference(row, tokens + i * WIDTH, WIDTH), LIMIT);
        weight_rows(&e->model->global[ROLE_POSITION], i % T, 1, row);
        ck_assert_double_le(largest_difference(row, positions + i % T * WIDTH, WIDTH), LIMIT);
    }
    free(tokens);
    free(positions);
}

static void keep_rows(void *user, const struct tap_view *view)
{
    memcpy(user, view->data, view->n_rows * view->width * sizeof(real));
}

START_TEST(test_every_intermediate)
{
    char folder[] = "/tmp/lancet-nano-XXXXXX";
    struct tap taps[N_WANTED + 1];
    struct engine e;
    struct sequence sequences[B];
    struct pass *pass;
    uint32_t ids[ROWS];
    real last[ROWS * WIDTH];
    cJSON *partials;
    float *idx;

    if (!getenv("LANCET_DATA")) {
        printf("# skipped: gpt-nano-sort needs LANCET_DATA\n");
        return;
    }
    convert(folder);
    partials = read_json("gpt-nano-sort/gpt-nano-sort-t0-partials.json");
    idx = member(partials, "idx", ROWS);
    for (size_t i = 0; i < ROWS; i++)
        ids[i] = (uint32_t)idx[i];
    for (size_t i = 0; i < B; i++)
        sequences[i] = (struct sequence){ids + i * T, T};
    for (size_t i = 0; i < N_WANTED; i++) {
        struct wanted *w = &wanted[i];
        bool table = w->site == SITE_ATTENTION_SCORES || w->site == SITE_ATTENTION_PATTERN;

        w->data = member(partials, w->key, ROWS * (w->columns ? w->columns : w->width));
        taps[i] = (struct tap){w->site, w->layer, w->layer, table ? compare_table : compare_rows, w};
    }
    taps[N_WANTED] = (struct tap){SITE_STATE, LAYERS - 1, LAYERS - 1, keep_rows, last};
    setenv("LANCET_TEST_FOLDER", "/", 1);
    engine_open(&e, "LANCET_TEST_FOLDER", folder + 1, 2);
    ck_ok(&e, pass_new(&e.context, e.model, sequences, B,
                       &(struct pass_options){.taps = taps, .n_taps = N_WANTED + 1}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    for (size_t i = 0; i < N_WANTED; i++) {
        ck_assert_uint_eq(wanted[i].seen, ROWS * wanted[i].width);
        free(wanted[i].data);
    }
    check_embeddings(&e, partials, ids);
    check_top(&e, pass, partials, last);
    pass_free(pass);
    engine_close(&e);
    remove_model(folder);
    cJSON_Delete(partials);
    free(idx);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gpt_nano_sort");
    TCase *tcase = tcase_create("gpt_nano_sort");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_every_intermediate);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
