/* What the record of a merge says about where it came from:
 *
 *   {"lancet": "<version>", "plan": "<SHA-256>", "method": "linear", "recipe": "...",
 *    "sources": [{"model": "code", "files": [{"name", "size", "time", "head": "<SHA-256>"}]}]}
 *
 * The plan's digest covers every output tensor with its sources and parameters, and which of the models is
 * the one that is merged into; that one is no source here, since the record itself holds what it was. */
#include "merge_note.h"

#include <inttypes.h>
#include <string.h>

#include "digest.h"
#include "json_document.h"
#include "json_write.h"
#include "quote.h"

/* ---- the plan ---- */

static bool add_text(struct digest_stream *s, const char *text, struct error *err)
{
    return digest_stream_add(s, text, strlen(text) + 1, err);
}

static bool add_tensor(struct digest_stream *s, const struct merge_plan *plan, const struct merge_tensor *t,
                       struct error *err)
{
    size_t n = plan->method->n_parameters * sizeof(double);
    uint64_t facts[] = {t->dtype, t->cast, t->work, t->copied, t->n_sources};
    bool ok = add_text(s, t->name, err) && digest_stream_add(s, facts, sizeof facts, err) &&
              digest_stream_add(s, t->values, n, err);

    for (size_t i = 0; ok && i < t->n_sources; i++) {
        const struct merge_source *source = &t->sources[i];
        uint64_t model = source->model;
        ok = digest_stream_add(s, &model, sizeof model, err) && add_text(s, source->tensor->name, err) &&
             digest_stream_add(s, source->values, n, err);
    }
    return ok;
}

static bool plan_digest(const struct merge_plan *plan, struct digest *out, struct error *err)
{
    struct digest_stream *s = NULL;
    uint64_t semantics = plan->semantics;
    bool ok = digest_stream_new(&s, err) && add_text(s, plan->method->name, err) &&
              digest_stream_add(s, &semantics, sizeof semantics, err);

    for (size_t i = 0; ok && i < plan->n_models; i++) {
        uint64_t is_target = plan->models[i].is_target;
        ok = digest_stream_add(s, &is_target, sizeof is_target, err);
    }
    for (size_t i = 0; ok && i < plan->n_tensors; i++)
        ok = add_tensor(s, plan, &plan->tensors[i], err);
    ok = ok && digest_stream_finish(s, out, err);
    digest_stream_free(s);
    return ok;
}

/* ---- sources ---- */

static bool write_file(const struct context *context, const struct checkpoint *model, size_t index,
                       struct json_write *w, struct error *err)
{
    const struct checkpoint_file *file = &model->files[index];
    struct digest head;
    struct stat st;
    char hex[65], time[64];

    if (context->fs->fstat(context->fs->state, file->fd, &st) < 0)
        return error_set_errno(err, "%s", file->shown);
    if (!checkpoint_header_digest(model, index, &head, err))
        return false;
    digest_hex(&head, hex);
    snprintf(time, sizeof time, "%" PRId64 ".%09ld", (int64_t)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    json_write_object_begin(w);
    json_write_member_string(w, "name", file->name);
    json_write_member_u64(w, "size", file->size);
    json_write_member_string(w, "time", time);
    json_write_member_string(w, "head", hex);
    json_write_object_end(w);
    return true;
}

static bool write_source(const struct context *context, const struct merge_model *model, struct json_write *w,
                         struct error *err)
{
    bool ok = true;

    json_write_object_begin(w);
    json_write_member_string(w, "model", model->path);
    json_write_key(w, "files");
    json_write_array_begin(w);
    for (size_t i = 0; ok && i < model->checkpoint->n_files; i++)
        ok = write_file(context, model->checkpoint, i, w, err);
    json_write_array_end(w);
    json_write_object_end(w);
    return ok;
}

bool merge_note(const struct context *context, const struct merge_plan *plan, const char *recipe,
                struct str *out, struct error *err)
{
    struct json_write w;
    struct digest digest;
    char hex[65];
    bool ok = plan_digest(plan, &digest, err);

    if (!ok)
        return false;
    digest_hex(&digest, hex);
    json_write_to_str(&w, out, false);
    json_write_object_begin(&w);
    json_write_member_string(&w, "lancet", LANCET_VERSION);
    json_write_member_string(&w, "plan", hex);
    json_write_member_string(&w, "method", plan->method->name);
    if (recipe)
        json_write_member_string(&w, "recipe", recipe);
    json_write_key(&w, "sources");
    json_write_array_begin(&w);
    for (size_t i = 0; ok && i < plan->n_models; i++)
        ok = plan->models[i].is_target || write_source(context, &plan->models[i], &w, err);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return ok && (json_write_finish(&w, "a note", err) || error_memory(err, "merging"));
}

/* ---- is it the same? ---- */

static bool same_text(const cJSON *a, const cJSON *b, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(a, key), *y = cJSON_GetObjectItemCaseSensitive(b, key);

    return cJSON_IsString(x) && cJSON_IsString(y) && strcmp(x->valuestring, y->valuestring) == 0;
}

static bool compare(const cJSON *then, const cJSON *now, struct error *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(then, "sources"),
                *b = cJSON_GetObjectItemCaseSensitive(now, "sources");

    if (!same_text(then, now, "lancet"))
        return error_set(err, ERROR_MISMATCH,
                         "the merge was cut in another version of lancet, which may have computed otherwise: "
                         "only that one can go on with it; `lancet verify --recover` takes it back");
    if (!same_text(then, now, "plan"))
        return error_set(err, ERROR_MISMATCH,
                         "the merge that was cut was another one: its recipe gave other tensors, models or "
                         "parameters");
    a = a ? a->child : NULL;
    for (b = b ? b->child : NULL; b; b = b->next, a = a ? a->next : NULL) {
        const cJSON *files = cJSON_GetObjectItemCaseSensitive(b, "files");
        if (!a || !cJSON_Compare(cJSON_GetObjectItemCaseSensitive(a, "files"), files, true))
            return error_set(err, ERROR_MISMATCH,
                             "%s is not as it was when the merge was cut (size, time or header)",
                             quote(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(b, "model"))).text);
    }
    return !a || error_set(err, ERROR_MISMATCH, "the merge that was cut had more models");
}

bool merge_same_note(const char *then, const char *now, struct error *err)
{
    cJSON *a = NULL, *b = NULL;
    bool ok;

    if (!then)
        return error_set(err, ERROR_MISMATCH, "the change that was cut was no merge of a recipe");
    ok = json_document_parse("the note of the record", then, strlen(then), &a, err) &&
         json_document_parse("the note", now, strlen(now), &b, err) && compare(a, b, err);
    cJSON_Delete(a);
    cJSON_Delete(b);
    return ok;
}
