/* Which layer to edit, when none is given and none is known: trial edits in memory, one a candidate layer,
 * judged by what lancet may know (probe.h): the target after the bare prompt and after prefixes that the edit
 * was not made with, other subjects in the same template keeping the model's own answers, and the perplexity
 * of prose. */
#ifndef LANCET_LAYER_SEARCH_H
#define LANCET_LAYER_SEARCH_H

#include "probe.h"
#include "rank_one.h"

enum { LAYER_CANDIDATES = 8 };

struct layer_score {
    size_t layer;
    bool failed; /* the edit could not be made there */
    double
        target; /* mean over bare prompt and held-out prefixes of the target's probability (a token's mean) */
    double kept;  /* mean over neighbours of how far the old answer stays ahead of the target, 0 .. 1 */
    double prose; /* old perplexity / new perplexity, at most 1 */
    double size;  /* |r| / |W|_F */
    double score; /* harmonic mean of target and kept, times prose */
};

/* Candidates, ascending: all layers but the last where they are few, else a spread over the first two thirds;
 * as many as their covariances fit into `bytes`. Returns how many (at least one). */
size_t layer_candidates(size_t n_layers, size_t ff, uint64_t bytes, size_t out[LAYER_CANDIDATES]);

/* Scores every candidate (solvers [n] belong to layers [n]); `before` is the probe on the unedited model,
 * whose overlay must be empty and is so afterwards. *best is an index into scores. ERROR_NUMERIC when no
 * layer can be edited. */
bool layer_search(const struct context *context, struct model *model, const struct edit_rows *rows,
                  const struct probe *probe, const struct probe_result *before,
                  const struct edit_method *method, const struct settings *settings, const size_t *layers,
                  const struct solver *solvers, size_t n, struct layer_score *scores, size_t *best,
                  struct error *err);

#endif
