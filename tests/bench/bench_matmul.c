/* Products with stored weights beside what the machine can do: one long sgemm per thread in the same run, and
 * the speed at which the same bytes can be read. Each line: what, ours, the limit, the share. */
#include <cblas.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blas.h"
#include "memory.h"
#include "weight.h"

struct bench {
    struct context context;
    uint8_t *bytes; /* stored weights, 0.6 GB: more than any cache */
    size_t n_bytes;
    real *x, *y;
};

enum { LONGEST = 262144, PEAK_SIDE = 1024 };

/* With one thread processor time is taken, which other programs disturb less. */
static double now(const struct bench *b)
{
    struct timespec t;

    clock_gettime(pool_threads(b->context.pool) == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void peak_task(void *user, size_t task, unsigned worker)
{
    struct bench *b = user;
    real *c = b->y + task * PEAK_SIDE * PEAK_SIDE;

    (void)worker;
    blas_single_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, PEAK_SIDE, PEAK_SIDE, PEAK_SIDE, 1, b->x, PEAK_SIDE,
                b->x, PEAK_SIDE, 0, c, PEAK_SIDE);
}

static double sgemm_peak(struct bench *b)
{
    unsigned threads = pool_threads(b->context.pool);
    double best = 0;

    for (int i = 0; i < 7; i++) {
        double start = now(b), rate;
        pool_run(b->context.pool, threads, peak_task, b);
        rate = 2e-9 * PEAK_SIDE * PEAK_SIDE * PEAK_SIDE * threads / (now(b) - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static void read_task(void *user, size_t task, unsigned worker)
{
    struct bench *b = user;
    size_t share = b->n_bytes / 64 / 8;
    const uint64_t *p = (const uint64_t *)(const void *)b->bytes + task * share;
    uint64_t sum[8] = {0};

    (void)worker;
    for (size_t i = 0; i + 8 <= share; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += p[i + j];
    b->y[task * 16] = (real)(sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7]);
}

static double read_bandwidth(struct bench *b)
{
    double best = 0;

    for (int i = 0; i < 7; i++) {
        double start = now(b), rate;
        pool_run(b->context.pool, 64, read_task, b);
        rate = 1e-9 * (double)b->n_bytes / (now(b) - start);
        best = rate > best ? rate : best;
    }
    return best;
}

struct product_shape {
    const char *what;
    enum dtype dtype;
    size_t m, out, in;
    bool stored_transposed, backward, by_blas;
};

/* y [m, out] = x W^T with W [out, in] stored in F32, by OpenBLAS: a block of columns a task, as long prompts
 * go. */
struct blas_product {
    struct bench *bench;
    const float *w;
    size_t m, out, in;
};

enum { BLAS_COLUMNS = 256 };

static void blas_task(void *user, size_t task, unsigned worker)
{
    const struct blas_product *p = user;
    size_t column = task * BLAS_COLUMNS,
           width = p->out - column < BLAS_COLUMNS ? p->out - column : BLAS_COLUMNS;

    (void)worker;
    blas_single_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)p->m, (blasint)width, (blasint)p->in, 1,
                p->bench->x, (blasint)p->in, p->w + column * p->in, (blasint)p->in, 0, p->bench->y + column,
                (blasint)p->out);
}

static void product_by_blas(struct bench *b, const struct product_shape *s, const uint8_t *w)
{
    struct blas_product p = {b, (const float *)(const void *)w, s->m, s->out, s->in};

    pool_run(b->context.pool, (s->out + BLAS_COLUMNS - 1) / BLAS_COLUMNS, blas_task, &p);
}

/* Walks through the stored bytes from product to product, so that every weight comes from memory. */
static double seconds_per_product(struct bench *b, const struct product_shape *s)
{
    size_t bytes = dtype_extent(s->dtype, s->out * s->in), at = 0;
    struct tensor tensor = {.name = "w", .dtype = s->dtype, .rank = 2, .elements = s->out * s->in};
    struct weight w = {.tensor = &tensor, .out = s->out, .in = s->in, .transposed = s->stored_transposed};
    struct error err;
    double best = 1e9;

    tensor.shape[0] = s->stored_transposed ? s->in : s->out;
    tensor.shape[1] = s->stored_transposed ? s->out : s->in;
    for (int round = 0; round < 5; round++) {
        double start = now(b), spent;
        int calls = 0;
        do {
            tensor.data = b->bytes + at;
            if (s->by_blas) {
                product_by_blas(b, s, tensor.data);
            } else if (s->backward) {
                if (!weight_matmul_transposed(&b->context, &w, b->x, s->m, false, b->y, &err))
                    exit(1);
            } else {
                weight_matmul(&b->context, &w, NULL, b->x, s->m, b->y);
            }
            at = at + 2 * bytes <= b->n_bytes ? at + bytes : 0;
            calls++;
            spent = now(b) - start;
        } while (spent < .15);
        best = spent / calls < best ? spent / calls : best;
    }
    return best;
}

static const struct product_shape shapes[] = {
    {"decode MLP up", DTYPE_BF16, 1, 1536, 576, false, false, false},
    {"decode attention", DTYPE_BF16, 1, 576, 576, false, false, false},
    {"decode 8B MLP", DTYPE_BF16, 1, 14336, 4096, false, false, false},
    {"decode head", DTYPE_BF16, 1, 49152, 576, false, false, false},
    {"decode head", DTYPE_F32, 1, 49152, 576, false, false, false},
    {"decode head", DTYPE_F16, 1, 49152, 576, false, false, false},
    {"decode Conv1D", DTYPE_F32, 1, 3072, 768, true, false, false},
    {"decode Conv1D", DTYPE_BF16, 1, 3072, 768, true, false, false},
    {"head of 7 rows", DTYPE_BF16, 7, 262144, 640, false, false, false},
    {"head of 8 rows", DTYPE_BF16, 8, 262144, 640, false, false, false},
    {"head of 16 rows", DTYPE_BF16, 16, 262144, 640, false, false, false},
    {"head of 8 rows", DTYPE_F32, 8, 49152, 576, false, false, false},
    {"head gradient, 1 row", DTYPE_BF16, 1, 262144, 640, false, true, false},
    {"head gradient, 7 rows", DTYPE_BF16, 7, 262144, 640, false, true, false},
    {"head gradient, 16 rows", DTYPE_BF16, 16, 262144, 640, false, true, false},
    {"MLP of 8 rows", DTYPE_BF16, 8, 1536, 576, false, false, false},
    {"MLP of 17 rows", DTYPE_BF16, 17, 1536, 576, false, false, false},
    {"MLP of 32 rows", DTYPE_BF16, 32, 1536, 576, false, false, false},
    {"MLP of 40 rows", DTYPE_BF16, 40, 1536, 576, false, false, false},
    {"MLP gradient, 32 rows", DTYPE_BF16, 32, 1536, 576, false, true, false},
    {"MLP of 64 rows", DTYPE_BF16, 64, 1536, 576, false, false, false},
    {"MLP of 100 rows", DTYPE_BF16, 100, 1536, 576, false, false, false},
    {"MLP of 100 rows", DTYPE_BF16, 100, 576, 1536, false, false, false},
    {"MLP gradient, 100 rows", DTYPE_BF16, 100, 1536, 576, false, true, false},
    {"attention of 100 rows", DTYPE_BF16, 100, 576, 576, false, false, false},
    {"Gemma MLP, 100 rows", DTYPE_BF16, 100, 2048, 640, false, false, false},
    {"Conv1D of 100 rows", DTYPE_F32, 100, 3072, 768, true, false, false},
    {"MLP of 512 rows", DTYPE_BF16, 512, 1536, 576, false, false, false},
    {"MLP of 512 rows", DTYPE_BF16, 512, 3072, 768, false, false, false},
    {"MLP of 512 rows", DTYPE_F32, 512, 3072, 768, false, false, false},
    {"Conv1D of 512 rows", DTYPE_F32, 512, 3072, 768, true, false, false},
    {"8B MLP, 512 rows", DTYPE_BF16, 512, 14336, 4096, false, false, false},
    {"8B MLP gradient, 512 rows", DTYPE_BF16, 512, 14336, 4096, false, true, false},
};

struct limits {
    double gflops, gbytes;
};

static double product_flops(const struct product_shape *s)
{
    return 2. * (double)s->m * (double)s->out * (double)s->in;
}

static void report(struct bench *b, const struct product_shape *s, const struct limits *limits)
{
    double seconds = seconds_per_product(b, s), flops = product_flops(s);
    double bytes = (double)dtype_extent(s->dtype, s->out * s->in);
    double limit_flops = flops / limits->gflops * 1e-9, limit_bytes = bytes / limits->gbytes * 1e-9;
    double limit = limit_flops > limit_bytes ? limit_flops : limit_bytes;

    printf("%-26s %-6s m %4zu  %6zu x %5zu  %9.1f us  %6.1f GFLOP/s  %5.1f GB/s  %5.1f %% of the %s\n",
           s->what, dtype_facts(s->dtype)->name, s->m, s->out, s->in, 1e6 * seconds, 1e-9 * flops / seconds,
           1e-9 * bytes / seconds, 100 * limit / seconds,
           limit_flops > limit_bytes ? "sgemm peak" : "memory");
    fflush(stdout);
}

/* One row of x by every stored type that has inner loops of its own. */
static const enum dtype types[] = {DTYPE_F32,  DTYPE_BF16, DTYPE_F16,  DTYPE_Q4_0,   DTYPE_Q4_1,
                                   DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q2_K,   DTYPE_Q3_K,
                                   DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL, DTYPE_IQ4_XS};
static const size_t batches[] = {1, 2, 4, 8, 16, 32, 64, 512};
static const enum dtype batch_types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_Q4_1, DTYPE_Q4_K, DTYPE_Q6_K};

static void report_types(struct bench *b, const struct limits *limits)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        report(b, &(struct product_shape){"type", types[i], 1, 6144, 2048, false, false, false}, limits);
}

