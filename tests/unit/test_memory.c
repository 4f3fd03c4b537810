#include "suite.h"

#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "size.h"

START_TEST(products_that_overflow_give_null)
{
    ck_assert_ptr_null(memory_array(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(memory_zeroed(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(memory_resize(NULL, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(memory_aligned(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(memory_aligned(SIZE_MAX - 8, 1));
    ck_assert_ptr_null(memory_copy("", SIZE_MAX));
}
END_TEST

START_TEST(nothing_still_gives_a_pointer)
{
    void *blocks[] = {memory_array(0, 4), memory_array(4, 0), memory_zeroed(0, 4), memory_resize(NULL, 0, 4),
                      memory_aligned(0, 4)};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        ck_assert_ptr_nonnull(blocks[i]);
        for (size_t k = 0; k < i; k++)
            ck_assert_ptr_ne(blocks[i], blocks[k]);
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
}
END_TEST

START_TEST(zeroed_is_zero_and_resize_keeps)
{
    unsigned char *p = memory_zeroed(1000, 3);
    ck_assert_ptr_nonnull(p);
    size_t set = 0;
    for (size_t i = 0; i < 3000; i++)
        set += p[i] != 0;
    ck_assert_uint_eq(set, 0);
    p[2999] = 7;
    p = memory_resize(p, 100000, 1);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p[2999], 7);
    free(p);
}
END_TEST

START_TEST(copies_end_in_nul)
{
    char *s = memory_string("abc"), *t = memory_copy("a\0b", 3), *empty = memory_copy(NULL, 0);
    ck_assert_str_eq(s, "abc");
    ck_assert_int_eq(memcmp(t, "a\0b", 4), 0);
    ck_assert_str_eq(empty, "");
    free(s);
    free(t);
    free(empty);
}
END_TEST

START_TEST(aligned_to_64)
{
    for (size_t n = 1; n < 200; n += 7) {
        unsigned char *p = memory_aligned(n, 1);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        memset(p, 1, n);
        free(p);
    }
}
END_TEST

START_TEST(checked_sizes)
{
    size_t s = 5;
    uint64_t u = 5;
    ck_assert(!size_mul(SIZE_MAX, 2, &s) && !size_add(SIZE_MAX, 1, &s) && s == 5);
    ck_assert(!u64_mul(UINT64_MAX, 2, &u) && !u64_add(UINT64_MAX, 1, &u) && u == 5);
    ck_assert(size_mul(6, 7, &s) && s == 42);
    ck_assert(u64_add(UINT64_MAX - 1, 1, &u) && u == UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_add_test(tc, products_that_overflow_give_null);
    tcase_add_test(tc, nothing_still_gives_a_pointer);
    tcase_add_test(tc, zeroed_is_zero_and_resize_keeps);
    tcase_add_test(tc, copies_end_in_nul);
    tcase_add_test(tc, aligned_to_64);
    tcase_add_test(tc, checked_sizes);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
