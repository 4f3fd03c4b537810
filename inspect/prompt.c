#include "prompt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "numbers.h"
#include "size.h"
#include "utf8.h"

/* More than any context holds; a stream without end is a mistake. */
enum { LONGEST_INPUT = 256 << 20 };
enum { SHRINKING = 4 }; /* bytes of a text to one of what normalizers leave of it, at most */

bool opened_open(struct command_call *call, const char *path, bool with_model, struct opened *out,
                 struct error *err)
{
    struct opened opened = {0};
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    if (!checkpoint_open(&call->context, path, &how, &opened.checkpoint, err))
        return false;
    bool ok = !with_model || model_open(&call->context, opened.checkpoint, &opened.model, err);
    if (ok && !tokenizer_open(&call->context, opened.checkpoint, &opened.tokenizer, &opened.no_tokenizer) &&
        opened.no_tokenizer.kind != ERROR_UNSUPPORTED) {
        *err = opened.no_tokenizer;
        ok = false;
    }
    if (!ok) {
        opened_release(&opened);
        return false;
    }
    *out = opened;
    return true;
}

void opened_release(struct opened *opened)
{
    if (!opened)
        return;
    tokenizer_close(opened->tokenizer);
    model_close(opened->model);
    checkpoint_close(opened->checkpoint);
    *opened = (struct opened){0};
}

bool opened_need_tokenizer(const struct opened *opened, struct error *err)
{
    if (opened->tokenizer)
        return true;
    *err = opened->no_tokenizer;
    return false;
}

/* Stops behind `most` bytes. A signal that asks to stop ends the wait, any other does not. */
static bool read_all(const struct command_call *call, size_t most, struct str *out, struct error *err)
{
    char block[65536];
    for (;;) {
        errno = 0;
        size_t got = fread(block, 1, sizeof block, stdin);
        str_append_bytes(out, block, got);
        if (!context_continue(&call->context, err))
            return false;
        if (out->failed)
            return error_memory(err, "reading standard input");
        if (out->length > most)
            return true;
        if (got == sizeof block)
            continue;
        if (!ferror(stdin))
            return true;
        if (errno != EINTR)
            return error_set_errno(err, "cannot read standard input");
        clearerr(stdin);
    }
}

/* All of standard input without its last newline; of one that is longer than `most`, *n > most bytes. */
static bool read_input(const struct command_call *call, size_t most, char **out, size_t *n, struct error *err)
{
    struct str s = {0};
    bool ok = read_all(call, most, &s, err);
    if (ok && s.length <= most && s.length && s.data[s.length - 1] == '\n')
        s.data[--s.length] = '\0';
    size_t length = s.length;
    char *text = ok ? str_take(&s) : NULL;
    str_release(&s);
    if (!text)
        return ok ? error_memory(err, "reading standard input") : false;
    *out = text;
    *n = length;
    return true;
}

bool standard_input(const struct command_call *call, char **out, size_t *n, struct error *err)
{
    if (!read_input(call, LONGEST_INPUT, out, n, err))
        return false;
    if (*n <= LONGEST_INPUT)
        return true;
    free(*out);
    *out = NULL;
    return error_set(err, ERROR_USAGE, "standard input has more than %d bytes", LONGEST_INPUT);
}

/* ---- how long a prompt can be ---- */

/* Bytes of the longest text that could fit into the context: every token the longest of the vocabulary, and
 * four times that for normalizers that shrink what they are given. */
static size_t most_bytes(const struct opened *opened)
{
    size_t longest = 1, most;
    if (!opened->model || !opened->tokenizer)
        return LONGEST_INPUT;
    for (uint32_t id = 0; id < tokenizer_size(opened->tokenizer); id++) {
        const char *piece = tokenizer_piece(opened->tokenizer, id);
        size_t n = piece ? strlen(piece) : 0;
        longest = n > longest ? n : longest;
    }
    bool fits = size_mul(longest, SHRINKING, &most) && size_mul(most, opened->model->config.context, &most);
    return fits && most < LONGEST_INPUT ? most : LONGEST_INPUT;
}

