#include "json_members.h"

#include <assert.h>
#include <string.h>

bool json_keep(struct json_reader *r, struct json_text text, struct json_text *out, struct error *err)
{
    char *copy = arena_copy(r->arena, text.data, text.length);
    if (!copy)
        return error_memory(err, "reading a tokenizer");
    *out = (struct json_text){copy, text.length};
    return true;
}

bool json_place(const struct json_reader *r, struct error *err)
{
    enum error_kind kind = err->kind;
    if (kind == ERROR_FORMAT || kind == ERROR_UNSUPPORTED) {
        struct error inner = *err;
        json_scan_error(&r->scan, err, "%s", inner.text);
        err->kind = kind;
    }
    return false;
}

static bool read_member(struct json_reader *r, const struct member *row, void *base, struct error *err)
{
    char *field = (char *)base + row->offset;
    enum json_type type;
    struct json_text text;
    if (!json_peek(&r->scan, &type, err))
        return false;
    if (type == JSON_NULL)
        return json_null(&r->scan, err);
    switch (row->kind) {
    case MEMBER_BOOL:
        return json_bool(&r->scan, (bool *)(void *)field, err);
    case MEMBER_U64:
        return json_u64(&r->scan, (uint64_t *)(void *)field, err);
    case MEMBER_TEXT:
        return json_string(&r->scan, &text, err) &&
               json_keep(r, text, (struct json_text *)(void *)field, err);
    case MEMBER_READ:
        return row->read(r, base, err);
    }
    return false;
}

static const struct member *find(const struct member *rows, size_t n_rows, struct json_text key)
{
    for (size_t i = 0; i < n_rows; i++)
        if (json_text_equal(key, rows[i].name))
            return &rows[i];
    return NULL;
}

bool json_members(struct json_reader *r, const char *what, const struct member *rows, size_t n_rows,
                  void *base, struct error *err)
{
    assert(n_rows <= MEMBERS_MAX);
    bool seen[MEMBERS_MAX] = {false}, more;
    struct json_text key;
    if (!json_object_begin(&r->scan, err))
        return false;
    while (json_object_next(&r->scan, &key, &more, err)) {
        if (!more) {
            for (size_t i = 0; i < n_rows; i++)
                if (rows[i].required && !seen[i])
                    return json_scan_error(&r->scan, err, "%s has no \"%s\"", what, rows[i].name);
            return true;
        }
        const struct member *row = find(rows, n_rows, key);
        if (!row) {
            if (!json_skip(&r->scan, NULL, NULL, err))
                return false;
            continue;
        }
        if (seen[row - rows])
            return json_scan_error(&r->scan, err, "%s has \"%s\" twice", what, row->name);
        enum json_type type;
        if (!json_peek(&r->scan, &type, err) || !read_member(r, row, base, err))
            return false;
        seen[row - rows] = type != JSON_NULL;
    }
    return false;
}

/* Moves `ahead`, a copy that the caller releases, to the value of a member. */
static bool seek(struct json_reader *ahead, const struct json_reader *r, const char *key, bool *found,
                 struct error *err)
{
    struct json_text name;
    bool more, fine;
    *ahead = *r;
    ahead->scan.buffer = NULL;
    ahead->scan.buffer_size = 0;
    *found = false;
    fine = json_object_begin(&ahead->scan, err);
    while (fine && !*found && (fine = json_object_next(&ahead->scan, &name, &more, err)) && more) {
        *found = json_text_equal(name, key);
        fine = *found || json_skip(&ahead->scan, NULL, NULL, err);
    }
    return fine;
}

bool json_look(const struct json_reader *r, const char *key, struct json_text *out, bool *found,
               struct error *err)
{
    struct json_reader ahead;
    struct member row = {.name = key, .kind = MEMBER_TEXT};
    bool fine = seek(&ahead, r, key, found, err) && (!*found || read_member(&ahead, &row, out, err));
    json_scan_release(&ahead.scan);
    return fine;
}

bool json_look_type(const struct json_reader *r, const char *key, enum json_type *out, bool *found,
                    struct error *err)
{
    struct json_reader ahead;
    bool fine = seek(&ahead, r, key, found, err) && (!*found || json_peek(&ahead.scan, out, err));
    json_scan_release(&ahead.scan);
    return fine;
}
