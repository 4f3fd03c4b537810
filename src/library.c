/* The public C API: a thin face over the engine and the editor. No arithmetic and no policy lives here. */
#include "lancet.h"

#include <math.h>
#include <string.h>

#include "edit.h"
#include "history.h"
#include "memory.h"
#include "method.h"
#include "next.h"
#include "pass.h"
#include "tokenizer.h"

struct lancet_model {
    struct lancet_open_options options;
    struct context context;
    struct checkpoint *checkpoint;
    struct model *model;
    struct tokenizer *tokenizer; /* NULL: none that lancet can use ... */
    struct error no_tokenizer;   /* ... for this reason */
};

struct lancet_log {
    struct history history;
};

static const enum lancet_status statuses[ERROR_KINDS] = {
    [ERROR_NONE] = LANCET_OK,
    [ERROR_ANSWER_NO] = LANCET_NO,
    [ERROR_USAGE] = LANCET_USAGE,
    [ERROR_IO] = LANCET_IO,
    [ERROR_FORMAT] = LANCET_FORMAT,
    [ERROR_UNSUPPORTED] = LANCET_UNSUPPORTED,
    [ERROR_MISMATCH] = LANCET_MISMATCH,
    [ERROR_NUMERIC] = LANCET_NUMERIC,
    [ERROR_MEMORY] = LANCET_MEMORY,
    [ERROR_BUSY] = LANCET_BUSY,
    [ERROR_CANCELLED] = LANCET_CANCELLED,
};

/* Hands an error of the engine over to the caller. Returns ok. */
static bool tell(bool ok, const struct error *from, struct lancet_error *err)
{
    if (!ok) {
        err->status = statuses[from->kind];
        memcpy(err->text, from->text,
               sizeof err->text < sizeof from->text ? sizeof err->text : sizeof from->text);
        err->text[sizeof err->text - 1] = '\0';
    }
    return ok;
}

const char *lancet_version(void)
{
    return LANCET_VERSION;
}

/* ---- a model ---- */

static void report(void *user, const char *what, uint64_t done, uint64_t total)
{
    const struct lancet_model *m = user;
    m->options.progress(m->options.user, what, done, total);
}

/* A tokenizer may be missing: lancet_predict and lancet_edit say so when they need it. */
static bool open_parts(struct lancet_model *m, struct error *err)
{
    if (!model_open(&m->context, m->checkpoint, &m->model, err))
        return false;
    if (tokenizer_open(&m->context, m->checkpoint, &m->tokenizer, &m->no_tokenizer))
        return true;
    m->tokenizer = NULL;
    if (m->no_tokenizer.kind == ERROR_UNSUPPORTED)
        return true;
    *err = m->no_tokenizer;
    return false;
}

bool lancet_open(const char *path, const struct lancet_open_options *options, struct lancet_model **out,
                 struct lancet_error *err)
{
    struct error e = {0};
    struct lancet_model *m = memory_zeroed(1, sizeof *m);
    if (!m) {
        error_memory(&e, "opening a model");
        return tell(false, &e, err);
    }
    if (options)
        m->options = *options;
    m->context = (struct context){.fs = fs_real(), .cancel = m->options.cancel, .progress_user = m};
    if (m->options.progress)
        m->context.progress = report;
    struct checkpoint_options how = {.mode = m->options.writable ? CHECKPOINT_CHANGE : CHECKPOINT_READ,
                                     .force = m->options.force};
    bool ok = pool_new(m->options.threads, &m->context.pool, &e) &&
              checkpoint_open(&m->context, path, &how, &m->checkpoint, &e) && open_parts(m, &e);
    if (!ok)
        lancet_close(m);
    else
        *out = m;
    return tell(ok, &e, err);
}

void lancet_close(struct lancet_model *model)
{
    if (!model)
        return;
    tokenizer_close(model->tokenizer);
    model_close(model->model);
    checkpoint_close(model->checkpoint);
    pool_free(model->context.pool);
    free(model);
}

void lancet_describe(const struct lancet_model *model, struct lancet_info *out)
{
    const struct model_config *c = &model->model->config;
    *out = (struct lancet_info){
        .architecture = model->model->architecture->model_type,
        .layers = c->n_layers,
        .width = c->width,
        .heads = c->n_heads,
        .kv_heads = c->n_kv_heads,
        .vocabulary = c->vocabulary,
        .context = c->context,
    };
    for (size_t i = 0; i < model->checkpoint->n_tensors; i++)
        out->parameters += model->checkpoint->tensors[i].elements;
}

/* ---- asking ---- */

static bool need_tokenizer(const struct lancet_model *model, struct error *err)
{
    if (!model->tokenizer)
        *err = model->no_tokenizer;
    return model->tokenizer != NULL;
}

bool lancet_token_text(const struct lancet_model *model, uint32_t id, char *out, size_t size,
                       struct lancet_error *err)
{
    struct error e = {0};
    struct str text = {0};
    bool ok = need_tokenizer(model, &e) && tokenizer_token_bytes(model->tokenizer, id, &text, &e);
    if (ok && size) {
        size_t n = text.length < size - 1 ? text.length : size - 1;
        if (n)
            memcpy(out, text.data, n);
        out[n] = '\0';
    }
    str_release(&text);
    return tell(ok, &e, err);
}

