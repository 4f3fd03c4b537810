/* Editing facts: one or several requests become one change of a model.
 *
 *     requests -> rows -> layer -> keys, target vector, update (rank_one.h) -> overlay -> rounded bytes ->
 * gates
 *
 * edit_prepare does all of that in memory; nothing is written before change_commit or change_output, and they
 * write exactly the bytes that the gates have judged. Requests are applied in their order, each to the model
 * that the earlier ones have left; the covariance is of the unedited model. */
#ifndef LANCET_EDIT_H
#define LANCET_EDIT_H

#include "change.h"
#include "covariance.h"
#include "layer_search.h"

struct edit_options {
    const struct edit_method *method;
    const char *const *assignments; /* --set NAME=VALUE, in order */
    size_t n_assignments;
    bool layer_given;
    uint64_t layer;
    const char *contexts;            /* NULL: the fixed set of the prompt's script; "sampled"; else a file */
    const char *corpus, *covariance; /* files, or NULL */
    uint64_t seed;                   /* for what is sampled from the model */
};

enum layer_reason { LAYER_GIVEN, LAYER_KNOWN, LAYER_SEARCHED };

struct edit_item { /* one request and what came of it */
    const struct edit_request *request;
    struct edit_rows rows;
    struct probe probe;
    struct probe_result before, after;
    struct str says_before, says_after; /* greedy continuation of the prompt; empty without a tokenizer */
    const char *contexts;               /* name of the set */
    bool nothing_to_do;                 /* the target is the model's answer already; what follows is unset */
    size_t layer;
    enum layer_reason reason;
    const char *known_source; /* for LAYER_KNOWN */
    struct layer_score scores[LAYER_CANDIDATES];
    size_t n_scores; /* for LAYER_SEARCHED */
    struct rank_one edit;
    double relative_norm; /* |r| / |W|_F of this request's own update */
    double realised;      /* of the whole change along this request's key, on the rounded bytes */
    size_t n_kept, n_asked;
    struct gate_list gates;
};

struct edit {
    const struct context *context;
    struct model *model;
    const struct tokenizer *tokenizer; /* NULL: requests in ids */
    const struct request_list *requests;
    const struct edit_options *options;
    struct settings settings;
    struct edit_item *items; /* [n_items] */
    size_t n_items;
    struct change_site *sites; /* [n_sites], one a changed tensor */
    size_t *site_layers;       /* [n_sites] */
    size_t n_sites;            /* 0: nothing to do */
    struct context_set *sets;  /* those in use */
    size_t n_sets;
    struct solver *solvers; /* [n_solvers] */
    size_t *solver_layers;
    size_t n_solvers;
    double seconds_covariance, seconds_search, seconds_edit, seconds_checks;
};

/* The tokenizer may be NULL; requests, options, model and tokenizer must outlive *out, which is to be
 * released also after a failure (a zeroed struct is fine). */
bool edit_prepare(const struct context *context, struct model *model, const struct tokenizer *tokenizer,
                  const struct request_list *requests, const struct edit_options *options, struct edit *out,
                  struct error *err);
void edit_release(struct edit *edit);

/* Whether every gate of every request passed. */
bool edit_passed(const struct edit *edit);
/* One sentence about the first gate that did not. */
void edit_refusal(const struct edit *edit, struct str *out);

/* How a request is called in sentences: "record 3", or its prompt. */
void edit_item_name(const struct edit_item *item, struct str *out);

/* The note of the record that a commit writes: a JSON object that `lancet log` shows. */
bool edit_note(const struct edit *edit, struct str *out, struct error *err);

#endif
