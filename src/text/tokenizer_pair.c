/* The older pair of GPT-2's files: vocab.json, an object {piece: id, ..}, and merges.txt,
 * one "A B" a line in order of rank under a line "#version". The stages are GPT-2's. <|endoftext|>, where the
 * vocabulary has it, is an added token. */
#include "tokenizer_parts.h"

#include <string.h>

#include "memory.h"

static bool read_line(struct tokenizer *t, struct merge_reading *m, size_t number, struct json_text line,
                      struct error *err)
{
    if (line.length && line.data[line.length - 1] == '\r')
        line.length--;
    if (line.length == 0 || (number == 1 && line.length >= 8 && memcmp(line.data, "#version", 8) == 0))
        return true;
    return merge_reading_add_joined(m, &t->vocabulary, line, err) ||
           error_prefix(err, "%s: line %zu of the merges", t->name, number);
}

static bool read_lines(struct tokenizer *t, struct merge_reading *m, const char *text, size_t n,
                       struct error *err)
{
    for (size_t at = 0, number = 1; at < n; number++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - (text + at)) : n - at;
        if (!read_line(t, m, number, (struct json_text){text + at, length}, err))
            return false;
        at += length + 1;
    }
    return true;
}

static bool read_vocabulary(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
    struct json_reader r = {.arena = &t->arena};
    json_scan_init(&r.scan, t->name, text, n);
    bool fine = tokenizer_read_vocabulary(&r, &t->vocabulary, err) && json_end(&r.scan, err);
    json_scan_release(&r.scan);
    return fine;
}

bool tokenizer_read_pair(struct tokenizer *t, const char *vocab, size_t vocab_n, const char *merges,
                         size_t merges_n, struct error *err)
{
    static const char byte_level[] = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}";
    static const struct json_text end = {"<|endoftext|>", 13};
    uint32_t id;
    if (!read_vocabulary(t, vocab, vocab_n, err) ||
        !stage_list_add_json(&t->pretokenizers, &stage_pretokenizers, &t->arena, byte_level, err) ||
        !stage_list_add_json(&t->decoders, &stage_decoders, &t->arena, byte_level, err))
        return false;
    if (vocabulary_find(&t->vocabulary, end.data, end.length, &id) &&
        !added_tokens_add(&t->added, (struct added_token){.content = end, .special = true}, err))
        return false;
    t->model = &model_bpe;
    t->bpe = (struct bpe){.vocabulary = &t->vocabulary, .prefix = "", .suffix = ""};
    bpe_prepare(&t->bpe);
    struct merge_reading reading = {0};
    bool fine = read_lines(t, &reading, merges, merges_n, err) &&
                (merges_build(&t->bpe.merges, reading.pairs, reading.n, &t->vocabulary, 0, err) ||
                 error_prefix(err, "%s", t->name));
    free(reading.pairs);
    return fine;
}
