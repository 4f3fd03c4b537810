#include "patterns.h"

#include "memory.h"

struct watch {
    const struct patterns_job *job;
    struct error failure; /* of job->layer */
    size_t done;
    /* The cancel flag of the pass: our own failure ends it too. Set where its layers end. */
    volatile sig_atomic_t stop;
};

static void on_layer(void *user, const struct tap_view *view)
{
    struct watch *watch = user;
    const struct patterns_job *job = watch->job;
    if (watch->stop)
        return;
    if (job->layer(job->user, view->layer, view->data, &watch->failure))
        context_progress(job->context, job->what, ++watch->done, job->n_layers);
    else
        watch->stop = 1;
}

static void on_layer_end(void *user, const struct tap_view *view)
{
    struct watch *watch = user;
    (void)view;
    if (!watch->stop && !context_continue(watch->job->context, &watch->failure))
        watch->stop = 1;
}

bool patterns_run(const struct patterns_job *job, struct error *err)
{
    struct pass *pass = NULL;
    struct watch watch = {.job = job};
    struct context context = *job->context;
    context.cancel = &watch.stop;
    size_t n = job->n_layers, last = job->layers[n - 1];
    struct sequence sequence = {.ids = job->ids, .length = job->n_tokens};
    struct tap *taps = memory_array(n + 1, sizeof *taps);
    if (!taps)
        return error_memory(err, "reading attention");
    for (size_t i = 0; i < n; i++)
        taps[i] = (struct tap){.site = job->scores ? SITE_ATTENTION_SCORES : SITE_ATTENTION_PATTERN,
                               .first_layer = job->layers[i],
                               .last_layer = job->layers[i],
                               .call = on_layer,
                               .user = &watch};
    taps[n] = (struct tap){.site = SITE_STATE, .last_layer = last, .call = on_layer_end, .user = &watch};
    struct pass_options how = {.n_layers = last + 1, .taps = taps, .n_taps = n + 1};
    bool ok =
        pass_new(&context, job->model, &sequence, 1, &how, &pass, err) && pass_run(pass, err) && !watch.stop;
    if (watch.stop)
        *err = watch.failure;
    pass_free(pass);
    free(taps);
    return ok;
}
