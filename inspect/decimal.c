/* value = m 10^(e - digits + 1) with the integer m of `digits` digits: e by the powers of ten around the
 * value, m = round(value 10^(digits - 1 - e)) in f64. A float has 24 bits and m at most 30, so the product is
 * off by at most 2^-52 of itself, less than 1e-6: only where its fraction is that near to 1/2 could m be the
 * wrong neighbour, and there printf decides.
 */
#include "decimal.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_POWER = -50, MOST_POWER = 60 };
#define TIE 1e-6

/* powers[k - LEAST_POWER] = 10^k */
#define TEN(p)                                                                                               \
    1e##p##0, 1e##p##1, 1e##p##2, 1e##p##3, 1e##p##4, 1e##p##5, 1e##p##6, 1e##p##7, 1e##p##8, 1e##p##9
#define TENTHS(p)                                                                                            \
    1e-##p##9, 1e-##p##8, 1e-##p##7, 1e-##p##6, 1e-##p##5, 1e-##p##4, 1e-##p##3, 1e-##p##2, 1e-##p##1,       \
        1e-##p##0
static const double powers[] = {1e-50,  TENTHS(4), TENTHS(3), TENTHS(2), TENTHS(1), 1e-9,   1e-8,
                                1e-7,   1e-6,      1e-5,      1e-4,      1e-3,      1e-2,   1e-1,
                                TEN(0), TEN(1),    TEN(2),    TEN(3),    TEN(4),    TEN(5), 1e60};
_Static_assert(sizeof powers / sizeof *powers == MOST_POWER - LEAST_POWER + 1, "a power of ten is missing");

static double power(int exponent)
{
    return powers[exponent - LEAST_POWER];
}

/* The decimal exponent of a positive float; its binary one times log10(2) is right or one too low. */
static int decimal_exponent(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int binary = (int)(bits >> 52) - 1023;
    int e = binary >= 0 ? binary * 1233 / 4096 : -((-binary * 1233 + 4095) / 4096);
    return value >= power(e + 1) ? e + 1 : e;
}

/* The digits of m behind `start`, without zeros at the end; how many. */
static size_t put_digits(uint32_t m, unsigned digits, char *start)
{
    size_t n = digits;
    for (size_t i = digits; i-- > 0; m /= 10)
        start[i] = (char)('0' + m % 10);
    while (n > 1 && start[n - 1] == '0')
        n--;
    return n;
}

static size_t put_exponent(int e, char *out)
{
    unsigned size = (unsigned)abs(e);
    out[0] = 'e';
    out[1] = e < 0 ? '-' : '+';
    out[2] = (char)('0' + size / 10);
    out[3] = (char)('0' + size % 10);
    return 4;
}

/* 0.d x 10^(e + 1) laid out as %g does: in full for -4 <= e < digits, else with an exponent. */
static size_t lay_out(const char *d, size_t n, int e, unsigned digits, char *out)
{
    char *to = out;
    if (e < -4 || e >= (int)digits) {
        *to++ = d[0];
        if (n > 1)
            *to++ = '.';
        memcpy(to, d + 1, n - 1);
        to += n - 1;
        to += put_exponent(e, to);
    } else if (e < 0) {
        memcpy(to, "0.0000", 6);
        to += 1 - e;
        memcpy(to, d, n);
        to += n;
    } else {
        size_t whole = (size_t)e + 1;
        for (size_t i = 0; i < whole; i++)
            *to++ = i < n ? d[i] : '0';
        if (n > whole) {
            *to++ = '.';
            memcpy(to, d + whole, n - whole);
            to += n - whole;
        }
    }
    return (size_t)(to - out);
}

size_t decimal_write(float value, unsigned digits, char *out)
{
    char text[DECIMAL_DIGITS];
    char *to = out;
    if (signbit(value))
        *to++ = '-';
    double size = fabs((double)value);
    if (size == 0) {
        *to++ = '0';
        return (size_t)(to - out);
    }
    int e = decimal_exponent(size);
    double scaled = size * power((int)digits - 1 - e);
    uint32_t m = (uint32_t)scaled;
    double fraction = scaled - m;
    if (fabs(fraction - .5) < TIE)
        return (size_t)snprintf(out, DECIMAL_LONGEST, "%.*g", (int)digits, (double)value);
    m += fraction > .5;
    if ((double)m >= power((int)digits)) {
        m /= 10;
        e++;
    }
    size_t n = put_digits(m, digits, text);
    return (size_t)(to - out) + lay_out(text, n, e, digits, to);
}
