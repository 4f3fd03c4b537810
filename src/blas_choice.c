#include "blas_choice.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "blas.h"

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

static void restart(char **argv, const char *stage)
{
    setenv(guard, stage, 1);
    execv("/proc/self/exe", argv);
    unsetenv(guard);
}

void blas_choose(char **argv)
{
    blas_single_thread(); /* the program has threads of its own */
    const char *stage = getenv(guard);
    if (stage && strcmp(stage, "chosen") == 0) {
        struct error err;
        unsetenv(guard);
        if (blas_check(&err) || err.kind == ERROR_MEMORY)
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
