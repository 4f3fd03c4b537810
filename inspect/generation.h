/* The text that a model continues a prompt with, told piece by piece. */
#ifndef LANCET_GENERATION_H
#define LANCET_GENERATION_H

#include "prompt.h"
#include "sample.h"

enum generation_end {
    GENERATION_LENGTH,
    GENERATION_END_TOKEN,
    GENERATION_STOP_TEXT,
    GENERATION_CONTEXT,
    GENERATION_NO_READER
};
const char *generation_end_name(enum generation_end end);

struct generation_options {
    size_t max_tokens;
    struct sampler sampler;
    const char *const *stops; /* texts that end it; they are not part of the result */
    size_t n_stops;
    const uint32_t *end; /* a token that ends it too, beside those of the model; NULL: none */
    /* Whole characters that are certain to stay, as UTF-8: bytes that make none, U+FFFD in their place, once
     * it is certain that they do not; returns false when nobody listens any more. May be NULL. */
    bool (*piece)(void *user, const char *bytes, size_t n);
    void *user;
};

struct generation {
    uint32_t *ids; /* [n_ids], the end token included */
    size_t n_ids, capacity;
    struct str text; /* up to the stop text */
    enum generation_end end;
};

/* The tokens that end a text: eos_token_id of generation_config.json, else of config.json. *ids is malloc'ed.
 */
bool generation_end_tokens(const struct opened *opened, uint32_t **ids, size_t *n, struct error *err);

bool generation_run(const struct context *context, const struct opened *opened, const struct prompt *prompt,
                    const struct generation_options *options, struct generation *out, struct error *err);
void generation_release(struct generation *generation);

#endif
