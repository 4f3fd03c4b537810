#include "task_vector.h"

#include <inttypes.h>
#include <string.h>

#include "json_document.h"
#include "json_write.h"
#include "memory.h"
#include "quote.h"
#include "rows.h"
#include "tensor_compare.h"

#define TASK_VECTOR_KEY "lancet.task_vector"
enum { TASK_VECTOR_VERSION = 1 };

static bool no_memory(struct error *err)
{
    return error_memory(err, "planning a task vector");
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static bool refuse_shape(const struct checkpoint *a, const struct tensor *x, const struct checkpoint *b,
                         const struct tensor *y, struct error *err)
{
    char of_a[128], of_b[128];

    tensor_describe(x, of_a, sizeof of_a);
    tensor_describe(y, of_b, sizeof of_b);
    return error_set(err, ERROR_MISMATCH, "tensor %s is %s in %s and %s in %s", quote(x->name).text, of_a,
                     quote(a->path).text, of_b, quote(b->path).text);
}

static bool refuse_missing(const struct checkpoint *with, const struct tensor *tensor,
                           const struct checkpoint *without, struct error *err)
{
    return error_set(err, ERROR_MISMATCH, "%s has a tensor %s that %s lacks", quote(with->path).text,
                     quote(tensor->name).text, quote(without->path).text);
}

static bool add_model(struct merge_plan *plan, const char *path, struct checkpoint *checkpoint, bool callers,
                      struct error *err)
{
    const char *copy = arena_copy(&plan->arena, path, strlen(path));

    if (!copy)
        return no_memory(err);
    plan->models[plan->n_models++] =
        (struct merge_model){.path = copy, .checkpoint = checkpoint, .is_target = callers};
    return true;
}

static bool open_model(const struct context *context, struct merge_plan *plan, const char *path,
                       struct error *err)
{
    static const struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;

    if (!checkpoint_open(context, path, &how, &checkpoint, err))
        return false;
    if (add_model(plan, path, checkpoint, false, err))
        return true;
    checkpoint_close(checkpoint);
    return false;
}

/* A tensor of the plan that is to be stored like `like`, in this dtype. */
static struct merge_tensor *add_tensor(struct merge_plan *plan, const struct tensor *like, enum dtype dtype,
                                       size_t n_sources, struct error *err)
{
    struct merge_source *sources = arena_array(&plan->arena, n_sources, sizeof *sources);
    struct merge_tensor *t = &plan->tensors[plan->n_tensors];

    if (!sources) {
        no_memory(err);
        return NULL;
    }
    *t = (struct merge_tensor){.name = like->name,
                               .dtype = dtype,
                               .cast = DTYPE_COUNT,
                               .work = DTYPE_F64,
                               .rank = like->rank,
                               .elements = like->elements,
                               .sources = sources};
    memcpy(t->shape, like->shape, sizeof t->shape);
    plan->n_tensors++;
    return t;
}

static void add_source(struct merge_tensor *t, size_t model, const struct tensor *tensor, double scale)
{
    t->sources[t->n_sources++] =
        (struct merge_source){.model = model, .input = RECIPE_NO_INPUT, .tensor = tensor, .values = {scale}};
}

/* ---- extracting ---- */

static bool same_values(const struct context *context, const struct tensor *a, const struct tensor *b,
                        bool *same, struct error *err)
{
    struct tensor_comparison figures;
    bool rounded;

    *same = false;
    if (a->dtype == b->dtype && !tensor_same_bytes(context, a, b, same, err))
        return false;
    if (*same || !rows_readable(a->dtype) || !rows_readable(b->dtype))
        return true;
    if (!tensor_compare(context, a, b, &figures, &rounded, err))
        return false;
    *same = figures.changed == 0;
    return true;
}

static bool add_difference(const struct context *context, struct merge_plan *plan, const struct tensor *a,
                           size_t *n_same, struct error *err)
{
    const struct checkpoint *base = plan->models[0].checkpoint, *tuned = plan->models[1].checkpoint;
    const struct tensor *b = checkpoint_find(tuned, a->name);
    struct merge_tensor *t;
    bool same;

    if (!b)
        return refuse_missing(base, a, tuned, err);
    if (!same_shape(a, b))
        return refuse_shape(base, a, tuned, b, err);
    if (!same_values(context, a, b, &same, err))
        return false;
    if (same) {
        ++*n_same;
        return true;
    }
    t = add_tensor(plan, a, DTYPE_F32, 2, err);
    if (!t)
        return false;
    add_source(t, 0, a, 0);
    add_source(t, 1, b, 0);
    return true;
}

static bool plan_difference(const struct context *context, struct merge_plan *plan, const char *base_path,
                            const char *tuned_path, size_t *n_same, struct error *err)
{
    const struct checkpoint *base, *tuned;
    uint64_t total = 0, done = 0;

    plan->models = arena_array(&plan->arena, 2, sizeof *plan->models);
    if (!plan->models)
        return no_memory(err);
    if (!open_model(context, plan, base_path, err) || !open_model(context, plan, tuned_path, err))
        return false;
    base = plan->models[0].checkpoint;
    tuned = plan->models[1].checkpoint;
    plan->tensors = arena_array(&plan->arena, base->n_tensors, sizeof *plan->tensors);
    if (!plan->tensors)
        return no_memory(err);
    for (size_t i = 0; i < tuned->n_tensors; i++)
        if (!checkpoint_find(base, tuned->tensors[i].name))
            return refuse_missing(tuned, &tuned->tensors[i], base, err);
    for (size_t i = 0; i < base->n_tensors; i++)
        total += base->tensors[i].bytes;
    for (size_t i = 0; i < base->n_tensors; i++) {
        if (!context_continue(context, err) || !add_difference(context, plan, &base->tensors[i], n_same, err))
            return false;
        done += base->tensors[i].bytes;
        context_progress(context, "comparing", done, total);
    }
    return plan->n_tensors || error_set(err, ERROR_ANSWER_NO,
                                        "%s and %s hold the same values: there is no "
                                        "task vector",
                                        quote(base_path).text, quote(tuned_path).text);
}

bool task_vector_plan(const struct context *context, const char *base, const char *tuned,
                      struct merge_plan *out, size_t *n_same, struct error *err)
{
    struct merge_plan plan = {.method = merge_method_find("difference")};
    size_t same = 0;

    if (!plan_difference(context, &plan, base, tuned, &same, err)) {
        plan_release(&plan);
        return false;
    }
    *out = plan;
    *n_same = same;
    return true;
}

static bool write_base(const struct context *context, const struct merge_plan *plan, struct json_write *w,
                       struct error *err)
{
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct tensor *tensor = plan->tensors[i].sources[0].tensor;
        struct digest digest;
        char hex[65];

        if (!context_continue(context, err) ||
            !checkpoint_tensor_digest(plan->models[0].checkpoint, tensor, &digest, err))
            return false;
        digest_hex(&digest, hex);
        json_write_key(w, tensor->name);
        json_write_object_begin(w);
        json_write_member_string(w, "dtype", dtype_facts(tensor->dtype)->name);
        json_write_member_string(w, "sha256", hex);
        json_write_object_end(w);
    }
    return true;
}

