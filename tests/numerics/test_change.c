#include "suite.h"

#include <sys/stat.h>
#include <unistd.h>

#include "change.h"
#include "engine.h"
#include "file_tree.h"
#include "history.h"
#include "linalg.h"
#include "random.h"

/* The tiny models hold every case: F16 [out, in], F32 [in, out], BF16. They are copied before they are
 * changed. */
static const char *const models[] = {"tiny-llama", "tiny-gpt2", "tiny-gemma3"};
static char box[64], copy[128];

static void copy_model(const char *name)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    struct error err = {0};
    char *folder = folder_of("LANCET_NUMERICS", name);

    strcpy(box, "/tmp/lancet-change-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box));
    snprintf(copy, sizeof copy, "%s/model", box);
    ck_assert_int_eq(mkdir(copy, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        char *from = path_join(folder, files[i]), *to = path_join(copy, files[i]), *bytes = NULL;
        size_t n = 0;
        ck_assert_msg(fs_read_file(fs_real(), from, 1 << 24, &bytes, &n, &err), "%s", err.text);
        ck_assert_msg(fs_write_file(fs_real(), to, bytes, n, &err), "%s", err.text);
        free(from);
        free(to);
        free(bytes);
    }
    free(folder);
}

static void remove_copy(void)
{
    struct error err = {0};

    ck_assert_msg(file_tree_remove(fs_real(), box, &err), "%s", err.text);
}

static void open_copy(struct engine *e, const char *folder, enum checkpoint_mode mode, unsigned threads)
{
    *e = (struct engine){.context = {.fs = fs_real()}};
    ck_ok(e, pool_new(threads, &e->context.pool, &e->err));
    ck_ok(e, checkpoint_open(&e->context, folder, &(struct checkpoint_options){.mode = mode}, &e->checkpoint,
                             &e->err));
    ck_ok(e, model_open(&e->context, e->checkpoint, &e->model, &e->err));
}

struct trial {
    struct change_site site;
    double *value, *key; /* [out], [in]: the change is value key^T */
    size_t out, in;
};

static void add_trial(struct engine *e, struct trial *t, double size)
{
    const struct weight *w = model_site(e->model, 1);

    *t = (struct trial){
        .site = {.tensor = w->tensor, .transposed = w->transposed}, .out = w->out, .in = w->in};
    t->value = new_array(w->out, sizeof *t->value);
    t->key = new_array(w->in, sizeof *t->key);
    for (size_t i = 0; i < w->out; i++)
        t->value[i] = size * random_normal((struct random_key){1, 1}, i);
    for (size_t i = 0; i < w->in; i++)
        t->key[i] = random_normal((struct random_key){1, 2}, i);
    t->site.key = t->key;
    ck_ok(e, overlay_add(e->model->overlay, w->tensor, 1, w->transposed ? t->key : t->value,
                         w->transposed ? t->value : t->key, &e->err));
}

static void free_trial(struct trial *t)
{
    free(t->value);
    free(t->key);
}

/* |(W' - W) k - wanted| / |wanted| by the definition, from the overlay's and the file's rows. */
static double missed(struct engine *e, const struct trial *t, const struct overlay *overlay)
{
    const struct tensor *tensor = t->site.tensor;
    size_t n = t->out * t->in;
    double *new = new_array(n, sizeof *new), *old = new_array(n, sizeof *old), miss = 0, size = 0;
    double key_square = linalg_dot(t->key, t->key, t->in);

    ck_ok(e, overlay_rows(overlay, tensor, 0, (size_t)tensor->shape[0], new, &e->err));
    ck_ok(e, overlay_rows(NULL, tensor, 0, (size_t)tensor->shape[0], old, &e->err));
    for (size_t o = 0; o < t->out; o++) {
        double sum = 0, wanted = t->value[o] * key_square;
        for (size_t i = 0; i < t->in; i++) {
            size_t at = t->site.transposed ? i * t->out + o : o * t->in + i;
            sum += (new[at] - old[at]) * t->key[i];
        }
        miss += (sum - wanted) * (sum - wanted);
        size += wanted * wanted;
    }
    free(new);
    free(old);
    return sqrt(miss / size);
}

START_TEST(rounding_keeps_the_change)
{
    static const double sizes[] = {1e-2, 1e-3, 3e-4};
    struct engine e;
    struct trial t;

    copy_model(models[_i]);
    for (size_t i = 0; i < 3; i++) {
        open_copy(&e, copy, CHECKPOINT_READ, 2);
        add_trial(&e, &t, sizes[i]);
        ck_assert_double_lt(missed(&e, &t, e.model->overlay), 1e-9);
        ck_ok(&e, change_round(&e.context, e.model, &t.site, 1, &e.err));
        ck_assert_msg(fabs(t.site.realised - 1) < .01, "%s: realised %g", models[_i], t.site.realised);
        /* Short rows of 40 have few elements to choose from. */
        ck_assert_msg(missed(&e, &t, e.model->overlay) < .1, "%s, %g: missed %g", models[_i], sizes[i],
                      missed(&e, &t, e.model->overlay));
        ck_assert(t.site.relative_norm > 0 && t.site.relative_norm < 1);
        ck_assert(t.site.noise >= .999 && t.site.noise < 3);
        free_trial(&t);
        engine_close(&e);
    }
    remove_copy();
}
END_TEST

START_TEST(threads_and_null_keys)
{
    struct engine e[3];
    struct trial t[3];

    copy_model(models[_i]);
    for (unsigned i = 0; i < 3; i++) {
        open_copy(&e[i], copy, CHECKPOINT_READ, i + 1);
        add_trial(&e[i], &t[i], 1e-3);
        if (i == 2)
            t[i].site.key = NULL;
        ck_ok(&e[i], change_round(&e[i].context, e[i].model, &t[i].site, 1, &e[i].err));
    }
    size_t n = (size_t)t[0].site.tensor->bytes;
    const uint8_t *bytes = overlay_find(e[0].model->overlay, t[0].site.tensor)->bytes;
    ck_assert_mem_eq(bytes, overlay_find(e[1].model->overlay, t[1].site.tensor)->bytes, n);
    ck_assert(t[0].site.realised == t[1].site.realised && t[0].site.noise == t[1].site.noise);
    ck_assert(!t[2].site.compensated && t[2].site.noise == 1 && t[2].site.realised == 1);
    for (unsigned i = 0; i < 3; i++) {
        free_trial(&t[i]);
        engine_close(&e[i]);
    }
    remove_copy();
}
END_TEST

START_TEST(infinite_changes_are_refused)
{
    struct engine e;
    struct trial t;

    copy_model(models[_i]);
    open_copy(&e, copy, CHECKPOINT_READ, 2);
    add_trial(&e, &t, _i == 2 ? INFINITY : 1e39); /* too large for F16 and F32 */
    ck_assert(!change_round(&e.context, e.model, &t.site, 1, &e.err));
    ck_assert_int_eq(e.err.kind, ERROR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(e.err.text, t.site.tensor->name));
    free_trial(&t);
    engine_close(&e);
    remove_copy();
}
END_TEST

/* Logits of a short text. */
static real *logits_of(struct engine *e, size_t *n)
{
    uint32_t ids[6] = {1, 2, 3, 4, 5, 6};
    struct sequence sequence = {ids, 6};
    struct place places[6];
    struct pass *pass = NULL;
    real *logits = new_array(*n = 6 * e->model->config.vocabulary, sizeof *logits);

    for (size_t i = 0; i < 6; i++)
        places[i] = (struct place){0, i};
    ck_ok(e, pass_new(&e->context, e->model, &sequence, 1, &(struct pass_options){0}, &pass, &e->err));
    ck_ok(e, pass_run(pass, &e->err));
    ck_ok(e, pass_logits(pass, places, 6, logits, &e->err));
    pass_free(pass);
    return logits;
}

/* What was judged in memory is what the file holds: the same logits, bit for bit. And undo gives the old
 * file. */
START_TEST(what_is_judged_is_what_is_written)
{
    struct transaction_options how = {.kind = "edit", .command = "test"};
    struct history_undo_options undo = {.command = "test"};
    struct history_undone undone;
    char *path, *before = NULL, *after = NULL, other[160];
    size_t n_before, n_after, n;
    struct engine e;
    struct trial t;
    uint32_t number = 0;

    copy_model(models[_i]);
    path = path_join(copy, "model.safetensors");
    snprintf(other, sizeof other, "%s/other", box);
    open_copy(&e, copy, CHECKPOINT_CHANGE, 2);
    ck_ok(&e, fs_read_file(fs_real(), path, 1 << 24, &before, &n_before, &e.err));
    add_trial(&e, &t, 1e-2);
    ck_assert(!change_commit(&e.context, e.checkpoint, e.model, &t.site, 1, &how, &number,
                             &e.err)); /* not rounded */
    ck_ok(&e, change_round(&e.context, e.model, &t.site, 1, &e.err));
    real *judged = logits_of(&e, &n);
    ck_ok(&e, change_output(&e.context, e.checkpoint, e.model, &t.site, 1, other, false, &e.err));
    ck_assert(!change_output(&e.context, e.checkpoint, e.model, &t.site, 1, other, false, &e.err));
    ck_ok(&e, change_commit(&e.context, e.checkpoint, e.model, &t.site, 1, &how, &number, &e.err));
    ck_assert_uint_eq(number, 1);
    free_trial(&t);
    engine_close(&e);
    for (int place = 0; place < 2; place++) {
        open_copy(&e, place ? other : copy, CHECKPOINT_READ, 2);
        real *written = logits_of(&e, &n);
        ck_assert_mem_eq(judged, written, n * sizeof *judged);
        free(written);
        engine_close(&e);
    }
    open_copy(&e, copy, CHECKPOINT_CHANGE, 1);
    ck_ok(&e, history_undo(&e.context, e.checkpoint, &undo, &undone, &e.err));
    engine_close(&e);
    ck_assert(fs_read_file(fs_real(), path, 1 << 24, &after, &n_after, &e.err));
    ck_assert_uint_eq(n_before, n_after);
    ck_assert_mem_eq(before, after, n_before);
    free(before);
    free(after);
    free(judged);
    free(path);
    remove_copy();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("change");
    TCase *tc = tcase_create("change");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rounding_keeps_the_change, 0, 3);
    tcase_add_loop_test(tc, threads_and_null_keys, 0, 3);
    tcase_add_loop_test(tc, infinite_changes_are_refused, 0, 3);
    tcase_add_loop_test(tc, what_is_judged_is_what_is_written, 0, 3);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
