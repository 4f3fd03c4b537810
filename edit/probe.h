/* What a model says about an edit and around it, before and after: one forward over
 *
 *     the bare prompt with its target,
 *     the same template with other subjects of lancet's own list (neighbours),
 *     and with subjects that begin like those and end like the request's (near neighbours; only with held
 * out), other prefixes before the prompt that the edit was not made with (held out; only when asked for), a
 * few sentences of lancet's own (perplexity).
 *
 * Nothing of a request but its prompt, subject and target goes in; neighbours' answers are the model's own.
 */
#ifndef LANCET_PROBE_H
#define LANCET_PROBE_H

#include "edit_rows.h"

enum { PROBE_TOP = 5, PROBE_NEIGHBOURS = 16, PROBE_NEAR = 4, PROBE_HELD_OUT = 8, PROBE_PROSE = 64 };

struct probe {
    struct sequence *rows;
    size_t n_rows;
    /* Of them, in this order: the prompt, neighbours (the last n_near of them near), held out, prose (0 or
     * 1). */
    size_t n_neighbours, n_near, n_held_out, n_prose;
    const char *neighbours[PROBE_NEIGHBOURS]; /* their subjects */
    struct place *places;                     /* where logits are read, in the order of the rows */
    size_t n_places;
    const uint32_t *target;
    size_t n_target;
    struct arena arena;
};

struct probe_answer {
    uint32_t id;
    double probability;
};

struct probe_neighbour {
    uint32_t answer;               /* the model's own most probable next token before the edit */
    double answer_log, target_log; /* log-probability of it, and of the target's first token */
};

struct probe_result {
    double nll;       /* mean -log p of the target's tokens after the bare prompt */
    double first_log; /* log-probability of the target's first token */
    size_t rank;      /* of the target's first token, from 0 */
    bool is_answer;   /* every token of the target is the most probable one */
    struct probe_answer top[PROBE_TOP];
    size_t n_top;
    struct probe_neighbour neighbours[PROBE_NEIGHBOURS];
    double held_out[PROBE_HELD_OUT]; /* mean -log p of the target's tokens */
    double prose_nll;                /* mean over its tokens; NaN without prose */
};

/* tokenizer NULL (requests in ids): the prompt alone. Texts longer than `longest` tokens are cut (prose) or
 * left out. */
bool probe_build(const struct tokenizer *tokenizer, const struct edit_request *request,
                 const struct edit_rows *rows, size_t longest, bool held_out, struct probe *out,
                 struct error *err);
void probe_release(struct probe *probe);

/* before: the result on the unedited model, whose answers the neighbours are asked for; NULL for that run
 * itself. */
bool probe_run(const struct context *context, const struct model *model, const struct probe *probe,
               const struct probe_result *before, struct probe_result *out, struct error *err);

/* Share of neighbours (the near ones apart) whose answer before is still more probable than the target; 1
 * when there are none. */
double probe_kept(const struct probe *probe, const struct probe_result *before,
                  const struct probe_result *after, size_t *n_kept, size_t *n_asked);

#endif