/* Batches of each size beside sgemm, in GFLOP/s. */
static void report_batches(struct bench *b)
{
    const size_t n_types = sizeof batch_types / sizeof *batch_types;

    printf("batch of  sgemm F32");
    for (size_t t = 0; t < n_types; t++)
        printf("  %9s", dtype_facts(batch_types[t])->name);
    putchar('\n');
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        struct product_shape s = {"batch", DTYPE_F32, batches[i], 6144, 2048, false, false, true};
        printf("%8zu  %9.1f", s.m, 1e-9 * product_flops(&s) / seconds_per_product(b, &s));
        s.by_blas = false;
        for (size_t t = 0; t < n_types; t++) {
            s.dtype = batch_types[t];
            printf("  %9.1f", 1e-9 * product_flops(&s) / seconds_per_product(b, &s));
        }
        putchar('\n');
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.n_bytes = (size_t)640 << 20};
    struct error err;
    struct limits limits;
    const char *only = argc > 2 ? argv[2] : "";

    if (!pool_new(argc > 1 ? (unsigned)atoi(argv[1]) : 0, &b.context.pool, &err)) {
        fprintf(stderr, "bench_matmul: %s\n", err.text);
        return 1;
    }
    b.bytes = memory_aligned(b.n_bytes, 1);
    b.x = memory_aligned((size_t)16 * LONGEST, sizeof *b.x);
    b.y = memory_aligned((size_t)32 * LONGEST, sizeof *b.y);
    if (!b.bytes || !b.x || !b.y) {
        fprintf(stderr, "bench_matmul: out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < b.n_bytes; i++)
        b.bytes[i] =
            (uint8_t)(i % 4 == 3 || i % 4 == 1 ? 0x3d : i * 37); /* numbers around .03 in every dtype */
    for (size_t i = 0; i < (size_t)16 * LONGEST; i++)
        b.x[i] = (real)((double)(i % 17) / 17 - .5);
    limits = (struct limits){sgemm_peak(&b), read_bandwidth(&b)};
    printf("%u threads, OpenBLAS %s: sgemm %.1f GFLOP/s, memory %.1f GB/s\n", pool_threads(b.context.pool),
           openblas_get_corename(), limits.gflops, limits.gbytes);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strstr(shapes[i].what, only))
            report(&b, &shapes[i], &limits);
    if (strstr("types", only))
        report_types(&b, &limits);
    if (strstr("batches", only))
        report_batches(&b);
    pool_free(b.context.pool);
    free(b.bytes);
    free(b.x);
    free(b.y);
    return 0;
}
