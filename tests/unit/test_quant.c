#include "suite.h"

#include <string.h>

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
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
