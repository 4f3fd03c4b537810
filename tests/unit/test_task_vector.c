/* Task vectors from plan to bytes: extracted, applied, refused; exact where the header says so. */
#include "task_vector.h"

#include <math.h>
#include <sys/stat.h>

#include "cut_box.h"
#include "execute.h"
#include "memory.h"
#include "random.h"
#include "rows.h"
#include "suite.h"

enum { ELEMENTS = 3 * 32768 + 17 };

static const struct merge_limits limits = {0};

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

/* A file of one tensor "w" [n] of this dtype, and "same" [2] of I32, which all of them share. */
static void write_model(const char *name, const char *dtype, unsigned width, const void *values, size_t n)
{
    char header[512];
    int length = snprintf(header, sizeof header,
                          "{\"same\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"w\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[8,%zu]}}",
                          dtype, n, 8 + n * width);
    uint64_t n_header = (uint64_t)length;
    uint8_t *bytes = memory_zeroed(8 + n_header + 8 + n * width, 1);
    memcpy(bytes, &n_header, 8);
    memcpy(bytes + 8, header, n_header);
    memcpy(bytes + 8 + n_header + 8, values, n * width);
    box_write(name, bytes, 8 + n_header + 8 + n * width);
    free(bytes);
}

static bool extract(const char *base, const char *tuned, const char *file)
{
    struct merge_plan plan = {0};
    struct merge_done done = {0};
    struct str metadata = {0};
    size_t n_same = 99;
    bool ok =
        task_vector_plan(&box_context, box_path(base), box_path(tuned), &plan, &n_same, &box_error) &&
        task_vector_metadata(&box_context, &plan, &metadata, &box_error) &&
        merge_to_file(&box_context, &plan, &limits, box_path(file), metadata.data, true, &done, &box_error);
    ck_assert(!ok || (n_same == 1 && plan.n_tensors == 1));
    str_release(&metadata);
    merge_done_release(&done);
    plan_release(&plan);
    return ok;
}

static size_t others;

static bool apply(const char *model, size_t n, const struct task_file *files, bool force)
{
    struct merge_plan plan = {0};
    struct merge_done done = {0};
    struct checkpoint *target = box_try(model, CHECKPOINT_CHANGE, false);
    struct transaction_options how = {.kind = "apply", .command = "test", .force = true};
    struct task_file paths[3];
    for (size_t i = 0; i < n; i++)
        paths[i] = (struct task_file){.path = box_path(files[i].path), .scale = files[i].scale};
    ck_assert_msg(target != NULL, "%s", box_error.text);
    bool ok = task_apply_plan(&box_context, target, paths, n, force, &plan, &others, &box_error) &&
              merge_into_model(&box_context, &plan, &limits, target, &how, &done, &box_error);
    ck_assert(!ok || (done.number != 0 && !done.tensors[0].written && done.tensors[1].written));
    merge_done_release(&done);
    plan_release(&plan);
    checkpoint_close(target);
    return ok;
}

static double *values_of(const char *model, size_t n)
{
    double *out = memory_array(n, sizeof *out);
    struct checkpoint *c = box_open(model);
    const struct tensor *w = checkpoint_find(c, "w");
    ck_assert_uint_eq(w->elements, n);
    rows_to_f64(w->dtype, w->data, n, out);
    checkpoint_close(c);
    return out;
}

static const struct form {
    enum dtype dtype;
    const char *name;
    double
        shrinks; /* an element that becomes that much smaller at once may be off, by 2^-24 of what it was */
} forms[] = {{DTYPE_BF16, "BF16", 0x1p-15}, {DTYPE_F16, "F16", 0x1p-12}};

