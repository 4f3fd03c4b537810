/* What tokenizer_config.json adds to a tokenizer, as transformers 5 reads it:
 *
 *  - special tokens that it names (bos_token, eos_token, ..., additional_special_tokens) and that are pieces
 * of the vocabulary, but no added tokens yet, become added tokens. Others would get ids that no model has;
 * they are left out.
 *  - added_tokens_decoder: tokens that are missing become added tokens, with the next free ids where they are no pieces.
 *  - tokenizer_class: beside the older pair of files it must be one whose stages are GPT-2's; others
 * (Qwen2Tokenizer, RobertaTokenizer, ...) have stages of their own, which no file spells out.
 *  - add_bos_token, add_eos_token: only beside the older pair of files. Where there is a tokenizer.json, its
 * template counts and transformers drops the two.
 *
 * Flags that tokenizer.json gives to a token are kept. */
#include "tokenizer_parts.h"

#include <string.h>

#include "json_document.h"
#include "quote.h"

static struct json_text keep(struct tokenizer *t, const char *text)
{
    size_t n = strlen(text);
    return (struct json_text){arena_copy(&t->arena, text, n), n};
}

/* A token is given as its text, or as an object with "content". */
static const char *content_of(const cJSON *token)
{
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(token, "content");
    return cJSON_IsString(token) ? token->valuestring : cJSON_IsString(content) ? content->valuestring : NULL;
}

static bool flag_of(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static bool add_token(struct tokenizer *t, const cJSON *token, bool special, struct error *err)
{
    const char *content = content_of(token);
    if (!content || added_tokens_find(&t->added, content, strlen(content)))
        return true;
    struct added_token added = {
        .content = keep(t, content),
        .single_word = flag_of(token, "single_word"),
        .lstrip = flag_of(token, "lstrip"),
        .rstrip = flag_of(token, "rstrip"),
        .normalized = flag_of(token, "normalized"),
        .special = special || flag_of(token, "special"),
    };
    return added.content.data ? added_tokens_add(&t->added, added, err)
                              : error_memory(err, "reading a tokenizer");
}

static bool is_piece(const struct tokenizer *t, const cJSON *token)
{
    const char *content = content_of(token);
    uint32_t id;
    return content && vocabulary_find(&t->vocabulary, content, strlen(content), &id);
}

static bool add_named(struct tokenizer *t, const cJSON *config, struct error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *token = cJSON_GetObjectItemCaseSensitive(config, names[i]);
        if (is_piece(t, token) && !add_token(t, token, true, err))
            return false;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const cJSON *token;
        cJSON_ArrayForEach(token, cJSON_GetObjectItemCaseSensitive(
                                      config, lists[i])) if (is_piece(t, token) &&
                                                             !add_token(t, token, true, err)) return false;
    }
    return true;
}

/* {"50257": {"content": .., ..}, ..}: in the order of their ids these follow the vocabulary one by one. */
static bool add_decoder(struct tokenizer *t, const cJSON *config, struct error *err)
{
    const cJSON *token;
    cJSON_ArrayForEach(
        token, cJSON_GetObjectItemCaseSensitive(
                   config, "added_tokens_decoder")) if (cJSON_IsObject(token) &&
                                                        !add_token(t, token, false, err)) return false;
    return true;
}

/* The id of bos_token or eos_token, where the config asks for it. */
static bool affix(struct tokenizer *t, const cJSON *config, const char *wish, const char *name,
                  struct affix_ids *out, struct error *err)
{
    const char *content = content_of(cJSON_GetObjectItemCaseSensitive(config, name));
    uint32_t id;
    if (!flag_of(config, wish) || !content || !vocabulary_find(&t->vocabulary, content, strlen(content), &id))
        return true;
    uint32_t *ids = arena_array(&t->arena, 1, sizeof *ids);
    if (!ids)
        return error_memory(err, "reading a tokenizer");
    *ids = id;
    *out = (struct affix_ids){ids, 1};
    return true;
}

static bool check_class(const cJSON *config, struct error *err)
{
    static const char *const like_gpt2[] = {"GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer",
                                            "CodeGenTokenizerFast"};
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    if (!cJSON_IsString(name))
        return true;
    for (size_t i = 0; i < sizeof like_gpt2 / sizeof *like_gpt2; i++)
        if (strcmp(name->valuestring, like_gpt2[i]) == 0)
            return true;
    return error_set(
        err, ERROR_UNSUPPORTED,
        "the model has vocab.json and merges.txt without a tokenizer.json, and its tokenizer_class is %s; "
        "only GPT-2's is supported in that form",
        quote(name->valuestring).text);
}

bool tokenizer_apply_config(struct tokenizer *t, const char *config, size_t n, bool pair, struct error *err)
{
    cJSON *document;
    if (!json_document_parse("tokenizer_config.json", config, n, &document, err))
        return false;
    bool fine = add_decoder(t, document, err) && add_named(t, document, err) &&
                (!pair || (check_class(document, err) &&
                           affix(t, document, "add_bos_token", "bos_token", &t->before, err) &&
                           affix(t, document, "add_eos_token", "eos_token", &t->after, err)));
    cJSON_Delete(document);
    return fine;
}
