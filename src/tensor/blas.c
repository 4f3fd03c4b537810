#include "blas.h"

#include <cblas.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "memory.h"

/* The pthread build of OpenBLAS has one setting for the process, the OpenMP build one for each thread; a
 * serial build ignores the call. */
void blas_single_thread(void)
{
    enum { OPENMP_BUILD = 2 };

    if (openblas_get_parallel() == OPENMP_BUILD || openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
}

/* Shapes that do not fill whole register blocks; values that are exact in f32, so that only a wrong kernel
 * differs. */
enum { CHECK_M = 37, CHECK_N = 83, CHECK_K = 401 };

static float check_value(size_t i)
{
    return (float)((int)(i * 7919 % 31) - 15);
}

static bool product_is_right(const float *a, const float *b, const float *b_transposed, float *c)
{
    for (int transposed = 0; transposed < 2; transposed++) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, CHECK_M, CHECK_N,
                    CHECK_K, 1, a, CHECK_K, transposed ? b_transposed : b, transposed ? CHECK_K : CHECK_N, 0,
                    c, CHECK_N);
        for (size_t i = 0; i < CHECK_M; i++)
            for (size_t j = 0; j < CHECK_N; j++) {
                float sum = 0;

                for (size_t k = 0; k < CHECK_K; k++)
                    sum += a[i * CHECK_K + k] * b[k * CHECK_N + j];
                if (!(c[i * CHECK_N + j] == sum))
                    return false;
            }
    }
    return true;
}

bool blas_check(struct error *err)
{
    float *a = memory_array(CHECK_M * CHECK_K, sizeof *a), *b = memory_array(CHECK_K * CHECK_N, sizeof *b);
    float *t = memory_array(CHECK_K * CHECK_N, sizeof *t), *c = memory_zeroed(CHECK_M * CHECK_N, sizeof *c);
    bool ok = false;

    if (!a || !b || !t || !c) {
        error_memory(err, "checking OpenBLAS");
        goto out;
    }
    for (size_t i = 0; i < CHECK_M * CHECK_K; i++)
        a[i] = check_value(i);
    for (size_t k = 0; k < CHECK_K; k++)
        for (size_t j = 0; j < CHECK_N; j++)
            t[j * CHECK_K + k] = b[k * CHECK_N + j] = check_value(k * CHECK_N + j + 5);
    blas_single_thread();
    ok = product_is_right(a, b, t, c);
    if (!ok)
        error_set(err, ERROR_NUMERIC, "OpenBLAS multiplies wrongly with its kernels for %s on this processor",
                  openblas_get_corename());
out:
    free(a);
    free(b);
    free(t);
    free(c);
    return ok;
}
