/* Seconds of one step of the search for a target vector: bench_resume MODEL THREADS LAYER STEPS. Seven
 * sequences as an edit has them (six contexts and the KL row), restarted in the middle: pass_resume, logits,
 * pass_backward. */
#include "bench_model.h"

enum { N = 7, LONGEST = 24, AFTER = 5 };

int main(int argc, char **argv)
{
    struct bench_model opened;
    struct sequence sequences[N];
    struct place places[N];
    size_t from[N], steps, vocabulary, width;
    uint32_t ids[N][LONGEST];
    double start, first, best[3] = {1e9, 1e9, 1e9};
    const struct model *model;
    struct pass *pass;
    struct error err;
    real *logits, *gradient, *add;

    if (argc != 5)
        return 2;
    steps = strtoul(argv[4], NULL, 10);
    bench_open(argv[1], argv[2], &opened);
    model = opened.model;
    vocabulary = model->config.vocabulary;
    width = model->config.width;
    for (size_t s = 0; s < N; s++) {
        size_t length = 9 + 2 * s;

        for (size_t i = 0; i < length; i++)
            ids[s][i] = (uint32_t)(((s + 1) * 104729 + i * 7919) % vocabulary);
        sequences[s] = (struct sequence){ids[s], length};
        from[s] = length - AFTER;
        places[s] = (struct place){s, s + 1 < N ? length - 1 : from[s]};
    }
    logits = memory_array(N, vocabulary * sizeof *logits);
    gradient = memory_array(N, width * sizeof *gradient);
    add = memory_zeroed(width, sizeof *add);
    start = bench_now();
    if (!pass_new(&opened.context, model, sequences, N,
                  &(struct pass_options){.resumable = true,
                                         .resume_layer = strtoul(argv[3], NULL, 10),
                                         .from = from,
                                         .places = places,
                                         .n_places = N},
                  &pass, &err) ||
        !pass_run(pass, &err))
        bench_fail(&err);
    first = bench_now() - start;
    for (size_t i = 0; i < steps; i++) {
        double t[4] = {bench_now()};

        if (!pass_resume(pass, add, from, &err))
            bench_fail(&err);
        t[1] = bench_now();
        if (!pass_logits(pass, places, N, logits, &err))
            bench_fail(&err);
        t[2] = bench_now();
        if (!pass_backward(pass, places, N, logits, from, gradient, &err))
            bench_fail(&err);
        t[3] = bench_now();
        for (size_t k = 0; k < 3; k++)
            best[k] = t[k + 1] - t[k] < best[k] ? t[k + 1] - t[k] : best[k];
    }
    printf("first run %.4f, then each step: resume %.4f logits %.4f backward %.4f, together %.4f s; "
           "workspace %.1f MB\n",
           first, best[0], best[1], best[2], best[0] + best[1] + best[2], (double)pass_bytes(pass) / 1e6);
    pass_free(pass);
    free(logits);
    free(gradient);
    free(add);
    bench_close(&opened);
    return 0;
}
