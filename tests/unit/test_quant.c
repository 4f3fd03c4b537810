#include "suite.h"

#include <string.h>

#include "quant_adjust.h"
#include "random.h"
#include "rows.h"
#include "vectors_quant.h"

enum { MOST_BYTES = 16 * 292, MOST_NUMBERS = 16 * 256 };

/* The bytes that test_gguf.py made the vectors of. */
static void fill(uint64_t seed, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(seed >> 56);
    }
}

static uint64_t hash(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static size_t make_blocks(enum dtype dtype, uint8_t *bytes)
{
    fill(1, bytes, 16 * dtype_facts(dtype)->block_bits / 8);
    return 16 * dtype_facts(dtype)->block_elements;
}

START_TEST(blocks_are_the_numbers_of_the_reference)
{
    enum dtype dtype;
    uint8_t bytes[MOST_BYTES];
    double numbers[MOST_NUMBERS];
    uint32_t bits[MOST_NUMBERS];

    ck_assert(dtype_parse(read_vectors[_i].dtype, &dtype));
    size_t n = make_blocks(dtype, bytes);
    rows_to_f64(dtype, bytes, n, numbers);
    for (size_t i = 0; i < n; i++) {
        float value = (float)numbers[i];
        memcpy(&bits[i], &value, sizeof value);
        if (isnan(value))
            bits[i] = 0x7fc00000;
    }
    ck_assert_msg(hash(bits, n * sizeof *bits) == read_vectors[_i].hash, "%s", read_vectors[_i].dtype);
}
END_TEST

START_TEST(slices_begin_and_end_anywhere)
{
    enum dtype dtype;
    uint8_t bytes[MOST_BYTES];
    double all[MOST_NUMBERS], part[MOST_NUMBERS];
    real numbers[MOST_NUMBERS];

    ck_assert(dtype_parse(read_vectors[_i].dtype, &dtype));
    size_t n = make_blocks(dtype, bytes), starts[] = {0, 1, 31, 32, 255, n / 2, n - 1};
    rows_to_f64(dtype, bytes, n, all);
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
        for (size_t end = starts[s]; end <= n; end += 37) {
            size_t at = starts[s], m = end - at;
            if (at > n)
                continue;
            part[m] = 7;
            rows_slice_f64(dtype, bytes, at, m, part);
            rows_slice_real(dtype, bytes, at, m, numbers);
            for (size_t i = 0; i < m; i++)
                ck_each((part[i] == all[at + i] && (double)numbers[i] == all[at + i]) || isnan(all[at + i]),
                        "%s: element %zu of %zu + %zu", read_vectors[_i].dtype, i, at, m);
            ck_assert(m >= MOST_NUMBERS || part[m] == 7);
        }
}
END_TEST

START_TEST(numbers_are_the_blocks_of_the_reference)
{
    enum { N = 64 * 32 };
    enum dtype dtype;
    uint8_t values[N], scales[64], bytes[2 * N];
    double numbers[N];

    ck_assert(dtype_parse(write_vectors[_i].dtype, &dtype));
    fill(2, values, N);
    fill(3, scales, 64);
    for (size_t i = 0; i < N; i++)
        numbers[i] = ((double)values[i] - 100) * ((double)scales[i / 32] / 1024);
    rows_from_f64(dtype, numbers, N, bytes);
    ck_assert_msg(hash(bytes, dtype_extent(dtype, N)) == write_vectors[_i].hash, "%s",
                  write_vectors[_i].dtype);
}
END_TEST

/* By hand: d = 2, nibbles 0 and 15 in the first byte, 8 everywhere else. */
START_TEST(a_block_of_q4_0)
{
    uint8_t block[18] = {0x00, 0x40, 0xf0}; /* 2.0 in F16 */
    double out[32];

    memset(block + 3, 0x88, 15);
    rows_to_f64(DTYPE_Q4_0, block, 32, out);
    ck_assert(out[0] == -16 && out[16] == 14 && out[1] == 0 && out[31] == 0);
}
END_TEST

START_TEST(odd_numbers_do_no_harm)
{
    static const enum dtype written[] = {DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0};
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e-45, -1e-40, 3e38, -3e38, 1e300, 0, -0.0};
    double in[32], out[32];
    uint8_t block[64];

    for (size_t w = 0; w < sizeof written / sizeof *written; w++)
        for (size_t a = 0; a < sizeof odd / sizeof *odd; a++)
            for (size_t b = 0; b < sizeof odd / sizeof *odd; b++) {
                for (size_t i = 0; i < 32; i++)
                    in[i] = i % 3 ? odd[a] : odd[b];
                rows_from_f64(written[w], in, 32, block);
                rows_to_f64(written[w], block, 32, out);
            }
}
END_TEST

/* ---- blocks that are changed ---- */

static const enum dtype adjusted[] = {DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0,
                                      DTYPE_Q2_K, DTYPE_Q3_K, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K};
