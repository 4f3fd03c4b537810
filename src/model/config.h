/* What config.json says, in one form for every architecture. Untrusted: every number is bounded when it is
 * read. */
#ifndef LANCET_CONFIG_H
#define LANCET_CONFIG_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "ops.h"

enum norm_kind { NORM_LAYER, NORM_RMS, NORM_RMS_PLUS_ONE };
enum rope_kind { ROPE_NONE, ROPE_HALF_SPLIT, ROPE_INTERLEAVED };

enum {
    CONFIG_MAX_LAYERS = 1000,
    CONFIG_MAX_ROPES = 2,
    CONFIG_MAX_HEADS = 1 << 12,
    CONFIG_MAX_HEAD_DIM = 1 << 13,
    CONFIG_MAX_WIDTH = 1 << 18,
    CONFIG_MAX_FF = 1 << 20,
    CONFIG_MAX_VOCABULARY = 1 << 24,
    CONFIG_MAX_CONTEXT = 1 << 26
};

struct rope_config { /* inverse frequencies are derived from this once, in model_open */
    double theta;
    enum { ROPE_SCALE_NONE, ROPE_SCALE_LINEAR, ROPE_SCALE_LLAMA3 } scaling;
    double factor, low_frequency_factor, high_frequency_factor;
    size_t original_context;
};

struct model_config {
    size_t n_layers, width, n_heads, n_kv_heads, head_dim, rotary_dim, ff, vocabulary, context;
    enum norm_kind norm;
    double norm_eps;
    enum activation activation;
    bool gated;          /* down(act(gate x) * up x); else down(act(up x)) */
    bool tied;           /* the head is the embedding */
    bool attention_bias; /* query, key, value and output projections have biases */
    bool mlp_bias;
    bool qk_norm;    /* RMS over each head of q and k before rope */
    bool post_norms; /* norms after attention and after the MLP, before the residual adds (Gemma 2, 3) */
    enum rope_kind rope;
    size_t n_ropes;
    struct rope_config ropes[CONFIG_MAX_ROPES];
    double attention_scale;
    bool scale_by_layer; /* attention divided by layer + 1 as well (GPT-2 flag) */
    double embedding_scale;
    /* per layer */
    size_t
        window[CONFIG_MAX_LAYERS]; /* 0: all positions; else query q sees keys k with 0 <= q - k < window */
    uint8_t rope_of[CONFIG_MAX_LAYERS]; /* index into ropes */
    int64_t bos;                        /* -1: none */
};

/* ---- what the rows' read_config is made of; `name` is the file, for sentences ---- */

/* An integer of 1 .. max; the second form takes `fallback` when the key is absent or null. */
bool config_size(const char *name, const cJSON *json, const char *key, size_t max, size_t *out,
                 struct error *err);
bool config_size_or(const char *name, const cJSON *json, const char *key, size_t max, size_t fallback,
                    size_t *out, struct error *err);
/* A positive number; absent or null: fallback. */
bool config_number_or(const char *name, const cJSON *json, const char *key, double fallback, double *out,
                      struct error *err);
bool config_bool_or(const char *name, const cJSON *json, const char *key, bool fallback, bool *out,
                    struct error *err);
/* By the names of activation_parse. */
bool config_activation(const char *name, const cJSON *json, const char *key, const char *fallback,
                       enum activation *out, struct error *err);
/* One set of rope parameters: `parameters` is the object (rope_parameters or the older rope_scaling) or NULL,
 * `theta` and `context` stand in for what it leaves out. */
bool config_rope(const char *name, const cJSON *parameters, double theta, size_t context,
                 struct rope_config *out, struct error *err);
/* NULL-terminated keys that ask for something that lancet does not compute: ERROR_UNSUPPORTED when one of
 * them is there and neither null nor false. */
bool config_refuse(const char *name, const cJSON *json, const char *const *keys, struct error *err);
/* What holds for every architecture: divisibility, bounds of products. */
bool config_check(const char *name, const struct model_config *config, struct error *err);

/* The member, or NULL when it is absent or null. */
const cJSON *config_member(const cJSON *json, const char *key);

/* Inverse frequencies [dimensions / 2], in float arithmetic as transformers computes them. */
void config_inverse_frequencies(const struct rope_config *rope, size_t dimensions, real *out);

#endif