static bool check_bytes(const struct opened *opened, size_t n, size_t most, bool is_input, struct error *err)
{
    if (n <= most)
        return true;
    if (!opened->model || most == LONGEST_INPUT)
        return error_set(err, ERROR_USAGE, "the prompt has more than %zu bytes", most);
    return error_set(err, ERROR_USAGE,
                     "the prompt has %s%zu bytes, and the context of %zu tokens holds at most %zu",
                     is_input ? "more than " : "", is_input ? most : n, opened->model->config.context, most);
}

/* ---- prompts ---- */

static bool keep_ids(struct prompt *prompt, struct error *err)
{
    prompt->ids = memory_array(prompt->tokens.n, sizeof *prompt->ids);
    if (!prompt->ids)
        return error_memory(err, "reading a prompt");
    for (size_t i = 0; i < prompt->tokens.n; i++)
        prompt->ids[i] = prompt->tokens.items[i].id;
    return true;
}

/* Gives the text and its tokens, if they could be had, to *out. */
static bool keep_text(struct prompt *prompt, const char *text, size_t n, bool ok, struct prompt *out,
                      struct error *err)
{
    prompt->text = ok ? memory_copy(text, n) : NULL;
    prompt->n_text = n;
    if (ok && !prompt->text)
        ok = error_memory(err, "reading a prompt");
    if (ok && keep_ids(prompt, err)) {
        *out = *prompt;
        return true;
    }
    prompt_release(prompt);
    return false;
}

bool prompt_of_text(const struct opened *opened, const char *text, size_t n, bool special, struct prompt *out,
                    struct error *err)
{
    struct prompt prompt = {0};
    bool ok = opened_need_tokenizer(opened, err) &&
              tokenizer_encode(opened->tokenizer, text, n, special, &prompt.tokens, err);
    return keep_text(&prompt, text, n, ok, out, err);
}

bool prompt_of_marked(const struct opened *opened, const char *text, size_t n, const struct token_mark *marks,
                      size_t n_marks, struct prompt *out, struct error *err)
{
    struct prompt prompt = {0};
    bool ok = opened_need_tokenizer(opened, err) &&
              tokenizer_encode_marked(opened->tokenizer, text, n, marks, n_marks, &prompt.tokens, err);
    return keep_text(&prompt, text, n, ok, out, err);
}

bool prompt_of_ids(const uint32_t *ids, size_t n, struct prompt *out, struct error *err)
{
    struct prompt prompt = {.tokens.items = memory_zeroed(n, sizeof *prompt.tokens.items)};
    bool ok = prompt.tokens.items || error_memory(err, "reading a prompt");
    if (ok) {
        prompt.tokens.n = prompt.tokens.capacity = n;
        for (size_t i = 0; i < n; i++)
            prompt.tokens.items[i].id = ids[i];
        ok = keep_ids(&prompt, err);
    }
    if (!ok) {
        prompt_release(&prompt);
        return false;
    }
    *out = prompt;
    return true;
}

static bool prompt_of_list(const char *text, struct prompt *out, struct error *err)
{
    struct number_list list = {0};
    if (!numbers_parse("--ids", text, false, UINT32_MAX, &list, err))
        return false;
    uint32_t *ids = memory_array(list.n, sizeof *ids);
    bool ok = ids || error_memory(err, "reading a prompt");
    for (size_t i = 0; ok && i < list.n; i++)
        ids[i] = (uint32_t)list.items[i];
    ok = ok && prompt_of_ids(ids, list.n, out, err);
    free(ids);
    number_list_release(&list);
    return ok;
}

