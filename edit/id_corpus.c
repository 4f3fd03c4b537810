#include "id_corpus.h"

#include <stdlib.h>
#include <string.h>

#include "json_scan.h"
#include "memory.h"

enum { ID_CORPUS_LIMIT = 1 << 30 };

bool id_corpus_named(const char *path)
{
    size_t n = strlen(path);
    return n >= 5 && strcmp(path + n - 5, ".json") == 0;
}

static bool add_row(struct id_corpus *c, struct error *err)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 64;
        uint32_t **rows = memory_resize(c->rows, capacity, sizeof(*rows));
        if (rows)
            c->rows = rows;
        size_t *lengths = memory_resize(c->lengths, capacity, sizeof(*lengths));
        if (lengths)
            c->lengths = lengths;
        if (!rows || !lengths)
            return error_memory(err, "reading a corpus");
        c->capacity = capacity;
    }
    c->rows[c->n] = NULL;
    c->lengths[c->n++] = 0;
    return true;
}

static bool read_row(struct json_scan *scan, struct id_corpus *c, struct error *err)
{
    bool more;
    size_t capacity = 0;
    if (!add_row(c, err) || !json_array_begin(scan, err))
        return false;
    uint32_t **row = &c->rows[c->n - 1];
    size_t *n = &c->lengths[c->n - 1];
    for (;;) {
        uint64_t id;
        if (!json_array_next(scan, &more, err))
            return false;
        if (!more)
            return *n || json_scan_error(scan, err, "row %zu is empty", c->n - 1);
        if (!json_u64(scan, &id, err))
            return false;
        if (id > UINT32_MAX)
            return json_scan_error(scan, err, "row %zu holds %llu, which is no token id", c->n - 1,
                                   (unsigned long long)id);
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            uint32_t *grown = memory_resize(*row, capacity, sizeof(*grown));
            if (!grown)
                return error_memory(err, "reading a corpus");
            *row = grown;
        }
        (*row)[(*n)++] = (uint32_t)id;
    }
}

static bool read_rows(struct json_scan *scan, struct id_corpus *c, struct error *err)
{
    bool more;
    if (!json_array_begin(scan, err))
        return false;
    for (;;) {
        if (!json_array_next(scan, &more, err))
            return false;
        if (!more)
            return c->n || json_scan_error(scan, err, "there are no rows");
        if (!read_row(scan, c, err))
            return false;
    }
}

static bool read_document(struct json_scan *scan, struct id_corpus *c, struct error *err)
{
    struct json_text key;
    bool more;
    if (!json_object_begin(scan, err))
        return false;
    for (;;) {
        if (!json_object_next(scan, &key, &more, err))
            return false;
        if (!more)
            break;
        bool rows = json_text_equal(key, "rows");
        if (rows && c->n)
            return json_scan_error(scan, err, "\"rows\" stands twice");
        if (!(rows ? read_rows(scan, c, err) : json_skip(scan, NULL, NULL, err)))
            return false;
    }
    return (c->n || json_scan_error(scan, err, "the object has no \"rows\"")) && json_end(scan, err);
}

bool id_corpus_read(const struct context *context, const char *path, struct id_corpus *out, struct error *err)
{
    char *text = NULL;
    size_t n;
    struct id_corpus corpus = {0};
    struct json_scan scan;
    if (!fs_read_file(context->fs, path, ID_CORPUS_LIMIT, &text, &n, err))
        return false;
    json_scan_init(&scan, path, text, n);
    bool ok = read_document(&scan, &corpus, err);
    json_scan_release(&scan);
    free(text);
    if (ok)
        *out = corpus;
    else
        id_corpus_release(&corpus);
    return ok;
}

void id_corpus_release(struct id_corpus *corpus)
{
    for (size_t i = 0; i < corpus->n; i++)
        free(corpus->rows[i]);
    free(corpus->rows);
    free(corpus->lengths);
    *corpus = (struct id_corpus){0};
}
