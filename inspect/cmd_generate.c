#include "inspect_commands.h"

#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "generation.h"

static const struct option_row options[] = {
    {.name = "max-tokens",
     .short_name = 'n',
     .kind = OPTION_U64,
     .value = "N",
     .standard = "64",
     .help = "stop after N tokens"},
    {.name = "temperature",
     .short_name = 't',
     .kind = OPTION_NUMBER,
     .value = "T",
     .standard = "0",
     .help = "0 takes the most likely token each time; larger is more random"},
    {.name = "top-k",
     .kind = OPTION_U64,
     .value = "K",
     .standard = "0",
     .help = "draw from the K most likely tokens only (0: from all)"},
    {.name = "top-p",
     .kind = OPTION_NUMBER,
     .value = "P",
     .standard = "1",
     .help = "draw from the most likely tokens that together have probability P"},
    {.name = "seed",
     .kind = OPTION_U64,
     .value = "S",
     .standard = "0",
     .help = "seed of the random draws; the same seed gives the same text"},
    {.name = "stop",
     .kind = OPTION_LIST,
     .value = "TEXT",
     .help = "stop before TEXT (may be given several times)"},
    {.name = "chat",
     .kind = OPTION_FLAG,
     .help = "answer PROMPT as what a user says, in the form that the model was tuned on"},
    {.name = "system", .kind = OPTION_STRING, .value = "TEXT", .help = "what a chat is told beforehand"},
    {.name = "ids", PROMPT_IDS_ROW},
    {0}};

/* A terminal gets no control characters but new lines and tabs; a file gets the bytes as they are. */
static void write_text(const struct command_call *call, const char *bytes, size_t n)
{
    if (!call->terminal.is_tty) {
        fwrite(bytes, 1, n, call->out);
        return;
    }
    for (size_t i = 0; i < n;) {
        size_t plain = i;
        while (plain < n && bytes[plain] != '\n' && bytes[plain] != '\t')
            plain++;
        text_print(call->out, bytes + i, plain - i);
        if (plain < n)
            fputc(bytes[plain], call->out);
        i = plain + 1;
    }
}

static bool write_piece(void *user, const char *bytes, size_t n)
{
    const struct command_call *call = user;
    write_text(call, bytes, n);
    return fflush(call->out) == 0;
}

static bool check_options(const struct command_call *call, struct sampler *out, struct error *err)
{
    double temperature = option_number(call, "temperature"), top_p = option_number(call, "top-p");
    if (temperature < 0)
        return command_usage(call, err, "--temperature is %g, expected 0 or more", temperature);
    if (!(top_p > 0 && top_p <= 1))
        return command_usage(call, err, "--top-p is %g, expected more than 0 and at most 1", top_p);
    *out = (struct sampler){.temperature = temperature,
                            .top_k = (size_t)option_u64(call, "top-k"),
                            .top_p = top_p,
                            .seed = option_u64(call, "seed")};
    return true;
}