bool prompt_read(struct command_call *call, const struct opened *opened, unsigned index, struct prompt *out,
                 struct error *err)
{
    const char *ids = option_string(call, "ids"), *argument = call->n_args > index ? call->args[index] : NULL;
    if (ids && argument)
        return command_usage(call, err, "give a prompt or --ids, not both");
    if (!ids && !argument)
        return command_usage(call, err,
                             "a prompt is missing (\"-\" reads standard input, --ids takes token ids)");
    struct prompt prompt = {0};
    char *input = NULL;
    size_t n = argument ? strlen(argument) : 0;
    bool ok = true;
    if (ids) {
        ok = prompt_of_list(ids, &prompt, err);
    } else {
        bool is_input = strcmp(argument, "-") == 0;
        size_t most = most_bytes(opened);
        ok = (!is_input || read_input(call, most, &input, &n, err)) &&
             check_bytes(opened, n, most, is_input, err) &&
             prompt_of_text(opened, input ? input : argument, n, true, &prompt, err);
        free(input);
    }
    if (ok && prompt.tokens.n == 0)
        ok = error_set(err, ERROR_USAGE, "%s: the prompt has no tokens, expected at least one",
                       call->command->name);
    if (!ok) {
        prompt_release(&prompt);
        return false;
    }
    *out = prompt;
    return true;
}

void prompt_release(struct prompt *prompt)
{
    if (!prompt)
        return;
    free(prompt->text);
    free(prompt->ids);
    token_list_release(&prompt->tokens);
    *prompt = (struct prompt){0};
}

bool token_bytes(const struct opened *opened, uint32_t id, struct str *out, struct error *err)
{
    return !opened->tokenizer || tokenizer_token_bytes(opened->tokenizer, id, out, err);
}

static bool is_utf8(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(bytes + i, n - i, &code);
        if (code == UTF8_BAD)
            return false;
    }
    return true;
}

static bool write_hex(struct json_write *w, const char *bytes, size_t n, struct error *err)
{
    struct str hex = {0};
    for (size_t i = 0; i < n; i++)
        str_printf(&hex, "%02x", (unsigned char)bytes[i]);
    bool ok = !hex.failed || error_memory(err, "writing a token");
    if (ok)
        json_write_member_string(w, "bytes", hex.data);
    str_release(&hex);
    return ok;
}

bool token_write(const struct opened *opened, uint32_t id, struct json_write *w, struct error *err)
{
    struct str bytes = {0};
    bool ok = token_bytes(opened, id, &bytes, err);
    if (ok && bytes.failed)
        ok = error_memory(err, "writing a token");
    if (ok) {
        json_write_member_u64(w, "id", id);
        json_write_key(w, "text");
        if (opened->tokenizer)
            json_write_string_n(w, bytes.length ? bytes.data : "", bytes.length);
        else
            json_write_null(w);
        if (!is_utf8(bytes.data, bytes.length))
            ok = write_hex(w, bytes.data, bytes.length, err);
    }
    str_release(&bytes);
    return ok;
}

bool token_show(const struct opened *opened, uint32_t id, struct str *out, struct error *err)
{
    struct str bytes = {0};
    bool ok = token_bytes(opened, id, &bytes, err);
    if (ok && !opened->tokenizer)
        str_printf(out, "#%u", (unsigned)id);
    else if (ok) {
        str_append(out, "\"");
        str_append_escaped(out, bytes.length ? bytes.data : "", bytes.length);
        str_append(out, "\"");
    }
    if (ok && (out->failed || bytes.failed))
        ok = error_memory(err, "showing a token");
    str_release(&bytes);
    return ok;
}

void opened_write(const struct opened *opened, struct json_write *w)
{
    json_write_key(w, "model");
    json_write_object_begin(w);
    json_write_member_string(w, "path", opened->checkpoint->path);
    if (opened->model)
        json_write_member_string(w, "architecture", opened->model->architecture->model_type);
    json_write_object_end(w);
}

bool prompt_write(const struct opened *opened, const struct prompt *prompt, struct json_write *w,
                  struct error *err)
{
    json_write_key(w, "tokens");
    json_write_array_begin(w);
    for (size_t i = 0; i < prompt->tokens.n; i++) {
        const struct token *token = &prompt->tokens.items[i];
        json_write_object_begin(w);
        if (!token_write(opened, token->id, w, err))
            return false;
        json_write_key(w, "start");
        if (token->placed)
            json_write_u64(w, token->start);
        else
            json_write_null(w);
        json_write_key(w, "end");
        if (token->placed)
            json_write_u64(w, token->end);
        else
            json_write_null(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    return true;
}
