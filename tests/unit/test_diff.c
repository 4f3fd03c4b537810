/* What differs between two models, over shardings and dtypes; NaN is never passed over. */
#include "diff.h"

#include <math.h>

#include "memory.h"
#include "model_box.h"
#include "pool.h"
#include "suite.h"

static struct diff_options everything;

static void setup(void)
{
    box_setup();
    ck_assert(pool_new(2, &box_context.pool, &box_error));
}

static void teardown(void)
{
    pool_free(box_context.pool);
    box_teardown();
}

/* A safetensors file of this header and these bytes. */
static void write_model(const char *name, const char *header, const void *data, size_t n)
{
    uint64_t length = strlen(header);
    char *bytes = memory_array(8 + length + n, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, n);
    box_write(name, bytes, 8 + length + n);
    free(bytes);
}

static struct checkpoint *left, *right;

static struct diff compare(const char *a, const char *b)
{
    struct diff diff;
    left = box_open(a);
    right = box_open(b);
    ck_assert_msg(diff_run(&box_context, left, right, &everything, &diff, &box_error), "%s", box_error.text);
    return diff;
}

static void close_both(struct diff *diff)
{
    diff_release(diff);
    checkpoint_close(left);
    checkpoint_close(right);
}

static void expect_verdict(const struct diff *diff, const char *expected)
{
    struct str s = {0};
    diff_verdict(diff, &s);
    ck_assert_str_eq(s.data, expected);
    str_release(&s);
}

#define ONE(DTYPE, SHAPE, END)                                                                               \
    "{\"w\":{\"dtype\":\"" DTYPE "\",\"shape\":" SHAPE ",\"data_offsets\":[0," END "]}}"

START_TEST(figures_of_a_change)
{
    const float a[6] = {1, -2, 0, 2, 4, 0}, b[6] = {1, 2, 0, 2, 1, -0.0f};
    write_model("a.safetensors", ONE("F32", "[2,3]", "24"), a, sizeof a);
    write_model("b.safetensors", ONE("F32", "[2,3]", "24"), b, sizeof b);
    struct diff diff = compare("a.safetensors", "b.safetensors");
    const struct diff_tensor *t = &diff.tensors[0];
    ck_assert(diff.n == 1 && t->status == DIFF_CHANGED && t->has_figures && !diff_identical(&diff));
    ck_assert_double_eq(t->figures.norm_a, 5);
    ck_assert_double_eq(t->figures.norm_b, sqrt(10));
    ck_assert_double_eq(t->figures.norm_change, 5);
    ck_assert_double_eq(t->figures.relative_norm, 1);
    ck_assert_double_eq_tol(t->figures.cosine, 5 / (5 * sqrt(10)), 1e-15);
    ck_assert(t->figures.max_abs == 4 && t->figures.max_at == 1);
    ck_assert(t->figures.changed == 2 && t->figures.flips == 1);
    expect_verdict(&diff, "one tensor of 1 differs, 100 %");
    close_both(&diff);
}
END_TEST

START_TEST(values_over_dtypes)
{
    const float wide[3] = {1.5f, -0.0f, NAN}, fine[3] = {1.001f, 0, NAN};
    const uint16_t narrow[3] = {0x3fc0, 0, 0x7fc0}, rounded[3] = {0x3f80, 0, 0xffc1};
    write_model("a.safetensors", ONE("F32", "[3]", "12"), wide, sizeof wide);
    write_model("f.safetensors", ONE("F32", "[3]", "12"), fine, sizeof fine);
    write_model("n.safetensors", ONE("BF16", "[3]", "6"), narrow, sizeof narrow);
    write_model("r.safetensors", ONE("BF16", "[3]", "6"), rounded, sizeof rounded);
    struct diff diff = compare("a.safetensors", "n.safetensors");
    ck_assert(diff.tensors[0].status == DIFF_SAME_VALUES && diff_identical(&diff));
    ck_assert_uint_eq(diff.tensors[0].figures.both_nan, 1);
    expect_verdict(&diff, "the same values: 1 of 1 tensor is stored in another dtype");
    close_both(&diff);
    for (int swap = 0; swap < 2; swap++) {
        diff = swap ? compare("r.safetensors", "f.safetensors") : compare("f.safetensors", "r.safetensors");
        ck_assert_int_eq(diff.tensors[0].status, DIFF_ROUNDED);
        expect_verdict(&diff, "1 tensor differs by rounding only");
        close_both(&diff);
    }
    diff = compare("f.safetensors", "n.safetensors");
    ck_assert_int_eq(diff.tensors[0].status, DIFF_CHANGED);
    close_both(&diff);
}
END_TEST

START_TEST(nan_on_one_side_is_a_change_and_stays_out_of_the_norms)
{
    const float a[5] = {3, NAN, 1, INFINITY, INFINITY}, b[5] = {4, 1, NAN, INFINITY, -INFINITY};
    const float same[5] = {3, NAN, 1, INFINITY, INFINITY};
    write_model("a.safetensors", ONE("F32", "[5]", "20"), a, sizeof a);
    write_model("b.safetensors", ONE("F32", "[5]", "20"), b, sizeof b);
    write_model("s.safetensors", ONE("F32", "[5]", "20"), same, sizeof same);
    struct diff diff = compare("a.safetensors", "b.safetensors");
    const struct tensor_comparison *f = &diff.tensors[0].figures;
    ck_assert(f->changed == 4 && f->nonfinite == 3 && f->nan_a == 1 && f->nan_b == 1 && f->both_nan == 0 &&
              f->flips == 0);
    ck_assert(f->norm_change == 1 && f->norm_a == 3 && f->max_abs == 1 && f->max_at == 0);
    close_both(&diff);
    diff = compare("a.safetensors", "s.safetensors");
    ck_assert_int_eq(diff.tensors[0].status, DIFF_SAME_BYTES); /* the bytes of a NaN are bytes */
    close_both(&diff);
}
END_TEST

