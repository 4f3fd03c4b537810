/* What tokenizer_config.json adds to a tokenizer, as transformers 5 reads it:
 *
 *     bos_token, eos_token, ..,   become added tokens where they are pieces of the vocabulary; others
 *     additional_special_tokens   would get ids that no model has, and are left out
 *     added_tokens_decoder        its tokens become added tokens, with the next free ids if need be
 *     tokenizer_class             must be one with GPT-2's stages beside vocab.json and merges.txt: those
 *                                 of others (Qwen2Tokenizer, ..) are spelt out in no file
 *     add_bos_token,              count beside vocab.json and merges.txt only: a tokenizer.json has its
 *     add_eos_token               template
 *
 * Tokens that tokenizer.json lists keep the flags that they have there. */
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

/* The tokens of an array or object. */
static bool add_each(struct tokenizer *t, const cJSON *tokens, bool special, struct error *err)
{
    bool fine = true;
    for (const cJSON *token = tokens ? tokens->child : NULL; fine && token; token = token->next)
        fine = (special && !is_piece(t, token)) || add_token(t, token, special, err);
    return fine;
}

static bool add_named(struct tokenizer *t, const cJSON *config, struct error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *token = cJSON_GetObjectItemCaseSensitive(config, names[i]);
        if (is_piece(t, token) && !add_token(t, token, true, err))
            return false;
    }
    return add_each(t, cJSON_GetObjectItemCaseSensitive(config, "additional_special_tokens"), true, err) &&
           add_each(t, cJSON_GetObjectItemCaseSensitive(config, "extra_special_tokens"), true, err);
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
    bool fine = add_each(t, cJSON_GetObjectItemCaseSensitive(document, "added_tokens_decoder"), false, err) &&
                add_named(t, document, err) &&
                (!pair || (check_class(document, err) &&
                           affix(t, document, "add_bos_token", "bos_token", &t->before, err) &&
                           affix(t, document, "add_eos_token", "eos_token", &t->after, err)));
    cJSON_Delete(document);
    return fine;
}
