#include "inspect_commands.h"

#include <stdlib.h>
#include <string.h>

#include "out_file.h"
#include "prediction.h"
#include "prompt_file.h"
#include "table.h"

enum { BAR_COLUMNS = 20, BATCH = 32, BATCH_TOKENS = 2048 };

static const struct option_row options[] = {
    {.name = "top",
     .short_name = 'k',
     .kind = OPTION_U64,
     .value = "K",
     .standard = "10",
     .help = "show the K most likely tokens"},
    {.name = "ids", PROMPT_IDS_ROW},
    {.name = "logits",
     .kind = OPTION_STRING,
     .value = "FILE.npy",
     .help = "write the logits of every position, f32 [tokens, vocabulary]"},
    {.name = "batch", PROMPT_FILE_ROW("prompt")},
    {.name = "force", .kind = OPTION_FLAG, .help = "overwrite FILE.npy"},
    {0}};

static bool show_prompt(const struct command_call *call, const struct opened *opened,
                        const struct prompt *prompt, struct error *err)
{
    struct str s = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < prompt->tokens.n; i++) {
        str_append(&s, i ? " " : "");
        ok = token_show(opened, prompt->ids[i], &s, err);
    }
    if (ok)
        fprintf(call->out, "%s%zu token%s: %s%s\n", terminal_style(&call->terminal, STYLE_DIM),
                prompt->tokens.n, prompt->tokens.n == 1 ? "" : "s", s.data,
                terminal_style(&call->terminal, STYLE_PLAIN));
    str_release(&s);
    return ok;
}

static bool show_next(const struct command_call *call, const struct opened *opened,
                      const struct next_token *next, size_t n, struct error *err)
{
    struct table table;
    struct str s = {0};
    bool ok = true;
    table_init(&table, "rlrrrl");
    static const char *const headings[] = {"", "next", "id", "logit", "probability", ""};
    for (size_t i = 0; i < 6; i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; ok && i < n; i++) {
        str_clear(&s);
        ok = token_show(opened, next[i].id, &s, err);
        table_cell(&table, "%zu", i + 1);
        table_cell(&table, "%s", ok ? s.data : "");
        table_cell(&table, "%u", (unsigned)next[i].id);
        table_cell(&table, "%.3f", next[i].logit);
        table_cell(&table, "%.2f %%", 100 * next[i].probability);
        str_clear(&s);
        text_bar(&s, &call->terminal, next[i].probability, BAR_COLUMNS);
        table_cell(&table, "%s", s.failed ? "" : s.data);
    }
    ok = ok && table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    str_release(&s);
    return ok;
}

/* ---- output ---- */

