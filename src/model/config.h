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
/* How queries and keys are normed before rope: each head with the same weights, each head with weights of its
 * own, or the whole row at once. */
enum qk_norm { QK_NORM_NONE, QK_NORM_HEAD, QK_NORM_HEADS, QK_NORM_ROW };
enum rope_kind { ROPE_NONE, ROPE_HALF_SPLIT, ROPE_INTERLEAVED };
/* ALiBi adds slope(head) x key position to the scores; Falcon rounds slopes, positions and products to BF16.
 */
enum alibi { ALIBI_NONE, ALIBI_PLAIN, ALIBI_BF16 };

/* What a config turns on, as bits: rows of an architecture's tensors may depend on them. */
enum feature {
    FEATURE_QKV_BIAS = 1 << 0,
    FEATURE_OUT_BIAS = 1 << 1, /* of the attention's output projection */
    FEATURE_MLP_BIAS = 1 << 2,
    FEATURE_QK_NORM = 1 << 3,
    FEATURE_PARALLEL = 1 << 4,   /* the MLP reads the stream as it was before attention */
    FEATURE_TWO_NORMS = 1 << 5,  /* of a parallel layer: attention and MLP have a norm each (Falcon) */
    FEATURE_NORM_AFTER = 1 << 6, /* norms of the stream after each add, none before (OPT-350m) */
    FEATURE_FINAL_NORM = 1 << 7, /* where an architecture leaves it open (OPT) */
    FEATURE_PROJECTED = 1 << 8,  /* embedding and head are of another width (OPT-350m) */
    FEATURE_CONV_BIAS = 1 << 17,
    FEATURE_MASKED_HEAD = 1 << 16 /* an encoder with its head for masked tokens: set by what the file holds */
};

enum {
    CONFIG_MAX_LAYERS = 1000,
    CONFIG_MAX_ROPES = 2,
    CONFIG_MAX_HEADS = 1 << 12,
    CONFIG_MAX_HEAD_DIM = 1 << 13,
    CONFIG_MAX_WIDTH = 1 << 18,
    CONFIG_MAX_FF = 1 << 20,
    CONFIG_MAX_VOCABULARY = 1 << 24,
    CONFIG_MAX_CONTEXT = 1 << 26,
    CONFIG_MAX_LONG_FACTORS = 256,
    CONFIG_MAX_EXPERTS = 1024,
    CONFIG_MAX_SCAN_KERNEL = 64,
    CONFIG_MAX_SCAN_STATE = 1024,
    CONFIG_NO_ROPE = 255 /* in rope_of: the layer has none */
};

enum rope_scaling {
    ROPE_SCALE_NONE,
    ROPE_SCALE_LINEAR,
    ROPE_SCALE_DYNAMIC, /* depends on the length of the sequence, as does LONG */
    ROPE_SCALE_LLAMA3,
    ROPE_SCALE_YARN,
    ROPE_SCALE_LONG
};

struct rope_config { /* config_inverse_frequencies says what it means */
    double theta;
    enum rope_scaling scaling;
    double factor, low_frequency_factor, high_frequency_factor;
    double beta_fast, beta_slow; /* yarn */
    bool truncate;
    double attention_factor; /* cosine and sine are multiplied by it; 1 without */
    size_t original_context;
    float short_factors[CONFIG_MAX_LONG_FACTORS], long_factors[CONFIG_MAX_LONG_FACTORS];
};

struct expert_config { /* the MLP of a layer, in several copies */
    size_t n;          /* 0: no layer has experts */
    size_t used;       /* by a token */
    size_t ff;         /* width of each */
    size_t shared_ff;  /* of one more that every token goes to, behind a gate of its own; 0: none */
    bool normalised;   /* the weights of those in use add up to 1 */
    bool in_layer[CONFIG_MAX_LAYERS];
};

struct scan_config { /* a mixer of as many channels as ff, in place of attention and MLP */
    size_t state;    /* numbers of state a channel; 0: layers have no mixer */
    size_t kernel, rank;
};

struct model_config {
    size_t n_layers, width, n_heads, n_kv_heads, head_dim, rotary_dim, ff, vocabulary, context;
    size_t embedding_width; /* that of embedding and head: width, unless FEATURE_PROJECTED */
    unsigned features;
    enum norm_kind norm;
    double norm_eps;
    enum activation activation;
    bool gated;                      /* down(act(gate x) * up x); else down(act(up x)) */
    bool tied;                       /* the head is the embedding */
    bool encoder;                    /* every position sees every other, before and behind it */
    enum activation head_activation; /* of an encoder's head */
    size_t token_types;              /* of which lancet gives every token the first */
    bool padded; /* positions count from padding + 1 on, and a padding token has position `padding` (RoBERTa)
                  */
    uint32_t padding;
    enum qk_norm qk_norm;
    enum rope_kind rope;
    size_t n_ropes;
    struct rope_config ropes[CONFIG_MAX_ROPES];
    enum alibi alibi;
    double alibi_scale;
    double attention_scale;
    bool scale_by_layer; /* attention divided by layer + 1 as well (GPT-2 flag) */
    double embedding_scale;
    double residual_scale;           /* of what attention and MLP add to the stream */
    double logit_scale;              /* logits are multiplied by it */
    double attention_cap, logit_cap; /* cap x tanh(. / cap) of scores and of logits; 0: none */
    /* per layer */
    size_t
        window[CONFIG_MAX_LAYERS]; /* 0: all positions; else query q sees keys k with 0 <= q - k < window */
    uint8_t rope_of[CONFIG_MAX_LAYERS]; /* index into ropes, or CONFIG_NO_ROPE */
    struct expert_config experts;
    struct scan_config scan;
    int64_t bos; /* -1: none */
};

