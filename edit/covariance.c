#include "covariance.h"

#include "id_corpus.h"

static bool read_file(const struct context *context, const struct model *model, const char *path,
                      const size_t *layers, size_t n_layers, struct moments *out, struct error *err)
{
    for (size_t i = 0; i < n_layers; i++)
        if (!moments_read(context, path, layers[i], model->config.ff, &out[i], err)) {
            while (i-- > 0)
                moments_release(&out[i]);
            return false;
        }
    return true;
}

bool covariance_collect(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, const struct covariance_source *source,
                        const size_t *layers, size_t n_layers, struct moments *out, struct error *err)
{
    if (source->file)
        return read_file(context, model, source->file, layers, n_layers, out, err);
    struct moments_source text = {
        .corpus = source->corpus, .seed = source->seed, .tokens = source->tokens, .window = source->window};
    struct id_corpus ids = {0};
    if (source->corpus && id_corpus_named(source->corpus)) {
        if (!id_corpus_read(context, source->corpus, &ids, err))
            return false;
        text.corpus = NULL;
        text.rows = (const uint32_t *const *)ids.rows;
        text.row_lengths = ids.lengths;
        text.n_rows = ids.n;
    } else if (source->corpus && !tokenizer) {
        return error_set(
            err, ERROR_USAGE,
            "%s: the model has no tokenizer: give a corpus in token ids (a .json file with \"rows\")",
            source->corpus);
    }
    bool ok = moments_collect(context, model, tokenizer, &text, layers, n_layers, NULL, out, err);
    id_corpus_release(&ids);
    return ok;
}

bool covariance_solvers(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, const struct covariance_source *source,
                        double ridge, const size_t *layers, size_t n_layers, struct solver *out,
                        struct error *err)
{
    size_t done = 0;
    if (source->identity) {
        for (; done < n_layers; done++)
            out[done] = (struct solver){.n = model->config.ff};
        return true;
    }
    struct moments moments[CONFIG_MAX_LAYERS];
    if (!covariance_collect(context, model, tokenizer, source, layers, n_layers, moments, err))
        return false;
    bool ok = true;
    for (; ok && done < n_layers; done++) {
        double *c = moments[done].c;
        moments[done].c = NULL; /* the solver takes it */
        ok = solver_init(c, moments[done].n, ridge, &out[done], err);
    }
    for (size_t i = 0; i < n_layers; i++)
        moments_release(&moments[i]);
    for (size_t i = 0; !ok && i + 1 < done; i++)
        solver_release(&out[i]);
    return ok;
}
