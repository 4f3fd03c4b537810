/* The pipeline: text -> added tokens -> normalizers -> added tokens again -> pre-tokenizers -> model ->
 * template.
 *
 * Where a model comes with a tokenizer.json, the ids are those of the tokenizers library
 * (`Tokenizer.from_file`). For some models transformers rebuilds the stages from the class named in
 * tokenizer_config.json (LlamaTokenizer: a Metaspace instead of the file's normalizers, no unknown token) and
 * gives other ids than the file's; lancet keeps to the file. */
#include "tokenizer_parts.h"

#include <string.h>

#include "decode.h"
#include "memory.h"
#include "normalize.h"
#include "pretokenize.h"

/* An added token has the id of the piece of the same text; the others follow the vocabulary (the
 * id in the file does not count). */
static void give_ids(struct tokenizer *t)
{
    uint64_t next = t->vocabulary.n;
    for (size_t i = 0; i < t->added.n; i++) {
        struct added_token *token = &t->added.items[i];
        uint32_t id;
        bool is_piece = vocabulary_find(&t->vocabulary, token->content.data, token->content.length, &id);
        token->id = is_piece ? id : next;
        if (token->id >= next)
            next = token->id + 1;
    }
}

/* What the text of an added token is after the normalizers. */
static bool normalize_content(struct tokenizer *t, struct added_token *token, struct error *err)
{
    struct encoding e;
    token->normal = token->content;
    if (!token->normalized || t->normalizers.n == 0)
        return true;
    bool fine = encoding_init(&e, token->content.data, token->content.length, t->invalid, err) &&
                normalize(&t->normalizers, &e, err);
    if (fine) {
        token->normal = (struct json_text){arena_copy(&t->arena, e.text.data, e.text.n), e.text.n};
        fine = token->normal.data || error_memory(err, "reading a tokenizer");
    }
    encoding_release(&e);
    return fine;
}

bool tokenizer_finish(struct tokenizer *t, struct error *err)
{
    give_ids(t);
    for (size_t i = 0; i < t->added.n; i++)
        if (!normalize_content(t, &t->added.items[i], err))
            return false;
    return added_tokens_finish(&t->added, err);
}

static struct tokenizer *new_tokenizer(const char *name, struct error *err)
{
    struct tokenizer *t = memory_zeroed(1, sizeof *t);
    if (t) {
        t->name = arena_copy(&t->arena, name, strlen(name));
        t->unknown = t->begin = t->end = NO_PIECE;
    }
    if (t && t->name)
        return t;
    free(t);
    error_memory(err, "opening a tokenizer");
    return NULL;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    stage_list_release(&t->normalizers);
    stage_list_release(&t->pretokenizers);
    stage_list_release(&t->processors);
    stage_list_release(&t->decoders);
    vocabulary_release(&t->vocabulary);
    bpe_release(&t->bpe);
    unigram_release(&t->unigram);
    wordpiece_release(&t->wordpiece);
    added_tokens_release(&t->added);
    prefixes_release(&t->user_defined);
    free(t->kinds);
    arena_release(&t->arena);
    free(t);
}

/* Texts of the files that a tokenizer is made of; data NULL for one that the model lacks. */
struct file_texts {
    struct json_text files[2], config;
};

static bool read_json(struct tokenizer *t, const struct json_text *files, struct error *err)
{
    t->source = SOURCE_JSON;
    return tokenizer_read_json(t, files[0].data, files[0].length, err);
}

static bool read_pair(struct tokenizer *t, const struct json_text *files, struct error *err)
{
    t->source = SOURCE_PAIR;
    return tokenizer_read_pair(t, files[0].data, files[0].length, files[1].data, files[1].length, err);
}

/* A message of SentencePiece begins with the tag of its first piece, which no line of tiktoken does. */
static bool read_model(struct tokenizer *t, const struct json_text *files, struct error *err)
{
    bool message = files[0].length && files[0].data[0] == '\n';
    t->source = message ? SOURCE_SENTENCEPIECE : SOURCE_TIKTOKEN;
    return message ? tokenizer_read_sentencepiece(t, files[0].data, files[0].length, err)
                   : tokenizer_read_tiktoken(t, files[0].data, files[0].length, err);
}

typedef bool (*read_fn)(struct tokenizer *t, const struct json_text *files, struct error *err);

static bool parse(const char *name, read_fn read, const struct file_texts *texts, struct tokenizer **out,
                  struct error *err)
{
    struct tokenizer *t = new_tokenizer(name, err);
    bool fine = t && read(t, texts->files, err) &&
                tokenizer_apply_config(t, texts->config.data, texts->config.length, err) &&
                tokenizer_finish(t, err);
    if (fine)
        *out = t;
    else
        tokenizer_close(t);
    return fine;
}

