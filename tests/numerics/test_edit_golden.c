/* ROME, r-ROME, p-ROME and covariance against stored float64 vectors (edit-golden in LANCET_DATA): every
 * array of every case within the tolerance of its manifest, and the edits that must be refused. `lancet edit`
 * prints the losses and figures of the same cases (tests/cli); here are the arrays that no command prints. */
#include "suite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "context_set.h"
#include "covariance.h"
#include "json_document.h"
#include "linalg.h"
#include "memory.h"
#include "rank_one.h"
#include "request.h"

enum { MAX_CASES = 128, MAX_PATH = 512 };

static const char *data;
static cJSON *manifest;
static const cJSON *cases[MAX_CASES], *refusals[MAX_CASES];
static int n_cases, n_refusals;

#define OK(call) ck_assert_msg((call), "%s", err.text)

/* ---- inputs ---- */

struct bench { /* a model of the golden set with what its cases share */
    struct context context;
    struct error err;
    struct checkpoint *checkpoint;
    struct model *model;
    char folder[MAX_PATH];
};

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    ck_assert_msg(cJSON_IsString(member), "no %s", key);
    return member->valuestring;
}

static void in_folder(const struct bench *b, const char *name, char out[MAX_PATH])
{
    ck_assert_int_lt(snprintf(out, MAX_PATH, "%s/%s", b->folder, name), MAX_PATH);
}

static void open_bench(struct bench *b, const char *model)
{
    struct error err = {0};
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    *b = (struct bench){.context = {.fs = fs_real()}};
    snprintf(b->folder, sizeof(b->folder), "%s/edit-golden/%s", data, model);
    OK(pool_new(2, &b->context.pool, &err));
    OK(checkpoint_open(&b->context, b->folder, &options, &b->checkpoint, &err));
    OK(model_open(&b->context, b->checkpoint, &b->model, &err));
}

static void close_bench(struct bench *b)
{
    model_close(b->model);
    checkpoint_close(b->checkpoint);
    pool_free(b->context.pool);
}

static void read_settings(const char *method, const struct bench *b, const cJSON *values,
                          struct settings *out)
{
    struct error err = {0};
    const cJSON *value;
    settings_default(method, b->model->architecture->model_type, out);
    cJSON_ArrayForEach(value, values)
    {
        char assignment[128];
        snprintf(assignment, sizeof(assignment), "%s=%.17g", value->string,
                 cJSON_IsBool(value) ? (double)cJSON_IsTrue(value) : value->valuedouble);
        OK(settings_set(out, assignment, &err));
    }
}

static void open_rows(struct bench *b, const cJSON *row, struct request_list *requests,
                      struct context_set *contexts, struct edit_rows *out)
{
    struct error err = {0};
    char path[MAX_PATH];
    uint64_t number =
        (uint64_t)cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(row, "requests"), 0)->valuedouble;
    in_folder(b, "requests.json", path);
    OK(request_read(&b->context, path, &number, 1, requests, &err));
    in_folder(b, "contexts.json", path);
    OK(context_set_read(&b->context, path, contexts, &err));
    OK(edit_rows_build(NULL, &requests->items[0], requests->bos, contexts, out, &err));
}

static size_t layer_of(const cJSON *row)
{
    return (size_t)cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(row, "layers"), 0)->valuedouble;
}

/* ---- comparison ---- */

struct expectation { /* the stored arrays of one case, and which of them were compared */
    struct checkpoint *arrays;
    const cJSON *tolerances;
    const char *name;
    int n_compared;
};

/* |got - expected|_F / |expected|_F; of arrays [*, 4] the largest over the columns; where all is 0: |got|_F.
 */
static double difference(const double *got, const double *expected, size_t n, size_t columns)
{
    double worst = 0;
    for (size_t c = 0; c < columns; c++) {
        double error = 0, size = 0;
        for (size_t i = c; i < n; i += columns) {
            error += (got[i] - expected[i]) * (got[i] - expected[i]);
            size += expected[i] * expected[i];
        }
        worst = fmax(worst, size > 0 ? sqrt(error / size) : sqrt(error));
    }
    return worst;
}

static void compare(struct expectation *e, const char *name, const double *got, size_t n)
{
    const struct tensor *t = checkpoint_find(e->arrays, name);
    const cJSON *tolerance = cJSON_GetObjectItemCaseSensitive(e->tolerances, name);
    if (!t && !tolerance)
        return; /* dW is stored for some cases only */
    ck_assert_msg(t && tolerance, "%s: %s has no tolerance or no array", e->name, name);
    ck_assert_msg(t->elements == n, "%s: %s has %zu elements, not %zu", e->name, name, n,
                  (size_t)t->elements);
    double *expected = memory_array(n, sizeof(double));
    rows_to_f64(t->dtype, t->data, n, expected);
    size_t columns = t->rank == 2 && t->shape[1] == 4 ? 4 : 1;
    double d = difference(got, expected, n, columns);
    ck_assert_msg(d <= tolerance->valuedouble, "%s: %s differs by %.3g, tolerance %.3g", e->name, name, d,
                  tolerance->valuedouble);
    free(expected);
    e->n_compared++;
}

