/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 is cut in two so that n ln 2 is exact. The
 * polynomial for exp(r) is that of Cephes (Moshier, expf.c). 2^n is multiplied in as two factors, which
 * reaches every subnormal. */
#include "exponential.h"

#include <stdint.h>
#include <string.h>

#ifdef LANCET_REAL_DOUBLE

void exponential(const real *x, size_t n, real scale, real shift, real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp(scale * x[i] + shift);
}

#else

static inline __attribute__((always_inline)) float power_of_two(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline __attribute__((always_inline)) float exp_one(float x)
{
    const float magic = 12582912; /* 1.5 * 2^23: adding it rounds to a whole number */
    float shifted, n, r, p;
    uint32_t bits;
    int32_t whole, half;

    x = x > 150 ? 150 : x;
    x = x < -150 ? -150 : x;
    shifted = x * 1.44269504088896341f + magic;
    n = shifted - magic;
    memcpy(&bits, &shifted, sizeof bits);
    whole = (int32_t)(bits - UINT32_C(0x4b400000));
    whole = whole > 250 ? 250 : whole; /* NaN has any bits */
    whole = whole < -250 ? -250 : whole;
    half = whole >> 1;
    r = x - n * 0.693359375f + n * 2.12194440e-4f;
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return p * power_of_two(half) * power_of_two(whole - half);
}

static inline __attribute__((always_inline)) void exp_all(const float *x, size_t n, float scale, float shift,
                                                          float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp_one(scale * x[i] + shift);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void exp_avx2(const float *x, size_t n, float scale, float shift,
                                                     float *y)
{
    exp_all(x, n, scale, shift, y);
}
#endif

void exponential(const real *x, size_t n, real scale, real shift, real *y)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        exp_avx2(x, n, scale, shift, y);
        return;
    }
#endif
    exp_all(x, n, scale, shift, y);
}

#endif