bool tokenizer_parse(const char *name, const char *json, size_t n, const char *config, size_t config_n,
                     struct tokenizer **out, struct error *err)
{
    const struct file_texts texts = {{{json, n}, {NULL, 0}}, {config, config_n}};
    return parse(name, read_json, &texts, out, err);
}

bool tokenizer_parse_pair(const char *name, const char *vocab, size_t vocab_n, const char *merges,
                          size_t merges_n, struct tokenizer **out, struct error *err)
{
    const struct file_texts texts = {{{vocab, vocab_n}, {merges, merges_n}}, {NULL, 0}};
    return parse(name, read_pair, &texts, out, err);
}

bool tokenizer_parse_model(const char *name, const char *bytes, size_t n, const char *config, size_t config_n,
                           struct tokenizer **out, struct error *err)
{
    const struct file_texts texts = {{{bytes, n}, {NULL, 0}}, {config, config_n}};
    return parse(name, read_model, &texts, out, err);
}

/* The first whose files the model has counts. */
static const struct source {
    const char *files[2];
    read_fn read;
} sources[] = {
    {{"tokenizer.json", NULL}, read_json},
    {{"vocab.json", "merges.txt"}, read_pair},
    {{"tokenizer.model", NULL}, read_model},
    {{"qwen.tiktoken", NULL}, read_model},
};

static bool read_file(const struct checkpoint *checkpoint, const char *name, struct json_text *out,
                      struct error *err)
{
    char *text;
    size_t n;
    if (!checkpoint_companion(checkpoint, name, &text, &n, err))
        return false;
    *out = (struct json_text){text, text ? n : 0};
    return true;
}

static void release_texts(struct file_texts *texts)
{
    const char *all[] = {texts->files[0].data, texts->files[1].data, texts->config.data};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free((void *)(uintptr_t)all[i]);
    *texts = (struct file_texts){0};
}

/* Opens one source; *out stays NULL when a file of it is missing. */
static bool open_source(const struct checkpoint *checkpoint, const struct source *source,
                        struct tokenizer **out, struct error *err)
{
    struct file_texts texts = {0};
    bool fine = read_file(checkpoint, source->files[0], &texts.files[0], err);
    bool complete = fine && texts.files[0].data;
    if (complete && source->files[1]) {
        fine = read_file(checkpoint, source->files[1], &texts.files[1], err);
        complete = fine && texts.files[1].data;
    }
    if (complete)
        fine = read_file(checkpoint, "tokenizer_config.json", &texts.config, err) &&
               parse(source->files[0], source->read, &texts, out, err);
    release_texts(&texts);
    return fine;
}

/* From the metadata of a GGUF; *out stays NULL when it has no vocabulary. */
static bool open_gguf(const struct gguf *gguf, struct tokenizer **out, struct error *err)
{
    if (!gguf || !gguf_find(gguf, "tokenizer.ggml.model"))
        return true;
    struct tokenizer *t = new_tokenizer(gguf->name, err);
    bool fine = t && tokenizer_read_gguf(t, gguf, err) && tokenizer_finish(t, err);
    if (fine)
        *out = t;
    else
        tokenizer_close(t);
    return fine;
}

static bool open_any(const struct checkpoint *checkpoint, struct tokenizer **out, struct error *err)
{
    struct tokenizer *t = NULL;
    if (!open_gguf(checkpoint_gguf(checkpoint), &t, err))
        return false;
    for (size_t i = 0; !t && i < sizeof sources / sizeof *sources; i++)
        if (!open_source(checkpoint, &sources[i], &t, err))
            return false;
    if (t)
        *out = t;
    return t || error_set(err, ERROR_UNSUPPORTED,
                          "%s: the model has no tokenizer (neither tokenizer.json, nor vocab.json and "
                          "merges.txt, nor tokenizer.model)",
                          checkpoint->path);
}

bool tokenizer_open(const struct context *context, const struct checkpoint *checkpoint,
                    struct tokenizer **out, struct error *err)
{
    if (!context_continue(context, err))
        return false;
    bool fine = open_any(checkpoint, out, err);
    if (!fine && err->kind == ERROR_FORMAT)
        error_prefix(err, "%s", checkpoint->path);
    return fine;
}

/* Tokens of all pieces; `start` of each is its byte in e->text. */
static bool run_model(const struct tokenizer *t, struct encoding *e, struct token_list *out,
                      struct error *err)
{
    bool fine = true;
    for (size_t i = 0; fine && i < e->pieces.n; i++) {
        struct piece piece = e->pieces.items[i];
        struct token added = {.id = piece.id, .placed = true, .start = piece.start};
        fine = piece.id == PIECE_TEXT ? t->model->encode(t, e, piece, out, err)
                                      : token_list_add(out, added, err);
    }
    return fine;
}