START_TEST(what_is_missing_or_has_another_shape)
{
    static const char a[] = "{\"p\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                            "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}";
    static const char b[] = "{\"q\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[0,2]},"
                            "\"r\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}";
    box_safetensors("a.safetensors", a, 4);
    box_safetensors("b.safetensors", b, 4);
    struct diff diff = compare("a.safetensors", "b.safetensors");
    ck_assert_uint_eq(diff.n, 3);
    ck_assert_int_eq(diff.tensors[0].status, DIFF_ONLY_A);
    ck_assert_int_eq(diff.tensors[1].status, DIFF_SHAPE);
    ck_assert_int_eq(diff.tensors[2].status, DIFF_ONLY_B);
    expect_verdict(&diff, "1 tensor has another shape; 1 tensor is only in A; 1 tensor is only in B");
    close_both(&diff);
}
END_TEST

START_TEST(bytes_of_a_dtype_that_is_not_read)
{
    const uint8_t a[2] = {1, 2}, b[2] = {1, 3};
    write_model("a.safetensors", ONE("F8_E4M3", "[2]", "2"), a, sizeof a);
    write_model("b.safetensors", ONE("F8_E4M3", "[2]", "2"), b, sizeof b);
    write_model("u.safetensors", ONE("U8", "[2]", "2"), a, sizeof a);
    struct diff diff = compare("a.safetensors", "a.safetensors");
    ck_assert_int_eq(diff.tensors[0].status, DIFF_SAME_BYTES);
    expect_verdict(&diff, "identical: 1 tensor, 2 bytes");
    close_both(&diff);
    diff = compare("a.safetensors", "b.safetensors");
    ck_assert(diff.tensors[0].status == DIFF_CHANGED && !diff.tensors[0].has_figures);
    close_both(&diff);
    diff = compare("a.safetensors", "u.safetensors");
    ck_assert(diff.tensors[0].status == DIFF_CHANGED && !diff.tensors[0].has_figures);
    close_both(&diff);
}
END_TEST

START_TEST(sharding_does_not_matter)
{
    static const char *const parts[2] = {"{\"p\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
                                         "{\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"};
    const uint8_t data[4] = {1, 2, 3, 4};
    write_model("whole.safetensors",
                "{\"p\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
                data, 4);
    write_model("model-00001-of-00002.safetensors", parts[0], data, 2);
    write_model("model-00002-of-00002.safetensors", parts[1], data + 2, 2);
    box_text("model.safetensors.index.json",
             "{\"metadata\":{\"total_size\":4},\"weight_map\":{\"p\":\"model-00001-of-00002.safetensors\","
             "\"q\":\"model-00002-of-00002.safetensors\"}}");
    struct diff diff = compare("whole.safetensors", "");
    ck_assert(diff_identical(&diff));
    expect_verdict(&diff, "identical, but for sharding: 2 tensors, 4 bytes, in 1 file and in 2");
    close_both(&diff);
}
END_TEST

/* Verdicts over ranks: n tensors that changed by 1 %, the first `full` of them by a full rank, the others by
 * `rank` (the last by one more with `spread`). */
static const struct {
    size_t n, full;
    uint64_t rank;
    bool spread;
    const char *says;
} verdicts[] = {
    {1, 0, 1, false, "one tensor of 21 differs: rank 1 + rounding, 1 %"},
    {1, 1, 0, false, "one tensor of 21 differs: full rank, 1 %"},
    {20, 20, 0, false, "20 of 21 tensors differ: full rank (a fine-tune), 1 %"},
    {20, 19, 1, false, "20 of 21 tensors differ: full rank in 19 of 20 matrices (a fine-tune), 1 %"},
    {20, 0, 8, false, "20 of 21 tensors differ: rank 8 + rounding, 1 %"},
    {20, 0, 7, true, "20 of 21 tensors differ: rank 7 to 8 + rounding, 1 %"},
    {20, 5, 8, false, "20 of 21 tensors differ: rank 8 + rounding in 15 matrices, full rank in 5, 1 %"},
    {21, 21, 0, false, "every tensor differs: full rank (a fine-tune), 1 %"},
};

START_TEST(verdicts_over_ranks)
{
    struct diff_tensor items[21] = {0};
    struct diff diff = {.tensors = items, .n = 21};
    size_t n = verdicts[_i].n;
    for (size_t i = 0; i < 21; i++) {
        items[i].status = i < n ? DIFF_CHANGED : DIFF_SAME_BYTES;
        diff.counts[items[i].status]++;
        items[i].has_figures = items[i].has_rank = i < n;
        items[i].figures.relative_norm = .01;
        items[i].rank.kind = i < verdicts[_i].full ? CHANGE_RANK_FULL : CHANGE_RANK_ROUNDED;
        items[i].rank.rank = verdicts[_i].rank + (verdicts[_i].spread && i == n - 1);
    }
    expect_verdict(&diff, verdicts[_i].says);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diff");
    TCase *tc = tcase_create("diff");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, figures_of_a_change);
    tcase_add_test(tc, values_over_dtypes);
    tcase_add_test(tc, nan_on_one_side_is_a_change_and_stays_out_of_the_norms);
    tcase_add_test(tc, what_is_missing_or_has_another_shape);
    tcase_add_test(tc, bytes_of_a_dtype_that_is_not_read);
    tcase_add_test(tc, sharding_does_not_matter);
    tcase_add_loop_test(tc, verdicts_over_ranks, 0, (int)(sizeof verdicts / sizeof *verdicts));
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
