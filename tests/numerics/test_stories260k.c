/* Karpathy's stories260K (llama2.c's first file format) as a Hugging Face folder: the greedy continuation of
 * the empty prompt must be its known 200 tokens, byte for byte.
 *
 *   7 int32: width, ff, layers, heads, key/value heads, vocabulary, context; then F32: embedding; for all
 * layers one kind after the other: attention norm, Wq, Wk, Wv, Wo, MLP norm, W1 (gate), W2 (down), W3 (up);
 * final norm tok512.bin: int32 longest; for each token F32 score, int32 n, n bytes
 *
 * Its rope turns neighbours (2 i, 2 i + 1); Hugging Face's turns (i, i + half), so rows of Wq and Wk are
 * permuted. */
#include "engine.h"

#include "suite.h"
#include "write_model.h"

enum { STEPS = 200 };

struct source {
    char *bytes;
    const float *at; /* what is next */
    int32_t width, ff, layers, heads, kv_heads, vocabulary, context;
    struct written_tensor tensors[128];
    size_t n;
    float *permuted[32];
    size_t n_permuted;
};

static char *read_whole(const char *name, size_t *n)
{
    char *path = folder_of("LANCET_DATA", name), *text;
    struct error err;

    ck_assert_msg(fs_read_file(fs_real(), path, 1 << 24, &text, n, &err), "%s", err.text);
    free(path);
    return text;
}

__attribute__((format(printf, 3, 0))) static void add(struct source *s, size_t layer, const char *format,
                                                      size_t rows, size_t columns, const float *data)
{
    struct written_tensor *t = &s->tensors[s->n++];

    ck_assert_uint_lt(s->n, 128);
    *t = (struct written_tensor){.rows = rows, .columns = columns, .data = data};
    snprintf(t->name, sizeof t->name, format, layer);
}

static const float *half_split(struct source *s, const float *w, size_t heads)
{
    size_t width = (size_t)s->width, head_dim = width / (size_t)s->heads;
    float *out = new_array(heads * head_dim * width, sizeof *out);

    s->permuted[s->n_permuted++] = out;
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < head_dim; i++) {
            size_t to = i % 2 * (head_dim / 2) + i / 2;

            memcpy(out + (h * head_dim + to) * width, w + (h * head_dim + i) * width, width * sizeof *out);
        }
    return out;
}

static void add_kind(struct source *s, const char *format, int32_t rows, int32_t columns,
                     int32_t rotated_heads)
{
    for (int32_t layer = 0; layer < s->layers; layer++) {
        size_t n = (size_t)rows * (size_t)(columns ? columns : 1);

        add(s, (size_t)layer, format, (size_t)rows, (size_t)columns,
            rotated_heads ? half_split(s, s->at, (size_t)rotated_heads) : s->at);
        s->at += n;
    }
}