bool task_vector_metadata(const struct context *context, const struct merge_plan *plan, struct str *out,
                          struct error *err)
{
    struct json_write w;
    struct str facts = {0};
    bool ok;

    json_write_to_str(&w, &facts, false);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "version", TASK_VECTOR_VERSION);
    json_write_key(&w, "base");
    json_write_object_begin(&w);
    ok = write_base(context, plan, &w, err);
    json_write_object_end(&w);
    json_write_object_end(&w);
    ok = ok && (json_write_finish(&w, "a task vector", err) || no_memory(err));
    if (ok) {
        json_write_to_str(&w, out, false);
        json_write_object_begin(&w);
        json_write_member_string(&w, TASK_VECTOR_KEY, facts.data);
        json_write_object_end(&w);
        ok = json_write_finish(&w, "a task vector", err) || no_memory(err);
    }
    str_release(&facts);
    return ok;
}

/* ---- applying ---- */

/* The facts in a file's metadata; *out NULL and true: there are none, and `force` does without. */
static bool read_facts(const struct checkpoint *file, bool force, cJSON **out, struct error *err)
{
    const char *text = file->n_files == 1 ? file->files[0].metadata : NULL;
    struct quoted shown = quote(file->path);
    cJSON *metadata = NULL, *facts = NULL;
    uint64_t version;
    bool ok = !text || json_document_parse(shown.text, text, strlen(text), &metadata, err);
    const char *inner = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, TASK_VECTOR_KEY));

    if (ok && inner) {
        ok = json_document_parse(shown.text, inner, strlen(inner), &facts, err) &&
             json_get_u64(shown.text, facts, "version", &version, err);
        if (ok && version != TASK_VECTOR_VERSION)
            ok = error_set(err, ERROR_UNSUPPORTED, "%s: is a task vector of version %" PRIu64 ", expected %d",
                           shown.text, version, TASK_VECTOR_VERSION);
    } else if (ok && !force) {
        ok = error_set(err, ERROR_MISMATCH,
                       "%s: is no task vector, as its metadata has no " TASK_VECTOR_KEY
                       " (--force adds its tensors all the same)",
                       shown.text);
    }
    cJSON_Delete(metadata);
    if (ok)
        *out = facts;
    else
        cJSON_Delete(facts);
    return ok;
}

/* Compares the digests of a file's base with the model's; `digests` [n_tensors of the model] are computed
 * when they are first needed. */
struct base_check {
    const struct checkpoint *model;
    struct digest *digests;
    bool *known;
};

static bool is_base(struct base_check *check, const struct tensor *tensor, const cJSON *fact, bool *same,
                    struct error *err)
{
    size_t i = (size_t)(tensor - check->model->tensors);
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(fact, "sha256"));
    struct digest wanted;

    if (!check->known[i] && !checkpoint_tensor_digest(check->model, tensor, &check->digests[i], err))
        return false;
    check->known[i] = true;
    *same = hex && digest_parse(hex, &wanted) && digest_equal(&wanted, &check->digests[i]);
    return true;
}