bool lancet_tokenize(const struct lancet_model *model, const char *text, uint32_t *out, size_t capacity,
                     size_t *n, struct lancet_error *err)
{
    struct error e = {0};
    struct token_list tokens = {0};
    bool ok = need_tokenizer(model, &e) &&
              tokenizer_encode(model->tokenizer, text, strlen(text), true, &tokens, &e);
    if (ok) {
        for (size_t i = 0; i < tokens.n && i < capacity; i++)
            out[i] = tokens.items[i].id;
        *n = tokens.n;
    }
    token_list_release(&tokens);
    return tell(ok, &e, err);
}

/* logits [vocabulary] after the last token. */
static bool last_logits(const struct lancet_model *model, const struct token_list *tokens, real *logits,
                        struct error *err)
{
    uint32_t *ids = memory_array(tokens->n, sizeof *ids);
    struct pass *pass = NULL;
    if (!ids)
        return error_memory(err, "predicting");
    for (size_t i = 0; i < tokens->n; i++)
        ids[i] = tokens->items[i].id;
    struct sequence sequence = {.ids = ids, .length = tokens->n};
    struct place last = {.sequence = 0, .position = tokens->n - 1};
    struct pass_options how = {.places = &last, .n_places = 1};
    bool ok = pass_new(&model->context, model->model, &sequence, 1, &how, &pass, err) &&
              pass_run(pass, err) && pass_logits(pass, &last, 1, logits, err);
    pass_free(pass);
    free(ids);
    return ok;
}

bool lancet_predict(const struct lancet_model *model, const char *prompt, size_t k, struct lancet_next *out,
                    size_t *n, struct lancet_error *err)
{
    struct error e = {0};
    struct token_list tokens = {0};
    size_t vocabulary = model->model->config.vocabulary, most = k < vocabulary ? k : vocabulary;
    real *logits = memory_array(vocabulary, sizeof *logits);
    struct next_token *next = memory_array(most, sizeof *next);
    bool ok = (logits && next) || error_memory(&e, "predicting");
    ok = ok && model_can(model->model, ABLE_NEXT, &e) && need_tokenizer(model, &e) &&
         tokenizer_encode(model->tokenizer, prompt, strlen(prompt), true, &tokens, &e);
    ok = ok && (tokens.n || error_set(&e, ERROR_USAGE, "the prompt is empty"));
    ok = ok && last_logits(model, &tokens, logits, &e);
    if (ok) {
        *n = next_tokens(logits, vocabulary, most, next);
        for (size_t i = 0; i < *n; i++)
            out[i] = (struct lancet_next){next[i].id, next[i].logit, next[i].probability};
    }
    token_list_release(&tokens);
    free(next);
    free(logits);
    return tell(ok, &e, err);
}

/* ---- editing ---- */

struct requests { /* one list for each request, and one that borrows from all of them */
    struct request_list *lists;
    size_t n;
    struct request_list all;
};

static bool requests_read(const struct lancet_request *from, size_t n, struct requests *out,
                          struct error *err)
{
    out->lists = memory_zeroed(n, sizeof *out->lists);
    struct edit_request *items = memory_array(n, sizeof *items);
    out->all = (struct request_list){.name = "the caller", .items = items, .bos = -1};
    if (!out->lists || !items)
        return error_memory(err, "reading the requests");
    if (n == 0)
        return error_set(err, ERROR_USAGE, "there are no requests");
    for (; out->n < n; out->n++) {
        const struct lancet_request *r = &from[out->n];
        if (!r->prompt || !r->subject || !r->target)
            return error_set(err, ERROR_USAGE, "request %zu: prompt, subject and target are needed", out->n);
        if (!request_from_flags(r->prompt, r->subject, r->target, &out->lists[out->n], err))
            return error_prefix(err, "request %zu", out->n);
        items[out->n] = out->lists[out->n].items[0];
        items[out->n].number = out->n;
    }
    out->all.n = n;
    return true;
}

static void requests_release(struct requests *requests)
{
    for (size_t i = 0; i < requests->n; i++)
        request_list_release(&requests->lists[i]);
    free(requests->lists);
    free(requests->all.items);
}

static void describe_item(const struct edit_item *item, struct lancet_edited *out)
{
    if (item->nothing_to_do) {
        *out = (struct lancet_edited){.nothing_to_do = true, .passed = true};
        return;
    }
    *out = (struct lancet_edited){
        .passed = gate_all_passed(&item->gates),
        .layer = (unsigned)item->layer,
        .probability_before = exp(item->before.first_log),
        .probability_after = exp(item->after.first_log),
        .relative_norm = item->relative_norm,
        .realised = item->realised,
    };
}

