#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "chat_template.h"
#include "memory.h"
#include "quote.h"
#include "utf8.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct */
#define LLAMA3_TURN(WHO, TEXT) "<|start_header_id|>" WHO "<|end_header_id|>\n\n" TEXT "<|eot_id|>"
#define LLAMA3_ANSWER "<|start_header_id|>assistant<|end_header_id|>\n\n"
static const struct chat_format llama3 = {
    .name = "Llama-3",
    .tokens = LIST("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    .needed = LIST("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    .by_tokens = true,
    .end = "<|eot_id|>",
    .alone = LLAMA3_TURN("user", "{user|trim}") LLAMA3_ANSWER,
    .with_system = LLAMA3_TURN("system", "{system|trim}") LLAMA3_TURN("user", "{user|trim}") LLAMA3_ANSWER,
};

/* OpenAI's; Qwen, SmolLM and many tunes */
#define CHATML_TURN(WHO, TEXT) "<|im_start|>" WHO "\n" TEXT "<|im_end|>\n"
#define CHATML_ANSWER "<|im_start|>assistant\n"
static const struct chat_format chatml = {
    .name = "ChatML",
    .tokens = LIST("<|im_start|>", "<|im_end|>"),
    .needed = LIST("<|im_start|>", "<|im_end|>"),
    .foreign = LIST("<|im_sep|>"), /* Phi-4 */
    .by_tokens = true,
    .end = "<|im_end|>",
    .alone = CHATML_TURN("user", "{user}") CHATML_ANSWER,
    .with_system = CHATML_TURN("system", "{system}") CHATML_TURN("user", "{user}") CHATML_ANSWER,
    .spelt_out = "<|im_start|>system",
    .spelt_end = "<|im_end|>",
};

/* https://ai.google.dev/gemma/docs/core/prompt-structure: a system text goes into the user's turn */
#define GEMMA_CHAT(TEXT) "<start_of_turn>user\n" TEXT "<end_of_turn>\n<start_of_turn>model\n"
static const struct chat_format gemma = {
    .name = "Gemma",
    .tokens = LIST("<start_of_turn>", "<end_of_turn>"),
    .needed = LIST("<start_of_turn>", "<end_of_turn>"),
    .by_tokens = true,
    .end = "<end_of_turn>",
    .alone = GEMMA_CHAT("{user|trim}"),
    .with_system = GEMMA_CHAT("{system}\n\n{user|trim}"),
};

/* https://huggingface.co/microsoft/Phi-3-mini-4k-instruct */
#define PHI3_CHAT "<|user|>\n{user}<|end|>\n<|assistant|>\n"
static const struct chat_format phi3 = {
    .name = "Phi-3",
    .tokens = LIST("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    .needed = LIST("<|user|>", "<|assistant|>", "<|end|>"),
    .by_tokens = true,
    .end = "<|end|>",
    .alone = PHI3_CHAT,
    .with_system = "<|system|>\n{system}<|end|>\n" PHI3_CHAT,
};

/* https://huggingface.co/meta-llama/Llama-2-7b-chat-hf: its marks are plain text */
static const struct chat_format llama2 = {
    .name = "Llama-2",
    .tokens = LIST("</s>"),
    .needed = LIST("[INST]", "[/INST]", "<<SYS>>"),
    .end = "</s>",
    .alone = "[INST] {user|trim} [/INST]",
    .with_system = "[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{user|rtrim} [/INST]",
};

const struct chat_format *const chat_formats[] = {&llama3, &chatml, &gemma, &phi3, &llama2, NULL};

/* ---- which form ---- */

static bool holds(const char *template, const char *text)
{
    return strstr(template, text);
}

static bool has_token(const struct tokenizer *tokenizer, const char *text)
{
    uint32_t id;
    return tokenizer_find(tokenizer, text, &id);
}

static bool fits(const struct chat_format *format, const struct tokenizer *tokenizer, const char *template)
{
    const char *const *list = template ? format->needed : format->tokens;
    bool fine = template || format->by_tokens;
    for (size_t i = 0; fine && list[i]; i++)
        fine = template ? holds(template, list[i]) : has_token(tokenizer, list[i]);
    for (size_t i = 0; fine && format->foreign && format->foreign[i]; i++)
        fine = template ? !holds(template, format->foreign[i]) : !has_token(tokenizer, format->foreign[i]);
    return fine;
}

static bool no_format(const char *template, struct error *err)
{
    struct str names = {0};
    for (size_t i = 0; chat_formats[i]; i++)
        str_printf(&names, "%s%s", i ? ", " : "", chat_formats[i]->name);
    const char *known = names.failed || !names.data ? "" : names.data;
    if (template)
        error_set(err, ERROR_UNSUPPORTED, "the chat template of the model is none that lancet knows (%s)",
                  known);
    else
        error_set(err, ERROR_UNSUPPORTED,
                  "the model has no chat template, and not the special tokens of one that lancet knows (%s)",
                  known);
    str_release(&names);
    return false;
}

/* A system text that a template writes when it is given none, as in 'A\nTEXT B' with A and B as they are:
 * TEXT, where nothing in it is code. */
static bool find_spelt_out(const char *template, const struct chat_format *format, char **out,
                           struct error *err)
{
    for (const char *at = template; (at = strstr(at, format->spelt_out)); at++) {
        const char *text = at + strlen(format->spelt_out);
        size_t line = *text == '\n' ? 1 : strncmp(text, "\\n", 2) == 0 ? 2 : 0;
        const char *end = line ? strstr(text + line, format->spelt_end) : NULL;
        text += line;
        if (!end || end == text || strcspn(text, "'\"{}\\") < (size_t)(end - text))
            continue;
        *out = memory_copy(text, (size_t)(end - text));
        return *out || error_memory(err, "reading a chat template");
    }
    return true;
}

bool chat_choose(const struct tokenizer *tokenizer, const char *template, struct chat *out, struct error *err)
{
    struct chat chat = {0};
    for (size_t i = 0; !chat.format && chat_formats[i]; i++)
        if (fits(chat_formats[i], tokenizer, template))
            chat.format = chat_formats[i];
    if (!chat.format)
        return no_format(template, err);
    for (size_t i = 0; chat.format->tokens[i]; i++)
        if (!has_token(tokenizer, chat.format->tokens[i]) &&
            (!template || holds(template, chat.format->tokens[i])))
            return error_set(
                err, ERROR_UNSUPPORTED,
                "the chat template of the model is that of %s, but its tokenizer has no token %s",
                chat.format->name, chat.format->tokens[i]);
    if (!tokenizer_find(tokenizer, chat.format->end, &chat.end))
        chat.end = CHAT_NO_END;
    chat.begins = !template || holds(template, "bos_token");
    if (template && chat.format->spelt_out && !find_spelt_out(template, chat.format, &chat.system, err))
        return false;
    *out = chat;
    return true;
}

bool chat_open(const struct opened *opened, struct chat *out, struct error *err)
{
    char *template = NULL;
    bool ok = opened_need_tokenizer(opened, err) && chat_template_read(opened->checkpoint, &template, err) &&
              (chat_choose(opened->tokenizer, template, out, err) ||
               error_prefix(err, "%s", quote(opened->checkpoint->path).text));
    free(template);
    return ok;
}

void chat_release(struct chat *chat)
{
    if (!chat)
        return;
    free(chat->system);
    *chat = (struct chat){0};
}

/* ---- the prompt ---- */

struct rendering { /* the text so far, and where the special tokens are in it */
    const struct chat *chat;
    const struct tokenizer *tokenizer;
    struct str text;
    struct token_mark *marks; /* [n_marks] */
    size_t n_marks, capacity;
};

static bool add_mark(struct rendering *r, const char *text, size_t n, uint32_t id, struct error *err)
{
    if (r->n_marks == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        struct token_mark *marks = memory_resize(r->marks, capacity, sizeof *marks);
        if (!marks)
            return error_memory(err, "writing a chat");
        r->marks = marks;
        r->capacity = capacity;
    }
    r->marks[r->n_marks++] = (struct token_mark){r->text.length, r->text.length + n, id};
    str_append_bytes(&r->text, text, n);
    return true;
}

/* Of the form itself. */
static bool add_own(struct rendering *r, const char *text, size_t n, struct error *err)
{
    for (size_t i = 0; i < n;) {
        const char *token = NULL;
        uint32_t id;
        for (size_t k = 0; !token && r->chat->format->tokens[k]; k++)
            if (strncmp(text + i, r->chat->format->tokens[k], strlen(r->chat->format->tokens[k])) == 0)
                token = r->chat->format->tokens[k];
        if (token && tokenizer_find(r->tokenizer, token, &id)) {
            if (!add_mark(r, token, strlen(token), id, err))
                return false;
            i += strlen(token);
        } else {
            str_append_bytes(&r->text, text + i++, 1);
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Of the user: bytes that are no UTF-8 become U+FFFD, so that places stay what they are. */
static void add_foreign(struct rendering *r, const char *text, size_t n, bool left, bool right)
{
    while (right && n && is_blank(text[n - 1]))
        n--;
    while (left && n && is_blank(*text)) {
        text++;
        n--;
    }
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code;
        length = utf8_decode(text + i, n - i, &code);
        if (code == UTF8_BAD)
            str_append(&r->text, "\xef\xbf\xbd");
        else
            str_append_bytes(&r->text, text + i, length);
    }
}

struct filling {
    const char *name;
    bool left, right; /* sides on which white space goes */
    const char *text;
    size_t n;
};

static const struct filling *filling_at(const char *form, const struct filling *fillings)
{
    for (size_t i = 0; fillings[i].name; i++)
        if (strncmp(form, fillings[i].name, strlen(fillings[i].name)) == 0)
            return &fillings[i];
    return NULL;
}

static bool render(struct rendering *r, const char *form, const struct filling *fillings, struct error *err)
{
    while (*form) {
        const struct filling *filling = filling_at(form, fillings);
        size_t n = filling ? strlen(filling->name) : 1 + strcspn(form + 1, "{");
        if (filling)
            add_foreign(r, filling->text, filling->n, filling->left, filling->right);
        else if (!add_own(r, form, n, err))
            return false;
        form += n;
    }
    return !r->text.failed || error_memory(err, "writing a chat");
}

/* The beginning of text, as the tokenizer or the config has it. */
static bool add_beginning(struct rendering *r, const struct opened *opened, struct error *err)
{
    size_t n;
    const uint32_t *prefix = tokenizer_prefix(opened->tokenizer, &n);
    int64_t bos = opened->model->config.bos;
    uint32_t id = n ? prefix[0] : (uint32_t)bos;
    const char *piece = n || bos >= 0 ? tokenizer_piece(opened->tokenizer, id) : NULL;
    return !r->chat->begins || !piece || add_mark(r, piece, strlen(piece), id, err);
}

bool chat_prompt(const struct opened *opened, const struct chat *chat, const char *system, const char *user,
                 size_t n_user, struct prompt *out, struct error *err)
{
    struct rendering r = {.chat = chat, .tokenizer = opened->tokenizer};
    struct prompt prompt = {0};
    system = system ? system : chat->system;
    bool has_system = system && *system;
    size_t n_system = has_system ? strlen(system) : 0;
    const struct filling fillings[] = {
        {"{user}", false, false, user, n_user},          {"{user|trim}", true, true, user, n_user},
        {"{user|rtrim}", false, true, user, n_user},     {"{system}", false, false, system, n_system},
        {"{system|trim}", true, true, system, n_system}, {NULL, false, false, NULL, 0},
    };
    bool ok = add_beginning(&r, opened, err) &&
              render(&r, has_system ? chat->format->with_system : chat->format->alone, fillings, err) &&
              prompt_of_marked(opened, r.text.data, r.text.length, r.marks, r.n_marks, &prompt, err);
    if (ok)
        *out = prompt;
    free(r.marks);
    str_release(&r.text);
    return ok;
}
