#include "config.h"

#include <string.h>

#include "architecture.h"
#include "suite.h"

static cJSON *parse(const char *text)
{
    cJSON *json = cJSON_Parse(text);

    ck_assert_ptr_nonnull(json);
    return json;
}

static bool read_row(const char *model_type, const char *text, struct model_config *out, struct error *err)
{
    const struct architecture *a = architecture_find(model_type);
    cJSON *json = parse(text);
    bool ok;

    struct config_reader reader = {.name = "config.json", .json = json, .err = err};

    memset(out, 0, sizeof *out);
    ok = a->read_config(&reader, out) && config_check("config.json", out, err);
    cJSON_Delete(json);
    return ok;
}

#define LLAMA                                                                                                \
    "\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":100,"        \
    "\"vocab_size\":99"

START_TEST(test_llama_defaults)
{
    struct model_config c;
    struct error err;

    ck_assert_msg(read_row("llama", "{" LLAMA "}", &c, &err), "%s", err.text);
    ck_assert_uint_eq(c.n_kv_heads, 4);
    ck_assert_uint_eq(c.head_dim, 16);
    ck_assert_uint_eq(c.context, 2048);
    ck_assert(!c.tied && c.gated && !c.features && !c.qk_norm && c.norm == NORM_RMS);
    ck_assert_double_eq(c.ropes[0].theta, 10000);
    ck_assert_double_eq(c.attention_scale, 0.25);
    ck_assert_int_eq(c.activation, ACTIVATION_SILU);
}
END_TEST

/* The same parameters, spelt as transformers 4 and 5 spell them. */
START_TEST(test_both_spellings_of_rope)
{
    static const char *const texts[] = {
        "{" LLAMA ",\"rope_theta\":500000.0,\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8.0,\"low_freq_"
        "factor\":1.0,"
        "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}",
        "{" LLAMA ",\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":500000.0,\"factor\":8.0,"
        "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}",
    };

    for (size_t i = 0; i < 2; i++) {
        struct model_config c;
        struct error err;
        real inverse[32];

        ck_assert_msg(read_row("llama", texts[i], &c, &err), "%s", err.text);
        ck_assert_int_eq(c.ropes[0].scaling, ROPE_SCALE_LLAMA3);
        ck_assert_double_eq(c.ropes[0].theta, 500000);
        ck_assert_uint_eq(c.ropes[0].original_context, 8192);
        config_inverse_frequencies(&c.ropes[0], 64, 9000, inverse);
        /* transformers 5.23: kept, two in between, divided by 8 */
        ck_assert_double_eq_tol((double)inverse[10] / 0.016560440883040428, 1, 3e-7);
        ck_assert_double_eq_tol((double)inverse[15] / 0.0013718936825171113, 1, 1e-6);
        ck_assert_double_eq_tol((double)inverse[17] / 0.0001785077911335975, 1, 1e-6);
        ck_assert_double_eq_tol((double)inverse[20] / 3.428102354519069e-05, 1, 3e-7);
    }
}
END_TEST

#define GEMMA                                                                                                \
    "\"hidden_size\":640,\"num_hidden_layers\":8,\"num_attention_heads\":4,\"num_key_value_heads\":1,"       \
    "\"vocab_size\":99"

START_TEST(test_gemma3_layers)
{
    static const char *const texts[] = {
        "{" GEMMA
        ",\"sliding_window_pattern\":3,\"sliding_window\":7,\"rope_theta\":5e5,\"rope_local_base_freq\":2e4}",
        "{" GEMMA ",\"sliding_window\":7,\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\","
        "\"rope_theta\":5e5},\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":2e4}},\"layer_"
        "types\":["
        "\"sliding_attention\",\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"sliding_"
        "attention\","
        "\"full_attention\",\"sliding_attention\",\"sliding_attention\"]}",
    };

    for (size_t i = 0; i < 2; i++) {
        struct model_config c;
        struct error err;

        ck_assert_msg(read_row("gemma3_text", texts[i], &c, &err), "%s", err.text);
        for (size_t layer = 0; layer < 8; layer++) {
            bool global = layer == 2 || layer == 5;

            ck_assert_uint_eq(c.window[layer], global ? 0 : 7);
            ck_assert_double_eq(c.ropes[c.rope_of[layer]].theta, global ? 5e5 : 2e4);
        }
        ck_assert(c.tied && c.qk_norm == QK_NORM_HEAD && c.norm == NORM_RMS_PLUS_ONE);
        ck_assert_double_eq(c.attention_scale, 1. / 16);
        ck_assert_double_eq_tol(c.embedding_scale, 25.298221, 1e-5);
    }
}
END_TEST