/* Writes what was prepared, where the caller wants it. */
static bool write_edit(struct lancet_model *m, const struct edit *edit, const struct lancet_edit_options *how,
                       uint32_t *record, struct error *err)
{
    if (how->dry_run || edit->n_sites == 0)
        return true;
    if (how->output)
        return change_output(&m->context, m->checkpoint, m->model, edit->sites, edit->n_sites, how->output,
                             false, err);
    if (!m->options.writable)
        return error_set(err, ERROR_USAGE, "%s: the model was not opened writable", m->checkpoint->path);
    struct str note = {0};
    if (!edit_note(edit, &note, err)) {
        str_release(&note);
        return false;
    }
    struct transaction_options options = {.kind = "edit",
                                          .command = "lancet_edit",
                                          .note = note.data,
                                          .force = m->options.force,
                                          .no_history = how->no_history};
    bool ok = change_commit(&m->context, m->checkpoint, m->model, edit->sites, edit->n_sites, &options,
                            record, err);
    str_release(&note);
    return ok;
}

static bool refuse(const struct edit *edit, struct error *err)
{
    struct str sentence = {0};
    edit_refusal(edit, &sentence);
    error_set(err, ERROR_ANSWER_NO, "%s; nothing was changed",
              sentence.data ? sentence.data : "a gate failed");
    str_release(&sentence);
    return false;
}

/* The overlay of an edit is gone, and the file may be another: what was converted from it is stale. */
static bool reopen(struct lancet_model *m, struct error *err)
{
    struct model *fresh = NULL;
    if (!model_open(&m->context, m->checkpoint, &fresh, err))
        return false;
    model_close(m->model);
    m->model = fresh;
    return true;
}

bool lancet_edit(struct lancet_model *model, const struct lancet_request *requests, size_t n,
                 const struct lancet_edit_options *options, struct lancet_edited *out, uint32_t *record,
                 struct lancet_error *err)
{
    static const struct lancet_edit_options defaults;
    const struct lancet_edit_options *how = options ? options : &defaults;
    struct error e = {0}, late = {0};
    struct requests asked = {0};
    struct edit edit = {0};
    uint32_t number = 0;
    struct edit_options o = {.method = edit_method_find(how->method ? how->method : edit_methods[0].name),
                             .assignments = how->settings,
                             .n_assignments = how->n_settings,
                             .layer_given = how->layer_given,
                             .layer = how->layer,
                             .seed = how->seed};
    bool ok = (o.method || error_set(&e, ERROR_USAGE, "there is no edit method \"%s\"", how->method)) &&
              model_can(model->model, ABLE_EDIT, &e) && need_tokenizer(model, &e) &&
              requests_read(requests, n, &asked, &e) &&
              edit_prepare(&model->context, model->model, model->tokenizer, &asked.all, &o, &edit, &e);
    if (ok && out)
        for (size_t i = 0; i < n; i++)
            describe_item(&edit.items[i], &out[i]);
    ok = ok && (how->no_gates || edit_passed(&edit) || refuse(&edit, &e));
    ok = ok && write_edit(model, &edit, how, &number, &e);
    edit_release(&edit);
    requests_release(&asked);
    if (ok && record)
        *record = number;
    bool fresh = reopen(model, &late);
    return ok ? tell(fresh, &late, err) : tell(false, &e, err);
}

/* ---- history ---- */

bool lancet_log_read(const struct lancet_model *model, struct lancet_log **out, struct lancet_error *err)
{
    struct error e = {0};
    struct lancet_log *log = memory_zeroed(1, sizeof *log);
    bool ok = log ? history_of(&model->context, model->checkpoint, &log->history, &e)
                  : error_memory(&e, "reading the history");
    if (ok)
        *out = log;
    else
        free(log);
    return tell(ok, &e, err);
}

size_t lancet_log_count(const struct lancet_log *log)
{
    return log->history.n_records;
}

void lancet_log_record(const struct lancet_log *log, size_t index, struct lancet_record *out)
{
    const struct history_record *r = &log->history.records[index];
    *out = (struct lancet_record){.number = r->number,
                                  .kind = r->kind,
                                  .command = r->command,
                                  .time = r->time,
                                  .tensors = r->n_tensors,
                                  .undone = r->undone};
}

void lancet_log_free(struct lancet_log *log)
{
    if (!log)
        return;
    history_release(&log->history);
    free(log);
}

static bool undo(struct lancet_model *model, const struct history_undo_options *how, uint32_t *state,
                 struct lancet_error *err)
{
    struct error e = {0};
    struct history_undone done = {0};
    bool ok = model->options.writable ||
              error_set(&e, ERROR_USAGE, "%s: the model was not opened writable", model->checkpoint->path);
    ok = ok && history_undo(&model->context, model->checkpoint, how, &done, &e) && reopen(model, &e);
    if (ok && state)
        *state = done.to;
    return tell(ok, &e, err);
}

bool lancet_undo(struct lancet_model *model, uint32_t *state, struct lancet_error *err)
{
    struct history_undo_options how = {.force = model->options.force, .command = "lancet_undo"};
    return undo(model, &how, state, err);
}

bool lancet_undo_to(struct lancet_model *model, uint32_t number, struct lancet_error *err)
{
    struct history_undo_options how = {
        .to_given = true, .to = number, .force = model->options.force, .command = "lancet_undo_to"};
    return undo(model, &how, NULL, err);
}
