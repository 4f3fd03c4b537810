#include "suite.h"

#include <string.h>

#include "memory.h"
#include "overlay.h"

static const float stored[6] = {1, 2, 3, 4, 5, 6}; /* [2, 3] */
static const struct tensor matrix = {
    .name = "w", .dtype = DTYPE_F32, .rank = 2, .shape = {2, 3}, .elements = 6, .bytes = 24, .data = stored};
static const struct tensor vector = {
    .name = "b", .dtype = DTYPE_F32, .rank = 1, .shape = {6}, .elements = 6, .bytes = 24, .data = stored};
static const struct tensor cube = {.name = "e",
                                   .dtype = DTYPE_F32,
                                   .rank = 3,
                                   .shape = {2, 1, 3},
                                   .elements = 6,
                                   .bytes = 24,
                                   .data = stored};
static const struct tensor fp8 = {.name = "q",
                                  .dtype = DTYPE_F8_E4M3,
                                  .rank = 1,
                                  .shape = {24},
                                  .elements = 24,
                                  .bytes = 24,
                                  .data = stored};

static void expect(const struct overlay *overlay, const struct tensor *tensor, size_t first, size_t n,
                   const double *want, size_t n_want)
{
    struct error err = {0};
    double got[6];

    ck_assert_msg(overlay_rows(overlay, tensor, first, n, got, &err), "%s", err.text);
    for (size_t i = 0; i < n_want; i++)
        ck_assert_double_eq(got[i], want[i]);
}

START_TEST(without_changes_rows_are_the_file)
{
    struct overlay *overlay = overlay_new();
    double want[6] = {1, 2, 3, 4, 5, 6};

    expect(NULL, &matrix, 0, 2, want, 6);
    expect(overlay, &matrix, 1, 1, want + 3, 3);
    expect(overlay, &vector, 0, 1, want, 6);
    expect(overlay, &cube, 1, 1, want + 3, 3);
    ck_assert_ptr_null(overlay_find(overlay, &matrix));
    ck_assert_ptr_null(overlay_find(NULL, &matrix));
    overlay_free(overlay);
    overlay_free(NULL);
}
END_TEST

START_TEST(factors_add_up)
{
    struct overlay *overlay = overlay_new();
    struct error err = {0};
    double left[4] = {1, -1, 0, 2}, right[6] = {1, 0, 2, 0, 1, 0}; /* two factors */
    double once[6] = {2, 2, 5, 3, 7, 4}, again[6] = {3, 2, 7, 2, 7, 2}, half[6] = {2.5, 2, 6, 2.5, 6, 2};
    struct overlay_entry *entry;

    ck_assert(overlay_add(overlay, &matrix, 2, left, right, &err));
    expect(overlay, &matrix, 0, 2, once, 6);
    expect(overlay, &matrix, 1, 1, once + 3, 3);
    double block[4];
    ck_assert(overlay_block(overlay, &matrix, 0, 2, 1, 2, block, &err));
    ck_assert(block[0] == once[1] && block[1] == once[2] && block[2] == once[4] && block[3] == once[5]);
    ck_assert(!overlay_block(overlay, &matrix, 0, 2, 2, 2, block, &err));
    ck_assert(overlay_add(overlay, &matrix, 1, left, right, &err));
    expect(overlay, &matrix, 0, 2, again, 6);
    ck_assert_uint_eq(overlay->n_entries, 1);
    entry = &overlay->entries[0];
    ck_assert_uint_eq(entry->rank, 3);
    entry->scale = .5; /* what is added afterwards is not scaled */
    ck_assert(overlay_add(overlay, &matrix, 1, left, right, &err));
    half[0] = 1 + .5 * 2 + 1, half[1] = 2, half[2] = 3 + .5 * 4 + 2;
    half[3] = 4 - .5 * 2 - 1, half[4] = 5 + .5 * 2, half[5] = 6 - .5 * 4 - 2;
    expect(overlay, &matrix, 0, 2, half, 6);
    overlay_clear(overlay);
    ck_assert_ptr_null(overlay_find(overlay, &matrix));
    overlay_free(overlay);
}
END_TEST

START_TEST(bytes_replace_and_carry_later_factors)
{
    struct overlay *overlay = overlay_new();
    struct error err = {0};
    float *bytes = memory_array(6, sizeof *bytes);
    double left[2] = {1, 1}, right[3] = {1, 1, 1}, nine[6] = {9, 9, 9, 9, 9, 9},
           ten[6] = {10, 10, 10, 10, 10, 10};

    for (size_t i = 0; i < 6; i++)
        bytes[i] = 9;
    ck_assert(overlay_add(overlay, &matrix, 1, left, right, &err));
    ck_assert(overlay_replace(overlay, &matrix, (uint8_t *)bytes, &err));
    expect(overlay, &matrix, 0, 2, nine, 6);
    ck_assert(overlay_add(overlay, &matrix, 1, left, right, &err));
    expect(overlay, &matrix, 0, 2, ten, 6);
    overlay_free(overlay);
}
END_TEST

START_TEST(a_delta_adds)
{
    struct overlay *overlay = overlay_new();
    struct error err = {0};
    double want[6] = {11, 22, 33, 44, 55, 66};

    ck_assert(overlay_add(overlay, &matrix, 0, NULL, NULL, &err));
    overlay->entries[0].delta = memory_array(6, sizeof(double));
    for (size_t i = 0; i < 6; i++)
        overlay->entries[0].delta[i] = 10. * (double)(i + 1);
    expect(overlay, &matrix, 0, 2, want, 6);
    expect(overlay, &matrix, 1, 1, want + 3, 3);
    overlay_free(overlay);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
    struct overlay *overlay = overlay_new();
    struct error err = {0};
    double out[24], factor[24] = {0};

    ck_assert(!overlay_rows(overlay, &matrix, 1, 2, out, &err));
    ck_assert_int_eq(err.kind, ERROR_MISMATCH);
    ck_assert(!overlay_rows(overlay, &matrix, SIZE_MAX, 2, out, &err));
    ck_assert(!overlay_rows(overlay, &fp8, 0, 1, out, &err));
    ck_assert_int_eq(err.kind, ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "F8_E4M3"));
    ck_assert(!overlay_add(overlay, &fp8, 1, factor, factor, &err));
    ck_assert(!overlay_replace(overlay, &fp8, memory_array(24, 1), &err)); /* frees the bytes all the same */
    ck_assert_uint_eq(overlay->n_entries, 0);
    overlay_free(overlay);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("overlay");
    TCase *tc = tcase_create("overlay");

    tcase_add_test(tc, without_changes_rows_are_the_file);
    tcase_add_test(tc, factors_add_up);
    tcase_add_test(tc, bytes_replace_and_carry_later_factors);
    tcase_add_test(tc, a_delta_adds);
    tcase_add_test(tc, what_cannot_be_read_is_an_error);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