static void open_expectation(struct bench *b, const cJSON *row, struct expectation *out)
{
    struct error err = {0};
    char path[MAX_PATH];
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    snprintf(path, sizeof(path), "%s/edit-golden/%s", data, text_of(row, "expected"));
    *out = (struct expectation){.tolerances = cJSON_GetObjectItemCaseSensitive(row, "tolerance"),
                                .name = text_of(row, "name")};
    OK(checkpoint_open(&b->context, path, &options, &out->arrays, &err));
}

/* ---- the ROME kinds ---- */

static void open_solver(struct bench *b, const struct settings *settings, size_t layer, struct solver *out)
{
    struct error err = {0};
    char path[MAX_PATH];
    in_folder(b, "covariance.safetensors", path);
    struct covariance_source source = {.identity = settings->value[SETTING_IDENTITY] != 0, .file = path};
    OK(covariance_solvers(&b->context, b->model, NULL, &source, settings->value[SETTING_RIDGE], &layer, 1,
                          out, &err));
}

static void compare_edit(struct expectation *e, const struct edit_method *method, const struct rank_one *edit)
{
    const struct subject_states *s = &edit->states;
    const struct update *u = &edit->update;
    const struct target *t = &edit->target;
    double *v_star = memory_array(s->n_value, sizeof(double));
    for (size_t i = 0; i < s->n_value; i++)
        v_star[i] = s->values[i] + t->delta[i];
    const double guards[] = {u->cosine_c, u->cosine, linalg_norm(u->right, u->n_out) / edit->weight_norm,
                             t->steps[t->n_steps - 1].nll};
    compare(e, "grad0", t->gradient, s->n_value);
    compare(e, "keys", s->keys, s->n_contexts * s->n_key);
    compare(e, "k_bar", s->key_mean, s->n_key);
    compare(e, "k_bare", s->keys, s->n_key);
    compare(e, "v_bar", s->value_mean, s->n_value);
    compare(e, "k_star", method->direction == EDIT_KEY_MEAN ? s->key_mean : s->keys, s->n_key);
    compare(e, "k_div", u->key, s->n_key);
    compare(e, "v0", s->values, s->n_value);
    compare(e, "loss", &t->steps[0].total, t->n_steps * 4);
    compare(e, "delta", t->delta, s->n_value);
    compare(e, "v_star", v_star, s->n_value);
    compare(e, "Cinv_k", u->solved, s->n_key);
    compare(e, "u", u->left, s->n_key);
    compare(e, "change", u->change, s->n_value);
    compare(e, "right", u->right, s->n_value);
    compare(e, "guards", guards, 4);
    free(v_star);
}

/* dW [out, in], whatever the layout of the file. */
static void compare_weight(struct bench *b, struct expectation *e, const struct rank_one *edit)
{
    struct error err = {0};
    char name[32];
    const struct weight *site = model_site(b->model, edit->layer);
    size_t n = site->out * site->in, columns = site->transposed ? site->out : site->in;
    double *new_rows = memory_array(n, sizeof(double)), *old_rows = memory_array(n, sizeof(double));
    double *change = memory_array(n, sizeof(double));
    OK(overlay_rows(b->model->overlay, site->tensor, 0, n / columns, new_rows, &err));
    OK(overlay_rows(NULL, site->tensor, 0, n / columns, old_rows, &err));
    for (size_t i = 0; i < n; i++) {
        size_t row = i / columns, column = i % columns;
        change[site->transposed ? column * site->in + row : i] = new_rows[i] - old_rows[i];
    }
    snprintf(name, sizeof(name), "dW.L%zu", edit->layer);
    compare(e, name, change, n);
    free(new_rows);
    free(old_rows);
    free(change);
}

START_TEST(a_rome_case_is_reproduced)
{
    const cJSON *row = cases[_i];
    const struct edit_method *method = edit_method_find(text_of(row, "method"));
    struct error err = {0};
    struct bench b;
    struct expectation e;
    struct settings settings;
    struct request_list requests;
    struct context_set contexts;
    struct edit_rows rows;
    struct solver solver;
    struct rank_one edit;
    double before[2], after[2];
    open_bench(&b, text_of(row, "model"));
    open_expectation(&b, row, &e);
    read_settings(method->name, &b, cJSON_GetObjectItemCaseSensitive(row, "hyperparameters"), &settings);
    open_rows(&b, row, &requests, &contexts, &rows);
    open_solver(&b, &settings, layer_of(row), &solver);
    OK(objective_nll(&b.context, b.model, &rows, &before[0], &before[1], &err));
    OK(rank_one_compute(&b.context, b.model, &rows, layer_of(row), method, &settings, &solver, &edit, &err));
    compare_edit(&e, method, &edit);
    OK(rank_one_apply(b.model, &edit, &err));
    compare_weight(&b, &e, &edit);
    OK(objective_nll(&b.context, b.model, &rows, &after[0], &after[1], &err));
    compare(&e, "nll_before", &before[0], 1);
    compare(&e, "nll_before_contexts", &before[1], 1);
    compare(&e, "nll_after", &after[0], 1);
    compare(&e, "nll_after_contexts", &after[1], 1);
    ck_assert_int_eq(e.n_compared, (int)e.arrays->n_tensors);
    rank_one_release(&edit);
    solver_release(&solver);
    edit_rows_release(&rows);
    context_set_release(&contexts);
    request_list_release(&requests);
    checkpoint_close(e.arrays);
    close_bench(&b);
}
END_TEST

