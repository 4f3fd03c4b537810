/* Seconds of one forward: bench_forward MODEL THREADS TOKENS RUNS. Prints the best and the median of RUNS,
 * with the logits of the last token only and with those of every token; the same work that bench_forward.py
 * gives to transformers. */
#include "bench_model.h"

static void bench(const char *name, const struct context *context, const struct model *model,
                  const struct sequence *prompt, size_t n_places, const struct place *places, real *logits,
                  size_t runs)
{
    double *seconds = memory_array(runs, sizeof *seconds);
    struct pass *pass;
    struct error err;

    if (!pass_new(context, model, prompt, 1, &(struct pass_options){.places = places, .n_places = n_places},
                  &pass, &err))
        bench_fail(&err);
    for (size_t i = 0; i < runs; i++) {
        double start = bench_now();

        if (!pass_run(pass, &err) || !pass_logits(pass, places, n_places, logits, &err))
            bench_fail(&err);
        seconds[i] = bench_now() - start;
    }
    qsort(seconds, runs, sizeof *seconds, bench_by_size);
    printf("%s best %.4f median %.4f s, workspace %.1f MB\n", name, seconds[0], seconds[runs / 2],
           (double)pass_bytes(pass) / 1e6);
    fflush(stdout);
    pass_free(pass);
    free(seconds);
}

int main(int argc, char **argv)
{
    struct bench_model opened;
    const struct model *model;
    struct sequence prompt;
    size_t n, runs, vocabulary;
    uint32_t *ids;
    struct place *places;
    real *logits;

    if (argc != 5)
        return 2;
    n = strtoul(argv[3], NULL, 10);
    runs = strtoul(argv[4], NULL, 10);
    bench_open(argv[1], argv[2], &opened);
    model = opened.model;
    vocabulary = model->config.vocabulary;
    ids = memory_array(n, sizeof *ids);
    places = memory_array(n, sizeof *places);
    logits = memory_array(n, vocabulary * sizeof *logits);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (uint32_t)((i * 7919 + 13) % vocabulary);
        places[i] = (struct place){0, n - 1 - i};
    }
    prompt = (struct sequence){ids, n};
    bench("last", &opened.context, model, &prompt, 1, places, logits, runs);
    bench("all", &opened.context, model, &prompt, n, places, logits, runs);
    free(ids);
    free(places);
    free(logits);
    bench_close(&opened);
    return 0;
}