/* ---- reading ---- */

struct config_reader {
    const char *name;  /* the file, for sentences */
    const cJSON *json; /* the object that holds the config */
    struct error *err;
    uint64_t asked[4]; /* which members, by their place, were asked for: what is left is unknown to a row */
};

/* In all of these a key may be several names with '|' between them: the first that is there counts, and
 * sentences name the first. Absent and null are alike, but where it is said. */

/* The member, or NULL. */
const cJSON *config_find(struct config_reader *r, const char *key);
/* An integer of 1 .. max; the second form takes `fallback` when the key is absent. */
bool config_size(struct config_reader *r, const char *key, size_t max, size_t *out);
bool config_size_or(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t *out);
/* The same, where 0 is allowed too. */
bool config_count_or(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t *out);
/* A positive number; absent: fallback. */
bool config_number_or(struct config_reader *r, const char *key, double fallback, double *out);
bool config_bool_or(struct config_reader *r, const char *key, bool fallback, bool *out);
/* Sets or clears bits of out->features. */
bool config_feature_or(struct config_reader *r, const char *key, bool fallback, unsigned features,
                       struct model_config *out);
/* By the names of activation_parse. */
bool config_activation(struct config_reader *r, const char *key, const char *fallback, enum activation *out);
/* NULL-terminated keys that ask for something that lancet does not compute: ERROR_UNSUPPORTED when one of
 * them is there and not false. */
bool config_refuse(struct config_reader *r, const char *const *keys);
/* The member, or NULL when it is absent or null. */
const cJSON *config_member(const cJSON *json, const char *key);

/* ---- what many architectures read alike ---- */

/* The sizes of a decoder: the keys that hold them. NULL where a family has no such key: then heads are
 * width / n_heads wide, keys and values have as many heads as queries, the MLP is four times as wide. */
struct size_keys {
    const char *width, *n_layers, *n_heads, *n_kv_heads, *head_dim, *ff, *context;
};
/* What is taken for keys that are absent. 0: as without the key; of the first five: it must be there. */
struct size_defaults {
    size_t width, n_layers, n_heads, vocabulary, context, n_kv_heads, head_dim, ff;
};
/* With the vocabulary, and everything that has one usual value: scales of 1, attention_scale
 * 1 / sqrt(head_dim), no window, no rope. */
bool config_sizes(struct config_reader *r, const struct size_keys *keys, const struct size_defaults *defaults,
                  struct model_config *out);

/* One rope for all layers. `partial` is the part of a head that rotates when no partial_rotary_factor is
 * there; 0: all of it, and such a key is refused. Parameters are in rope_parameters, or, in older files, in
 * rope_scaling with rope_theta and partial_rotary_factor beside it. */
bool config_one_rope(struct config_reader *r, enum rope_kind kind, double theta, double partial,
                     struct model_config *out);
/* One set of rope parameters: `parameters` is the object or NULL, theta stands in for what it leaves out.
 * out->context, head_dim and rotary_dim must be known. */
bool config_rope(struct config_reader *r, const cJSON *parameters, double theta,
                 const struct model_config *out, struct rope_config *rope);
/* Windows by layer_types, an array of "sliding_attention" and "full_attention": *found says whether it is
 * there, and which layers slide. */
bool config_layer_types(struct config_reader *r, const struct model_config *out, bool *found,
                        bool slides[CONFIG_MAX_LAYERS]);
/* A width or a cap that may be switched off: null is 0, absent is `fallback`. */
bool config_window_or(struct config_reader *r, const char *key, size_t fallback, size_t *out);
bool config_cap_or(struct config_reader *r, const char *key, double fallback, double *out);
/* The same window for all layers. */
bool config_window(struct config_reader *r, const char *key, size_t fallback, struct model_config *out);
/* What holds for every architecture: divisibility, bounds of products. */
bool config_check(const char *name, const struct model_config *config, struct error *err);

/* ---- what follows from a config ---- */

/* Whether frequencies depend on the length of a sequence that is longer than original_context. */
bool config_rope_grows(const struct rope_config *rope);
/* Inverse frequencies [dimensions / 2] for a sequence of `length` tokens, in float arithmetic as transformers
 * computes them. */
void config_inverse_frequencies(const struct rope_config *rope, size_t dimensions, size_t length, real *out);
/* For people: "none", "linear", "llama3", ... */
const char *config_rope_scaling_name(enum rope_scaling scaling);
/* What ALiBi adds to the scores of a head at key positions 0 .. n - 1. */
void config_alibi(const struct model_config *config, size_t head, size_t n, real *out);

#endif
