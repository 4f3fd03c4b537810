#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "vocabulary.h"

START_TEST(finds_what_was_added)
{
    enum { N = 5000 };
    struct vocabulary v = {0};
    struct error err = {0};
    char piece[32];
    uint32_t id;
    size_t n;
    for (unsigned i = 0; i < N; i++) {
        int length = snprintf(piece, sizeof piece, "p%u", i * 7);
        ck_assert(vocabulary_add(&v, piece, (size_t)length, 2 * i, &err));
    }
    ck_assert(vocabulary_finish(&v, &err));
    ck_assert_uint_eq(v.size, 2 * N - 1);
    for (unsigned i = 0; i < N; i++) {
        int length = snprintf(piece, sizeof piece, "p%u", i * 7);
        ck_assert(vocabulary_find(&v, piece, (size_t)length, &id));
        ck_assert_uint_eq(id, 2 * i);
        ck_assert(vocabulary_find_joined(&v, piece, 2, piece + 2, (size_t)length - 2, &id));
        ck_assert_uint_eq(id, 2 * i);
        ck_assert_str_eq(vocabulary_piece(&v, 2 * i, &n), piece);
        ck_assert_uint_eq(n, (size_t)length);
        ck_assert_ptr_null(vocabulary_piece(&v, 2 * i + 1, &n));
    }
    ck_assert(!vocabulary_find(&v, "p", 1, &id));
    ck_assert(!vocabulary_find(&v, "", 0, &id));
    ck_assert_ptr_null(vocabulary_piece(&v, UINT32_MAX, &n));
    vocabulary_release(&v);
}
END_TEST

START_TEST(odd_pieces)
{
    struct vocabulary v = {0};
    struct error err = {0};
    uint32_t id;
    size_t n;
    ck_assert(!vocabulary_find(&v, "a", 1, &id));
    ck_assert(vocabulary_add(&v, "", 0, 3, &err));
    ck_assert(vocabulary_add(&v, "a\0b", 3, 1, &err));
    ck_assert(vocabulary_add(&v, "a", 1, 1, &err)); /* the id is taken: it keeps its first piece */
    ck_assert(vocabulary_finish(&v, &err));
    ck_assert(vocabulary_find(&v, "", 0, &id) && id == 3);
    ck_assert(vocabulary_find(&v, "a\0b", 3, &id) && id == 1);
    ck_assert(vocabulary_find(&v, "a", 1, &id) && id == 1);
    ck_assert_mem_eq(vocabulary_piece(&v, 1, &n), "a\0b", 4);
    ck_assert_uint_eq(n, 3);
    vocabulary_release(&v);
}
END_TEST

START_TEST(refuses)
{
    struct vocabulary v = {0};
    struct error err = {0};
    ck_assert(vocabulary_add(&v, "a", 1, 0, &err));
    ck_assert(!vocabulary_add(&v, "a", 1, 1, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "\"a\" is in the vocabulary twice"));
    ck_assert(!vocabulary_add(&v, "b", 1, (uint64_t)1 << 32, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "4294967296"));
    ck_assert(vocabulary_add(&v, "c", 1, 1000000, &err));
    ck_assert(!vocabulary_finish(&v, &err)); /* two pieces do not make a table of a million */
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    vocabulary_release(&v);
    vocabulary_release(&v);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *tcase = tcase_create("vocabulary");
    tcase_add_test(tcase, finds_what_was_added);
    tcase_add_test(tcase, odd_pieces);
    tcase_add_test(tcase, refuses);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
