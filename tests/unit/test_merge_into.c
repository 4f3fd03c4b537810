#include "suite.h"

#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cut_box.h"
#include "execute.h"
#include "memory.h"
#include "merge_note.h"
#include "random.h"
#include "recipe.h"

/* A model of two shards and another of one; a merge of them into the first that also swaps its layers, so
 * that rows are needed after they were overwritten. The cap of memory makes chunks of a quarter of a MiB. */

static const struct {
    const char *name;
    unsigned rank;
    uint64_t shape[2];
    size_t shard;
} tensors[] = {
    {"model.embed_tokens.weight", 2, {300, 700}, 0},
    {"model.layers.0.mlp.up_proj.weight", 2, {256, 300}, 0},
    {"model.layers.1.mlp.up_proj.weight", 2, {256, 300}, 1},
    {"model.norm.weight", 1, {5}, 1},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors, MIB = 1 << 20, LEAST_MEMORY = 14 * MIB };

static struct pool *pool;
static const char *const files[] = {"m/1.safetensors", "m/2.safetensors"};
static char *old_bytes[2], *new_bytes[2];
static size_t n_bytes[2];

static uint64_t count(size_t i)
{
    return tensors[i].shape[0] * (tensors[i].rank == 2 ? tensors[i].shape[1] : 1);
}

/* The tensors of one shard; SIZE_MAX: all. */
static void write_shard(const char *name, size_t shard, uint64_t seed)
{
    char header[1000] = "{";
    size_t at = 0, n = 1;
    float *data = memory_array(600000, sizeof *data);
    uint8_t *all = memory_array(600000 + 300, sizeof *data);

    for (size_t i = 0; i < N_TENSORS; i++) {
        if (shard != SIZE_MAX && tensors[i].shard != shard)
            continue;
        n += (size_t)snprintf(header + n, sizeof header - n, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                              n > 1 ? "," : "", tensors[i].name);
        for (unsigned d = 0; d < tensors[i].rank; d++)
            n += (size_t)snprintf(header + n, sizeof header - n, "%s%d", d ? "," : "",
                                  (int)tensors[i].shape[d]);
        n += (size_t)snprintf(header + n, sizeof header - n, "],\"data_offsets\":[%zu,%zu]}", 4 * at,
                              4 * (at + (size_t)count(i)));
        for (uint64_t j = 0; j < count(i); j++)
            data[at++] = (float)random_normal((struct random_key){seed, i}, j);
    }
    n += (size_t)snprintf(header + n, sizeof header - n, "}");
    uint64_t length = n;
    memcpy(all, &length, 8);
    memcpy(all + 8, header, n);
    memcpy(all + 8 + n, data, 4 * at);
    box_write(name, all, 8 + n + 4 * at);
    free(all);
    free(data);
}

static void setup(void)
{
    box_setup();
    ck_assert(pool_new(2, &pool, &box_error));
    box_context.pool = pool;
    ck_assert_int_eq(mkdir(box_path("m"), 0777), 0);
    ck_assert_int_eq(mkdir(box_path("o"), 0777), 0);
    write_shard("m/1.safetensors", 0, 1);
    write_shard("m/2.safetensors", 1, 1);
    write_shard("o/model.safetensors", SIZE_MAX, 2);
    box_text(
        "m/model.safetensors.index.json",
        "{\"weight_map\":{\"model.embed_tokens.weight\":\"1.safetensors\","
        "\"model.layers.0.mlp.up_proj.weight\":\"1.safetensors\","
        "\"model.layers.1.mlp.up_proj.weight\":\"2.safetensors\",\"model.norm.weight\":\"2.safetensors\"}}");
    box_text("m/config.json", "{\"model_type\":\"llama\",\"num_hidden_layers\":2}");
    box_text("o/config.json", "{\"model_type\":\"llama\",\"num_hidden_layers\":2}");
    for (int i = 0; i < 2; i++)
        old_bytes[i] = box_read(files[i], &n_bytes[i]);
}

static void teardown(void)
{
    for (int i = 0; i < 2; i++) {
        free(old_bytes[i]);
        free(new_bytes[i]);
        new_bytes[i] = NULL;
    }
    pool_free(pool);
    box_teardown();
}

struct how {
    double weight;
    bool resume, swapped; /* the models have each other's place in the recipe */
    uint64_t memory;
};

static bool recipe_of(double weight, bool swapped, struct recipe *out)
{
    char text[2000];
    const char *first = box_path(swapped ? "o" : "m"), *second = box_path(swapped ? "m" : "o");
    int n = snprintf(text, sizeof text,
                     "merge_method: linear\nslices:\n"
                     "- sources:\n  - {model: %s, layer_range: [1, 2], parameters: {weight: %g}}\n"
                     "  - {model: %s, layer_range: [0, 1], parameters: {weight: 0.5}}\n"
                     "- sources:\n  - {model: %s, layer_range: [0, 1], parameters: {weight: %g}}\n"
                     "  - {model: %s, layer_range: [1, 2], parameters: {weight: 0.5}}\n",
                     first, weight, second, first, weight, second);

    return recipe_parse("recipe", text, (size_t)n, out, &box_error);
}

