#include "commands.h"

#include <string.h>

#include "checkpoint.h"
#include "format.h"
#include "gguf.h"
#include "memory.h"
#include "model.h"

struct dtype_sum {
    uint64_t tensors, elements, bytes;
};

struct info { /* what is told, in both forms */
    const struct checkpoint *checkpoint;
    struct model *model; /* NULL: lancet cannot run it ... */
    struct error why;    /* ... for this reason */
    struct dtype_sum sums[DTYPE_COUNT], all;
    const char *tokenizer; /* name of its file, NULL: none */
};

static bool gather(struct info *info, struct error *err)
{
    const struct checkpoint *c = info->checkpoint;
    for (size_t i = 0; i < c->n_tensors; i++) {
        struct dtype_sum *sums[] = {&info->sums[c->tensors[i].dtype], &info->all};
        for (size_t k = 0; k < 2; k++) {
            sums[k]->tensors++;
            sums[k]->elements += c->tensors[i].elements;
            sums[k]->bytes += c->tensors[i].bytes;
        }
    }
    static const char *const names[] = {"tokenizer.json", "vocab.json", "tokenizer.model"};
    if (checkpoint_gguf(c)) {
        if (gguf_find(checkpoint_gguf(c), "tokenizer.ggml.tokens"))
            info->tokenizer = "in the file";
        return true;
    }
    for (size_t i = 0; !info->tokenizer && i < sizeof names / sizeof *names; i++) {
        char *path = path_join(c->folder, names[i]);
        if (!path)
            return error_memory(err, "describing a model");
        if (fs_exists(c->context->fs, path))
            info->tokenizer = names[i];
        free(path);
    }
    return true;
}

/* ---- for people ---- */

struct page {
    const struct terminal *terminal;
    struct str text;
};

static void label(struct page *page, const char *text)
{
    str_printf(&page->text, "%s%-14s%s", terminal_style(page->terminal, STYLE_CYAN), text,
               terminal_style(page->terminal, STYLE_PLAIN));
}

static void line(struct page *page, const char *name, const char *text)
{
    label(page, name);
    str_append_escaped(&page->text, text, strlen(text));
    str_append(&page->text, "\n");
}

static void sum_line(struct page *page, const char *name, const char *what, const struct dtype_sum *sum)
{
    label(page, name);
    text_count(&page->text, sum->elements);
    str_printf(&page->text, "%s in ", what);
    text_count(&page->text, sum->tensors);
    str_append(&page->text, sum->tensors == 1 ? " tensor, " : " tensors, ");
    text_bytes(&page->text, sum->bytes);
    str_append(&page->text, "\n");
}

/* The last layer cannot be edited: only the subject's own token would see it. */
static bool has_site(const struct model *model, size_t layer)
{
    return layer + 1 < model->config.n_layers && model_has_site(model, layer);
}

static const char *no_site(const struct model_config *c)
{
    return c->encoder        ? "none: an encoder has no next token to change"
           : c->n_layers > 1 ? "none: every layer has experts in place of one MLP"
                             : "none: the last layer cannot be edited, and there is no other";
}

static void site_line(struct page *page, const struct model *model)
{
    struct str *s = &page->text;
    size_t n = 0;
    label(page, "edit sites");
    for (size_t layer = 0; layer < model->config.n_layers; layer++) {
        bool before = layer > 0 && has_site(model, layer - 1), after = has_site(model, layer + 1);
        if (!has_site(model, layer))
            continue;
        if (n++ == 0)
            str_printf(s, "%s and its like, layers ", model_site(model, layer)->tensor->name);
        if (!before)
            str_printf(s, "%s%zu", n > 1 ? ", " : "", layer);
        else if (!after)
            str_printf(s, " to %zu", layer);
    }
    str_printf(s, "%s\n", n ? "" : no_site(&model->config));
}

static void model_lines(struct page *page, const struct model *model)
{
    const struct model_config *c = &model->config;
    struct str *s = &page->text;
    label(page, "architecture");
    str_printf(s, "%s (%s)\n", model->architecture->title, model->architecture->model_type);
    label(page, "shape");
    str_printf(s, "%zu layers, width %zu", c->n_layers, c->width);
    if (!c->scan.state) {
        str_printf(s, ", %zu heads", c->n_heads);
        if (c->n_kv_heads != c->n_heads)
            str_printf(s, " (%zu for keys and values)", c->n_kv_heads);
        str_printf(s, " of %zu, MLP %zu", c->head_dim, c->ff);
    }
    str_append(s, "\n");
    if (c->experts.n) {
        label(page, "experts");
        str_printf(s, "%zu of width %zu, of which a token uses %zu%s\n", c->experts.n, c->experts.ff,
                   c->experts.used, c->experts.shared_ff ? ", and a shared one" : "");
    }
    if (c->scan.state) {
        label(page, "mixer");
        str_printf(s, "%zu channels with %zu numbers of state each, no attention\n", c->ff, c->scan.state);
    }
    label(page, "vocabulary");
    str_printf(s, "%zu tokens%s\n", c->vocabulary, c->tied ? ", output tied to the embedding" : "");
    if (!c->scan.state) {
        label(page, "context");
        str_printf(s, "%zu tokens\n", c->context);
    }
    site_line(page, model);
}