static bool check_file(struct base_check *check, const struct checkpoint *file, bool force, size_t *n_others,
                       struct error *err)
{
    const struct checkpoint *model = check->model;
    cJSON *facts = NULL;
    bool ok = read_facts(file, force, &facts, err);
    const cJSON *base = cJSON_GetObjectItemCaseSensitive(facts, "base");

    for (const cJSON *fact = cJSON_IsObject(base) ? base->child : NULL; ok && fact; fact = fact->next) {
        const struct tensor *tensor = checkpoint_find(model, fact->string);
        bool same = false;

        if (!tensor || !checkpoint_find(file, fact->string))
            continue; /* what is missing is told when the tensors are gone through */
        ok = context_continue(model->context, err) && is_base(check, tensor, fact, &same, err);
        if (ok && !same && !force)
            ok =
                error_set(err, ERROR_MISMATCH,
                          "%s was taken from another base: tensor %s of %s is not what it was there (several "
                          "vectors of one base are applied at once; --force applies it all the same)",
                          quote(file->path).text, quote(tensor->name).text, quote(model->path).text);
        *n_others += ok && !same;
    }
    cJSON_Delete(facts);
    return ok;
}

static bool check_bases(const struct merge_plan *plan, bool force, size_t *n_others, struct error *err)
{
    const struct checkpoint *model = plan->models[0].checkpoint;
    struct base_check check = {.model = model,
                               .digests = memory_array(model->n_tensors, sizeof *check.digests),
                               .known = memory_zeroed(model->n_tensors, sizeof *check.known)};
    bool ok = (check.digests && check.known) || no_memory(err);

    for (size_t i = 1; ok && i < plan->n_models; i++)
        ok = check_file(&check, plan->models[i].checkpoint, force, n_others, err);
    free(check.digests);
    free(check.known);
    return ok;
}

/* Whether every tensor of a file has its place in the model. */
static bool check_tensors(const struct checkpoint *model, const struct checkpoint *file, struct error *err)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct tensor *of_file = &file->tensors[i], *tensor = checkpoint_find(model, of_file->name);

        if (!tensor)
            return refuse_missing(file, of_file, model, err);
        if (!same_shape(of_file, tensor))
            return refuse_shape(file, of_file, model, tensor, err);
    }
    return true;
}

static bool add_application(struct merge_plan *plan, const struct task_file *files,
                            const struct tensor *tensor, struct error *err)
{
    struct merge_tensor *t = add_tensor(plan, tensor, tensor->dtype, plan->n_models, err);

    if (!t)
        return false;
    add_source(t, 0, tensor, 0);
    for (size_t i = 1; i < plan->n_models; i++) {
        const struct tensor *vector = checkpoint_find(plan->models[i].checkpoint, tensor->name);

        if (vector)
            add_source(t, i, vector, files[i - 1].scale);
    }
    t->copied = t->n_sources == 1;
    t->target = tensor;
    return true;
}

/* A vector that is given twice is a mistake more often than it is a scale. */
static bool refuse_twice(const struct merge_plan *plan, struct error *err)
{
    const struct merge_model *last = &plan->models[plan->n_models - 1];
    const struct checkpoint_file *b = &last->checkpoint->files[0];

    for (size_t i = 1; i + 1 < plan->n_models; i++) {
        const struct checkpoint_file *a = &plan->models[i].checkpoint->files[0];
        if (a->device == b->device && a->inode == b->inode)
            return error_set(err, ERROR_USAGE,
                             "%s: the same task vector is given twice; give it once, with --scale", b->shown);
    }
    return true;
}

static bool plan_application(const struct context *context, struct merge_plan *plan, struct checkpoint *model,
                             const struct task_file *files, size_t n_files, struct error *err)
{
    plan->models = arena_array(&plan->arena, n_files + 1, sizeof *plan->models);
    plan->tensors = arena_array(&plan->arena, model->n_tensors, sizeof *plan->tensors);
    if (!plan->models || !plan->tensors)
        return no_memory(err);
    if (!add_model(plan, model->path, model, true, err))
        return false;
    for (size_t i = 0; i < n_files; i++)
        if (!open_model(context, plan, files[i].path, err) || !refuse_twice(plan, err) ||
            !check_tensors(model, plan->models[i + 1].checkpoint, err))
            return false;
    for (size_t i = 0; i < model->n_tensors; i++)
        if (!add_application(plan, files, &model->tensors[i], err))
            return false;
    return true;
}

bool task_apply_plan(const struct context *context, struct checkpoint *model, const struct task_file *files,
                     size_t n_files, bool force, struct merge_plan *out, size_t *n_others, struct error *err)
{
    struct merge_plan plan = {.method = merge_method_find("apply")};
    size_t others = 0;

    if (!plan_application(context, &plan, model, files, n_files, err) ||
        !check_bases(&plan, force, &others, err)) {
        plan_release(&plan);
        return false;
    }
    *out = plan;
    *n_others = others;
    return true;
}
