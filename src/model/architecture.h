/* The architecture table. A row holds how config.json is read, which tensor plays which role under which name
 * and in which shape, and the layout options. Adding an architecture: one architecture_NAME.c, one row in
 * architecture.c, one line in meson.build, its test. One forward pass (pass.c) runs every decoder row. */
#ifndef LANCET_ARCHITECTURE_H
#define LANCET_ARCHITECTURE_H

#include <cjson/cJSON.h>

#include "checkpoint.h"
#include "config.h"
#include "error.h"

enum role {
    /* global */
    ROLE_EMBEDDING,
    ROLE_POSITION,
    ROLE_FINAL_NORM,
    ROLE_FINAL_NORM_BIAS,
    ROLE_HEAD,
    /* per layer */
    ROLE_ATTENTION_NORM,
    ROLE_ATTENTION_NORM_BIAS,
    ROLE_QUERY,
    ROLE_KEY,
    ROLE_VALUE,
    ROLE_QUERY_BIAS,
    ROLE_KEY_BIAS,
    ROLE_VALUE_BIAS,
    ROLE_QUERY_NORM,
    ROLE_KEY_NORM,
    ROLE_ATTENTION_OUT,
    ROLE_ATTENTION_OUT_BIAS,
    ROLE_ATTENTION_POST_NORM,
    ROLE_MLP_NORM,
    ROLE_MLP_NORM_BIAS,
    ROLE_GATE,
    ROLE_GATE_BIAS,
    ROLE_UP,
    ROLE_UP_BIAS,
    ROLE_DOWN,
    ROLE_DOWN_BIAS,
    ROLE_MLP_POST_NORM,
    ROLE_COUNT,
    ROLE_FIRST_OF_LAYER = ROLE_ATTENTION_NORM
};

/* A dimension in config terms. */
enum dimension {
    DIM_NONE,
    DIM_WIDTH,
    DIM_FF,
    DIM_VOCABULARY,
    DIM_CONTEXT,
    DIM_QUERY, /* heads x head_dim */
    DIM_KV,    /* key/value heads x head_dim */
    DIM_QKV,
    DIM_HEAD
};

/* When a tensor must be there. A head that is absent is the embedding, whatever the config says. */
enum role_when { WHEN_ALWAYS, WHEN_ATTENTION_BIAS, WHEN_MLP_BIAS, WHEN_UNTIED };

struct tensor_role { /* one tensor of the architecture, or a slice of one */
    enum role role;
    const char *name;       /* "{}" stands for the layer */
    enum dimension out, in; /* logical shape; in == DIM_NONE: a vector */
    enum dimension stored;  /* full length along `out` when this is a slice (fused QKV); DIM_NONE: out */
    unsigned slice;         /* which part of a fused QKV: 0 query, 1 key, 2 value */
    bool transposed;        /* stored [in, out] */
    enum role_when when;
};

/* The start of a row: {MATRIX(role, name, out, in), more members}. */
#define MATRIX(ROLE, NAME, OUT, IN) .role = ROLE, .name = NAME, .out = OUT, .in = IN
#define VECTOR(ROLE, NAME, OUT) .role = ROLE, .name = NAME, .out = OUT

struct architecture {
    const char *model_type; /* as in config.json */
    const char *title;      /* for people: "Gemma 3 (text)" */
    /* *out is zeroed. `name` is the file, for sentences. */
    bool (*read_config)(const char *name, const cJSON *json, struct model_config *out, struct error *err);
    const struct tensor_role *tensors;
    size_t n_tensors;
    const char *const *
        prefixes; /* NULL-terminated alternatives put before every name but the head's ("", "transformer.") */
};

/* NULL-terminated. */
extern const struct architecture *const architectures[];
const struct architecture *architecture_find(const char *model_type);
/* The row that shares most tensor names with the checkpoint, and among equals the one whose name is nearest:
 * for error sentences. */
const struct architecture *architecture_nearest(const char *model_type, const struct checkpoint *checkpoint);

/* prefix + name with the layer in place of "{}"; false when it does not fit. */
bool architecture_tensor_name(const struct tensor_role *row, const char *prefix, size_t layer, char *out,
                              size_t size);
/* The prefix under which the checkpoint has the final norm, or NULL. */
const char *architecture_prefix(const struct architecture *architecture, const struct checkpoint *checkpoint);
/* For sentences: "down projection". */
const char *role_name(enum role role);

#endif