static const struct bad {
    const char *model_type, *text;
    enum error_kind kind;
    const char *words;
} bad[] = {
    {"llama", "{\"hidden_size\":64}", ERROR_FORMAT, "num_hidden_layers is missing"},
    {"llama", "{" LLAMA ",\"hidden_act\":\"mish\"}", ERROR_UNSUPPORTED, "mish"},
    {"llama", "{" LLAMA ",\"num_key_value_heads\":3}", ERROR_FORMAT, "4 attention heads cannot share 3"},
    {"llama", "{" LLAMA ",\"head_dim\":15}", ERROR_FORMAT, "even"},
    {"llama", "{" LLAMA ",\"head_dim\":-1}", ERROR_FORMAT, "head_dim must be a whole number"},
    {"llama", "{" LLAMA ",\"head_dim\":\"16\"}", ERROR_FORMAT, "head_dim must be a whole number"},
    {"llama", "{" LLAMA ",\"max_position_embeddings\":1e300}", ERROR_FORMAT, "max_position_embeddings"},
    {"llama", "{" LLAMA ",\"rms_norm_eps\":0}", ERROR_FORMAT, "rms_norm_eps must be a positive number"},
    {"llama", "{" LLAMA ",\"attention_bias\":1}", ERROR_FORMAT, "attention_bias must be true or false"},
    {"llama", "{" LLAMA ",\"rope_scaling\":{\"type\":\"axial\",\"factor\":2.0}}", ERROR_UNSUPPORTED, "axial"},
    {"llama", "{" LLAMA ",\"rope_parameters\":{\"full_attention\":{}}}", ERROR_UNSUPPORTED,
     "for each kind of layer"},
    {"llama", "{" LLAMA ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,2]}}", ERROR_FORMAT,
     "short_factor must hold 8 numbers"},
    {"llama", "{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}}", ERROR_FORMAT, "no factor"},
    {"llama", "{" LLAMA ",\"rope_scaling\":[1]}", ERROR_FORMAT, "must be an object"},
    {"llama", "{" LLAMA ",\"rope_scaling\":{\"rope_type\":3}}", ERROR_FORMAT, "rope_type must be a string"},
    {"llama",
     "{" LLAMA
     ",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1}}",
     ERROR_FORMAT, "high_freq_factor"},
    {"llama", "{" LLAMA ",\"rope_parameters\":{\"partial_rotary_factor\":0.5}}", ERROR_UNSUPPORTED,
     "partial_rotary"},
    {"llama",
     "{\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":5,\"intermediate_size\":9,\"vocab_"
     "size\":9}",
     ERROR_FORMAT, "does not divide into 5 heads"},
    {"bloom", "{" LLAMA ",\"apply_residual_connection_post_layernorm\":true}", ERROR_UNSUPPORTED,
     "apply_residual_connection_post_layernorm"},
    {"opt", "{" LLAMA ",\"layer_norm_elementwise_affine\":false}", ERROR_UNSUPPORTED, "elementwise_affine"},
    {"opt", "{" LLAMA ",\"max_position_embeddings\":9,\"word_embed_proj_dim\":128}", ERROR_UNSUPPORTED,
     "embeddings of width 128"},
    {"falcon", "{" LLAMA ",\"new_decoder_architecture\":true,\"parallel_attn\":false}", ERROR_UNSUPPORTED,
     "no form of Falcon"},
    {"gpt_neo", "{" LLAMA ",\"attention_types\":[[[\"global\"],3]]}", ERROR_FORMAT,
     "attention_types must list"},
    {"smollm3", "{" LLAMA ",\"no_rope_layers\":[1]}", ERROR_FORMAT, "no_rope_layers must hold"},
    {"gpt2", "{\"n_embd\":63,\"n_layer\":1,\"n_head\":4,\"vocab_size\":9}", ERROR_FORMAT,
     "63 does not divide"},
    {"gpt2", "{\"n_embd\":64,\"n_layer\":1001,\"n_head\":4,\"vocab_size\":9}", ERROR_FORMAT,
     "from 1 to 1000"},
    {"gpt2", "{\"n_embd\":64,\"n_layer\":1,\"n_head\":4,\"vocab_size\":9,\"add_cross_attention\":true}",
     ERROR_UNSUPPORTED, "add_cross_attention"},
    {"gemma3_text", "{" GEMMA ",\"final_logit_softcapping\":30.0}", ERROR_UNSUPPORTED,
     "final_logit_softcapping"},
    {"gemma3_text", "{" GEMMA ",\"layer_types\":[\"full_attention\"]}", ERROR_FORMAT, "each of the 8 layers"},
    {"gemma3_text", "{\"num_hidden_layers\":1,\"layer_types\":[\"linear_attention\"]}", ERROR_UNSUPPORTED,
     "layer 0 is not"},
    {"gemma3_text", "{" GEMMA ",\"rope_parameters\":{\"rope_theta\":1.0}}", ERROR_FORMAT, "full_attention"},
};

