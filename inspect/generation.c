#include "generation.h"

#include <string.h>

#include "json_document.h"
#include "memory.h"
#include "utf8.h"

const char *generation_end_name(enum generation_end end)
{
    static const char *const names[] = {
        [GENERATION_LENGTH] = "length",   [GENERATION_END_TOKEN] = "end", [GENERATION_STOP_TEXT] = "stop",
        [GENERATION_CONTEXT] = "context", [GENERATION_NO_READER] = "cut",
    };
    return names[end];
}

/* eos_token_id: a number or a list of them; anything else counts as none. */
static bool read_end_tokens(const cJSON *document, uint32_t **ids, size_t *n, struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(document, "eos_token_id");
    size_t count = cJSON_IsArray(value) ? (size_t)cJSON_GetArraySize(value) : cJSON_IsNumber(value) ? 1 : 0;
    uint32_t *list = memory_array(count, sizeof *list);
    if (!list)
        return error_memory(err, "reading the end tokens");
    size_t used = 0;
    for (const cJSON *item = cJSON_IsArray(value) ? value->child : value; item && used < count;
         item = item->next) {
        if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < UINT32_MAX)
            list[used++] = (uint32_t)item->valuedouble;
        if (!cJSON_IsArray(value))
            break;
    }
    *ids = list;
    *n = used;
    return true;
}

bool generation_end_tokens(const struct opened *opened, uint32_t **ids, size_t *n, struct error *err)
{
    static const char *const files[] = {"generation_config.json", "config.json"};
    *ids = NULL;
    *n = 0;
    for (size_t i = 0; *n == 0 && i < sizeof files / sizeof *files; i++) {
        char *text = NULL;
        size_t length = 0;
        cJSON *document = NULL;
        if (!checkpoint_companion(opened->checkpoint, files[i], &text, &length, err))
            return false;
        if (!text)
            continue;
        free(*ids);
        *ids = NULL;
        bool ok = json_document_parse(files[i], text, length, &document, err) &&
                  read_end_tokens(document, ids, n, err);
        cJSON_Delete(document);
        free(text);
        if (!ok)
            return false;
    }
    return true;
}

struct stream { /* state of one run */
    const struct opened *opened;
    const struct generation_options *options;
    struct generation *generation;
    const uint32_t *ends;
    size_t n_ends;
    size_t told; /* bytes of the text that were told */
    struct error *err;
    bool failed;
};

static bool is_end(const struct stream *s, uint32_t id)
{
    for (size_t i = 0; i < s->n_ends; i++)
        if (s->ends[i] == id)
            return true;
    return s->options->end && *s->options->end == id;
}

/* Where the earliest stop text begins, from `from` on; the length of the text when there is none. */
static size_t find_stop(const struct stream *s, size_t from)
{
    const struct str *text = &s->generation->text;
    size_t first = text->length;
    for (size_t i = 0; i < s->options->n_stops; i++) {
        const char *stop = s->options->stops[i];
        const char *at = *stop && text->length > from
                             ? memmem(text->data + from, text->length - from, stop, strlen(stop))
                             : NULL;
        if (at && (size_t)(at - text->data) < first)
            first = (size_t)(at - text->data);
    }
    return first;
}

/* How many bytes at the end of the text may be the beginning of a stop text. */
static size_t pending_stop(const struct stream *s)
{
    const struct str *text = &s->generation->text;
    size_t longest = 0;
    for (size_t i = 0; i < s->options->n_stops; i++) {
        const char *stop = s->options->stops[i];
        size_t n = strlen(stop);
        for (size_t k = n < text->length + 1 ? n : text->length + 1; k-- > longest + 1;)
            if (memcmp(text->data + text->length - k, stop, k) == 0)
                longest = k;
    }
    return longest;
}

/* How many bytes at the end of [from, end) are the beginning of a character whose rest may come. */
static size_t pending_character(const char *text, size_t from, size_t end)
{
    for (size_t k = 1; k <= 3 && k <= end - from; k++) {
        unsigned char c = (unsigned char)text[end - k];
        if (c >= 0xc0) {
            size_t length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            uint32_t code;
            return k < length && utf8_decode(text + end - k, k, &code) == k && code == UTF8_BAD ? k : 0;
        }
        if (c < 0x80)
            return 0;
    }
    return 0;
}

