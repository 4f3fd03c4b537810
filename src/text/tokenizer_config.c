/* What tokenizer_config.json adds to a tokenizer, as transformers 5 reads it:
 *
 *     bos_token, eos_token, ..,   become added tokens where they are pieces of the vocabulary; others
 *     additional_special_tokens   would get ids that no model has, and are left out
 *     added_tokens_decoder        its tokens become added tokens, with the next free ids if need be
 *     tokenizer_class             tells what no other file does beside vocab.json and merges.txt or a
 *                                 tokenizer.model: the stages, and which tokens go around a text
 *     add_bos_token,              count there, too, in place of what the class does; a tokenizer.json has its
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
    struct added_token *same = content ? added_tokens_find(&t->added, content, strlen(content)) : NULL;
    if (same)
        same->hidden = false;
    if (!content || same)
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

/* What a class does beside files that do not tell it. */
enum class_support { CLASS_FINE, CLASS_OTHER_IDS };
static const struct class_row {
    const char *name;
    enum tokenizer_source source;
    enum class_support support;
    const char *begin, *end; /* keys of the tokens that it puts around a text */
} classes[] = {
    {"GPT2Tokenizer", SOURCE_PAIR, CLASS_FINE, NULL, NULL},
    {"CodeGenTokenizer", SOURCE_PAIR, CLASS_FINE, NULL, NULL},
    {"PreTrainedTokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, NULL, NULL},
    {"LlamaTokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, "bos_token", NULL},
    {"CodeLlamaTokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, "bos_token", NULL},
    {"GemmaTokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, "bos_token", NULL},
    {"T5Tokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, NULL, "eos_token"},
    {"AlbertTokenizer", SOURCE_SENTENCEPIECE, CLASS_FINE, "cls_token", "sep_token"},
    {"XLMRobertaTokenizer", SOURCE_SENTENCEPIECE, CLASS_OTHER_IDS, NULL, NULL},
    {"CamembertTokenizer", SOURCE_SENTENCEPIECE, CLASS_OTHER_IDS, NULL, NULL},
    {"MBartTokenizer", SOURCE_SENTENCEPIECE, CLASS_OTHER_IDS, NULL, NULL},
    {"PegasusTokenizer", SOURCE_SENTENCEPIECE, CLASS_OTHER_IDS, NULL, NULL},
};

/* "LlamaTokenizerFast" is LlamaTokenizer. */
static bool is_class(const char *name, const char *row)
{
    size_t n = strlen(row);
    return strncmp(name, row, n) == 0 && (name[n] == '\0' || strcmp(name + n, "Fast") == 0);
}

static bool find_class(const struct tokenizer *t, const cJSON *config, const struct class_row **out,
                       struct error *err)
{
    static const struct class_row none = {.name = ""};
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    *out = &none;
    if (!cJSON_IsString(name))
        return true;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i].source == t->source && is_class(name->valuestring, classes[i].name)) {
            *out = &classes[i];
            return classes[i].support == CLASS_FINE ||
                   error_set(err, ERROR_UNSUPPORTED,
                             "%s gives the pieces of a tokenizer.model other ids, which is not supported; "
                             "save the model's tokenizer as tokenizer.json",
                             quote(name->valuestring).text);
        }
    return error_set(err, ERROR_UNSUPPORTED,
                     "the model has %s without a tokenizer.json, and its tokenizer_class is %s, whose stages "
                     "are in no file; save its tokenizer as tokenizer.json",
                     t->source == SOURCE_PAIR ? "vocab.json and merges.txt" : "a tokenizer.model",
                     quote(name->valuestring).text);
}

/* The id of a token that goes before or after a text: what the config wishes, else what the class does. */
static bool affix(struct tokenizer *t, const cJSON *config, const char *wish, const char *usual,
                  const char *of_class, uint32_t id, struct affix_ids *out, struct error *err)
{
    const cJSON *wished = cJSON_GetObjectItemCaseSensitive(config, wish);
    const char *key = cJSON_IsBool(wished) ? (cJSON_IsTrue(wished) ? usual : NULL) : of_class;
    const char *content = key ? content_of(cJSON_GetObjectItemCaseSensitive(config, key)) : NULL;
    if (content && !vocabulary_find(&t->vocabulary, content, strlen(content), &id))
        id = NO_PIECE;
    if (!key || id == NO_PIECE)
        return true;
    uint32_t *ids = arena_array(&t->arena, 1, sizeof *ids);
    if (!ids)
        return error_memory(err, "reading a tokenizer");
    *ids = id;
    *out = (struct affix_ids){ids, 1};
    return true;
}

static bool apply_class(struct tokenizer *t, const cJSON *config, struct error *err)
{
    const struct class_row *row;
    return find_class(t, config, &row, err) &&
           affix(t, config, "add_bos_token", "bos_token", row->begin, t->begin, &t->before, err) &&
           affix(t, config, "add_eos_token", "eos_token", row->end, t->end, &t->after, err);
}

bool tokenizer_apply_config(struct tokenizer *t, const char *config, size_t n, struct error *err)
{
    cJSON *document;
    if (!config)
        return true;
    if (!json_document_parse("tokenizer_config.json", config, n, &document, err))
        return false;
    bool spelt_out = t->source == SOURCE_JSON || t->source == SOURCE_TIKTOKEN;
    bool fine = add_each(t, cJSON_GetObjectItemCaseSensitive(document, "added_tokens_decoder"), false, err) &&
                add_named(t, document, err) && (spelt_out || apply_class(t, document, err));
    cJSON_Delete(document);
    return fine;
}