START_TEST(test_bad_configs)
{
    const struct bad *b = &bad[_i];
    struct model_config c;
    struct error err;

    ck_assert(!read_row(b->model_type, b->text, &c, &err));
    ck_assert_msg(err.kind == b->kind && strstr(err.text, b->words) && strstr(err.text, "config.json"), "%s",
                  err.text);
}
END_TEST

START_TEST(test_absent_and_null_are_alike)
{
    struct model_config c;
    struct error err;

    ck_assert_msg(read_row("llama",
                           "{" LLAMA ",\"head_dim\":null,\"rope_scaling\":null,\"num_key_value_heads\":null}",
                           &c, &err),
                  "%s", err.text);
    ck_assert_uint_eq(c.head_dim, 16);
    ck_assert_msg(read_row("gpt2",
                           "{\"n_embd\":64,\"n_layer\":1,\"n_head\":4,\"vocab_size\":9,\"n_inner\":null}", &c,
                           &err),
                  "%s", err.text);
    ck_assert_uint_eq(c.ff, 256);
    ck_assert(c.tied && !c.gated && c.n_kv_heads == 4);
}
END_TEST

START_TEST(test_linear_scaling)
{
    const struct rope_config plain = {.theta = 10000},
                             scaled = {.theta = 10000, .scaling = ROPE_SCALE_LINEAR, .factor = 4};
    real a[8], b[8];

    config_inverse_frequencies(&plain, 16, 1, a);
    config_inverse_frequencies(&scaled, 16, 1, b);
    for (size_t i = 0; i < 8; i++) {
        ck_assert_double_eq_tol((double)a[i], pow(10000, -(double)i / 8), 1e-7);
        ck_assert_double_eq_tol((double)b[i], (double)a[i] / 4, 1e-9);
    }
}
END_TEST

/* Frequencies that depend on the length: as ever up to the original context, otherwise beyond it. */
START_TEST(test_scalings_by_length)
{
    static const char *const
        dynamic =
            "{" LLAMA ",\"max_position_embeddings\":32,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":4}}",
        *const longrope = "{" LLAMA ",\"max_position_embeddings\":64,\"original_max_position_embeddings\":32,"
                          "\"rope_scaling\":{\"type\":\"su\",\"short_factor\":[1,1,1,2,2,2,2,2],"
                          "\"long_factor\":[4,4,4,4,8,8,8,8]}}";
    struct model_config c;
    struct error err;
    real at[8];

    ck_assert_msg(read_row("llama", dynamic, &c, &err), "%s", err.text);
    ck_assert(config_rope_grows(&c.ropes[0]));
    for (size_t length = 16; length <= 64; length *= 2) {
        /* theta (f n / o - (f - 1))^(d / (d - 2)): 5 at twice the context */
        double theta = length > 32 ? 10000 * pow(5, 16. / 14) : 10000;

        config_inverse_frequencies(&c.ropes[0], 16, length, at);
        for (size_t i = 0; i < 8; i++)
            ck_assert_double_eq_tol((double)at[i] * pow(theta, (double)i / 8), 1, 2e-6);
    }
    ck_assert_msg(read_row("phi3", longrope, &c, &err), "%s", err.text);
    ck_assert_double_eq_tol(c.ropes[0].attention_factor, sqrt(1 + log(2) / log(32)), 1e-12);
    config_inverse_frequencies(&c.ropes[0], 16, 32, at);
    ck_assert_double_eq_tol((double)at[7] * pow(10000, 7. / 8), 0.5, 1e-6);
    config_inverse_frequencies(&c.ropes[0], 16, 33, at);
    ck_assert_double_eq_tol((double)at[7] * pow(10000, 7. / 8), 0.125, 1e-6);
}
END_TEST

/* The fastest pair turns as without scaling, the slowest as with linear scaling (transformers 5.23). */
START_TEST(test_yarn)
{
    struct model_config c;
    struct error err;
    real at[8];

    ck_assert_msg(read_row("llama",
                           "{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8,"
                           "\"original_max_position_embeddings\":64,\"beta_fast\":4}}",
                           &c, &err),
                  "%s", err.text);
    ck_assert(!config_rope_grows(&c.ropes[0]));
    ck_assert_double_eq_tol(c.ropes[0].attention_factor, 0.1 * log(8) + 1, 1e-12);
    config_inverse_frequencies(&c.ropes[0], 16, 1, at);
    ck_assert_double_eq_tol((double)at[0], 1, 1e-6);
    ck_assert_double_eq_tol((double)at[7] * pow(10000, 7. / 8), 0.125, 1e-6);
}
END_TEST

/* Every row reads a config that holds no more than the sizes, and says where the numbers that it asks for are
 * missing. */