/* The text from `from` to `end` without what is no UTF-8. */
static bool tell_characters(const struct stream *s, size_t from, size_t end)
{
    static const char bad[] = "\xef\xbf\xbd";
    const char *text = s->generation->text.data;
    for (size_t i = from, length; i < end; i += length) {
        uint32_t code;
        length = utf8_decode(text + i, end - i, &code);
        if (code != UTF8_BAD)
            continue;
        if ((i > from && !s->options->piece(s->options->user, text + from, i - from)) ||
            !s->options->piece(s->options->user, bad, sizeof bad - 1))
            return false;
        from = i + length;
    }
    return from == end || s->options->piece(s->options->user, text + from, end - from);
}

/* Tells what is certain; at the end, everything. */
static bool tell(struct stream *s, bool at_end)
{
    const struct str *text = &s->generation->text;
    if (!s->options->piece || !text->length)
        return true;
    size_t end = text->length;
    if (!at_end) {
        end -= pending_stop(s);
        if (end > s->told)
            end -= pending_character(text->data, s->told, end);
    }
    if (end <= s->told)
        return true;
    size_t from = s->told;
    s->told = end;
    return tell_characters(s, from, end);
}

static bool keep_id(struct stream *s, uint32_t id)
{
    struct generation *g = s->generation;
    if (g->n_ids == g->capacity) {
        size_t capacity = g->capacity ? 2 * g->capacity : 64;
        uint32_t *ids = memory_resize(g->ids, capacity, sizeof *ids);
        if (!ids) {
            s->failed = true;
            return error_memory(s->err, "generating text");
        }
        g->ids = ids;
        g->capacity = capacity;
    }
    g->ids[g->n_ids++] = id;
    return true;
}

static bool on_token(void *user, size_t sequence, uint32_t id)
{
    struct stream *s = user;
    struct generation *g = s->generation;
    (void)sequence;
    if (!keep_id(s, id))
        return false;
    if (is_end(s, id)) {
        g->end = GENERATION_END_TOKEN;
        return false;
    }
    if (!s->opened->tokenizer || tokenizer_is_special(s->opened->tokenizer, id))
        return true;
    size_t longest = 1, before = g->text.length;
    for (size_t i = 0; i < s->options->n_stops; i++)
        longest = strlen(s->options->stops[i]) > longest ? strlen(s->options->stops[i]) : longest;
    if (!tokenizer_token_bytes(s->opened->tokenizer, id, &g->text, s->err) || g->text.failed) {
        s->failed = true;
        return g->text.failed ? error_memory(s->err, "generating text") : false;
    }
    size_t stop = find_stop(s, before >= longest ? before - longest + 1 : 0);
    if (stop < g->text.length) {
        g->text.length = stop;
        g->text.data[stop] = '\0';
        g->end = GENERATION_STOP_TEXT;
        return false;
    }
    if (tell(s, false))
        return true;
    g->end = GENERATION_NO_READER;
    return false;
}

bool generation_run(const struct context *context, const struct opened *opened, const struct prompt *prompt,
                    const struct generation_options *options, struct generation *out, struct error *err)
{
    struct generation generation = {.end = GENERATION_LENGTH};
    struct sequence sequence = {.ids = prompt->ids, .length = prompt->tokens.n};
    size_t vocabulary = opened->model->config.vocabulary, limit = vocabulary;
    if (opened->tokenizer && tokenizer_size(opened->tokenizer) < limit)
        limit = tokenizer_size(opened->tokenizer);
    uint32_t *ends = NULL;
    size_t n_ends = 0;
    bool ok = generation_end_tokens(opened, &ends, &n_ends, err);
    struct stream stream = {.opened = opened,
                            .options = options,
                            .generation = &generation,
                            .ends = ends,
                            .n_ends = n_ends,
                            .err = err};
    ok = ok && sample_continue(context, opened->model, &sequence, 1, options->max_tokens, &options->sampler,
                               limit, on_token, &stream, err);
    ok = ok && !stream.failed;
    if (ok && generation.end == GENERATION_LENGTH && generation.n_ids < options->max_tokens)
        generation.end = GENERATION_CONTEXT;
    if (ok && generation.end != GENERATION_NO_READER)
        tell(&stream, true);
    free(ends);
    if (!ok) {
        generation_release(&generation);
        return false;
    }
    *out = generation;
    return true;
}

void generation_release(struct generation *generation)
{
    if (!generation)
        return;
    free(generation->ids);
    str_release(&generation->text);
    *generation = (struct generation){0};
}
