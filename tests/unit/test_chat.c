#include "suite.h"

#include <string.h>

#include "chat.h"

/* Every printable ASCII character and the new line is a piece; the special tokens are given. Bytes of a text
 * are ids. */
static struct tokenizer *make(const char *const *tokens)
{
    struct str json = {0};
    struct error err;
    struct tokenizer *t = NULL;
    str_append(&json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    for (size_t i = 0; tokens[i]; i++)
        str_printf(&json,
                   "%s{\"id\":%zu,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":%s,"
                   "\"normalized\":false,\"special\":true}",
                   i ? "," : "", 300 + i, tokens[i], strcmp(tokens[i], "<|user|>") ? "false" : "true");
    str_append(&json, "],\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,"
                      "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                      "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                      "\"byte_fallback\":false,\"vocab\":{\"\\n\":10");
    for (unsigned c = ' '; c < 127; c++)
        str_printf(&json, c == '"' || c == '\\' ? ",\"\\%c\":%u" : ",\"%c\":%u", (int)c, c);
    for (size_t i = 0; tokens[i]; i++)
        str_printf(&json, ",\"%s\":%zu", tokens[i], 300 + i);
    str_append(&json, ",\"\xef\xbf\xbd\":200},\"merges\":[]}}");
    ck_assert(!json.failed);
    ck_assert_msg(tokenizer_parse("t.json", json.data, json.length, NULL, 0, &t, &err), "%s", err.text);
    str_release(&json);
    return t;
}

/* What a chat becomes: special tokens in brackets, everything else as it is. */
static char *shown(const struct tokenizer *t, const char *template, const char *system, const char *user)
{
    struct model model = {.config.bos = -1};
    struct opened opened = {.model = &model};
    struct chat chat;
    struct prompt prompt;
    struct error err;
    struct str out = {0};
    uint32_t begin;
    memcpy(&opened.tokenizer, &t, sizeof t);
    if (tokenizer_find(t, "<s>", &begin))
        model.config.bos = begin;
    ck_assert_msg(chat_choose(t, template, &chat, &err), "%s", err.text);
    ck_assert_msg(chat_prompt(&opened, &chat, system, user, strlen(user), &prompt, &err), "%s", err.text);
    for (size_t i = 0; i < prompt.tokens.n; i++) {
        const char *piece = tokenizer_piece(t, prompt.ids[i]);
        ck_assert_ptr_nonnull(piece);
        str_printf(&out, tokenizer_is_special(t, prompt.ids[i]) ? "{%s}" : "%s", piece);
        ck_assert(prompt.tokens.items[i].start == (i ? prompt.tokens.items[i - 1].end : 0));
    }
    prompt_release(&prompt);
    chat_release(&chat);
    return str_take(&out);
}

#define HEADER "{<|start_header_id|>}"
#define HEADED "{<|end_header_id|>}\n\n"
static const struct example {
    const char *tokens[6];
    const char *template, *system, *user, *expected;
} examples[] = {
    {{"<|im_start|>", "<|im_end|>"},
     NULL,
     NULL,
     " Hi \n",
     "{<|im_start|>}user\n Hi \n{<|im_end|>}\n{<|im_start|>}assistant\n"},
    {{"<|im_start|>", "<|im_end|>"},
     NULL,
     "Be brief.",
     "<|im_end|>",
     "{<|im_start|>}system\nBe brief.{<|im_end|>}\n{<|im_start|>}user\n<|im_end|>{<|im_end|>}\n"
     "{<|im_start|>}assistant\n"},
    /* A text of the template's own, with both spellings of a new line; not one that code is put together for.
     */
    {{"<|im_start|>", "<|im_end|>"},
     "{{ '<|im_start|>system\n' + x + '<|im_end|>' }}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}",
     NULL,
     "Hi",
     "{<|im_start|>}system\nBe "
     "kind.{<|im_end|>}\n{<|im_start|>}user\nHi{<|im_end|>}\n{<|im_start|>}assistant\n"},
    {{"<|im_start|>", "<|im_end|>", "<s>"},
     "{{ bos_token }}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}",
     "",
     "Hi",
     "{<s>}{<|im_start|>}user\nHi{<|im_end|>}\n{<|im_start|>}assistant\n"},
    {{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<s>"},
     "bos_token <|start_header_id|> <|end_header_id|> <|eot_id|>",
     " A ",
     "\tB\n",
     "{<s>}" HEADER "system" HEADED "A{<|eot_id|>}" HEADER "user" HEADED "B{<|eot_id|>}" HEADER
     "assistant" HEADED},
    {{"<start_of_turn>", "<end_of_turn>", "<s>"},
     NULL,
     "A",
     " B\xff",
     "{<s>}{<start_of_turn>}user\nA\n\nB\xef\xbf\xbd{<end_of_turn>}\n{<start_of_turn>}model\n"},
    /* <|user|> takes the new line behind it, as its token says. */
    {{"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"},
     NULL,
     "A",
     "B",
     "{<|system|>}\nA{<|end|>}\n{<|user|>}B{<|end|>}\n{<|assistant|>}\n"},
    {{"<s>", "</s>"},
     "bos_token [INST] <<SYS>> [/INST]",
     "A",
     " B </s> ",
     "{<s>}[INST] <<SYS>>\nA\n<</SYS>>\n\n B </s> [/INST]"},
};

START_TEST(chats_take_the_form_of_their_model)
{
    const struct example *e = &examples[_i];
    struct tokenizer *t = make(e->tokens);
    char *found = shown(t, e->template, e->system, e->user);
    ck_assert_str_eq(found, e->expected);
    free(found);
    tokenizer_close(t);
}
END_TEST

static const struct refusal {
    const char *tokens[4];
    const char *template, *says;
} refusals[] = {
    {{"<s>"}, NULL, "no chat template, and not the special tokens"},
    {{"<|im_start|>", "<|im_end|>"}, "{{ messages }}", "none that lancet knows (Llama-3, ChatML"},
    {{"<|im_start|>", "<|im_end|>", "<|im_sep|>"}, NULL, "no chat template"},
    {{"<|im_start|>", "<|im_end|>"}, "<|im_start|> <|im_sep|> <|im_end|>", "none that lancet knows"},
    {{"<|im_start|>"}, "<|im_start|> <|im_end|>", "has no token <|im_end|>"},
};

START_TEST(what_fits_no_form_is_refused)
{
    const struct refusal *r = &refusals[_i];
    struct tokenizer *t = make(r->tokens);
    struct chat chat;
    struct error err;
    ck_assert(!chat_choose(t, r->template, &chat, &err));
    ck_assert_int_eq(err.kind, ERROR_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, r->says), "%s", err.text);
    tokenizer_close(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chat");
    TCase *tc = tcase_create("chat");
    tcase_add_loop_test(tc, chats_take_the_form_of_their_model, 0, sizeof examples / sizeof *examples);
    tcase_add_loop_test(tc, what_fits_no_form_is_refused, 0, sizeof refusals / sizeof *refusals);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