START_TEST(test_every_row_reads)
{
    static const char *const sizes =
        "{\"vocab_size\":61,\"dim\":32,\"n_layers\":2,\"n_heads\":4,\"hidden_dim\":48,\"hidden_size\":32,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":4,"
        "\"n_embd\":32,\"n_layer\":2,\"n_head\":4,\"intermediate_size\":48,\"max_position_embeddings\":64,"
        "\"num_key_value_heads\":2,\"head_dim\":8,\"rotary_dim\":4,\"attention_types\":[[[\"global\"],2]]}";

    for (size_t i = 0; architectures[i]; i++) {
        struct model_config c;
        struct error err;

        ck_assert_msg(read_row(architectures[i]->model_type, sizes, &c, &err), "%s: %s",
                      architectures[i]->model_type, err.text);
        ck_assert_uint_eq(c.head_dim, c.scan.state ? 1 : 8);
        ck_assert(c.norm_eps > 0 && c.attention_scale > 0 && c.embedding_scale > 0 && c.logit_scale > 0 &&
                  c.residual_scale > 0);
        ck_assert(!read_row(architectures[i]->model_type, "{\"vocab_size\":\"x\"}", &c, &err));
    }
}
END_TEST

START_TEST(test_options_of_rows)
{
    struct model_config c;
    struct error err;

    ck_assert(read_row("qwen2",
                       "{" LLAMA ",\"use_sliding_window\":true,\"sliding_window\":8,\"max_window_layers\":1}",
                       &c, &err));
    ck_assert(c.window[0] == 0 && c.window[1] == 8 && c.features == FEATURE_QKV_BIAS);
    ck_assert(read_row("qwen2", "{" LLAMA ",\"sliding_window\":8,\"max_window_layers\":0}", &c, &err));
    ck_assert(c.window[0] == 0 && c.window[1] == 0);
    ck_assert(read_row("mistral", "{" LLAMA ",\"num_key_value_heads\":2,\"sliding_window\":null}", &c, &err));
    ck_assert_uint_eq(c.window[0], 0);
    ck_assert(read_row("mistral", "{" LLAMA ",\"num_key_value_heads\":2}", &c, &err));
    ck_assert_uint_eq(c.window[1], 4096);
    ck_assert(read_row("gemma2", "{" LLAMA ",\"final_logit_softcapping\":null}", &c, &err));
    ck_assert(c.logit_cap == 0 && c.attention_cap == 50 && c.window[0] == 4096 && c.window[1] == 0);
    ck_assert(read_row("smollm3", "{" LLAMA ",\"no_rope_layers\":[0,1]}", &c, &err));
    ck_assert(c.rope_of[0] == CONFIG_NO_ROPE && c.rope_of[1] == 0);
    ck_assert(read_row("phi", "{" LLAMA ",\"partial_rotary_factor\":0.25}", &c, &err));
    ck_assert_uint_eq(c.rotary_dim, 4);
    ck_assert(
        read_row("llama", "{" LLAMA ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":3}}", &c, &err));
    ck_assert(c.context == 3 * 2048 && c.ropes[0].original_context == 2048);
    ck_assert(read_row("falcon", "{" LLAMA ",\"alibi\":true,\"multi_query\":false}", &c, &err));
    ck_assert(c.alibi == ALIBI_BF16 && c.rope == ROPE_NONE && c.n_kv_heads == 4);
}
END_TEST

/* ALiBi's slopes for a power of 2 and for another number of heads (transformers 5.23). */
START_TEST(test_alibi)
{
    static const double slopes[] = {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125};
    struct model_config c = {.n_heads = 6, .alibi = ALIBI_PLAIN, .alibi_scale = 1};
    real row[4];

    for (size_t head = 0; head < 6; head++) {
        config_alibi(&c, head, 4, row);
        for (size_t i = 0; i < 4; i++)
            ck_assert_double_eq_tol((double)row[i], slopes[head] * (double)i, 1e-7);
    }
    c.n_heads = 8;
    config_alibi(&c, 7, 4, row);
    ck_assert_double_eq_tol((double)row[3], 3. / 256, 1e-9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");

    tcase_add_test(tcase, test_llama_defaults);
    tcase_add_test(tcase, test_both_spellings_of_rope);
    tcase_add_test(tcase, test_gemma3_layers);
    tcase_add_loop_test(tcase, test_bad_configs, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tcase, test_absent_and_null_are_alike);
    tcase_add_test(tcase, test_linear_scaling);
    tcase_add_test(tcase, test_scalings_by_length);
    tcase_add_test(tcase, test_yarn);
    tcase_add_test(tcase, test_every_row_reads);
    tcase_add_test(tcase, test_options_of_rows);
    tcase_add_test(tcase, test_alibi);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