static bool write_next(const struct opened *opened, const struct answer *answer, struct json_write *w,
                       struct error *err)
{
    json_write_key(w, "next");
    json_write_array_begin(w);
    for (size_t i = 0; i < answer->n_next; i++) {
        json_write_object_begin(w);
        if (!token_write(opened, answer->next[i].id, w, err))
            return false;
        json_write_member_double(w, "logit", answer->next[i].logit);
        json_write_member_double(w, "probability", answer->next[i].probability);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    return true;
}

static bool write_prediction(const struct opened *opened, const struct prediction *p, struct json_write *w,
                             struct error *err)
{
    if (!prompt_write(opened, &p->prompt, w, err))
        return false;
    if (!opened->model->config.encoder)
        return write_next(opened, &p->answers[0], w, err);
    json_write_key(w, "masks");
    json_write_array_begin(w);
    for (size_t i = 0; i < p->n_answers; i++) {
        json_write_object_begin(w);
        json_write_member_u64(w, "position", p->answers[i].position);
        if (!write_next(opened, &p->answers[i], w, err))
            return false;
        json_write_object_end(w);
    }
    json_write_array_end(w);
    return true;
}

static bool show_prediction(const struct command_call *call, const struct opened *opened,
                            const struct prediction *p, struct error *err)
{
    bool ok = show_prompt(call, opened, &p->prompt, err);
    for (size_t i = 0; ok && i < p->n_answers; i++) {
        if (opened->model->config.encoder)
            fprintf(call->out, "mask at %zu\n", p->answers[i].position);
        ok = show_next(call, opened, p->answers[i].next, p->answers[i].n_next, err);
    }
    return ok;
}

/* ---- one prompt ---- */

static bool predict_one(struct command_call *call, const struct opened *opened, struct error *err)
{
    struct prediction p = {0};
    struct json_write w;
    const char *file = option_string(call, "logits");
    bool force = option_given(call, "force");
    bool ok =
        (!file || out_file_check(call->context.fs, file, force, err)) &&
        prompt_read(call, opened, 1, &p.prompt, err) &&
        prediction_run(&call->context, opened, &p, 1, (size_t)option_u64(call, "top"), file, force, err);
    if (ok && call->json) {
        command_json_begin(call, &w);
        opened_write(opened, &w);
        ok = write_prediction(opened, &p, &w, err) && command_json_end(call, &w, err);
    } else if (ok) {
        ok = show_prediction(call, opened, &p, err);
    }
    prediction_release(&p);
    return ok;
}

/* ---- a file of prompts ---- */

/* The next lines, as many as are run together: at most BATCH, and none more once they have BATCH_TOKENS. */
static bool read_batch(struct prompt_file *file, const struct opened *opened, struct prediction *batch,
                       size_t *n, struct error *err)
{
    size_t tokens = 0;
    for (*n = 0; *n < BATCH && tokens < BATCH_TOKENS && prompt_file_more(file); ++*n) {
        struct prompt *prompt = &batch[*n].prompt;
        if (!prompt_file_next(file, opened, true, prompt, err))
            return false;
        if (prompt->tokens.n == 0)
            return error_set(err, ERROR_USAGE, "%s:%zu: the prompt has no tokens, expected at least one",
                             file->name, file->line);
        if (prompt->tokens.n > opened->model->config.context)
            return error_set(err, ERROR_USAGE, "%s:%zu: the prompt has %zu tokens, but the context is %zu",
                             file->name, file->line, prompt->tokens.n, opened->model->config.context);
        tokens += prompt->tokens.n;
    }
    return true;
}

static bool put_batch(const struct command_call *call, const struct opened *opened,
                      const struct prediction *batch, size_t n, struct json_write *w, struct error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        if (!call->json) {
            ok = show_prediction(call, opened, &batch[i], err);
            continue;
        }
        json_write_object_begin(w);
        ok = write_prediction(opened, &batch[i], w, err);
        json_write_object_end(w);
    }
    return ok;
}

static bool predict_lines(struct command_call *call, const struct opened *opened, struct prompt_file *file,
                          struct json_write *w, struct error *err)
{
    bool ok = true;
    while (ok && prompt_file_more(file)) {
        struct prediction batch[BATCH] = {0};
        size_t n = 0;
        ok = context_continue(&call->context, err) && read_batch(file, opened, batch, &n, err) &&
             prediction_run(&call->context, opened, batch, n, (size_t)option_u64(call, "top"), NULL, false,
                            err) &&
             put_batch(call, opened, batch, n, w, err);
        for (size_t i = 0; i < BATCH; i++)
            prediction_release(&batch[i]);
        context_progress(&call->context, "predicting", file->at, file->n);
    }
    return ok;
}

static bool predict_batch(struct command_call *call, const struct opened *opened, struct error *err)
{
    struct prompt_file file = {0};
    struct json_write w;
    if (!prompt_file_open(call, option_string(call, "batch"), &file, err))
        return false;
    if (call->json) {
        command_json_begin(call, &w);
        w.flat_from = 5;
        opened_write(opened, &w);
        json_write_key(&w, "predictions");
        json_write_array_begin(&w);
    }
    bool ok = predict_lines(call, opened, &file, &w, err);
    prompt_file_release(&file);
    if (!ok || !call->json)
        return ok;
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    bool batch = option_given(call, "batch");
    if (batch && (call->n_args > 1 || option_given(call, "ids") || option_given(call, "logits")))
        return command_usage(call, err, "--batch takes the place of a prompt, of --ids and of --logits");
    if (!opened_open(call, call->args[0], true, &opened, err))
        return false;
    bool ok = batch ? predict_batch(call, &opened, err) : predict_one(call, &opened, err);
    opened_release(&opened);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet predict gemma3 'The Eiffel Tower is in'", "the ten most likely next tokens"},
    {"lancet predict gemma3 --ids 2,818,129063 --logits out.npy",
     "from token ids, with all logits as a file"},
    {NULL, NULL},
};

const struct command command_predict = {
    .name = "predict",
    .summary = "show which tokens a model expects after a prompt",
    .synopsis = "MODEL PROMPT",
    .help =
        "PROMPT is a text, or - for standard input (its last newline is not part of the prompt). The tokens "
        "that the model's tokenizer puts around every text, such as a beginning of text, are added; with "
        "--ids nothing is added.\n\n"
        "An encoder (BERT) has no next token: it predicts what stands in place of each [MASK] of the "
        "prompt.\n\n"
        "Probabilities are the softmax over the whole vocabulary.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
