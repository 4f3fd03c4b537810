/* What pass.c, attention.c and backward.c share. Not for users of pass.h. */
#ifndef LANCET_PASS_STATE_H
#define LANCET_PASS_STATE_H

#include "pass.h"

struct batch { /* the rows of one run, by sequence and position */
    size_t n;
    uint32_t *sequence, *position; /* [n] */
    size_t *first;                 /* [n_sequences + 1]: those of sequence s are first[s] .. first[s + 1] */
    size_t *parent;                /* [n] row in the batch that this one is a part of */
    size_t *block; /* [n_blocks + 1] rows that one attention task takes: of one sequence, few enough that
                      two tables of rows x keys fit into a worker's scratch */
    size_t n_blocks;
    size_t expert; /* that the rows go to */
};

/* Where the activations of a layer go. Without a need to keep them, several lie in the same place. B rows are
 * those that enter the layer, Q rows (all of B, or some) those that leave it. */
struct activations {
    real *x;         /* [B, width] residual stream in */
    real *key_raw;   /* [B, kv] before norm and rope */
    real *query_raw; /* [Q, q] */
    real *query;     /* [Q, q] */
    real *attention; /* [Q, width] raw output of attention */
    real *mid_sum;   /* [Q, width] residual stream after attention's add, before a norm of it */
    real *mid;       /* [Q, width] residual stream in the middle */
    real *hidden;    /* [Q, ff] before the activation */
    real *up;        /* [Q, ff] the other side of a gated MLP */
    real *route;     /* [Q, experts] the router's weights before the best are chosen */
    real *open;      /* [Q] gate of the shared expert */
    real *value;     /* [Q, width] raw output of the MLP */
    real *sum;       /* [Q, width] residual stream after the MLP's add, before a norm of it */
    /* Of a mixer (scan.c): */
    real *scan_in;         /* [B, 2 ff] */
    real *scan_conv;       /* [B, ff] before the activation */
    real *scan_parameters; /* [B, rank + 2 state] */
    real *scan_step;       /* [B, ff] before softplus */
};

/* Which rows of a piece of a batch, at most mlp_rows, go to which expert. */
struct expert_rows {
    uint32_t *chosen;   /* [mlp_rows, used] */
    real *weight;       /* [mlp_rows, used] */
    size_t *first;      /* [experts + 1]: the rows of expert e are first[e] .. first[e + 1] of these: */
    uint32_t *row;      /* [mlp_rows x used] row of the piece */
    real *row_weight;   /* [mlp_rows x used] */
    struct batch batch; /* of one expert's rows, for taps */
    real *in, *out;     /* [mlp_rows, width] */
};

/* What a mixer works with (scan.c): rows, and what is carried from token to token. */
struct scan_rows {
    real *u;      /* [rows, ff] */
    real *narrow; /* [rows, rank] */
    real *key;    /* [rows, ff] */
    real *state;  /* [regions, n_sequences, ff x (state + kernel - 1)] */
    struct scan_gradients {
        real *in, *step; /* [active, 2 ff], [active, ff]; what u is for is in gradient.up */
        real *parameters;
        real *parts; /* [blocks of channels, active, 2 state] */
    } gradient;
};

struct pass {
    const struct context *context;
    const struct model *model;
    struct pass_options options;
    size_t n_layers; /* that run */
    size_t n_sequences;
    size_t *length,
        *offset;    /* [n_sequences], [n_sequences + 1]: tokens; where positions of a sequence begin */
    uint32_t *ids;  /* [offset[n_sequences]] */
    size_t longest; /* capacity of the longest sequence */
    struct arena arena;
    size_t bytes;
    void *workspace;

    struct batch whole, step; /* every token; the tokens of pass_append */
    struct batch prefix, active,
        scored; /* resumable: positions before `from`, from it on, and of those the places */
    struct batch none;
    bool keep; /* this run keeps its activations for backward */
    bool ran;

    size_t q_width, kv_width; /* heads x head_dim */
    /* Tables of rotary: row p is position p in the first `longest` rows, which serve every sequence but those
     * whose frequencies depend on their length: these have rows of their own, from rope_first[s] on. */
    real *cosine[CONFIG_MAX_ROPES], *sine[CONFIG_MAX_ROPES]; /* [rope_rows, rotary_dim / 2] */
    size_t rope_rows, *rope_first;                           /* [n_sequences] */
    real *frequencies;                                       /* [rotary_dim / 2] */
    real *alibi;                                             /* [heads, longest] added to the scores */
    real *keys, *values;                                     /* [regions, offset[n_sequences], kv_width] */
    struct activations scratch;
    real *normed, *key, *value, *mix,
        *add;        /* [rows, width], [rows, kv], [rows, kv], [rows, q], [rows, width] */
    size_t mlp_rows; /* rows that go through the MLP at a time */
    real *mlp_key;   /* [mlp_rows, ff] */
    struct expert_rows experts;
    struct scan_rows scan;
    real *pattern; /* [heads, queries, keys] of the largest sequence, when tapped */

    real *top; /* [top_batch->n, width] what the last run ended with */
    const struct batch *top_batch;