START_TEST(base_and_vector_give_the_tuned_values)
{
    const struct form *form = &forms[_i];
    double *values = memory_array(ELEMENTS, sizeof *values);
    uint16_t *stored = memory_array(ELEMENTS, sizeof *stored);
    for (size_t i = 0; i < ELEMENTS; i++)
        values[i] = 0.02 * random_normal((struct random_key){1, 1}, i);
    values[5] = 0;
    values[6] = 300;
    rows_from_f64(form->dtype, values, ELEMENTS, stored);
    write_model("base.safetensors", form->name, 2, stored, ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++)
        values[i] += 0.01 * random_normal((struct random_key){1, 2}, i);
    values[7] = 0;
    values[6] = 1e-5;
    rows_from_f64(form->dtype, values, ELEMENTS, stored);
    write_model("tuned.safetensors", form->name, 2, stored, ELEMENTS);
    ck_assert_msg(extract("base.safetensors", "tuned.safetensors", "t.safetensors"), "%s", box_error.text);
    double *base = values_of("base.safetensors", ELEMENTS), *tuned = values_of("tuned.safetensors", ELEMENTS);
    struct task_file file = {"t.safetensors", 1};
    ck_assert_msg(apply("base.safetensors", 1, &file, false), "%s", box_error.text);
    double *result = values_of("base.safetensors", ELEMENTS);
    size_t off = 0;
    for (size_t i = 0; i < ELEMENTS; i++) {
        bool shrinks = fabs(tuned[i]) < form->shrinks * fabs(base[i]);
        off += result[i] != tuned[i];
        ck_each(result[i] == tuned[i] || (shrinks && fabs(result[i] - tuned[i]) <= 0x1p-24 * fabs(base[i])),
                "element %zu: %g, expected %g (base %g)", i, result[i], tuned[i], base[i]);
    }
    ck_assert_uint_le(off, 10);
    free(values);
    free(stored);
    free(base);
    free(tuned);
    free(result);
}
END_TEST

START_TEST(scales_and_several_vectors)
{
    const float base[2] = {1, 2}, a[2] = {3, 2.5f}, b[2] = {0, 10};
    write_model("base.safetensors", "F32", 4, base, 2);
    write_model("a.safetensors", "F32", 4, a, 2);
    write_model("b.safetensors", "F32", 4, b, 2);
    ck_assert(extract("base.safetensors", "a.safetensors", "ta.safetensors"));
    ck_assert(extract("base.safetensors", "b.safetensors", "tb.safetensors"));
    struct task_file both[2] = {{"ta.safetensors", 0.5}, {"tb.safetensors", -2}};
    ck_assert_msg(apply("base.safetensors", 2, both, false), "%s", box_error.text);
    ck_assert_uint_eq(others, 0);
    double *result = values_of("base.safetensors", 2);
    ck_assert(result[0] == 1 + .5 * 2 - 2 * -1 && result[1] == 2 + .5 * .5 - 2 * 8);
    free(result);
}
END_TEST

START_TEST(another_base_is_refused)
{
    const float base[2] = {1, 2}, a[2] = {3, 2.5f};
    write_model("base.safetensors", "F32", 4, base, 2);
    write_model("a.safetensors", "F32", 4, a, 2);
    ck_assert(extract("base.safetensors", "a.safetensors", "t.safetensors"));
    struct task_file file = {"t.safetensors", 1};
    ck_assert(!apply("a.safetensors", 1, &file, false));
    box_refused(ERROR_MISMATCH, "was taken from another base");
    ck_assert_msg(apply("a.safetensors", 1, &file, true), "%s", box_error.text);
    ck_assert_uint_eq(others, 1);
    double *result = values_of("a.safetensors", 2);
    ck_assert(result[0] == 5 && result[1] == 3);
    free(result);
}
END_TEST

