#include "logits.h"

#include "memory.h"
#include "npy.h"

_Static_assert(sizeof(real) == sizeof(float), "logits are written as the engine has them");

enum { BLOCK_BYTES = 32 << 20 };

size_t logits_block(size_t vocabulary, size_t n)
{
    size_t block = BLOCK_BYTES / (vocabulary * sizeof(real));
    return block < 1 ? 1 : block > n ? n : block;
}

bool logits_write(const struct context *context, const struct model *model, struct pass *pass,
                  size_t n_tokens, const char *path, bool force, struct error *err)
{
    size_t vocabulary = model->config.vocabulary;
    size_t block = logits_block(vocabulary, n_tokens);
    bool ok = false;
    struct npy_writer *writer = NULL;
    real *logits = memory_array(block, vocabulary * sizeof *logits); /* [block, vocabulary] */
    struct place *places = memory_array(block, sizeof *places);
    if (!logits || !places) {
        error_memory(err, "writing logits");
        goto out;
    }
    if (!npy_new(context->fs, path, n_tokens, vocabulary, force, &writer, err))
        goto out;
    for (size_t first = 0; first < n_tokens; first += block) {
        size_t n = n_tokens - first < block ? n_tokens - first : block;
        for (size_t i = 0; i < n; i++)
            places[i] = (struct place){.sequence = 0, .position = first + i};
        if (!context_continue(context, err) || !pass_logits(pass, places, n, logits, err) ||
            !npy_add(writer, logits, n, err))
            goto out;
        context_progress(context, "writing logits", first + n, n_tokens);
    }
    ok = npy_commit(writer, err);
out:
    npy_free(writer);
    free(places);
    free(logits);
    return ok;
}
