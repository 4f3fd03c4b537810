/* The architecture table. A row holds how config.json is read and which tensor plays which role under which
 * name, in which shape and on which condition. Adding an architecture: one architecture_NAME.c (its own
 * tensors, and the lists that it shares with others), one row in architecture.c, one line in meson.build, its
 * test. One forward pass (forward.c has its equations) runs every row: what differs is which roles are there,
 * and the numbers and choices of struct model_config. */
#ifndef LANCET_ARCHITECTURE_H
#define LANCET_ARCHITECTURE_H

#include <cjson/cJSON.h>

#include "checkpoint.h"
#include "config.h"
#include "error.h"

/* The bias of a matrix or norm is the role after it (ROLE_BIAS_OF). */
enum role {
    /* global, before the layers */
    ROLE_EMBEDDING,
    ROLE_POSITION,
    ROLE_TOKEN_TYPE,
    ROLE_EMBEDDING_IN, /* from embedding_width to width */
    ROLE_EMBEDDING_IN_BIAS,
    ROLE_EMBEDDING_NORM,
    ROLE_EMBEDDING_NORM_BIAS,
    /* after them */
    ROLE_FINAL_NORM,
    ROLE_FINAL_NORM_BIAS,
    ROLE_HEAD_IN, /* from width to embedding_width */
    ROLE_HEAD_IN_BIAS,
    ROLE_HEAD_NORM, /* behind that and its activation (masked-LM heads) */
    ROLE_HEAD_NORM_BIAS,
    ROLE_HEAD,
    ROLE_HEAD_BIAS,
    /* per layer */
    ROLE_ATTENTION_NORM,
    ROLE_ATTENTION_NORM_BIAS,
    ROLE_QUERY,
    ROLE_QUERY_BIAS,
    ROLE_KEY,
    ROLE_KEY_BIAS,
    ROLE_VALUE,
    ROLE_VALUE_BIAS,
    ROLE_QUERY_NORM,
    ROLE_QUERY_NORM_BIAS,
    ROLE_KEY_NORM,
    ROLE_KEY_NORM_BIAS,
    ROLE_ATTENTION_OUT,
    ROLE_ATTENTION_OUT_BIAS,
    ROLE_ATTENTION_POST_NORM, /* of what attention adds */
    ROLE_ATTENTION_POST_NORM_BIAS,
    ROLE_MID_NORM, /* of the stream after attention's add */
    ROLE_MID_NORM_BIAS,
    ROLE_MLP_NORM,
    ROLE_MLP_NORM_BIAS,
    ROLE_ROUTER, /* of a layer with experts, whose gate, up and down are lists */
    ROLE_ROUTER_BIAS,
    ROLE_SCAN_IN, /* of a mixer (scan.c), which stands in place of attention and MLP */
    ROLE_SCAN_IN_BIAS,
    ROLE_SCAN_CONV,
    ROLE_SCAN_CONV_BIAS,
    ROLE_SCAN_PARAMETERS,
    ROLE_SCAN_PARAMETERS_BIAS,
    ROLE_SCAN_STEP,
    ROLE_SCAN_STEP_BIAS,
    ROLE_SCAN_DECAY,
    ROLE_SCAN_SKIP,
    ROLE_GATE,
    ROLE_GATE_BIAS,
    ROLE_UP,
    ROLE_UP_BIAS,
    ROLE_DOWN,
    ROLE_DOWN_BIAS,
    ROLE_SHARED_ROUTER, /* of the expert that every token goes to */
    ROLE_SHARED_ROUTER_BIAS,
    ROLE_SHARED_GATE,
    ROLE_SHARED_GATE_BIAS,
    ROLE_SHARED_UP,
    ROLE_SHARED_UP_BIAS,
    ROLE_SHARED_DOWN,
    ROLE_SHARED_DOWN_BIAS,
    ROLE_MLP_POST_NORM, /* of what the MLP adds */
    ROLE_MLP_POST_NORM_BIAS,
    ROLE_STATE_NORM, /* of the stream after the MLP's add */
    ROLE_STATE_NORM_BIAS,
    ROLE_COUNT,
    ROLE_FIRST_AFTER_LAYERS = ROLE_FINAL_NORM,
    ROLE_FIRST_OF_LAYER = ROLE_ATTENTION_NORM
};
#define ROLE_BIAS_OF(ROLE) ((enum role)((ROLE) + 1))

/* A dimension in config terms. */
enum dimension {
    DIM_NONE,
    DIM_WIDTH,
    DIM_EMBEDDING, /* width of embedding and head */
    DIM_FF,
    DIM_VOCABULARY,
    DIM_CONTEXT,
    DIM_POSITIONS, /* the context and what lies in front of its first position */
    DIM_TOKEN_TYPES,
    DIM_QUERY, /* heads x head_dim */
    DIM_KV,    /* key/value heads x head_dim */
    DIM_HEAD,
    DIM_HEADS,    /* how many heads */
    DIM_KV_HEADS, /* how many key/value heads */
    DIM_ONE,
    DIM_SCAN_IN, /* twice DIM_FF */
    DIM_SCAN_KERNEL,
    DIM_SCAN_PARAMETERS,
    DIM_SCAN_RANK,
    DIM_SCAN_STATE,
    DIM_EXPERTS, /* how many experts */
    DIM_EXPERT_FF,
    DIM_SHARED_FF, /* of the expert that every token goes to */
    DIM_COUNT
};

