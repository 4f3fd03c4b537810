#include "suite.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

static bool all_are(const unsigned char *p, size_t n, unsigned char value)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != value)
            return false;
    return true;
}

START_TEST(blocks_are_aligned_zeroed_and_apart)
{
    struct arena arena = {0};
    unsigned char *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        size_t n = i * 37 % 4999;
        blocks[i] = arena_array(&arena, n, 1);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
        ck_assert(all_are(blocks[i], n, 0));
        memset(blocks[i], (int)i, n);
    }
    for (size_t i = 0; i < 500; i++)
        ck_assert(all_are(blocks[i], i * 37 % 4999, (unsigned char)i));
    arena_release(&arena);
    ck_assert_ptr_null(arena.newest);
}
END_TEST

START_TEST(overflow_gives_null)
{
    struct arena arena = {0};
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX, 1));
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX - 20, 1));
    ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
    ck_assert_ptr_nonnull(arena_array(&arena, 3, 5));
    arena_release(&arena);
    arena_release(&arena);
    arena_release(NULL);
}
END_TEST

START_TEST(copies_end_in_nul)
{
    struct arena arena = {0};
    ck_assert_str_eq(arena_copy(&arena, "weights", 3), "wei");
    ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
    char large[100000];
    memset(large, 'a', sizeof large);
    char *copy = arena_copy(&arena, large, sizeof large);
    ck_assert_uint_eq(strlen(copy), sizeof large);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_add_test(tc, blocks_are_aligned_zeroed_and_apart);
    tcase_add_test(tc, overflow_gives_null);
    tcase_add_test(tc, copies_end_in_nul);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