START_TEST(files_that_are_no_task_vectors)
{
    const float base[2] = {1, 2};
    write_model("base.safetensors", "F32", 4, base, 2);
    write_model("plain.safetensors", "F32", 4, base, 2);
    struct task_file file = {"plain.safetensors", 1};
    ck_assert(!apply("base.safetensors", 1, &file, false));
    box_refused(ERROR_MISMATCH, "is no task vector");
    static const struct {
        const char *fact;
        enum error_kind kind;
        const char *words;
    } facts[] = {{"{\\\"version\\\":2}", ERROR_UNSUPPORTED, "version 2, expected 1"},
                 {"{\\\"base\\\":{}}", ERROR_FORMAT, "version"},
                 {"{\\\"version\\\"", ERROR_FORMAT, "fact.safetensors"},
                 {"7", ERROR_FORMAT, "fact.safetensors"},
                 {"{\\\"version\\\":1,\\\"base\\\":{\\\"w\\\":3}}", ERROR_MISMATCH, "another base"},
                 {"{\\\"version\\\":1,\\\"base\\\":[[]]}", ERROR_NONE, NULL}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        char header[512];
        snprintf(header, sizeof header,
                 "{\"__metadata__\":{\"lancet.task_vector\":\"%s\"},"
                 "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                 facts[i].fact);
        box_safetensors("fact.safetensors", header, 8);
        struct task_file odd = {"fact.safetensors", 1};
        bool ok = apply("base.safetensors", 1, &odd, false);
        ck_assert_msg(ok == (facts[i].kind == ERROR_NONE), "%s", facts[i].fact);
        if (!ok)
            box_refused(facts[i].kind, facts[i].words);
    }
}
END_TEST

START_TEST(models_that_do_not_fit)
{
    const float two[2] = {1, 2}, three[3] = {1, 2, 3};
    const int32_t whole[2] = {1, 2}, others_[2] = {1, 3};
    write_model("two.safetensors", "F32", 4, two, 2);
    write_model("three.safetensors", "F32", 4, three, 3);
    write_model("i.safetensors", "I32", 4, whole, 2);
    write_model("j.safetensors", "I32", 4, others_, 2);
    box_safetensors("less.safetensors", "{\"same\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                    8);
    ck_assert(!extract("two.safetensors", "three.safetensors", "t.safetensors"));
    box_refused(ERROR_MISMATCH, "F32 [3]");
    ck_assert(!extract("two.safetensors", "less.safetensors", "t.safetensors"));
    box_refused(ERROR_MISMATCH, "less.safetensors\" lacks");
    ck_assert(!extract("less.safetensors", "two.safetensors", "t.safetensors"));
    box_refused(ERROR_MISMATCH, "less.safetensors\" lacks");
    ck_assert(!extract("two.safetensors", "two.safetensors", "t.safetensors"));
    box_refused(ERROR_ANSWER_NO, "same values");
    ck_assert(!extract("i.safetensors", "j.safetensors", "t.safetensors"));
    box_refused(ERROR_UNSUPPORTED, "I32 cannot be merged");
    ck_assert(!box_has("t.safetensors"));
    write_model("more.safetensors", "F32", 4, (const float[2]){5, 5}, 2);
    ck_assert(extract("two.safetensors", "more.safetensors", "t.safetensors"));
    struct task_file file = {"t.safetensors", 1};
    ck_assert(!apply("three.safetensors", 1, &file, true));
    box_refused(ERROR_MISMATCH, "F32 [3]");
    ck_assert(!apply("less.safetensors", 1, &file, true));
    box_refused(ERROR_MISMATCH, "less.safetensors\" lacks");
}
END_TEST

/* ---- cuts: a model of two shards, a process that dies at every call that writes ---- */

static const char *const shards[] = {"m/1.safetensors", "m/2.safetensors"};
enum { SHARD_ELEMENTS = 40000 };

static void write_shards(float step)
{
    float *values = memory_array(SHARD_ELEMENTS, sizeof *values);
    for (int s = 0; s < 2; s++) {
        char header[256];
        uint64_t n = (uint64_t)snprintf(
            header, sizeof header, "{\"w%d\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
            s + 1, SHARD_ELEMENTS, 4 * SHARD_ELEMENTS);
        for (size_t i = 0; i < SHARD_ELEMENTS; i++)
            values[i] = (float)(i % 97) + step * (float)(i % 5);
        uint8_t *bytes = memory_array(8 + n + 4 * SHARD_ELEMENTS, 1);
        memcpy(bytes, &n, 8);
        memcpy(bytes + 8, header, n);
        memcpy(bytes + 8 + n, values, 4 * SHARD_ELEMENTS);
        box_write(shards[s], bytes, 8 + n + 4 * SHARD_ELEMENTS);
        free(bytes);
    }
    free(values);
}

static bool apply_to_shards(const struct context *context, const void *unused)
{
    (void)unused;
    struct checkpoint_options open = {.mode = CHECKPOINT_CHANGE};
    struct transaction_options how = {.kind = "apply", .command = "test"};
    struct task_file file = {.path = box_path("t.safetensors"), .scale = 0.5};
    struct checkpoint *target = NULL;
    struct merge_plan plan = {0};
    struct merge_done done = {0};
    bool ok = checkpoint_open(context, box_path("m"), &open, &target, &box_error) &&
              task_apply_plan(context, target, &file, 1, false, &plan, &others, &box_error) &&
              merge_into_model(context, &plan, &limits, target, &how, &done, &box_error);
    merge_done_release(&done);
    plan_release(&plan);
    checkpoint_close(target);
    return ok;
}

static bool hold(char *const bytes[2], size_t n)
{
    bool same = true;
    for (int s = 0; s < 2; s++) {
        size_t now_n;
        char *now = box_read(shards[s], &now_n);
        same = same && now_n == n && memcmp(now, bytes[s], n) == 0;
        free(now);
    }
    return same;
}

START_TEST(a_cut_application_is_taken_back)
{
    char *before[2], *after[2];
    size_t n = 0;
    int at = 0, taken_back = 0;
    ck_assert_int_eq(mkdir(box_path("m"), 0777), 0);
    box_text("m/model.safetensors.index.json",
             "{\"weight_map\":{\"w1\":\"1.safetensors\",\"w2\":\"2.safetensors\"}}");
    write_shards(1);
    ck_assert_int_eq(mkdir(box_path("tuned"), 0777), 0);
    for (int s = 0; s < 2; s++) {
        char *bytes = box_read(shards[s], &n);
        box_write(s ? "tuned/2.safetensors" : "tuned/1.safetensors", bytes, n);
        free(bytes);
    }
    box_text("tuned/model.safetensors.index.json",
             "{\"weight_map\":{\"w1\":\"1.safetensors\",\"w2\":\"2.safetensors\"}}");
    write_shards(0);
    struct merge_plan plan = {0};
    struct merge_done done = {0};
    struct str metadata = {0};
    size_t n_same;
    ck_assert(task_vector_plan(&box_context, box_path("m"), box_path("tuned"), &plan, &n_same, &box_error) &&
              task_vector_metadata(&box_context, &plan, &metadata, &box_error) &&
              merge_to_file(&box_context, &plan, &limits, box_path("t.safetensors"), metadata.data, false,
                            &done, &box_error));
    str_release(&metadata);
    merge_done_release(&done);
    plan_release(&plan);
    for (int s = 0; s < 2; s++)
        before[s] = box_read(shards[s], &n);
    write_shards(0.5f);
    for (int s = 0; s < 2; s++)
        after[s] = box_read(shards[s], &n);
    write_shards(0);
    for (; box_cut(at, apply_to_shards, NULL); at++) {
        checkpoint_close(box_try("m", CHECKPOINT_CHANGE, false)); /* takes an open record back */
        ck_assert_msg(box_error.kind == ERROR_NONE, "%s", box_error.text);
        ck_assert_msg(hold(before, n) || hold(after, n), "cut at call %d", at);
        taken_back += hold(before, n);
        write_shards(0);
        if (box_has("m/.lancet"))
            ck_assert(file_tree_remove(fs_real(), box_path("m/.lancet"), &box_error));
    }
    ck_assert(hold(after, n));
    ck_assert_int_gt(at, 12);
    ck_assert_int_ge(taken_back, at - 3);
    for (int s = 0; s < 2; s++) {
        free(before[s]);
        free(after[s]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("task_vector");
    TCase *tc = tcase_create("task_vector");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, base_and_vector_give_the_tuned_values, 0, 2);
    tcase_add_test(tc, scales_and_several_vectors);
    tcase_add_test(tc, another_base_is_refused);
    tcase_add_test(tc, files_that_are_no_task_vectors);
    tcase_add_test(tc, models_that_do_not_fit);
    tcase_add_test(tc, a_cut_application_is_taken_back);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
