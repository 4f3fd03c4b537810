/* What config.json says, in one form for every architecture. Untrusted: every number is bounded when it is read. */
#ifndef LANCET_CONFIG_H
#define LANCET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops.h"

enum norm_kind { NORM_LAYER, NORM_RMS, NORM_RMS_PLUS_ONE };
enum rope_kind { ROPE_NONE, ROPE_HALF_SPLIT, ROPE_INTERLEAVED };

enum { CONFIG_MAX_LAYERS = 1000, CONFIG_MAX_ROPES = 2, CONFIG_MAX_EOS = 16 };

struct rope_config { /* inverse frequencies are derived from this once, in model_open */
    double theta;
    enum { ROPE_SCALE_NONE, ROPE_SCALE_LINEAR, ROPE_SCALE_LLAMA3 } scaling;
    double factor, low_frequency_factor, high_frequency_factor;
    uint64_t original_context;
};

struct model_config {
    size_t n_layers, width, n_heads, n_kv_heads, head_dim, rotary_dim, ff, vocabulary, context;
    enum norm_kind norm;
    double norm_eps;
    enum activation activation;
    bool gated;      /* down(act(gate x) * up x) */
    bool tied;       /* the head is the embedding */
    bool qk_norm;    /* RMS over each head of q and k before rope */
    bool post_norms; /* norms after attention and after the MLP, before the residual adds (Gemma 2, 3) */
    enum rope_kind rope;
    struct rope_config ropes[CONFIG_MAX_ROPES];
    double attention_scale;
    bool scale_by_layer; /* attention divided by layer + 1 as well (GPT-2 flag) */
    double embedding_scale;
    /* per layer */
    uint64_t window[CONFIG_MAX_LAYERS]; /* 0: all positions */
    uint8_t rope_of[CONFIG_MAX_LAYERS]; /* index into ropes */
    int64_t bos;                        /* -1: none */
};

#endif
