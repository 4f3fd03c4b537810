#include "inspect_commands.h"

#include <string.h>

#include "logits.h"
#include "memory.h"
#include "next.h"
#include "npy.h"
#include "pass.h"
#include "prompt.h"
#include "table.h"

enum { BAR_COLUMNS = 20 };

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

static bool write_json(const struct command_call *call, const struct opened *opened,
                       const struct prompt *prompt, const struct next_token *next, size_t n,
                       struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    opened_write(opened, &w);
    if (!prompt_write(opened, prompt, &w, err))
        return false;
    json_write_key(&w, "next");
    json_write_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_write_object_begin(&w);
        if (!token_write(opened, next[i].id, &w, err))
            return false;
        json_write_member_double(&w, "logit", next[i].logit);
        json_write_member_double(&w, "probability", next[i].probability);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

/* Runs the prompt; next [k] gets the tokens that are most likely after it. */
static bool predict(struct command_call *call, const struct opened *opened, const struct prompt *prompt,
                    struct next_token *next, size_t k, struct error *err)
{
    const char *file = option_string(call, "logits");
    struct sequence sequence = {.ids = prompt->ids, .length = prompt->tokens.n};
    struct place last = {.sequence = 0, .position = prompt->tokens.n - 1};
    struct pass_options how = {.places = file ? NULL : &last, .n_places = file ? 0 : 1};
    struct pass *pass = NULL;
    size_t vocabulary = opened->model->config.vocabulary;
    real *logits = memory_array(vocabulary, sizeof *logits);
    bool ok = logits || error_memory(err, "predicting");
    ok = ok && pass_new(&call->context, opened->model, &sequence, 1, &how, &pass, err) &&
         pass_run(pass, err) && pass_logits(pass, &last, 1, logits, err);
    if (ok && file)
        ok = logits_write(&call->context, opened->model, pass, prompt->tokens.n, file,
                          option_given(call, "force"), err);
    if (ok)
        next_tokens(logits, vocabulary, k, next);
    pass_free(pass);
    free(logits);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct prompt prompt = {0};
    struct next_token *next = NULL;
    bool ok =
        opened_open(call, call->args[0], true, &opened, err) && prompt_read(call, &opened, 1, &prompt, err);
    if (!ok)
        goto out;
    uint64_t top = option_u64(call, "top");
    size_t k = top < opened.model->config.vocabulary ? (size_t)top : opened.model->config.vocabulary;
    next = memory_array(k, sizeof *next);
    ok = next || error_memory(err, "predicting");
    ok = ok && predict(call, &opened, &prompt, next, k, err);
    if (ok && call->json)
        ok = write_json(call, &opened, &prompt, next, k, err);
    else if (ok)
        ok = show_prompt(call, &opened, &prompt, err) && show_next(call, &opened, next, k, err);
out:
    free(next);
    prompt_release(&prompt);
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
    .help = "PROMPT is a text, or - for standard input (its last newline is not part of the prompt). The "
            "tokens that "
            "the model's tokenizer puts around every text, such as a beginning of text, are added; with "
            "--ids nothing "
            "is added.\n\n"
            "Probabilities are the softmax over the whole vocabulary.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
