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

/* Bits as the safetensors crate 0.6 defines them (Dtype::bitsize), and the blocks of ggml.h, typed from
 * there. */
static const struct {
    const char *name;
    unsigned bits, elements; /* of a block; 0: one element */
} reference[] = {
    {"BOOL", 8},
    {"F4", 4},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"U8", 8},
    {"I8", 8},
    {"I16", 16},
    {"F8_E5M2", 8},
    {"F8_E4M3", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"U16", 16},
    {"F16", 16},
    {"BF16", 16},
    {"I32", 32},
    {"U32", 32},
    {"F32", 32},
    {"C64", 64},
    {"F64", 64},
    {"I64", 64},
    {"U64", 64},
    /* bits of a block */
    {"Q4_0", 144, 32},
    {"Q4_1", 160, 32},
    {"Q5_0", 176, 32},
    {"Q5_1", 192, 32},
    {"Q8_0", 272, 32},
    {"Q8_1", 288, 32},
    {"Q2_K", 672, 256},
    {"Q3_K", 880, 256},
    {"Q4_K", 1152, 256},
    {"Q5_K", 1408, 256},
    {"Q6_K", 1680, 256},
    {"Q8_K", 2336, 256},
    {"IQ1_S", 400, 256},
    {"IQ1_M", 448, 256},
    {"IQ2_XXS", 528, 256},
    {"IQ2_XS", 592, 256},
    {"IQ2_S", 656, 256},
    {"IQ3_XXS", 784, 256},
    {"IQ3_S", 880, 256},
    {"IQ4_NL", 144, 32},
    {"IQ4_XS", 1088, 256},
    {"TQ1_0", 432, 256},
    {"TQ2_0", 528, 256},
    {"MXFP4", 136, 32},
    {"NVFP4", 288, 64},
    {"Q1_0", 144, 128},
    {"Q2_0", 144, 64},
};

START_TEST(bits_agree_with_the_reference)
{
    enum dtype dtype;
    uint64_t bytes;
    ck_assert_uint_eq(sizeof reference / sizeof *reference, DTYPE_COUNT);
    ck_assert(dtype_parse(reference[_i].name, &dtype));
    size_t elements = reference[_i].elements ? reference[_i].elements : 1;
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