enum { N_ADJUSTED = sizeof adjusted / sizeof *adjusted, ROW = 1536, MOST_ROW = 2 * ROW };

/* Blocks of any integers, with scales of a trained weight's size. */
static void make_row(enum dtype dtype, uint8_t *bytes)
{
    static const struct {
        enum dtype dtype;
        unsigned at[2]; /* of F16 scales; 0xff: none */
    } scales[] = {{DTYPE_Q4_0, {0, 0xff}},   {DTYPE_Q4_1, {0, 2}},    {DTYPE_Q5_0, {0, 0xff}},
                  {DTYPE_Q5_1, {0, 2}},      {DTYPE_Q8_0, {0, 0xff}}, {DTYPE_Q2_K, {80, 82}},
                  {DTYPE_Q3_K, {108, 0xff}}, {DTYPE_Q4_K, {0, 2}},    {DTYPE_Q5_K, {0, 2}},
                  {DTYPE_Q6_K, {208, 0xff}}};
    const struct dtype_facts *f = dtype_facts(dtype);
    size_t n = ROW / f->block_elements, size = f->block_bits / 8;

    fill(4, bytes, n * size);
    for (size_t b = 0; b < n; b++)
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++)
            for (size_t k = 0; scales[s].dtype == dtype && k < 2; k++)
                if (scales[s].at[k] != 0xff) /* 0.0010 to 0.0019 */
                    bytes[b * size + scales[s].at[k] + 1] =
                        0x14 | (bytes[b * size + scales[s].at[k] + 1] & 3);
}

static double dot_of_change(const double *a, const double *b, const double *key)
{
    double sum = 0;
    for (size_t i = 0; i < ROW; i++)
        sum += (a[i] - b[i]) * key[i];
    return sum;
}

START_TEST(changed_blocks_keep_what_counts)
{
    enum dtype dtype = adjusted[_i];
    static uint8_t old[MOST_ROW], got[MOST_ROW];
    static double numbers[ROW], wanted[ROW], plain[ROW], result[ROW], key[ROW], scratch[4 * ROW];
    static size_t order[ROW];
    struct random_key seed = {7, 3};
    double spread = 0, worse = 0;

    make_row(dtype, old);
    rows_to_f64(dtype, old, ROW, numbers);
    quant_adjust(dtype, old, numbers, NULL, ROW, got, scratch, order);
    ck_assert_msg(memcmp(old, got, dtype_extent(dtype, ROW)) == 0, "%s: nothing changed",
                  dtype_facts(dtype)->name);
    for (size_t i = 0; i < ROW; i++)
        spread += numbers[i] * numbers[i] / ROW;
    for (size_t i = 0; i < ROW; i++) {
        key[i] = random_normal(seed, i);
        wanted[i] = numbers[i] + (i < ROW / 2 ? .02 * sqrt(spread) * key[i] : 0);
    }
    quant_adjust(dtype, old, wanted, NULL, ROW, got, scratch, order);
    rows_to_f64(dtype, got, ROW, plain);
    for (size_t i = 0; i < ROW; i++) { /* each number is at most as far off as it was */
        double off = fabs(plain[i] - wanted[i]), was = fabs(numbers[i] - wanted[i]);
        worse += off * off - was * was;
        ck_each(rows_quantisable(dtype) || off <= was * (1 + 1e-9), "%s: %zu", dtype_facts(dtype)->name, i);
    }
    ck_assert_msg(worse <= 0, "%s", dtype_facts(dtype)->name);
    ck_assert(memcmp(old + dtype_extent(dtype, ROW / 2), got + dtype_extent(dtype, ROW / 2),
                     dtype_extent(dtype, ROW / 2)) == 0); /* the blocks of the second half */
    quant_adjust(dtype, old, wanted, key, ROW, got, scratch, order);
    rows_to_f64(dtype, got, ROW, result);
    double intended = dot_of_change(wanted, numbers, key);
    ck_assert_msg(fabs(dot_of_change(result, numbers, key) / intended - 1) < .01, "%s: %g of %g",
                  dtype_facts(dtype)->name, dot_of_change(result, numbers, key), intended);
    ck_assert_msg(fabs(dot_of_change(result, wanted, key)) <= fabs(dot_of_change(plain, wanted, key)) + 1e-12,
                  "%s", dtype_facts(dtype)->name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quant");
    TCase *tc = tcase_create("quant");
    int n_read = sizeof read_vectors / sizeof *read_vectors;

    tcase_add_loop_test(tc, blocks_are_the_numbers_of_the_reference, 0, n_read);
    tcase_add_loop_test(tc, slices_begin_and_end_anywhere, 0, n_read);
    tcase_add_loop_test(tc, numbers_are_the_blocks_of_the_reference, 0,
                        sizeof write_vectors / sizeof *write_vectors);
    tcase_add_test(tc, a_block_of_q4_0);
    tcase_add_test(tc, odd_numbers_do_no_harm);
    tcase_add_loop_test(tc, changed_blocks_keep_what_counts, 0, N_ADJUSTED);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