static void file_lines(struct page *page, const struct checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        label(page, i ? "" : c->n_files > 1 ? "shards" : "file");
        str_append_escaped(&page->text, c->files[i].name, strlen(c->files[i].name));
        str_append(&page->text, ", ");
        text_bytes(&page->text, c->files[i].size);
        str_append(&page->text, "\n");
    }
}

static bool print_human(const struct command_call *call, const struct info *info, struct error *err)
{
    struct page page = {.terminal = &call->terminal};
    line(&page, "model", info->checkpoint->path);
    if (info->model)
        model_lines(&page, info->model);
    else
        line(&page, "cannot run", info->why.text);
    sum_line(&page, "parameters", "", &info->all);
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (info->sums[i].tensors)
            sum_line(&page, dtype_facts((enum dtype)i)->name, " elements", &info->sums[i]);
    line(&page, "tokenizer", info->tokenizer ? info->tokenizer : "none");
    file_lines(&page, info->checkpoint);
    for (size_t i = 0; i < info->checkpoint->n_warnings; i++)
        line(&page, "warning", info->checkpoint->warnings[i]);
    bool ok = !page.text.failed || error_memory(err, "describing a model");
    if (ok)
        fputs(page.text.data, call->out);
    str_release(&page.text);
    return ok;
}

/* ---- as JSON ---- */

static void write_model(struct json_write *w, const struct info *info)
{
    const struct model *model = info->model;
    json_write_key(w, "architecture");
    if (!model) {
        json_write_null(w);
        json_write_member_string(w, "cannot_run", info->why.text);
        return;
    }
    json_write_string(w, model->architecture->model_type);
    const struct model_config *c = &model->config;
    bool attends = !c->scan.state;
    const struct {
        const char *key;
        size_t value;
        bool there;
    } sizes[] = {{"layers", c->n_layers, true},       {"width", c->width, true},
                 {"heads", c->n_heads, attends},      {"kv_heads", c->n_kv_heads, attends},
                 {"head_dim", c->head_dim, attends},  {"mlp", c->ff, true},
                 {"vocabulary", c->vocabulary, true}, {"context", c->context, attends}};
    json_write_key(w, "config");
    json_write_object_begin(w);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].there)
            json_write_member_u64(w, sizes[i].key, sizes[i].value);
    json_write_object_end(w);
    json_write_member_bool(w, "tied", c->tied);
    json_write_key(w, "edit_sites");
    json_write_array_begin(w);
    for (size_t layer = 0; layer + 1 < c->n_layers; layer++)
        if (model_has_site(model, layer))
            json_write_string(w, model_site(model, layer)->tensor->name);
    json_write_array_end(w);
}

static void write_sum(struct json_write *w, const struct dtype_sum *sum)
{
    json_write_member_u64(w, "tensors", sum->tensors);
    json_write_member_u64(w, "parameters", sum->elements);
    json_write_member_u64(w, "bytes", sum->bytes);
}

static bool print_json(const struct command_call *call, const struct info *info, struct error *err)
{
    const struct checkpoint *c = info->checkpoint;
    struct json_write w;
    command_json_begin(call, &w);
    json_write_member_string(&w, "path", c->path);
    write_model(&w, info);
    write_sum(&w, &info->all);
    json_write_key(&w, "dtypes");
    json_write_array_begin(&w);
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (info->sums[i].tensors) {
            json_write_object_begin(&w);
            json_write_member_string(&w, "dtype", dtype_facts((enum dtype)i)->name);
            write_sum(&w, &info->sums[i]);
            json_write_object_end(&w);
        }
    json_write_array_end(&w);
    json_write_member_string(&w, "tokenizer", info->tokenizer);
    json_write_key(&w, "files");
    json_write_array_begin(&w);
    for (size_t i = 0; i < c->n_files; i++) {
        json_write_object_begin(&w);
        json_write_member_string(&w, "name", c->files[i].name);
        json_write_member_string(&w, "format", c->files[i].format->name);
        json_write_member_u64(&w, "bytes", c->files[i].size);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_key(&w, "warnings");
    json_write_array_begin(&w);
    for (size_t i = 0; i < c->n_warnings; i++)
        json_write_string(&w, c->warnings[i]);
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    if (!checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err))
        return false;
    struct info info = {.checkpoint = checkpoint};
    bool ok = true;
    if (!model_open(&call->context, checkpoint, &info.model, &info.why) && info.why.kind == ERROR_MEMORY) {
        *err = info.why;
        ok = false;
    }
    ok = ok && gather(&info, err);
    if (ok)
        ok = call->json ? print_json(call, &info, err) : print_human(call, &info, err);
    model_close(info.model);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet info gemma3", "what is in the folder gemma3"},
    {"lancet --json info gemma3 | jq .parameters", "one fact for a script"},
    {NULL, NULL},
};

const struct command command_info = {
    .name = "info",
    .summary = "show what a model is: architecture, shape, dtypes, files, edit sites",
    .synopsis = "MODEL",
    .help = "Reads headers and config.json only, so it is quick for a model of any size. A model whose "
            "architecture "
            "lancet does not know is described as far as its files go, with the reason why it cannot be run.",
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
