#include "prediction.h"

#include "logits.h"
#include "memory.h"
#include "pass.h"

static bool take_next(struct pass *pass, const struct place *places, size_t n, size_t vocabulary, size_t top,
                      struct prediction *predictions, struct error *err)
{
    real *logits = memory_array(vocabulary, sizeof *logits);
    bool ok = logits || error_memory(err, "predicting");
    for (size_t i = 0; ok && i < n; i++) {
        struct prediction *p = &predictions[i];
        p->next = memory_array(top, sizeof *p->next);
        ok = p->next || error_memory(err, "predicting");
        ok = ok && pass_logits(pass, &places[i], 1, logits, err);
        if (ok)
            p->n_next = next_tokens(logits, vocabulary, top, p->next);
    }
    free(logits);
    return ok;
}

bool prediction_run(const struct context *context, const struct opened *opened,
                    struct prediction *predictions, size_t n, size_t top, const char *logits, bool force,
                    struct error *err)
{
    bool ok = false;
    struct pass *pass = NULL;
    size_t vocabulary = opened->model->config.vocabulary;
    struct sequence *sequences = memory_array(n, sizeof *sequences);
    struct place *places = memory_array(n, sizeof *places);
    if (!sequences || !places) {
        error_memory(err, "predicting");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const struct prompt *prompt = &predictions[i].prompt;
        sequences[i] = (struct sequence){.ids = prompt->ids, .length = prompt->tokens.n};
        places[i] = (struct place){.sequence = i, .position = prompt->tokens.n - 1};
    }
    struct pass_options how = {.places = logits ? NULL : places, .n_places = logits ? 0 : n};
    ok = pass_new(context, opened->model, sequences, n, &how, &pass, err) && pass_run(pass, err) &&
         take_next(pass, places, n, vocabulary, top < vocabulary ? top : vocabulary, predictions, err);
    if (ok && logits)
        ok = logits_write(context, opened->model, pass, sequences[0].length, logits, force, err);
out:
    pass_free(pass);
    free(places);
    free(sequences);
    return ok;
}

void prediction_release(struct prediction *prediction)
{
    if (!prediction)
        return;
    prompt_release(&prediction->prompt);
    free(prediction->next);
    *prediction = (struct prediction){0};
}
