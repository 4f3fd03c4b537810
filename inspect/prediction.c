#include "prediction.h"

#include "logits.h"
#include "memory.h"
#include "pass.h"

/* The token that stands for what an encoder is to find. */
static bool mask_of(const struct opened *opened, uint32_t *id, struct error *err)
{
    static const char *const names[] = {"[MASK]", "<mask>"};
    if (!opened_need_tokenizer(opened, err))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (tokenizer_find(opened->tokenizer, names[i], id))
            return true;
    return error_set(err, ERROR_UNSUPPORTED, "the tokenizer has no mask, neither [MASK] nor <mask>");
}

/* Sets where answers are wanted. */
static bool place_answers(const struct opened *opened, struct prediction *p, struct error *err)
{
    const struct prompt *prompt = &p->prompt;
    bool encoder = opened->model->config.encoder;
    uint32_t mask = 0;
    if (encoder && !mask_of(opened, &mask, err))
        return false;
    p->answers = memory_zeroed(prompt->tokens.n, sizeof *p->answers);
    if (!p->answers)
        return error_memory(err, "predicting");
    for (size_t i = 0; i < prompt->tokens.n; i++)
        if (encoder ? prompt->ids[i] == mask : i + 1 == prompt->tokens.n)
            p->answers[p->n_answers++].position = i;
    return p->n_answers ||
           error_set(err, ERROR_USAGE,
                     "the prompt has no mask (token %u), in place of which an encoder predicts",
                     (unsigned)mask);
}

static bool take_answer(struct pass *pass, const struct place *place, size_t vocabulary, size_t top,
                        real *logits, struct answer *answer, struct error *err)
{
    answer->next = memory_array(top, sizeof *answer->next);
    if (!answer->next)
        return error_memory(err, "predicting");
    if (!pass_logits(pass, place, 1, logits, err))
        return false;
    answer->n_next = next_tokens(logits, vocabulary, top, answer->next);
    return true;
}

static bool take_answers(struct pass *pass, size_t vocabulary, size_t top, struct prediction *predictions,
                         size_t n, struct error *err)
{
    real *logits = memory_array(vocabulary, sizeof *logits);
    bool ok = logits || error_memory(err, "predicting");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; ok && k < predictions[i].n_answers; k++) {
            struct answer *answer = &predictions[i].answers[k];
            struct place place = {.sequence = i, .position = answer->position};
            ok = take_answer(pass, &place, vocabulary, top, logits, answer, err);
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
    struct place *places = NULL;
    size_t vocabulary = opened->model->config.vocabulary, n_places = 0;
    struct sequence *sequences = memory_array(n, sizeof *sequences);
    for (size_t i = 0; i < n; i++) {
        if (!model_can(opened->model, ABLE_LOGITS, err) || !place_answers(opened, &predictions[i], err))
            goto out;
        n_places += predictions[i].n_answers;
    }
    places = memory_array(n_places, sizeof *places);
    if (!sequences || !places) {
        error_memory(err, "predicting");
        goto out;
    }
    n_places = 0;
    for (size_t i = 0; i < n; i++) {
        const struct prediction *p = &predictions[i];
        sequences[i] = (struct sequence){.ids = p->prompt.ids, .length = p->prompt.tokens.n};
        for (size_t k = 0; k < p->n_answers; k++)
            places[n_places++] = (struct place){.sequence = i, .position = p->answers[k].position};
    }
    struct pass_options how = {.places = logits ? NULL : places, .n_places = logits ? 0 : n_places};
    ok = pass_new(context, opened->model, sequences, n, &how, &pass, err) && pass_run(pass, err) &&
         take_answers(pass, vocabulary, top < vocabulary ? top : vocabulary, predictions, n, err);
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
    for (size_t i = 0; i < prediction->n_answers; i++)
        free(prediction->answers[i].next);
    free(prediction->answers);
    *prediction = (struct prediction){0};
}
