#include "blas_choice.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char guard[] = "LANCET_BLAS_RESTART", choice[] = "OPENBLAS_CORETYPE";

static bool has_avx512(void)
{
#if defined __x86_64__
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
#else
    return false;
#endif
}

static bool is_wide(const char *core)
{
    static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strcasecmp(core, wide[i]) == 0)
            return true;
    return false;
}

/* A product whose sizes are no multiple of any kernel's block: a [37, 65] times b [65, 83]^T. */
static bool kernels_are_right(void)
{
    enum { M = 37, N = 83, K = 65 };
    static float a[M * K], b[N * K], c[M * N];
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(i * 37 % 101 - 50) / 64;
    for (int i = 0; i < N * K; i++)
        b[i] = (float)(i * 53 % 103 - 51) / 64;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, a, K, b, K, 0, c, N);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += (double)a[i * K + k] * (double)b[j * K + k];
            if (!(fabs(sum - (double)c[i * N + j]) <= 1e-4))
                return false;
        }
    return true;
}

static void restart(char **argv, const char *stage)
{
    setenv(guard, stage, 1);
    execv("/proc/self/exe", argv);
    unsetenv(guard);
}

void blas_choose(char **argv)
{
    openblas_set_num_threads(1); /* the program has threads of its own */
    const char *stage = getenv(guard);
    if (stage && strcmp(stage, "chosen") == 0) {
        unsetenv(guard);
        if (kernels_are_right())
            return;
        unsetenv(choice);
        fprintf(stderr,
                "lancet: OpenBLAS's kernels for AVX-512 are wrong on this processor and are not used\n");
        restart(argv, "dropped");
        fprintf(stderr, "lancet: cannot restart without them\n");
        abort(); /* nothing that was computed with them would be right */
    }
    unsetenv(guard);
    if (stage || getenv(choice) || !has_avx512() || is_wide(openblas_get_corename()))
        return;
    setenv(choice, "SkylakeX", 1);
    restart(argv, "chosen");
    unsetenv(choice);
}
