/* One forward over a batch of sequences of different lengths: packed rows without padding, key/value caches,
 * taps, restart from a layer, and gradients with respect to activations.
 *
 * Rows. The tokens of all sequences lie behind one another: row r belongs to sequence s at position p.
 * Activations are [rows, width].
 *
 * The cached loop of an edit: pass_run once on a resumable pass, then pass_resume again and again: only
 * layers above the restart layer and only positions from `from[s]` on are computed; earlier positions keep
 * their keys and values. In the last layer earlier positions get keys and values only, so their logits are
 * not to be had.
 */
#ifndef LANCET_PASS_H
#define LANCET_PASS_H

#include "model.h"

struct sequence {
    const uint32_t *ids;
    size_t length;
};

/* Named places in a layer where a tap may look or write. TransformerLens's names are in docs/architecture.md.
 */
enum site {
    SITE_EMBEDDING,         /* [rows, width] residual stream before layer 0 (layer is 0) */
    SITE_ATTENTION_IN,      /* [rows, width] after the norm in front of attention */
    SITE_QUERY,             /* [rows, heads x head_dim] as attention uses them: after q/k norm and rope */
    SITE_KEY,               /* [rows, kv heads x head_dim] */
    SITE_VALUE,             /* [rows, kv heads x head_dim] */
    SITE_ATTENTION_SCORES,  /* [heads, queries, keys] of one sequence before softmax, masked entries -inf;
                               called once  per sequence */
    SITE_ATTENTION_PATTERN, /* the same after softmax */
    SITE_ATTENTION_MIX, /* [rows, heads x head_dim] values mixed by the pattern, before the output projection
                         */
    SITE_ATTENTION_OUT, /* [rows, width] what attention adds to the stream (after a post norm) */
    SITE_STATE_MID,     /* [rows, width] residual stream after the attention add */
    SITE_MLP_IN,        /* [rows, width] after the norm in front of the MLP */
    SITE_ROUTER,     /* [rows, experts] what the router makes of a row, adding up to 1: the best are used */
    SITE_MLP_HIDDEN, /* [rows, ff] before the activation (gated: the gate's side) */
    SITE_MLP_KEY,    /* [rows, ff] input of the down projection; in a layer with experts this and HIDDEN
                        are called once for each expert, with the rows that go to it */
    SITE_MLP_VALUE,  /* [rows, width] its raw output, before any post norm */
    SITE_MLP_OUT,    /* [rows, width] what the MLP adds to the stream (after a post norm) */
    SITE_STATE,      /* [rows, width] residual stream after the layer (hook_resid_post) */
    SITE_COUNT
};
const char *site_name(enum site site);

struct tap_view {
    size_t layer;
    real *data;                                  /* writable; see the site for its shape */
    size_t n_rows, width;                        /* row sites; long batches come in several calls, in order */
    const uint32_t *row_sequence, *row_position; /* [n_rows] */
    size_t expert;                               /* key and hidden of a layer with experts */
    size_t sequence, n_heads, n_queries, n_keys; /* pattern and scores: one sequence; query i is position
                                                    n_keys - n_queries + i */
};

struct tap {
    enum site site;
    size_t first_layer, last_layer; /* inclusive */
    void (*call)(void *user, const struct tap_view *view);
    void *user;
};

/* Where logits are wanted. */
struct place {
    size_t sequence, position;
};

struct pass;

struct pass_options {
    size_t n_layers; /* stop after this many layers (0: all) */
    const struct tap *taps;
    size_t n_taps;
    bool keep_cache; /* keys and values are kept, for pass_append */
    size_t capacity; /* positions that a cache has room for, per sequence (0: the longest length) */
    /* For pass_resume and pass_backward: */
    bool resumable;
    size_t resume_layer; /* activations above its MLP value are kept and may be run again */
    const size_t *from;  /* [n_sequences] first position that is run again */
    /* The only places at which logits and gradients will be asked, so that the last layer computes no other
     * rows (and shows no others to taps), or NULL: every place, of a resumable pass from `from` on. Pattern
     * and scores of the last layer have gaps then: tap them with NULL here. pass_append is not bound by it.
     */
    const struct place *places;
    size_t n_places;
    bool keys_only; /* the last layer ends at SITE_MLP_KEY: no state, no logits (for second moments) */
};

/* Checks ids against the vocabulary and lengths against the context (ERROR_USAGE), sizes and takes the
 * workspace. Tokens, `from` and places are copied; taps are borrowed. */
bool pass_new(const struct context *context, const struct model *model, const struct sequence *sequences,
              size_t n_sequences, const struct pass_options *options, struct pass **out, struct error *err);
void pass_free(struct pass *pass);
/* Bytes of the workspace. */
size_t pass_bytes(const struct pass *pass);

/* ERROR_CANCELLED; ERROR_NUMERIC when the last state is not finite, naming a tensor that holds NaN or Inf. */
bool pass_run(struct pass *pass, struct error *err);

/* Runs again from the raw MLP output of resume_layer on: `add` [width], when not NULL, is added to it at
 * position at[s] (not before from[s]) of every sequence s (the delta of ROME); at[s] == PASS_NOWHERE: nothing
 * is added there. Taps are called for what is run: from SITE_MLP_OUT of resume_layer on. */
bool pass_resume(struct pass *pass, const real *add, const size_t *at, struct error *err);
#define PASS_NOWHERE SIZE_MAX

/* Appends one token to every sequence (KV cache) and runs it. ids [n_sequences]; PASS_NO_TOKEN leaves a
 * sequence as it is. */
bool pass_append(struct pass *pass, const uint32_t *ids, struct error *err);
#define PASS_NO_TOKEN UINT32_MAX

/* Logits [n, vocabulary] = head(final norm(state)). Places must have been run last time. */
bool pass_logits(struct pass *pass, const struct place *places, size_t n, real *logits, struct error *err);

/* The same of any states [n, width], of whatever layer: logits [n, vocabulary]; `normed` [n, width] is
 * scratch. A tap may call it. */
void pass_head(const struct pass *pass, const real *states, size_t n, real *normed, real *logits);

/* The `used` experts that a row [n] of SITE_ROUTER gives most to, in no order. */
void experts_choose(const real *route, size_t n, size_t used, uint32_t *chosen);

/* After pass_run or pass_resume of a resumable pass: from dlogits [n, vocabulary] at these places down to the
 * raw MLP output of resume_layer: gradient [n_sequences, width] at position at[s] of every sequence (zeros
 * for PASS_NOWHERE). What taps wrote counts as a constant where it was not kept (the attention pattern). */
bool pass_backward(struct pass *pass, const struct place *places, size_t n, const real *dlogits,
                   const size_t *at, real *gradient, struct error *err);

/* The raw MLP output (SITE_MLP_VALUE) and key (SITE_MLP_KEY) of resume_layer at (sequence, position) as the
 * last pass_run computed them, without `add`. Positions from `from` on only. Borrowed. The key is NULL when
 * the layer has experts. */
const real *pass_value(const struct pass *pass, size_t sequence, size_t position);
const real *pass_key(const struct pass *pass, size_t sequence, size_t position);

#endif
