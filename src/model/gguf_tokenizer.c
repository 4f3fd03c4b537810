/* tokenizer.json as metadata (llama.cpp's keys, docs/gguf.md of ggml):
 *
 *     tokenizer.ggml.model        "gpt2": BPE of bytes, with merges; "llama": BPE of characters, with bytes
 * in reserve, whose pieces have scores, the highest of which merge first tokenizer.ggml.pre          how
 * "gpt2" cuts words (split_patterns.h) tokenizer.ggml.tokens, .scores, .token_type (1 normal, 2 unknown, 3
 * control, 4 by the user, 5 unused, 6 byte)
 *
 * A score is minus the rank of the first merge that makes the piece. Ids that no piece has are "[PAD<id>]",
 * unused, as llama.cpp's converter fills them up to the rows of the embedding. */
#include <stdio.h>
#include <string.h>

#include "chat_template.h"
#include "gguf_architecture.h"
#include "gguf_metadata.h"
#include "json_document.h"
#include "memory.h"
#include "split_patterns.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, BY_USER, UNUSED, BYTE };

struct stored_piece {
    const char *text; /* NULL: none has this id */
    int32_t type;
    float score;
};

struct vocabulary_writer {
    const cJSON *document, *model;
    struct stored_piece *pieces; /* [n] by id */
    size_t n;
    bool of_bytes;
    const char *pre;
};

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static bool is_type(const cJSON *stage, const char *type)
{
    const cJSON *name = member(stage, "type");

    return cJSON_IsString(name) && strcmp(name->valuestring, type) == 0;
}

/* ---- how words are cut ---- */

/* The stages of a pre-tokenizer as patterns, in order; false when one of them is none. */
static bool list_patterns(const cJSON *stage, const char **out, size_t *n)
{
    const cJSON *child, *list = member(stage, "pretokenizers"), *use = member(stage, "use_regex"),
                        *pattern = member(member(stage, "pattern"), "Regex");

    if (is_type(stage, "Sequence")) {
        cJSON_ArrayForEach(child, list) if (!list_patterns(child, out, n)) return false;
        return true;
    }
    if (is_type(stage, "ByteLevel") && use && !cJSON_IsTrue(use))
        return true;
    if (*n == 6)
        return false;
    if (is_type(stage, "ByteLevel"))
        out[(*n)++] = split_patterns_find("gpt-2", 5)->patterns[0];
    else if (is_type(stage, "Split") && cJSON_IsString(pattern))
        out[(*n)++] = pattern->valuestring;
    else if (is_type(stage, "Digits") && cJSON_IsTrue(member(stage, "individual_digits")))
        out[(*n)++] = "\\p{N}";
    else
        return false;
    return true;
}

static const char *name_of_patterns(const cJSON *stage)
{
    static const char *const names[] = {
        "gpt-2",  "llama-bpe",    "qwen2",          "smollm",    "starcoder", "refact",
        "olmo",   "command-r",    "dbrx",           "falcon",    "gpt-4o",    "tekken",
        "qwen35", "deepseek-llm", "deepseek-coder", "stablelm2", NULL};
    const char *found[6];
    size_t n = 0;

    if (!list_patterns(stage, found, &n))
        return NULL;
    for (size_t i = 0; names[i]; i++) {
        const struct split_patterns *row = split_patterns_find(names[i], strlen(names[i]));
        size_t k = 0;

        while (row && k < n && row->patterns[k] && strcmp(row->patterns[k], found[k]) == 0)
            k++;
        if (row && k == n && (k == 6 || !row->patterns[k]))
            return names[i];
    }
    return NULL;
}

static bool has_byte_level(const cJSON *stage)
{
    const cJSON *child;

    if (is_type(stage, "ByteLevel"))
        return true;
    cJSON_ArrayForEach(child, member(stage, "pretokenizers")) if (has_byte_level(child)) return true;
    return false;
}

/* Whether it is one of the two kinds. */
static bool find_kind(struct vocabulary_writer *w)
{
    const cJSON *stage = member(w->document, "pre_tokenizer");

    w->model = member(w->document, "model");
    if (!is_type(w->model, "BPE") || !cJSON_IsObject(member(w->model, "vocab")))
        return false;
    w->of_bytes = has_byte_level(stage);
    w->pre = w->of_bytes ? name_of_patterns(stage) : "default";
    return w->pre && (w->of_bytes || cJSON_IsTrue(member(w->model, "byte_fallback")));
}

/* ---- pieces ---- */

