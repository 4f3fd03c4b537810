#include "suite.h"

#include <stdint.h>
#include <string.h>

#include "dtype.h"

START_TEST(every_row_is_set_and_unique)
{
    const struct dtype_facts *f = dtype_facts((enum dtype)_i);
    ck_assert_ptr_nonnull(f->name);
    ck_assert_uint_gt(f->block_elements, 0);
    ck_assert_uint_gt(f->block_bits, 0);
    for (int k = 0; k < _i; k++)
        ck_assert_str_ne(f->name, dtype_facts((enum dtype)k)->name);
    enum dtype back;
    ck_assert(dtype_parse(f->name, &back));
    ck_assert_int_eq(back, _i);
}
END_TEST

/* Elements and bits of a block, as the safetensors crate 0.6 (Dtype::bitsize) and ggml.h define them, typed
 * from there. */
static const struct {
    const char *name;
    unsigned elements, bits;
} reference[] = {
    {"BOOL", 1, 8},        {"F4", 1, 4},         {"F6_E2M3", 1, 6},     {"F6_E3M2", 1, 6},
    {"U8", 1, 8},          {"I8", 1, 8},         {"I16", 1, 16},        {"F8_E5M2", 1, 8},
    {"F8_E4M3", 1, 8},     {"F8_E8M0", 1, 8},    {"F8_E4M3FNUZ", 1, 8}, {"F8_E5M2FNUZ", 1, 8},
    {"U16", 1, 16},        {"F16", 1, 16},       {"BF16", 1, 16},       {"I32", 1, 32},
    {"U32", 1, 32},        {"F32", 1, 32},       {"C64", 1, 64},        {"F64", 1, 64},
    {"I64", 1, 64},        {"U64", 1, 64},       {"Q4_0", 32, 144},     {"Q4_1", 32, 160},
    {"Q5_0", 32, 176},     {"Q5_1", 32, 192},    {"Q8_0", 32, 272},     {"Q8_1", 32, 288},
    {"Q2_K", 256, 672},    {"Q3_K", 256, 880},   {"Q4_K", 256, 1152},   {"Q5_K", 256, 1408},
    {"Q6_K", 256, 1680},   {"Q8_K", 256, 2336},  {"IQ1_S", 256, 400},   {"IQ1_M", 256, 448},
    {"IQ2_XXS", 256, 528}, {"IQ2_XS", 256, 592}, {"IQ2_S", 256, 656},   {"IQ3_XXS", 256, 784},
    {"IQ3_S", 256, 880},   {"IQ4_NL", 32, 144},  {"IQ4_XS", 256, 1088}, {"TQ1_0", 256, 432},
    {"TQ2_0", 256, 528},   {"MXFP4", 32, 136},   {"NVFP4", 64, 288},    {"Q1_0", 128, 144},
    {"Q2_0", 64, 144},
};

START_TEST(bits_agree_with_the_reference)
{
    enum dtype dtype;
    uint64_t bytes;
    ck_assert_uint_eq(sizeof reference / sizeof *reference, DTYPE_COUNT);
    ck_assert(dtype_parse(reference[_i].name, &dtype));
    size_t elements = reference[_i].elements;
    ck_assert(dtype_bytes(dtype, 8 * elements, &bytes));
    ck_assert_uint_eq(bytes, reference[_i].bits);
    ck_assert_uint_eq(dtype_extent(dtype, 8 * elements), bytes);
    ck_assert(elements == 1 || !dtype_bytes(dtype, 8 * elements - 1, &bytes));
}
END_TEST

START_TEST(partial_bytes_and_overflow_are_refused)
{
    uint64_t bytes = 1;
    ck_assert(!dtype_bytes(DTYPE_F4, 3, &bytes));
    ck_assert(!dtype_bytes(DTYPE_F6_E2M3, 2, &bytes));
    ck_assert(!dtype_bytes(DTYPE_F32, UINT64_MAX / 32 + 1, &bytes));
    ck_assert_uint_eq(bytes, 1);
    ck_assert(dtype_bytes(DTYPE_F64, 0, &bytes) && bytes == 0);
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    enum dtype dtype;
    ck_assert(!dtype_parse("bf16", &dtype));
    ck_assert(!dtype_parse("", &dtype));
    ck_assert(!dtype_parse("F128", &dtype));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dtype");
    TCase *tc = tcase_create("dtype");
    tcase_add_loop_test(tc, every_row_is_set_and_unique, 0, DTYPE_COUNT);
    tcase_add_loop_test(tc, bits_agree_with_the_reference, 0, DTYPE_COUNT);
    tcase_add_test(tc, partial_bytes_and_overflow_are_refused);
    tcase_add_test(tc, unknown_names_are_refused);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
