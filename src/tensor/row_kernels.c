#include "row_kernels.h"

#include <string.h>

#include "kernels.h"

static void widen_f32(const void *src, size_t n, double *dst)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, p + i * sizeof value, sizeof value);
        dst[i] = (double)value;
    }
}

static void widen_bf16(const void *src, size_t n, double *dst)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, p + i * sizeof bits, sizeof bits);
        dst[i] = (double)bf16_to_float(bits);
    }
}

static void widen_f16(const void *src, size_t n, double *dst)
{
    const uint8_t *p = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, p + i * sizeof bits, sizeof bits);
        dst[i] = (double)f16_to_float(bits);
    }
}

/* To nearest even. The significand is cut at the last bit that the target has at this exponent; a carry out
 * of it moves on into the exponent, and out of the largest exponent into infinity, just as the encoding is
 * laid out. */
uint16_t row_narrow(double value, unsigned fraction)
{
    const int bias = (1 << (14 - fraction)) - 1;
    const uint16_t infinity = (uint16_t)(0x7fffu & ~((1u << fraction) - 1));
    uint64_t bits, significand, quotient, rest, half;
    uint16_t sign;
    int exponent;
    unsigned shift = 52 - fraction;

    memcpy(&bits, &value, sizeof bits);
    sign = (uint16_t)(bits >> 48 & 0x8000);
    exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    significand = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (exponent == 1024 && significand != UINT64_C(1) << 52)
        return (uint16_t)(sign | infinity | 1u << (fraction - 1) |
                          (significand >> shift & ((1u << fraction) - 1)));
    if (exponent > bias)
        return sign | infinity;
    if (exponent < 1 - bias)
        shift += (unsigned)(1 - bias - exponent);
    if (shift > 53) /* below half of the smallest subnormal */
        return sign;
    quotient = significand >> shift;
    rest = significand & ((UINT64_C(1) << shift) - 1);
    half = UINT64_C(1) << (shift - 1);
    quotient += rest > half || (rest == half && (quotient & 1));
    if (exponent >= 1 - bias)
        quotient += (uint64_t)(exponent + bias - 1) << fraction;
    return (uint16_t)(sign | quotient);
}

static void narrow_halves(const double *src, size_t n, unsigned fraction, uint8_t *dst)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = row_narrow(src[i], fraction);
        memcpy(dst + i * sizeof bits, &bits, sizeof bits);
    }
}

static void narrow_bf16(const double *src, size_t n, void *dst)
{
    narrow_halves(src, n, 7, dst);
}

static void narrow_f16(const double *src, size_t n, void *dst)
{
    narrow_halves(src, n, 10, dst);
}

static void narrow_f32(const double *src, size_t n, void *dst)
{
    uint8_t *p = dst;

    for (size_t i = 0; i < n; i++) {
        float value = (float)src[i];
        memcpy(p + i * sizeof value, &value, sizeof value);
    }
}

static void scale(double a, const double *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a * x[i];
}

static void combine(double a, const double *x, double b, const double *y, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a * x[i] + b * y[i];
}

static void add_scaled(double a, const double *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] += a * x[i];
}

static void add_difference(double a, const double *x, const double *y, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] += a * (x[i] - y[i]);
}

static void divide(double a, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] /= a;
}

static double squares(const double *x, size_t n)
{
    double lane[ROW_LANES] = {0};

    for (size_t i = 0; i < n; i++)
        lane[i % ROW_LANES] += x[i] * x[i];
    return row_lanes_sum(lane);
}

static void add_distance(const double *x, const double *y, size_t n, double *sums)
{
    double square[ROW_LANES] = {0}, distance[ROW_LANES] = {0};

    for (size_t i = 0; i < n; i++) {
        double d = x[i] - y[i];
        square[i % ROW_LANES] += y[i] * y[i];
        distance[i % ROW_LANES] += d * d;
    }
    sums[0] += row_lanes_sum(square);
    sums[1] += row_lanes_sum(distance);
}

static void add_products(const double *x, const double *y, size_t n, double *sums)
{
    double xx[ROW_LANES] = {0}, yy[ROW_LANES] = {0}, xy[ROW_LANES] = {0};

    for (size_t i = 0; i < n; i++) {
        xx[i % ROW_LANES] += x[i] * x[i];
        yy[i % ROW_LANES] += y[i] * y[i];
        xy[i % ROW_LANES] += x[i] * y[i];
    }
    sums[0] += row_lanes_sum(xx);
    sums[1] += row_lanes_sum(yy);
    sums[2] += row_lanes_sum(xy);
}

const struct row_kernels row_kernels_portable = {
    .name = "portable",
    .widen = {widen_f32, widen_bf16, widen_f16},
    .narrow = {narrow_f32, narrow_bf16, narrow_f16},
    .scale = scale,
    .combine = combine,
    .add_scaled = add_scaled,
    .add_difference = add_difference,
    .divide = divide,
    .squares = squares,
    .add_distance = add_distance,
    .add_products = add_products,
};

const struct row_kernels *row_kernels_best(void)
{
    const struct row_kernels *avx2 = row_kernels_avx2();

    return avx2 ? avx2 : &row_kernels_portable;
}