    struct activations *kept; /* of the layers above resume_layer, active rows */
    real *resume_mid, *resume_value, *resume_key, *moved,
        *resume_sum;  /* at resume_layer: [active, width], .., [active, ff], [active, width], .. */
    real *active_top; /* [active, width] */
    struct gradients {
        real *x, *branch, *normed, *picked; /* [active, width] */
        real *parallel;                     /* [active, width] of the MLP's input in a parallel layer */
        real *mlp_key, *up;                 /* [active, ff] */
        real *route, *open;                 /* [mlp_rows, experts], [mlp_rows] */
        real *mix, *query;                  /* [active, q] */
        real *key, *value;                  /* [active, kv] */
    } gradient;
};

/* Rows are added by sequence and position; batch_seal makes the rest of it. */
void batch_add(struct batch *batch, size_t sequence, size_t position, size_t parent);
void batch_seal(const struct pass *pass, struct batch *batch);
/* Row of a place in a batch; false when it is not there. */
bool batch_find(const struct batch *batch, size_t sequence, size_t position, size_t *row);

/* ---- rows shared out over the pool ---- */

struct row_job {
    void (*row)(const struct row_job *job, size_t row);
    const struct pass *pass;
    const struct batch *batch;
    size_t layer, width;
    size_t total;     /* of a job on pieces of `width` numbers rather than rows: all of them */
    enum role weight; /* a norm's; its bias follows it */
    const real *a, *b;
    real *y, *z;
};
void rows_run(const struct row_job *job, size_t n_rows);

/* Weight or vector of a role in a layer; NULL where there is none. */
const struct weight *pass_weight(const struct pass *pass, size_t layer, enum role role);
const real *pass_vector(const struct pass *pass, size_t layer, enum role role);
/* y [m, out] = x W^T + bias, the bias that follows the role, when there is one. */
void pass_matmul(const struct pass *pass, size_t layer, enum role weight, const real *x, size_t m, real *y);
/* The norm of a row, or its gradient added to dx, with weights w and bias b (NULL: none). */
void pass_norm(const struct model_config *config, const real *x, const real *w, const real *b, size_t n,
               real *y);
void pass_norm_backward(const struct model_config *config, const real *x, const real *w, const real *dy,
                        size_t n, real *dx);
/* The rotary row of a position; false where the layer does not rotate. */
struct rotary {
    const real *cosine, *sine;
};
bool pass_rotary(const struct pass *pass, size_t layer, size_t sequence, size_t position, struct rotary *out);
/* How many keys of a sequence a query at this position may see: those up to it, or of an encoder all. */
size_t pass_keys(const struct pass *pass, size_t sequence, size_t position);
/* Readies the rotary rows of the token that is appended to a sequence. */
bool pass_grow_rope(struct pass *pass, size_t sequence, struct error *err);
bool pass_is_parallel(const struct pass *pass);
bool pass_has_experts(const struct pass *pass, size_t layer);
/* Keys or values of a layer: the row of position p of sequence s is offset[s] + p. */
real *pass_region(const struct pass *pass, real *cache, size_t layer);
bool pass_is_tapped(const struct pass *pass, enum site site, size_t layer);
void pass_tap(const struct pass *pass, enum site site, size_t layer, real *data, const struct batch *batch,
              size_t first, size_t n, size_t width);

/* ---- experts.c ---- */

/* The MLP of rows first .. first + n of a batch, in a layer with experts: from normed to value; with
 * keys_only to the keys. */
void experts_forward(const struct pass *pass, size_t layer, const struct batch *batch,
                     const struct activations *a, size_t first, size_t n);
/* From d value [n, width] of rows first .. first + n to d in [n, width]. */
bool experts_backward(struct pass *pass, size_t layer, const struct activations *a, size_t first, size_t n,
                      const real *d_value, real *d_in, struct error *err);
/* How many numbers a row's hidden side takes. */
size_t experts_hidden(const struct expert_config *experts);

/* ---- scan.c ---- */

/* A layer that is a mixer, as forward_to_value. */
void scan_forward(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                  const struct activations *a);
/* From d key [B, ff] of the active rows to d of the mixer's input [B, width]. */
bool scan_backward(struct pass *pass, size_t layer, const struct batch *batch, const struct activations *a,
                   const real *d_key, real *d_in, struct error *err);
/* Tasks that the channels of a sequence are cut into. */
size_t scan_blocks(const struct model_config *config);
/* The longest sequence that gradients go through. */
size_t scan_longest(const struct model_config *config);
/* Numbers that a layer carries for a sequence, and where they lie. */
size_t scan_state_size(const struct model_config *config);
real *pass_scan_state(const struct pass *pass, size_t layer, size_t sequence);

/* ---- attention.c ---- */

/* mix [Q, q] from query [Q, q] and the cached keys and values of the layer. */
void attention_forward(const struct pass *pass, size_t layer, const struct batch *batch, const real *query,
                       real *mix);
/* From d mix to d query [Q, q], and d key, d value [B, kv] of the active rows (over their cached, rotated
 * form). */
void attention_backward(const struct pass *pass, size_t layer, const struct batch *queries,
                        const struct batch *keys, const real *query, const real *d_mix, real *d_query,
                        real *d_key, real *d_value);
/* How many reals of a worker's scratch a block of queries may fill with one table. */
size_t attention_table(void);

#endif