/* Places tokens in the text as given: each begins where its first byte came from, and reaches to the next. */
static void place(const struct aligned *text, size_t n, struct token *tokens, size_t n_tokens)
{
    for (size_t i = 0; i < n_tokens; i++)
        tokens[i].start = i ? text->origin[tokens[i].start] : 0;
    for (size_t i = 0; i < n_tokens; i++)
        tokens[i].end = i + 1 < n_tokens ? tokens[i + 1].start : n;
}

static bool add_affix(const struct affix_ids *affix, size_t at, struct token_list *out, struct error *err)
{
    for (size_t i = 0; i < affix->n; i++)
        if (!token_list_add(out, (struct token){.id = affix->ids[i], .start = at, .end = at}, err))
            return false;
    return true;
}

/* From the pieces that e begins with to tokens. */
static bool encode_pieces(const struct tokenizer *t, struct encoding *e, size_t n, struct token_list *out,
                          struct error *err)
{
    size_t first = out->n;
    bool fine = added_tokens_split(&t->added, &t->added.raw, e, err) && normalize(&t->normalizers, e, err) &&
                added_tokens_split(&t->added, &t->added.normal, e, err) &&
                pretokenize(&t->pretokenizers, e, err) && run_model(t, e, out, err);
    if (fine && out->n > first)
        place(&e->text, n, out->items + first, out->n - first);
    return fine;
}

bool tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, bool special,
                      struct token_list *out, struct error *err)
{
    struct encoding e;
    size_t before = out->n;
    bool fine = encoding_init(&e, text, n, t->invalid, err) &&
                (!special || add_affix(&t->before, 0, out, err)) && encode_pieces(t, &e, n, out, err) &&
                (!special || add_affix(&t->after, n, out, err));
    if (!fine)
        out->n = before;
    encoding_release(&e);
    return fine;
}

bool tokenizer_encode_marked(const struct tokenizer *t, const char *text, size_t n,
                             const struct token_mark *marks, size_t n_marks, struct token_list *out,
                             struct error *err)
{
    struct encoding e;
    size_t before = out->n;
    bool fine = encoding_init(&e, text, n, t->invalid, err);
    e.marked = true;
    fine = fine && added_tokens_mark(&t->added, &e, marks, n_marks, err) && encode_pieces(t, &e, n, out, err);
    if (!fine)
        out->n = before;
    encoding_release(&e);
    return fine;
}

/* The text of a token as the file stores it; NULL for an unknown id. */
static const char *piece_of(const struct tokenizer *t, uint32_t id, size_t *n)
{
    const struct added_token *token = added_tokens_by_id(&t->added, id);
    if (!token)
        return vocabulary_piece(&t->vocabulary, id, n);
    *n = token->content.length;
    return token->content.data;
}

bool tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, bool skip_special,
                      struct str *out, struct error *err)
{
    struct pieces pieces = {0};
    bool fine = true;
    for (size_t i = 0; fine && i < n; i++) {
        size_t length;
        const char *piece = piece_of(t, ids[i], &length);
        if (ids[i] == t->unknown && t->unknown_shown.data) {
            piece = t->unknown_shown.data;
            length = t->unknown_shown.length;
        } else if (skip_special && tokenizer_is_special(t, ids[i])) {
            continue;
        }
        if (piece)
            fine = pieces_add(&pieces, piece, length, err);
    }
    fine = fine && decode(&t->decoders, &pieces, " ", out, err);
    pieces_release(&pieces);
    return fine;
}

bool tokenizer_token_bytes(const struct tokenizer *t, uint32_t id, struct str *out, struct error *err)
{
    struct pieces pieces = {.inside = true};
    size_t n;
    const char *piece = piece_of(t, id, &n);
    bool fine = !piece || (pieces_add(&pieces, piece, n, err) && decode(&t->decoders, &pieces, "", out, err));
    pieces_release(&pieces);
    return fine;
}

const char *tokenizer_piece(const struct tokenizer *t, uint32_t id)
{
    size_t n;
    return piece_of(t, id, &n);
}

bool tokenizer_is_special(const struct tokenizer *t, uint32_t id)
{
    const struct added_token *token = added_tokens_by_id(&t->added, id);
    return token && token->was_special;
}

bool tokenizer_find(const struct tokenizer *t, const char *piece, uint32_t *id)
{
    const struct added_token *token = added_tokens_find(&t->added, piece, strlen(piece));
    if (token)
        *id = (uint32_t)token->id;
    return token || vocabulary_find(&t->vocabulary, piece, strlen(piece), id);
}

uint32_t tokenizer_size(const struct tokenizer *t)
{
    return t->added.size > t->vocabulary.size ? t->added.size : t->vocabulary.size;
}

const uint32_t *tokenizer_prefix(const struct tokenizer *t, size_t *n)
{
    *n = t->before.n;
    return t->before.ids;
}