static bool is_byte(const char *text)
{
    static const char hexadecimal[] = "0123456789ABCDEF";

    return strlen(text) == 6 && memcmp(text, "<0x", 3) == 0 && strchr(hexadecimal, text[3]) &&
           strchr(hexadecimal, text[4]) && text[5] == '>';
}

static bool put_piece(struct vocabulary_writer *w, const cJSON *id, const char *text, int32_t type)
{
    if (!cJSON_IsNumber(id) || !(id->valuedouble >= 0) || !(id->valuedouble < (double)w->n))
        return false;
    w->pieces[(size_t)id->valuedouble].text = text;
    w->pieces[(size_t)id->valuedouble].type = type;
    return true;
}

/* Every id must have its place; false when one has none. */
static bool read_pieces(struct vocabulary_writer *w)
{
    const cJSON *item, *unknown = member(w->model, "unk_token");

    cJSON_ArrayForEach(item, member(w->model, "vocab"))
    {
        bool is_unknown = cJSON_IsString(unknown) && strcmp(unknown->valuestring, item->string) == 0;

        if (!put_piece(w, item, item->string, is_unknown ? UNKNOWN : is_byte(item->string) ? BYTE : NORMAL))
            return false;
    }
    cJSON_ArrayForEach(item, member(w->document, "added_tokens"))
    {
        const cJSON *content = member(item, "content"), *id = member(item, "id");

        if (!cJSON_IsString(content) || !put_piece(w, id, content->valuestring,
                                                   cJSON_IsTrue(member(item, "special")) ? CONTROL : BY_USER))
            return false;
    }
    return true;
}

/* ---- merges ---- */

/* "a b" of either spelling, a string or a pair, appended to s; false when it is neither. */
static bool merge_text(const cJSON *merge, const char *between, struct str *s)
{
    const cJSON *a = cJSON_GetArrayItem(merge, 0), *b = a ? a->next : NULL;

    if (cJSON_IsString(merge)) {
        const char *space = strchr(merge->valuestring + (merge->valuestring[0] == ' '), ' ');

        if (!space)
            return false;
        str_append_bytes(s, merge->valuestring, (size_t)(space - merge->valuestring));
        str_append(s, between);
        str_append(s, space + 1);
        return true;
    }
    if (!cJSON_IsArray(merge) || !cJSON_IsString(a) || !cJSON_IsString(b))
        return false;
    str_append(s, a->valuestring);
    str_append(s, between);
    str_append(s, b->valuestring);
    return true;
}

static bool put_merges(const struct vocabulary_writer *w, struct gguf_values *values, struct str *s)
{
    const cJSON *merge, *merges = member(w->model, "merges");

    gguf_put_array(values, "tokenizer.ggml.merges", GGUF_STRING, (uint64_t)cJSON_GetArraySize(merges));
    cJSON_ArrayForEach(merge, merges)
    {
        str_clear(s);
        if (!merge_text(merge, " ", s))
            return false;
        gguf_put_string(values, s->data, s->length);
    }
    return true;
}

/* Scores of pieces that merges make; `pieces` are looked up in the vocabulary of the document. */
static bool score_pieces(struct vocabulary_writer *w, struct str *s, struct error *err)
{
    const cJSON *merge, *item;
    struct vocabulary by_text = {0};
    float rank = 0;
    uint32_t id;
    bool ok = true;

    cJSON_ArrayForEach(item, member(w->model, "vocab")) if (ok) ok =
        vocabulary_add(&by_text, item->string, strlen(item->string), (uint64_t)item->valuedouble, err);
    ok = ok && vocabulary_finish(&by_text, err);
    cJSON_ArrayForEach(merge, member(w->model, "merges"))
    {
        rank--;
        str_clear(s);
        if (ok && merge_text(merge, "", s) && vocabulary_find(&by_text, s->data, s->length, &id) &&
            id < w->n && w->pieces[id].score == 0)
            w->pieces[id].score = rank;
    }
    vocabulary_release(&by_text);
    return ok;
}

/* ---- the whole ---- */

static void put_tokens(const struct vocabulary_writer *w, struct gguf_values *values)
{
    char spare[32];

    gguf_put_array(values, "tokenizer.ggml.tokens", GGUF_STRING, w->n);
    for (size_t i = 0; i < w->n; i++) {
        snprintf(spare, sizeof spare, "[PAD%zu]", i);
        const char *text = w->pieces[i].text ? w->pieces[i].text : spare;
        gguf_put_string(values, text, strlen(text));
    }
    gguf_put_array(values, "tokenizer.ggml.token_type", GGUF_I32, w->n);
    for (size_t i = 0; i < w->n; i++)
        str_append_bytes(&values->text, &(int32_t){w->pieces[i].text ? w->pieces[i].type : UNUSED},
                         sizeof(int32_t));
}

