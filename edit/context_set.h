/* Prefixes that are put before a prompt, so that an edit holds in more than one place. The first is empty:
 * the bare prompt. Fixed, versioned lists by script; a file; or texts sampled from the model itself
 * (docs/editing.md 1). */
#ifndef LANCET_CONTEXT_SET_H
#define LANCET_CONTEXT_SET_H

#include "model.h"
#include "script.h"
#include "tokenizer.h"

struct context_prefix {
    const char *text; /* NULL: ids */
    const uint32_t *ids;
    size_t n; /* bytes, or ids */
};

struct context_set {
    const char *name; /* "en/1", the file, "sampled with seed 7" */
    struct context_prefix *items;
    size_t n;
    struct arena arena;
};

/* The first `n` (all when there are fewer) of the fixed list for a script. */
bool context_set_fixed(enum script script, size_t n, struct context_set *out, struct error *err);
/* Prefixes that no fixed set holds, for judging an edit by texts that it was not made with. */
bool context_set_held_out(enum script script, struct context_set *out, struct error *err);
/* {"contexts": [...]}: texts or lists of ids. */
bool context_set_read(const struct context *context, const char *path, struct context_set *out,
                      struct error *err);
/* The empty prefix and n - 1 texts of up to ten tokens that the model says from its beginning token on. */
bool context_set_sample(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, size_t n, uint64_t seed, struct context_set *out,
                        struct error *err);
void context_set_release(struct context_set *set);

#endif
