#include "continuation.h"

#include "sample.h"

struct listener {
    const struct tokenizer *tokenizer;
    struct str *out;
    struct error error; /* of tokenizer_token_bytes, which the sampler cannot pass on */
};

static bool hear(void *user, size_t sequence, uint32_t id)
{
    struct listener *l = user;
    (void)sequence;
    if (tokenizer_is_special(l->tokenizer, id))
        return false;
    return tokenizer_token_bytes(l->tokenizer, id, l->out, &l->error);
}

bool continuation_greedy(const struct context *context, const struct model *model,
                         const struct tokenizer *tokenizer, const struct sequence *prompt, size_t n_tokens,
                         struct str *out, struct error *err)
{
    struct listener listener = {.tokenizer = tokenizer, .out = out};
    struct sampler greedy = {.temperature = 0, .top_p = 1};
    if (!sample_continue(context, model, prompt, 1, n_tokens, &greedy, tokenizer_size(tokenizer), hear,
                         &listener, err))
        return false;
    if (listener.error.kind != ERROR_NONE) {
        *err = listener.error;
        return false;
    }
    return !out->failed || error_memory(err, "continuing a prompt");
}