static void put_ids(const struct model *model, const cJSON *document, const cJSON *config,
                    struct gguf_values *values)
{
    static const struct {
        const char *json, *key;
    } ids[] = {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
               {"eos_token_id", "tokenizer.ggml.eos_token_id"},
               {"unk_token_id", "tokenizer.ggml.unknown_token_id"},
               {"pad_token_id", "tokenizer.ggml.padding_token_id"}};
    const cJSON *post = member(document, "post_processor"), *item;
    bool begins = false;

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const cJSON *id = member(config, ids[i].json);

        id = cJSON_IsArray(id) ? cJSON_GetArrayItem(id, 0) : id;
        if (cJSON_IsNumber(id) && id->valuedouble >= 0 && id->valuedouble < (double)model->config.vocabulary)
            gguf_put_u32(values, ids[i].key, (uint32_t)id->valuedouble);
    }
    if (is_type(post, "Sequence"))
        cJSON_ArrayForEach(item, member(post, "processors")) if (is_type(item, "TemplateProcessing")) post =
            item;
    begins = is_type(post, "TemplateProcessing") &&
             member(cJSON_GetArrayItem(member(post, "single"), 0), "SpecialToken");
    gguf_put_bool(values, "tokenizer.ggml.add_bos_token", begins);
}

static bool put_all(struct vocabulary_writer *w, struct gguf_values *values, bool *done, struct error *err)
{
    struct str s = {0};
    struct gguf_values merges = {0};
    const char *kind = w->of_bytes ? "gpt2" : "llama";
    bool ok = true;

    *done = read_pieces(w) && (!w->of_bytes || put_merges(w, &merges, &s));
    if (*done && !w->of_bytes)
        ok = score_pieces(w, &s, err);
    if (ok && *done) {
        gguf_put_text(values, "tokenizer.ggml.model", kind, strlen(kind));
        gguf_put_text(values, "tokenizer.ggml.pre", w->pre, strlen(w->pre));
        put_tokens(w, values);
        if (!w->of_bytes) {
            const cJSON *prepend = member(w->document, "normalizer");
            gguf_put_array(values, "tokenizer.ggml.scores", GGUF_F32, w->n);
            for (size_t i = 0; i < w->n; i++)
                str_append_bytes(&values->text, &w->pieces[i].score, sizeof(float));
            /* Gemma's normalizer is a Replace alone; Llama 2's a Sequence that puts a space in front. */
            gguf_put_bool(values, "tokenizer.ggml.add_space_prefix", is_type(prepend, "Sequence"));
        }
        str_append_bytes(&values->text, merges.text.data, merges.text.length);
        values->n += merges.n;
        ok = !(s.failed || merges.text.failed) || error_memory(err, "writing a vocabulary");
    }
    str_release(&s);
    str_release(&merges.text);
    return ok;
}

static bool put_template(const struct model *model, struct gguf_values *values, struct error *err)
{
    char *text;
    bool ok = chat_template_read(model->checkpoint, &text, err);
    if (ok && text)
        gguf_put_text(values, GGUF_CHAT_TEMPLATE, text, strlen(text));
    free(text);
    return ok && (!values->text.failed || error_memory(err, "writing a chat template"));
}

bool gguf_metadata_put_tokenizer(const struct model *model, struct gguf_values *values, bool *done,
                                 struct error *err)
{
    struct vocabulary_writer w = {.n = model->config.vocabulary};
    cJSON *document = NULL, *config = NULL;
    char *text = NULL, *config_text = NULL;
    size_t n, config_n;
    bool ok = checkpoint_companion(model->checkpoint, "tokenizer.json", &text, &n, err) &&
              checkpoint_companion(model->checkpoint, "config.json", &config_text, &config_n, err);

    *done = false;
    if (ok && text)
        ok = json_document_parse("tokenizer.json", text, n, &document, err) &&
             json_document_parse("config.json", config_text, config_n, &config, err);
    w.document = document;
    w.pieces = memory_zeroed(w.n, sizeof *w.pieces);
    if (ok && !w.pieces)
        ok = error_memory(err, "writing a vocabulary");
    if (ok && document && find_kind(&w)) {
        ok = put_all(&w, values, done, err);
        if (ok && *done) {
            put_ids(model, document, config, values);
            ok = put_template(model, values, err);
        }
    }
    free(w.pieces);
    cJSON_Delete(document);
    cJSON_Delete(config);
    free(text);
    free(config_text);
    return ok;
}