START_TEST(a_refusal_is_refused_for_its_reason)
{
    const cJSON *row = refusals[_i];
    const struct edit_method *method = edit_method_find(text_of(row, "method"));
    struct error err = {0};
    struct bench b;
    struct settings settings;
    struct request_list requests;
    struct context_set contexts;
    struct edit_rows rows;
    struct rank_one edit;
    open_bench(&b, text_of(row, "model"));
    struct solver solver = {.n = b.model->config.ff};
    read_settings(method->name, &b, NULL, &settings);
    open_rows(&b, row, &requests, &contexts, &rows);
    ck_assert(!rank_one_compute(&b.context, b.model, &rows, layer_of(row), method, &settings, &solver, &edit,
                                &err));
    ck_assert_int_eq(err.kind, ERROR_NUMERIC);
    ck_assert_msg(strstr(err.text, text_of(row, "reason")), "%s", err.text);
    edit_rows_release(&rows);
    context_set_release(&contexts);
    request_list_release(&requests);
    close_bench(&b);
}
END_TEST

/* ---- covariance ---- */

START_TEST(a_covariance_is_reproduced)
{
    const cJSON *row = cases[_i], *list = cJSON_GetObjectItemCaseSensitive(row, "layers");
    struct error err = {0};
    struct bench b;
    struct expectation e;
    char path[MAX_PATH], name[32];
    struct moments moments[8];
    size_t layers[8], n = (size_t)cJSON_GetArraySize(list);
    open_bench(&b, text_of(row, "model"));
    open_expectation(&b, row, &e);
    in_folder(&b, "covariance_ids.json", path);
    for (size_t i = 0; i < n; i++)
        layers[i] = (size_t)cJSON_GetArrayItem(list, (int)i)->valuedouble;
    struct covariance_source source = {.corpus = path};
    OK(covariance_collect(&b.context, b.model, NULL, &source, layers, n, moments, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "C.L%zu", layers[i]);
        compare(&e, name, moments[i].c, moments[i].n * moments[i].n);
        moments_release(&moments[i]);
    }
    ck_assert_int_eq(e.n_compared, (int)n);
    checkpoint_close(e.arrays);
    close_bench(&b);
}
END_TEST

/* ---- the suite ---- */

/* Before the suite runs there is nothing to assert with. */
static const char *method_of(const cJSON *row)
{
    const cJSON *method = cJSON_GetObjectItemCaseSensitive(row, "method");
    return cJSON_IsString(method) ? method->valuestring : "";
}

static bool is_rome(const cJSON *row)
{
    return edit_method_find(method_of(row)) != NULL;
}

static bool is_covariance(const cJSON *row)
{
    return strcmp(method_of(row), "covariance") == 0;
}

/* Appends the members of a list of the manifest that pass. */
static int pick(const char *list, bool (*wanted)(const cJSON *row), const cJSON **out, int n)
{
    const cJSON *row = cJSON_GetObjectItemCaseSensitive(manifest, list);
    for (row = row ? row->child : NULL; row && n < MAX_CASES; row = row->next)
        if (wanted(row))
            out[n++] = row;
    return n;
}

/* Cases: the ROME kinds first (*n_rome of them), then covariances. */
static bool read_manifest(int *n_rome, struct error *err)
{
    char path[MAX_PATH];
    snprintf(path, sizeof(path), "%s/edit-golden/manifest.json", data);
    if (!json_document_read(fs_real(), path, 1 << 24, &manifest, err))
        return false;
    *n_rome = pick("cases", is_rome, cases, 0);
    n_cases = pick("cases", is_covariance, cases, *n_rome);
    n_refusals = pick("refusals", is_rome, refusals, 0);
    return true;
}

int main(void)
{
    struct error err = {0};
    int n_rome;
    data = getenv("LANCET_DATA");
    if (!data) {
        puts("1..0 # SKIP edit-golden: LANCET_DATA is not set");
        return 0;
    }
    if (!read_manifest(&n_rome, &err)) {
        printf("1..1\nnot ok 1 - %s\n", err.text);
        return 1;
    }
    setenv("XDG_CACHE_HOME", "/tmp/lancet-test-cache", 1);
    Suite *suite = suite_create("edit_golden");
    TCase *tests = tcase_create("edit_golden");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_rome_case_is_reproduced, 0, n_rome);
    tcase_add_loop_test(tests, a_covariance_is_reproduced, n_rome, n_cases);
    tcase_add_loop_test(tests, a_refusal_is_refused_for_its_reason, 0, n_refusals);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