/* How a role lies in a tensor that it shares with others, along `out`. */
enum fused {
    FUSED_NONE,
    FUSED_QKV,      /* all queries, all keys, all values */
    FUSED_QKV_HEAD, /* for each key/value head: the queries that share it, its key, its value */
    FUSED_GATE_UP   /* gate, up */
};

/* Which layers have a tensor. */
enum layers { LAYERS_ALL, LAYERS_DENSE, LAYERS_WITH_EXPERTS };

struct tensor_role { /* one tensor of the architecture, or a slice of one */
    enum role role;
    const char *name;       /* "{}" stands for the layer, "[]" for the item of a list */
    enum dimension out, in; /* logical shape; in == DIM_NONE: a vector */
    enum fused fused;
    size_t skip;          /* rows of the stored tensor in front of the first (OPT's positions) */
    bool whole;           /* the name takes no prefix, as that of the head */
    bool transposed;      /* stored [in, out] */
    bool by_head;         /* a vector that is stored as [heads, head_dim] */
    enum dimension items; /* so many tensors of this shape, a list; DIM_NONE: one */
    bool channels;        /* stored [out, 1, in]: a convolution of each channel by itself */
    bool stacked;         /* the list is one tensor [items, out, in] */
    enum layers layers;
    unsigned when;   /* features that must all be on */
    unsigned unless; /* features that must be off */
};
/* A role may have several rows: the first that is wanted and in the checkpoint counts (other spellings). A
 * role that is wanted must be there, but for a head: then the head is the embedding. */

/* The start of a row: {MATRIX(role, name, out, in), more members}. */
#define MATRIX(ROLE, NAME, OUT, IN) .role = ROLE, .name = NAME, .out = OUT, .in = IN
#define VECTOR(ROLE, NAME, OUT) .role = ROLE, .name = NAME, .out = OUT

struct role_list {
    const struct tensor_role *rows;
    size_t n;
};
#define ROLE_LIST(ROWS)                                                                                      \
    {                                                                                                        \
        ROWS, sizeof(ROWS) / sizeof *(ROWS)                                                                  \
    }

struct architecture {
    const char *model_type; /* as in config.json */
    const char *title;      /* for people: "Gemma 3 (text)" */
    /* *out is zeroed. */
    bool (*read_config)(struct config_reader *reader, struct model_config *out);
    const struct role_list *const *tensors; /* NULL-terminated */
    const char *const *
        prefixes; /* NULL-terminated alternatives put before every name but the head's ("", "transformer.") */
};

/* NULL-terminated. */
extern const struct architecture *const architectures[];
const struct architecture *architecture_find(const char *model_type);
/* The i-th row of all its lists; NULL behind the last. */
const struct tensor_role *architecture_row(const struct architecture *architecture, size_t i);
/* The row that shares most tensor names with the checkpoint, and among equals the one whose name is nearest:
 * for error sentences. */
const struct architecture *architecture_nearest(const char *model_type, const struct checkpoint *checkpoint);

/* prefix + name with the layer in place of "{}" and the item in place of "[]"; false when it does not fit. */
bool architecture_tensor_name(const struct tensor_role *row, const char *prefix, size_t layer, size_t item,
                              char *out, size_t size);
/* The prefix under which the checkpoint has the final norm, or else attention of layer 0, or NULL. */
const char *architecture_prefix(const struct architecture *architecture, const struct checkpoint *checkpoint);
/* For sentences: "down projection". */
const char *role_name(enum role role);

/* ---- what rows share ---- */

/* Tensors that the kin of Llama name and shape alike. */
extern const struct role_list llama_outer, /* embedding, final norm, head */
    llama_attention,                       /* q, k, v, o, biases */
    llama_pre_norms,                       /* of attention and MLP */
    llama_mlp,                             /* gate, up, down, biases */
    llama_head_norms,                      /* of queries and keys, one for all heads */
    gemma_norms,                           /* before and after attention and MLP */
    fused_gate_mlp,                        /* gate and up in one tensor, down */
    bloom_body;                            /* of BLOOM and Falcon: all but the norms of the layers */
extern const struct size_keys llama_keys;
extern const char *const llama_prefixes[], *const transformer_prefixes[];
/* RMS norms, gated MLP, the usual keys. FEATURE_QKV_BIAS, OUT and MLP by attention_bias and mlp_bias. */
bool llama_read(struct config_reader *reader, const struct size_defaults *defaults, struct model_config *out);
/* The windows of Qwen's layers. */
bool qwen_windows(struct config_reader *reader, struct model_config *out);

#endif
