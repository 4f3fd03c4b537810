/* tokenizer.json of the tokenizers library, read straight into tables. `truncation` and
 * `padding` are skipped: they belong to whoever calls. */
#include "tokenizer_parts.h"

static bool read_added_token(struct json_reader *r, struct tokenizer *t, struct error *err)
{
#define FIELD(name) offsetof(struct added_token, name)
    static const struct member members[] = {
        {"id", MEMBER_U64, FIELD(id), true, NULL},
        {"content", MEMBER_TEXT, FIELD(content), true, NULL},
        {"single_word", MEMBER_BOOL, FIELD(single_word), true, NULL},
        {"lstrip", MEMBER_BOOL, FIELD(lstrip), true, NULL},
        {"rstrip", MEMBER_BOOL, FIELD(rstrip), true, NULL},
        {"normalized", MEMBER_BOOL, FIELD(normalized), true, NULL},
        {"special", MEMBER_BOOL, FIELD(special), true, NULL},
    };
#undef FIELD
    struct added_token token = {0};
    return json_members(r, "an added token", members, sizeof members / sizeof *members, &token, err) &&
           (added_tokens_add(&t->added, token, err) || json_place(r, err));
}

static bool read_added_tokens(struct json_reader *r, void *base, struct error *err)
{
    bool more;
    if (!json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        if (!more)
            return true;
        if (!read_added_token(r, base, err))
            return false;
    }
    return false;
}

static bool read_normalizer(struct json_reader *r, void *base, struct error *err)
{
    return stage_read(r, &stage_normalizers, &((struct tokenizer *)base)->normalizers, err);
}

static bool read_pretokenizer(struct json_reader *r, void *base, struct error *err)
{
    return stage_read(r, &stage_pretokenizers, &((struct tokenizer *)base)->pretokenizers, err);
}

static bool read_processor(struct json_reader *r, void *base, struct error *err)
{
    return stage_read(r, &stage_processors, &((struct tokenizer *)base)->processors, err);
}

static bool read_decoder(struct json_reader *r, void *base, struct error *err)
{
    return stage_read(r, &stage_decoders, &((struct tokenizer *)base)->decoders, err);
}

static bool read_model(struct json_reader *r, void *base, struct error *err)
{
    struct tokenizer *t = base;
    return tokenizer_find_model(r, &t->model, err) && t->model->read(r, t, err);
}

bool tokenizer_read_json(struct tokenizer *t, const char *json, size_t n, struct error *err)
{
    static const struct member members[] = {
        {"added_tokens", MEMBER_READ, 0, false, read_added_tokens},
        {"normalizer", MEMBER_READ, 0, false, read_normalizer},
        {"pre_tokenizer", MEMBER_READ, 0, false, read_pretokenizer},
        {"post_processor", MEMBER_READ, 0, false, read_processor},
        {"decoder", MEMBER_READ, 0, false, read_decoder},
        {"model", MEMBER_READ, 0, true, read_model},
    };
    struct json_reader r = {.arena = &t->arena};
    json_scan_init(&r.scan, t->name, json, n);
    bool fine = json_members(&r, "the tokenizer", members, sizeof members / sizeof *members, t, err) &&
                json_end(&r.scan, err) &&
                (postprocess_collect(&t->processors, &t->arena, &t->before, &t->after, err) ||
                 error_prefix(err, "%s", t->name));
    json_scan_release(&r.scan);
    return fine;
}
