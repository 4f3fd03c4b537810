/* What the engine computes, as raw f32 for comparison with transformers:
 *
 *   dump_logits MODEL PROMPTS logits OUT        [prompts][T, V]
 *   dump_logits MODEL PROMPTS last OUT          [prompts][V], of the last token
 *   dump_logits MODEL PROMPTS attention OUT     [prompts][layers, heads, T, T]
 *   dump_logits MODEL PROMPTS states OUT        [prompts][1 + layers, T, width], the embedding and after each
 * layer dump_logits MODEL PROMPTS greedy:N OUT      N ids a line, beside the gap of the two best logits at
 * each
 *
 * PROMPTS holds one prompt a line, as ids with spaces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pass.h"

struct dump {
    const struct context *context;
    const struct model *model;
    FILE *out;
    struct error err;
};

static void fail(const struct error *err)
{
    fprintf(stderr, "dump_logits: %s\n", err->text);
    exit(1);
}

static void write_pattern(void *user, const struct tap_view *view)
{
    fwrite(view->data, sizeof(real), view->n_heads * view->n_queries * view->n_keys, user);
}

/* Of the last `wanted` tokens. */
static void write_logits(struct dump *d, const uint32_t *ids, size_t n, size_t wanted)
{
    size_t vocabulary = d->model->config.vocabulary;
    real *logits = memory_array(wanted, vocabulary * sizeof *logits);
    struct place *places = memory_array(wanted, sizeof *places);
    struct pass *pass;

    for (size_t i = 0; i < wanted; i++)
        places[i] = (struct place){0, n - wanted + i};
    if (!pass_new(d->context, d->model, &(struct sequence){ids, n}, 1,
                  &(struct pass_options){.places = places, .n_places = wanted}, &pass, &d->err) ||
        !pass_run(pass, &d->err) || !pass_logits(pass, places, wanted, logits, &d->err))
        fail(&d->err);
    fwrite(logits, sizeof *logits, wanted * vocabulary, d->out);
    pass_free(pass);
    free(places);
    free(logits);
}

static void write_rows(void *user, const struct tap_view *view)
{
    fwrite(view->data, sizeof(real), view->n_rows * view->width, user);
}

static void states(struct dump *d, const uint32_t *ids, size_t n)
{
    const struct tap taps[] = {{SITE_EMBEDDING, 0, 0, write_rows, d->out},
                               {SITE_STATE, 0, d->model->config.n_layers, write_rows, d->out}};
    struct pass *pass;

    if (!pass_new(d->context, d->model, &(struct sequence){ids, n}, 1,
                  &(struct pass_options){.taps = taps, .n_taps = 2}, &pass, &d->err) ||
        !pass_run(pass, &d->err))
        fail(&d->err);
    pass_free(pass);
}

static void attention(struct dump *d, const uint32_t *ids, size_t n)
{
    struct tap tap = {SITE_ATTENTION_PATTERN, 0, d->model->config.n_layers, write_pattern, d->out};
    struct pass *pass;

    if (!pass_new(d->context, d->model, &(struct sequence){ids, n}, 1,
                  &(struct pass_options){.taps = &tap, .n_taps = 1}, &pass, &d->err) ||
        !pass_run(pass, &d->err))
        fail(&d->err);
    pass_free(pass);
}

static uint32_t best(const real *logits, size_t n, double *gap)
{
    size_t first = 0;
    real second = (real)-INFINITY;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[first])
            first = i;
    for (size_t i = 0; i < n; i++)
        if (i != first && logits[i] > second)
            second = logits[i];
    *gap = (double)logits[first] - (double)second;
    return (uint32_t)first;
}

static void greedy(struct dump *d, const uint32_t *ids, size_t n, size_t wanted)
{
    size_t vocabulary = d->model->config.vocabulary;
    real *logits = memory_array(vocabulary, sizeof *logits);
    struct pass *pass;
    double gap;

    if (!pass_new(d->context, d->model, &(struct sequence){ids, n}, 1,
                  &(struct pass_options){.keep_cache = true, .capacity = n + wanted}, &pass, &d->err) ||
        !pass_run(pass, &d->err))
        fail(&d->err);
    for (size_t i = 0; i < wanted; i++) {
        uint32_t id;

        if (!pass_logits(pass, &(struct place){0, n + i - 1}, 1, logits, &d->err))
            fail(&d->err);
        id = best(logits, vocabulary, &gap);
        fprintf(d->out, "%lu:%.6g%s", (unsigned long)id, gap, i + 1 < wanted ? " " : "\n");
        if (i + 1 < wanted && !pass_append(pass, &id, &d->err))
            fail(&d->err);
    }
    pass_free(pass);
    free(logits);
}

static size_t parse(char *line, uint32_t *ids, size_t room)
{
    size_t n = 0;

    for (char *word = strtok(line, " \n"); word && n < room; word = strtok(NULL, " \n"))
        ids[n++] = (uint32_t)strtoul(word, NULL, 10);
    return n;
}

int main(int argc, char **argv)
{
    enum { LONGEST = 1 << 16 };
    struct context context = {.fs = fs_real()};
    struct checkpoint *checkpoint;
    struct model *model;
    struct dump d = {.context = &context};
    char *line = NULL;
    size_t size = 0;
    uint32_t *ids = memory_array(LONGEST, sizeof *ids);
    FILE *prompts;

    if (argc != 5 || !(prompts = fopen(argv[2], "r")) || !(d.out = fopen(argv[4], "w")))
        return 2;
    if (!pool_new(2, &context.pool, &d.err) ||
        !checkpoint_open(&context, argv[1], &(struct checkpoint_options){0}, &checkpoint, &d.err) ||
        !model_open(&context, checkpoint, &model, &d.err))
        fail(&d.err);
    d.model = model;
    while (getline(&line, &size, prompts) > 0) {
        size_t n = parse(line, ids, LONGEST);

        if (strcmp(argv[3], "logits") == 0)
            write_logits(&d, ids, n, n);
        else if (strcmp(argv[3], "last") == 0)
            write_logits(&d, ids, n, 1);
        else if (strcmp(argv[3], "states") == 0)
            states(&d, ids, n);
        else if (strcmp(argv[3], "attention") == 0)
            attention(&d, ids, n);
        else
            greedy(&d, ids, n, strtoul(argv[3] + strlen("greedy:"), NULL, 10));
    }
    free(line);
    free(ids);
    fclose(prompts);
    model_close(model);
    checkpoint_close(checkpoint);
    pool_free(context.pool);
    return fclose(d.out) == 0 ? 0 : 1;
}