static bool merge(const struct context *context, const struct how *how, struct merge_done *done)
{
    struct checkpoint *target = NULL;
    struct recipe recipe = {0};
    struct merge_plan plan = {0};
    struct str note = {0};
    struct merge_limits limits = {.memory = how->memory ? how->memory : LEAST_MEMORY};
    struct checkpoint_options open = {.mode = CHECKPOINT_CHANGE, .resume = how->resume};

    box_error = (struct error){0};
    bool ok = checkpoint_open(context, box_path("m"), &open, &target, &box_error) &&
              recipe_of(how->weight, how->swapped, &recipe) &&
              plan_recipe(context, &recipe, target, &plan, &box_error) &&
              merge_note(context, &plan, recipe.text, &note, &box_error);
    struct transaction_options options = {
        .kind = "merge", .command = "lancet merge", .note = note.data, .resume = how->resume};
    ok = ok && merge_into_model(context, &plan, &limits, target, &options, done, &box_error);
    str_release(&note);
    plan_release(&plan);
    recipe_release(&recipe);
    checkpoint_close(target);
    return ok;
}

static bool merge_in(const struct context *context, const void *how)
{
    struct merge_done done = {0};
    bool ok = merge(context, how, &done);

    merge_done_release(&done);
    return ok;
}

static bool merged(const struct how *how)
{
    return merge_in(&box_context, how);
}

static bool holds(char *const bytes[2])
{
    bool same = true;

    for (int i = 0; i < 2; i++) {
        size_t n;
        char *now = box_read(files[i], &n);
        same = same && n == n_bytes[i] && memcmp(now, bytes[i], n) == 0;
        free(now);
    }
    return same;
}

static void restore(void)
{
    for (int i = 0; i < 2; i++)
        box_write(files[i], old_bytes[i], n_bytes[i]);
    if (box_has("m/.lancet"))
        ck_assert(file_tree_remove(fs_real(), box_path("m/.lancet"), &box_error));
}

static void remember_new(void)
{
    ck_assert_msg(merged(&(struct how){.weight = 0.7}), "%s", box_error.text);
    for (int i = 0; i < 2; i++)
        new_bytes[i] = box_read(files[i], &n_bytes[i]);
    ck_assert(!holds(old_bytes));
    restore();
}

/* What a layer swap and a sum in f64 give, element by element. */
START_TEST(rows_come_as_they_were_before)
{
    static const size_t from[N_TENSORS] = {0, 2, 1, 3}, other[N_TENSORS] = {0, 1, 2, 3};
    struct merge_done done = {0};

    ck_assert_msg(merge(&box_context, &(struct how){.weight = 0.7}, &done), "%s", box_error.text);
    ck_assert_uint_eq(done.number, 1);
    ck_assert(done.tensors[1].written && done.tensors[1].measured && done.tensors[1].norm > 1);
    merge_done_release(&done);
    struct checkpoint *m = box_open("m");
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = checkpoint_find(m, tensors[i].name);
        double squares = 0;
        for (uint64_t j = 0; j < count(i); j++) {
            float got;
            memcpy(&got, (const uint8_t *)t->data + 4 * j, 4);
            double a = (double)(float)random_normal((struct random_key){1, from[i]}, j),
                   b = (double)(float)random_normal((struct random_key){2, other[i]}, j);
            ck_each(got == (float)((0.7 * a + 0.5 * b) / (0.7 + 0.5)), "%s, element %d: %g", t->name, (int)j,
                    (double)got);
            squares += (double)got * (double)got;
        }
        ck_assert(squares > 0);
    }
    checkpoint_close(m);
}
END_TEST

START_TEST(any_cap_gives_the_same_bytes)
{
    remember_new();
    ck_assert_msg(merged(&(struct how){.weight = 0.7, .memory = 1024 * (uint64_t)MIB}), "%s", box_error.text);
    ck_assert(holds(new_bytes));
    restore();
    ck_assert(!merged(&(struct how){.weight = 0.7, .memory = 5 * MIB}));
    box_refused(ERROR_USAGE, "5 MiB of memory is too little");
    ck_assert(holds(old_bytes));
    ck_assert(!box_has("m/.lancet"));
}
END_TEST

/* ---- cuts ---- */

static bool run_cut(int n, const struct how *how)
{
    return box_cut(n, merge_in, how);
}

/* Opening for a change takes an open record back. */
static void recover(void)
{
    checkpoint_close(box_try("m", CHECKPOINT_CHANGE, false));
    ck_assert_msg(box_error.kind == ERROR_NONE, "%s", box_error.text);
}

