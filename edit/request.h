/* What is to be edited: prompt, subject and new answer, from flags or from a request file.
 *
 * A file is a JSON array of records in one of these shapes, which are told apart by their keys:
 *
 *     CounterFact  {"requested_rewrite": {"prompt": "{} is in", "subject": S, "target_new": {"str": T}}}
 *     EasyEdit     {"prompt": "S is in", "subject": S, "target_new": T}
 *     zsRE         {"src": "Where is S?", "subject": S, "alt": T}
 *
 * or, for a model without a tokenizer, an object {"bos": id or null, "requests": [{"prompt": [ids],
 * "subject_last": i, "target": [ids], "kl_prompt": [ids], "kl_last": i}]}. Everything else in a record
 * (paraphrases, neighbours, true answers) is for `evaluate` and is not even kept. */
#ifndef LANCET_REQUEST_H
#define LANCET_REQUEST_H

#include <stdint.h>

#include "arena.h"
#include "context.h"

struct edit_ids { /* a request in token ids, without BOS */
    const uint32_t *prompt, *target, *kl;
    size_t n_prompt, n_target, n_kl;
    size_t subject_last, kl_last; /* indices into prompt and kl */
};

struct edit_request {
    size_t number;        /* its place in the file, from 0 */
    const char *prompt;   /* the subject filled in; NULL for ids */
    const char *template; /* the prompt with {} at the subject */
    const char *subject;
    const char *target;                /* with the leading space that its script needs */
    size_t subject_start, subject_end; /* bytes of prompt */
    const char *note;    /* what was decided and should be said (which of two subjects), or NULL */
    struct edit_ids ids; /* when prompt is NULL */
};

struct request_list {
    const char *name;           /* the file, or "the command line" */
    struct edit_request *items; /* malloc'ed */
    size_t n;
    bool ids;    /* requests in token ids */
    int64_t bos; /* with ids: put once in front of every row; -1: none */
    struct arena arena;
};

/* ERROR_USAGE: subject not in the prompt, empty target ... */
bool request_from_flags(const char *prompt, const char *subject, const char *target, struct request_list *out,
                        struct error *err);
/* cases: places in the file (from 0) in ascending order, NULL for all; only these are checked beyond their
 * JSON. */
bool request_read(const struct context *context, const char *path, const uint64_t *cases, size_t n_cases,
                  struct request_list *out, struct error *err);
void request_list_release(struct request_list *list);

#endif
