/* Seconds of a prompt and of each token after it: bench_decode MODEL THREADS CONTEXT TOKENS RUNS. Prints the
 * best prompt and the best and the median token of RUNS, and how many bytes of weights a token reads in a
 * second beside what the same threads read from memory when they do nothing else. */
#include "bench_model.h"

enum { MEMORY_BYTES = 512 << 20, PIECE = 1 << 20 };

/* The head is read whole, of embeddings that are not the head one row. */
static double bytes_of_token(const struct model *model)
{
    const struct checkpoint *checkpoint = model->checkpoint;
    const struct tensor *embedding = model->global[ROLE_EMBEDDING].tensor;
    double bytes = 0;

    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        bytes += (double)checkpoint->tensors[i].bytes;
    return embedding == model->global[ROLE_HEAD].tensor ? bytes : bytes - (double)embedding->bytes;
}

struct reading {
    const uint64_t *numbers;
    uint64_t *sums; /* [pieces] */
};

static void read_piece(void *user, size_t piece, unsigned worker)
{
    const struct reading *reading = user;
    const uint64_t *numbers = reading->numbers + piece * (PIECE / sizeof *numbers);
    uint64_t sum[8] = {0};

    (void)worker;
    for (size_t i = 0; i < PIECE / sizeof *numbers; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += numbers[i + j];
    for (size_t j = 0; j < 8; j++)
        reading->sums[piece] += sum[j];
}

/* Bytes a second. */
static double memory_speed(struct pool *pool)
{
    size_t n_pieces = MEMORY_BYTES / PIECE;
    uint64_t *numbers = memory_array(MEMORY_BYTES, 1), *sums = memory_zeroed(n_pieces, sizeof *sums);
    double best = 1e9;

    for (size_t i = 0; i < MEMORY_BYTES / sizeof *numbers; i++)
        numbers[i] = i;
    for (int i = 0; i < 5; i++) {
        double start = bench_now();

        pool_run(pool, n_pieces, read_piece, &(struct reading){numbers, sums});
        best = bench_now() - start < best ? bench_now() - start : best;
    }
    free(numbers);
    free(sums);
    return MEMORY_BYTES / best;
}

/* Seconds of the prompt; those of each token go to seconds [n]. */
static double decode(const struct context *context, const struct model *model, const struct sequence *prompt,
                     size_t n, real *logits, double *seconds)
{
    struct place place = {0, prompt->length - 1};
    struct pass *pass;
    struct error err;
    double start = bench_now(), first;

    if (!pass_new(context, model, prompt, 1,
                  &(struct pass_options){
                      .keep_cache = true, .capacity = prompt->length + n, .places = &place, .n_places = 1},
                  &pass, &err) ||
        !pass_run(pass, &err) || !pass_logits(pass, &place, 1, logits, &err))
        bench_fail(&err);
    first = bench_now() - start;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)((i * 104729 + 7) % model->config.vocabulary);

        start = bench_now();
        place.position++;
        if (!pass_append(pass, &id, &err) || !pass_logits(pass, &place, 1, logits, &err))
            bench_fail(&err);
        seconds[i] = bench_now() - start;
    }
    pass_free(pass);
    return first;
}

int main(int argc, char **argv)
{
    struct bench_model opened;
    const struct model *model;
    size_t length, n, runs;
    uint32_t *ids;
    real *logits;
    double *seconds, prompt = 1e9, bytes, memory;

    if (argc != 6)
        return 2;
    length = strtoul(argv[3], NULL, 10);
    n = strtoul(argv[4], NULL, 10);
    runs = strtoul(argv[5], NULL, 10);
    bench_open(argv[1], argv[2], &opened);
    model = opened.model;
    ids = memory_array(length, sizeof *ids);
    logits = memory_array(model->config.vocabulary, sizeof *logits);
    seconds = memory_array(n * runs, sizeof *seconds);
    for (size_t i = 0; i < length; i++)
        ids[i] = (uint32_t)((i * 7919 + 13) % model->config.vocabulary);
    for (size_t i = 0; i < runs; i++) {
        double first =
            decode(&opened.context, model, &(struct sequence){ids, length}, n, logits, seconds + i * n);

        prompt = first < prompt ? first : prompt;
    }
    qsort(seconds, n * runs, sizeof *seconds, bench_by_size);
    bytes = bytes_of_token(model);
    memory = memory_speed(opened.context.pool);
    printf("prompt %.4f s, token best %.3f median %.3f ms, %.1f MB a token: %.2f GB/s of %.2f\n", prompt,
           1e3 * seconds[0], 1e3 * seconds[n * runs / 2], bytes / 1e6, bytes / seconds[n * runs / 2] / 1e9,
           memory / 1e9);
    free(ids);
    free(logits);
    free(seconds);
    bench_close(&opened);
    return 0;
}