static void convert(struct source *s, char *folder)
{
    char config[1024];
    size_t n;
    int32_t head_dim, kv;

    s->bytes = read_whole("stories260k/stories260K.bin", &n);
    ck_assert_uint_gt(n, 28);
    memcpy(&s->width, s->bytes, 28);
    head_dim = s->width / s->heads;
    kv = s->kv_heads * head_dim;
    s->at = (const float *)(const void *)(s->bytes + 28);
    add(s, 0, "model.embed_tokens.weight", (size_t)s->vocabulary, (size_t)s->width, s->at);
    s->at += s->vocabulary * s->width;
    add_kind(s, "model.layers.%zu.input_layernorm.weight", s->width, 0, 0);
    add_kind(s, "model.layers.%zu.self_attn.q_proj.weight", s->width, s->width, s->heads);
    add_kind(s, "model.layers.%zu.self_attn.k_proj.weight", kv, s->width, s->kv_heads);
    add_kind(s, "model.layers.%zu.self_attn.v_proj.weight", kv, s->width, 0);
    add_kind(s, "model.layers.%zu.self_attn.o_proj.weight", s->width, s->width, 0);
    add_kind(s, "model.layers.%zu.post_attention_layernorm.weight", s->width, 0, 0);
    add_kind(s, "model.layers.%zu.mlp.gate_proj.weight", s->ff, s->width, 0);
    add_kind(s, "model.layers.%zu.mlp.down_proj.weight", s->width, s->ff, 0);
    add_kind(s, "model.layers.%zu.mlp.up_proj.weight", s->ff, s->width, 0);
    add(s, 0, "model.norm.weight", (size_t)s->width, 0, s->at);
    snprintf(config, sizeof config,
             "{\"model_type\":\"llama\",\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
             "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"vocab_size\":%d,\"max_position_"
             "embeddings\":%d,"
             "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"tie_word_embeddings\":true,\"torch_dtype\":"
             "\"float32\"}",
             (int)s->width, (int)s->ff, (int)s->layers, (int)s->heads, (int)s->kv_heads, (int)s->vocabulary,
             (int)s->context);
    write_model(folder, config, s->tensors, s->n);
}

/* Bytes of a token; a space in front of the first one is dropped, <0xNN> is a byte. */
static size_t decode(const char *vocabulary, uint32_t id, bool first, char *out)
{
    const char *at = vocabulary + 4;
    unsigned byte;
    int32_t n;

    for (uint32_t i = 0; i < id; i++) {
        memcpy(&n, at + 4, 4);
        at += 8 + n;
    }
    memcpy(&n, at + 4, 4);
    at += 8;
    if (n == 6 && sscanf(at, "<0x%02X>", &byte) == 1) {
        *out = (char)byte;
        return 1;
    }
    if (first && n && *at == ' ') {
        at++;
        n--;
    }
    memcpy(out, at, (size_t)n);
    return (size_t)n;
}

START_TEST(test_known_continuation)
{
    char folder[] = "/tmp/lancet-stories-XXXXXX", text[8192];
    struct source source = {0};
    struct engine e;
    struct pass *pass;
    size_t n, used = 0;
    char *vocabulary, *expected;
    uint32_t id = 1;
    real *logits;

    if (!getenv("LANCET_DATA")) {
        printf("# skipped: stories260k needs LANCET_DATA\n");
        return;
    }
    convert(&source, folder);
    vocabulary = read_whole("stories260k/tok512.bin", &n);
    setenv("LANCET_TEST_FOLDER", "/", 1);
    engine_open(&e, "LANCET_TEST_FOLDER", folder + 1, 1);
    logits = new_array((size_t)source.vocabulary, sizeof *logits);
    ck_ok(&e, pass_new(&e.context, e.model, &(struct sequence){&id, 1}, 1,
                       &(struct pass_options){.keep_cache = true, .capacity = STEPS}, &pass, &e.err));
    ck_ok(&e, pass_run(pass, &e.err));
    for (size_t step = 0; step < STEPS; step++) {
        ck_ok(&e, pass_logits(pass, &(struct place){0, step}, 1, logits, &e.err));
        id = 0;
        for (uint32_t v = 1; v < (uint32_t)source.vocabulary; v++)
            if (logits[v] > logits[id])
                id = v;
        used += decode(vocabulary, id, step == 0, text + used);
        if (step + 1 < STEPS)
            ck_ok(&e, pass_append(pass, &id, &e.err));
    }
    expected = read_whole("stories260k/expected-200-tokens.txt", &n);
    ck_assert_uint_eq(used, n);
    ck_assert(memcmp(text, expected, n) == 0);
    pass_free(pass);
    engine_close(&e);
    remove_model(folder);
    for (size_t i = 0; i < source.n_permuted; i++)
        free(source.permuted[i]);
    free(logits);
    free(vocabulary);
    free(expected);
    free(source.bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stories260k");
    TCase *tcase = tcase_create("stories260k");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_known_continuation);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