START_TEST(a_cut_merge_is_taken_back)
{
    remember_new();
    int n = 0, old = 0;
    for (; run_cut(n, &(struct how){.weight = 0.7}); n += 3, restore()) {
        recover();
        ck_assert_msg(holds(old_bytes) || holds(new_bytes), "cut at %d", n);
        old += holds(old_bytes);
    }
    ck_assert(holds(new_bytes));
    ck_assert_int_gt(n, 30);
    ck_assert_int_gt(3 * old, n - 15);
}
END_TEST

static atomic_int writes_left;
static sig_atomic_t asked;

static ssize_t write_and_ask(void *s, int fd, const void *bytes, size_t n, off_t at)
{
    if (writes_left-- == 0)
        asked = 1;
    return fs_real()->pwrite(s, fd, bytes, n, at);
}

/* A signal that asks to stop leaves no record to go on with. */
START_TEST(a_merge_that_is_asked_to_stop_is_taken_back_at_once)
{
    struct fs fs = *fs_real();
    int n = 0;

    fs.pwrite = write_and_ask;
    remember_new();
    box_context.cancel = &asked;
    for (;; n++, restore()) {
        writes_left = n;
        box_context.fs = &fs;
        bool ok = merged(&(struct how){.weight = 0.7});
        box_context.fs = fs_real();
        asked = 0;
        if (ok)
            break;
        ck_assert_int_eq(box_error.kind, ERROR_CANCELLED);
        ck_assert_str_eq(box_error.text, "interrupted; the model is as it was");
        ck_assert_msg(holds(old_bytes), "asked at %d", n);
        ck_assert(!merged(&(struct how){.weight = 0.7, .resume = true}));
        box_refused(ERROR_USAGE, "nothing to go on with");
    }
    ck_assert(holds(new_bytes));
    ck_assert_int_gt(n, 3);
}
END_TEST

START_TEST(a_cut_merge_goes_on)
{
    int resumed = 0, n = 1;

    remember_new();
    for (; run_cut(n, &(struct how){.weight = 0.7}); n += 3, restore()) {
        /* with another cap: other chunks */
        struct how how = {.weight = 0.7, .resume = true, .memory = n % 2 ? 64 * MIB : 0};
        bool ok = merged(&how);
        resumed += ok;
        if (!ok) { /* nothing was begun, or all was done */
            box_refused(ERROR_USAGE, "nothing to go on with");
            ck_assert_msg(holds(old_bytes) || holds(new_bytes), "cut at %d", n);
        } else
            ck_assert_msg(holds(new_bytes), "cut at %d", n);
    }
    ck_assert_int_gt(3 * resumed, n - 20);
}
END_TEST

START_TEST(a_resume_that_is_cut_goes_on)
{
    remember_new();
    for (int n = 14; n < 40; n += 5, restore()) {
        ck_assert(run_cut(n, &(struct how){.weight = 0.7}));
        for (int m = 1; run_cut(m, &(struct how){.weight = 0.7, .resume = true}); m += 4)
            ;
        ck_assert_msg(holds(new_bytes), "cut at %d", n);
    }
}
END_TEST

START_TEST(only_the_same_merge_goes_on)
{
    struct how again = {.weight = 0.7, .resume = true};

    remember_new();
    ck_assert(run_cut(25, &(struct how){.weight = 0.7}));
    ck_assert(!merged(&(struct how){.weight = 0.8, .resume = true}));
    box_refused(ERROR_MISMATCH, "was another one");
    ck_assert(!merged(&(struct how){.weight = 0.7, .resume = true, .swapped = true}));
    box_refused(ERROR_MISMATCH, "was another one");
    ck_assert_int_eq(
        utimensat(AT_FDCWD, box_path("o/model.safetensors"), (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
    ck_assert(!merged(&again));
    box_refused(ERROR_MISMATCH, "is not as it was when the merge was cut");
    recover();
    ck_assert(holds(old_bytes));
    ck_assert(!merged(&again));
    box_refused(ERROR_USAGE, "nothing to go on with");
    ck_assert(!merge_same_note("{\"lancet\":\"0\",\"plan\":\"a\",\"sources\":[]}",
                               "{\"lancet\":\"1\",\"plan\":\"a\",\"sources\":[]}", &box_error));
    box_refused(ERROR_MISMATCH, "another version of lancet");
    ck_assert_msg(merged(&(struct how){.weight = 0.7}), "%s", box_error.text);
    ck_assert(holds(new_bytes));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge_into");
    TCase *tc = tcase_create("merge_into");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 200);
    tcase_add_test(tc, rows_come_as_they_were_before);
    tcase_add_test(tc, any_cap_gives_the_same_bytes);
    tcase_add_test(tc, a_cut_merge_is_taken_back);
    tcase_add_test(tc, a_merge_that_is_asked_to_stop_is_taken_back_at_once);
    tcase_add_test(tc, a_cut_merge_goes_on);
    tcase_add_test(tc, a_resume_that_is_cut_goes_on);
    tcase_add_test(tc, only_the_same_merge_goes_on);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
