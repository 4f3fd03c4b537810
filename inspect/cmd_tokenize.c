#include "inspect_commands.h"

#include <stdlib.h>
#include <string.h>

#include "prompt_file.h"
#include "table.h"

static const struct option_row options[] = {
    {.name = "ids", .kind = OPTION_FLAG, .help = "print the ids only, separated by commas"},
    {.name = "batch", PROMPT_FILE_ROW("text")},
    {.name = "no-special",
     .kind = OPTION_FLAG,
     .help = "leave out what the tokenizer adds to every text (such as a beginning of text)"},
    {0}};

static bool encode(const struct command_call *call, const struct opened *opened, const char *text, size_t n,
                   struct prompt *out, struct error *err)
{
    return prompt_of_text(opened, text, n, !option_given(call, "no-special"), out, err);
}

static void print_ids(const struct command_call *call, const struct prompt *prompt)
{
    for (size_t i = 0; i < prompt->tokens.n; i++)
        fprintf(call->out, "%s%u", i ? "," : "", (unsigned)prompt->ids[i]);
    fputs("\n", call->out);
}

static bool print_table(const struct command_call *call, const struct opened *opened,
                        const struct prompt *prompt, struct error *err)
{
    struct table table;
    struct str s = {0};
    bool ok = true;
    table_init(&table, "rrllr");
    static const char *const headings[] = {"", "id", "token", "piece", "bytes"};
    for (size_t i = 0; i < 5; i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; ok && i < prompt->tokens.n; i++) {
        const struct token *token = &prompt->tokens.items[i];
        const char *piece = tokenizer_piece(opened->tokenizer, token->id);
        str_clear(&s);
        ok = token_show(opened, token->id, &s, err);
        table_cell(&table, "%zu", i);
        table_cell(&table, "%u", (unsigned)token->id);
        table_cell(&table, "%s", ok ? s.data : "");
        table_cell_text(&table, piece ? piece : "", piece ? strlen(piece) : 0);
        if (token->placed)
            table_cell(&table, "%zu-%zu", token->start, token->end);
        else
            table_cell(&table, "added");
    }
    ok = ok && table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    str_release(&s);
    return ok;
}

static bool write_json(const struct command_call *call, const struct opened *opened,
                       const struct prompt *prompt, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    opened_write(opened, &w);
    if (!prompt_write(opened, prompt, &w, err))
        return false;
    return command_json_end(call, &w, err);
}

static bool tokenize_text(struct command_call *call, const struct opened *opened, struct error *err)
{
    const char *text = call->args[1];
    char *input = NULL;
    size_t n = strlen(text);
    struct prompt prompt = {0};
    bool ok = strcmp(text, "-") != 0 || standard_input(call, &input, &n, err);
    ok = ok && encode(call, opened, input ? input : text, n, &prompt, err);
    if (ok && call->json)
        ok = write_json(call, opened, &prompt, err);
    else if (ok && option_given(call, "ids"))
        print_ids(call, &prompt);
    else if (ok)
        ok = print_table(call, opened, &prompt, err);
    prompt_release(&prompt);
    free(input);
    return ok;
}

static void write_line(struct json_write *w, const struct prompt *prompt)
{
    json_write_array_begin(w);
    for (size_t i = 0; i < prompt->tokens.n; i++)
        json_write_u64(w, prompt->ids[i]);
    json_write_array_end(w);
}

static bool tokenize_lines(struct command_call *call, const struct opened *opened, struct prompt_file *file,
                           struct json_write *w, struct error *err)
{
    while (prompt_file_more(file)) {
        struct prompt prompt = {0};
        if (!context_continue(&call->context, err) ||
            !prompt_file_next(file, opened, !option_given(call, "no-special"), &prompt, err))
            return false;
        if (call->json)
            write_line(w, &prompt);
        else
            print_ids(call, &prompt);
        prompt_release(&prompt);
        context_progress(&call->context, "tokenizing bytes", file->at, file->n);
    }
    return true;
}

static bool tokenize_batch(struct command_call *call, const struct opened *opened, struct error *err)
{
    struct prompt_file file = {0};
    struct json_write w;
    if (!prompt_file_open(call, option_string(call, "batch"), &file, err))
        return false;
    if (call->json) {
        command_json_begin(call, &w);
        opened_write(opened, &w);
        json_write_key(&w, "ids");
        json_write_array_begin(&w);
    }
    bool ok = tokenize_lines(call, opened, &file, &w, err);
    prompt_file_release(&file);
    if (!ok || !call->json)
        return ok;
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    bool batch = option_given(call, "batch");
    if (batch ? call->n_args > 1 : call->n_args < 2)
        return command_usage(call, err, "give a text or --batch FILE%s", batch ? ", not both" : "");
    struct opened opened = {0};
    if (!opened_open(call, call->args[0], false, &opened, err))
        return false;
    bool ok = opened_need_tokenizer(&opened, err);
    if (ok)
        ok = batch ? tokenize_batch(call, &opened, err) : tokenize_text(call, &opened, err);
    opened_release(&opened);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet tokenize gemma3 'The Eiffel Tower'", "tokens with their ids and places"},
    {"lancet tokenize gemma3 --ids --no-special ' Rome'", "ids for another command"},
    {NULL, NULL},
};

const struct command command_tokenize = {
    .name = "tokenize",
    .summary = "show the tokens of a text",
    .synopsis = "MODEL TEXT",
    .help = "TEXT may be - for standard input (its last newline is not part of the text). Places are bytes "
            "of the text: "
            "first and one past the last. --batch prints the ids of each line on a line.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