static bool write_json(const struct command_call *call, const struct opened *opened, const struct chat *chat,
                       const struct prompt *prompt, const struct generation *generation, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    opened_write(opened, &w);
    if (chat->format)
        json_write_member_string(&w, "chat", chat->format->name);
    if (!prompt_write(opened, prompt, &w, err))
        return false;
    json_write_key(&w, "generated");
    json_write_array_begin(&w);
    for (size_t i = 0; i < generation->n_ids; i++) {
        json_write_object_begin(&w);
        if (!token_write(opened, generation->ids[i], &w, err))
            return false;
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_key(&w, "text");
    if (opened->tokenizer)
        json_write_string_n(&w, generation->text.length ? generation->text.data : "",
                            generation->text.length);
    else
        json_write_null(&w);
    json_write_member_string(&w, "end", generation_end_name(generation->end));
    return command_json_end(call, &w, err);
}

/* On a terminal the prompt is shown in front, so that the whole reads as one text. */
static void show_prompt(const struct command_call *call, const struct prompt *prompt)
{
    if (!call->terminal.is_tty || !prompt->text)
        return;
    fputs(terminal_style(&call->terminal, STYLE_DIM), call->out);
    write_text(call, prompt->text, prompt->n_text);
    fputs(terminal_style(&call->terminal, STYLE_PLAIN), call->out);
    fflush(call->out);
}

static void show_ids(const struct command_call *call, const struct generation *generation)
{
    for (size_t i = 0; i < generation->n_ids; i++)
        fprintf(call->out, "%s%u", i ? "," : "", (unsigned)generation->ids[i]);
}

/* What the user says, from the command line or standard input, in the form of the model. */
static bool read_chat(struct command_call *call, const struct opened *opened, struct chat *chat,
                      struct prompt *out, struct error *err)
{
    const char *user = call->n_args > 1 ? call->args[1] : NULL;
    char *input = NULL;
    size_t n = user ? strlen(user) : 0;
    if (option_given(call, "ids"))
        return command_usage(call, err, "--chat takes a text, not --ids");
    if (!user)
        return command_usage(call, err, "a prompt is missing (\"-\" reads standard input)");
    bool ok = (strcmp(user, "-") != 0 || standard_input(call, &input, &n, err)) &&
              chat_open(opened, chat, err) &&
              chat_prompt(opened, chat, option_string(call, "system"), input ? input : user, n, out, err);
    free(input);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct chat chat = {0};
    struct prompt prompt = {0};
    struct generation generation = {0};
    struct generation_options how = {.max_tokens = (size_t)option_u64(call, "max-tokens")};
    how.n_stops = option_list(call, "stop", &how.stops);
    bool is_chat = option_given(call, "chat");
    if (option_given(call, "system") && !is_chat)
        return command_usage(call, err, "--system goes with --chat");
    bool ok = check_options(call, &how.sampler, err) &&
              opened_open(call, call->args[0], true, &opened, err) &&
              model_can(opened.model, ABLE_NEXT, err) &&
              (is_chat ? read_chat(call, &opened, &chat, &prompt, err)
                       : prompt_read(call, &opened, 1, &prompt, err));
    if (ok && is_chat && chat.end != CHAT_NO_END)
        how.end = &chat.end;
    if (ok && !call->json) {
        how.piece = write_piece;
        how.user = call;
        if (!is_chat)
            show_prompt(call, &prompt);
    }
    ok = ok && generation_run(&call->context, &opened, &prompt, &how, &generation, err);
    if (ok && call->json) {
        ok = write_json(call, &opened, &chat, &prompt, &generation, err);
    } else if (ok) {
        if (!opened.tokenizer)
            show_ids(call, &generation);
        fputs("\n", call->out);
    }
    generation_release(&generation);
    prompt_release(&prompt);
    chat_release(&chat);
    opened_release(&opened);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet generate gemma3 'The Eiffel Tower is in' -n 20", "the most likely continuation"},
    {"lancet generate gemma3 'Once upon a time' -t 0.8 --top-p 0.9 --seed 7",
     "a random one that can be repeated"},
    {"lancet generate smollm2 --chat 'What is the capital of France?'", "an answer"},
    {NULL, NULL},
};

const struct command command_generate = {
    .name = "generate",
    .summary = "continue a prompt",
    .synopsis = "MODEL PROMPT",
    .help =
        "PROMPT is a text, or - for standard input (its last newline is not part of the prompt). What "
        "the model adds "
        "goes to standard output as it comes. It ends at an end token of the model's "
        "generation_config.json, before a "
        "--stop text, after --max-tokens tokens, or when the context is full. Bytes that are no character "
        "are written as U+FFFD.\n\n"
        "--chat puts PROMPT into a turn of the user and lets the model answer. The form (ChatML, Gemma, "
        "Llama-2, Llama-3, Phi-3) is told by the model's chat template, which is not run, or else by its "
        "special tokens. A system text that the template spells out is used where --system gives none "
        "(--system '' leaves it out). Special tokens are put in by id: one that is spelt in PROMPT stays "
        "text.\n\n"
        "A model without a tokenizer takes --ids and prints ids.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
