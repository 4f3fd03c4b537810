/* The JSON texts of a record: docs/history-format.md, "Header" and "Trailer". Every member is there exactly
 * once. */
#include "record.h"

#include <inttypes.h>
#include <string.h>

#include "json_scan.h"
#include "json_write.h"
#include "memory.h"
#include "quote.h"
#include "size.h"
#include "str.h"

enum { MAX_FILES = 10000 }; /* their names are compared each with each */

/* ---- hex ---- */

static void hex_write(struct json_write *w, const char *key, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof(struct digest) + 1];
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
    if (key)
        json_write_member_string(w, key, text);
    else
        json_write_string(w, text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Between least and most bytes. */
static bool hex_read(struct json_scan *s, uint8_t *out, size_t least, size_t most, size_t *n,
                     struct error *err)
{
    struct json_text text;
    if (!json_string(s, &text, err))
        return false;
    if (text.length % 2 || text.length / 2 < least || text.length / 2 > most)
        return json_scan_error(s, err, "found %zu hex digits, expected %zu to %zu", text.length, 2 * least,
                               2 * most);
    for (size_t i = 0; i < text.length / 2; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return json_scan_error(s, err, "found a character that is no hex digit");
        out[i] = (uint8_t)(high << 4 | low);
    }
    *n = text.length / 2;
    return true;
}

static bool digest_read(struct json_scan *s, struct digest *out, struct error *err)
{
    size_t n;
    return hex_read(s, out->bytes, sizeof out->bytes, sizeof out->bytes, &n, err);
}

/* ---- writing ---- */

static void numbers_write(struct json_write *w, const char *key, const uint32_t *numbers, size_t n)
{
    json_write_key(w, key);
    json_write_array_begin(w);
    for (size_t i = 0; i < n; i++)
        json_write_u64(w, numbers[i]);
    json_write_array_end(w);
}

static void file_write(struct json_write *w, const struct record_file *file)
{
    json_write_object_begin(w);
    json_write_member_string(w, "name", file->name);
    json_write_member_u64(w, "size", file->size);
    json_write_member_u64(w, "head", file->head);
    hex_write(w, "sha256", file->digest.bytes, sizeof file->digest.bytes);
    hex_write(w, "guard", file->guard, file->guard_bytes);
    json_write_object_end(w);
}

static void tensor_write(struct json_write *w, const struct record *record,
                         const struct record_tensor *tensor)
{
    json_write_object_begin(w);
    json_write_member_string(w, "name", tensor->name);
    json_write_member_u64(w, "file", tensor->file);
    json_write_member_string(w, "dtype", dtype_facts(tensor->dtype)->name);
    json_write_member_u64(w, "offset", tensor->offset);
    json_write_member_u64(w, "bytes", tensor->bytes);
    if (record->version == RECORD_BEFORE_IN_CHUNKS)
        json_write_member_string(w, "before", NULL);
    else
        hex_write(w, "before", tensor->before.bytes, sizeof tensor->before.bytes);
    json_write_object_end(w);
}

static bool text_take(struct str *s, char **out, size_t *n, struct error *err)
{
    size_t length = s->length;
    char *text = str_take(s);
    if (!text)
        return error_memory(err, "writing the text of a record");
    *out = text;
    *n = length;
    return true;
}

bool record_text_write(const struct record *record, char **out, size_t *n, struct error *err)
{
    struct str s = {0};
    struct json_write w;
    json_write_to_str(&w, &s, false);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "number", record->number);
    json_write_member_string(&w, "kind", record->kind);
    json_write_member_string(&w, "command", record->command);
    json_write_member_string(&w, "note", record->note);
    json_write_member_string(&w, "host", record->host);
    json_write_member_u64(&w, "time", (uint64_t)record->time);
    numbers_write(&w, "undoes", record->undoes, record->n_undoes);
    numbers_write(&w, "drops", record->drops, record->n_drops);
    json_write_key(&w, "files");
    json_write_array_begin(&w);
    for (size_t i = 0; i < record->n_files; i++)
        file_write(&w, &record->files[i]);
    json_write_array_end(&w);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < record->n_tensors; i++)
        tensor_write(&w, record, &record->tensors[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return text_take(&s, out, n, err);
}

bool record_after_write(const struct record *record, char **out, size_t *n, struct error *err)
{
    struct str s = {0};
    struct json_write w;
    json_write_to_str(&w, &s, false);
    json_write_object_begin(&w);
    json_write_key(&w, "after");
    json_write_array_begin(&w);
    for (size_t i = 0; i < record->n_tensors; i++)
        hex_write(&w, NULL, record->tensors[i].after.bytes, sizeof record->tensors[i].after.bytes);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return text_take(&s, out, n, err);
}

/* ---- reading: an object is a table of members, each with a function that reads its value ---- */

struct reading {
    struct json_scan *scan;
    struct record *record;
    struct record_file *file;
    struct record_tensor *tensor;
};

struct member {
    const char *key;
    bool (*read)(struct reading *r, struct error *err);
};

static bool object_read(struct reading *r, const struct member *members, size_t n_members, struct error *err)
{
    uint32_t seen = 0;
    bool more = false;
    if (!json_object_begin(r->scan, err))
        return false;
    for (;;) {
        struct json_text key;
        if (!json_object_next(r->scan, &key, &more, err))
            return false;
        if (!more)
            break;
        size_t i = 0;
        while (i < n_members && !json_text_equal(key, members[i].key))
            i++;
        if (i == n_members || seen & 1u << i)
            return json_scan_error(r->scan, err, "member %s is unknown or there twice",
                                   quote_bytes(key.data, key.length).text);
        seen |= 1u << i;
        if (!members[i].read(r, err))
            return false;
    }
    for (size_t i = 0; i < n_members; i++)
        if (!(seen & 1u << i))
            return json_scan_error(r->scan, err, "member \"%s\" is missing", members[i].key);
    return true;
}

static bool string_read(struct reading *r, const char **out, struct error *err)
{
    struct json_text text;
    if (!json_string(r->scan, &text, err))
        return false;
    if (memchr(text.data, '\0', text.length))
        return json_scan_error(r->scan, err, "found a string with a NUL in it");
    char *copy = arena_copy(&r->record->arena, text.data, text.length);
    if (!copy)
        return error_memory(err, "reading a record");
    *out = copy;
    return true;
}

static bool u64_read(struct reading *r, uint64_t most, uint64_t *out, struct error *err)
{
    uint64_t value = 0;
    if (!json_u64(r->scan, &value, err))
        return false;
    if (value > most)
        return json_scan_error(r->scan, err, "found %" PRIu64 ", expected at most %" PRIu64, value, most);
    *out = value;
    return true;
}

/* How many elements the array at the scanner has; the scanner stays where it is. */
static bool array_count(struct json_scan *s, size_t *n, struct error *err)
{
    struct json_scan ahead = *s;
    ahead.buffer = NULL;
    ahead.buffer_size = 0;
    bool more = false;
    size_t count = 0;
    bool ok = json_array_begin(&ahead, err);
    while (ok && (ok = json_array_next(&ahead, &more, err)) && more) {
        ok = json_skip(&ahead, NULL, NULL, err);
        count++;
    }
    json_scan_release(&ahead);
    if (ok)
        *n = count;
    return ok;
}

/* An array of n elements of `size` bytes, each read by `read`, into the arena. */
static bool array_read(struct reading *r, size_t size, void **items, size_t *n,
                       bool (*read)(struct reading *r, void *item, struct error *err), struct error *err)
{
    size_t count = 0;
    bool more = false;
    if (!array_count(r->scan, &count, err) || !json_array_begin(r->scan, err))
        return false;
    char *block = arena_array(&r->record->arena, count, size);
    if (!block)
        return error_memory(err, "reading a record");
    memset(block, 0, count * size);
    for (size_t i = 0; i < count; i++)
        if (!json_array_next(r->scan, &more, err) || !read(r, block + i * size, err))
            return false;
    if (!json_array_next(r->scan, &more, err))
        return false;
    *items = block;
    *n = count;
    return true;
}

static bool number_item(struct reading *r, void *item, struct error *err)
{
    uint64_t value = 0;
    if (!u64_read(r, RECORD_MAX_NUMBER, &value, err))
        return false;
    *(uint32_t *)item = (uint32_t)value;
    return true;
}

static bool numbers_read(struct reading *r, uint32_t **out, size_t *n, struct error *err)
{
    void *items;
    if (!array_read(r, sizeof **out, &items, n, number_item, err))
        return false;
    *out = items;
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i] == 0 || (i && (*out)[i] <= (*out)[i - 1]))
            return json_scan_error(r->scan, err, "record numbers are not in ascending order");
    return true;
}

/* ---- files ---- */

static bool file_name(struct reading *r, struct error *err)
{
    if (!string_read(r, &r->file->name, err))
        return false;
    const char *name = r->file->name;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return json_scan_error(r->scan, err, "%s is not a plain file name", quote(name).text);
    return true;
}

static bool file_size(struct reading *r, struct error *err)
{
    return u64_read(r, INT64_MAX, &r->file->size, err);
}

static bool file_head(struct reading *r, struct error *err)
{
    return u64_read(r, INT64_MAX, &r->file->head, err);
}

static bool file_digest(struct reading *r, struct error *err)
{
    return digest_read(r->scan, &r->file->digest, err);
}

static bool file_guard(struct reading *r, struct error *err)
{
    return hex_read(r->scan, r->file->guard, 1, RECORD_GUARD_MAX, &r->file->guard_bytes, err);
}

static bool file_item(struct reading *r, void *item, struct error *err)
{
    static const struct member members[] = {{"name", file_name},
                                            {"size", file_size},
                                            {"head", file_head},
                                            {"sha256", file_digest},
                                            {"guard", file_guard}};
    struct record_file *file = r->file = item;
    if (!object_read(r, members, sizeof members / sizeof *members, err))
        return false;
    if (file->head < file->guard_bytes || file->head > file->size)
        return json_scan_error(r->scan, err,
                               "file %s: a head of %" PRIu64 " bytes in %" PRIu64 " does not fit",
                               quote(file->name).text, file->head, file->size);
    return true;
}

static bool files_read(struct reading *r, struct error *err)
{
    void *items;
    if (!array_read(r, sizeof *r->record->files, &items, &r->record->n_files, file_item, err))
        return false;
    r->record->files = items;
    return r->record->n_files <= MAX_FILES ||
           json_scan_error(r->scan, err, "lists %zu files, expected at most %d", r->record->n_files,
                           MAX_FILES);
}

/* ---- tensors ---- */

static bool tensor_name(struct reading *r, struct error *err)
{
    return string_read(r, &r->tensor->name, err);
}

static bool tensor_file(struct reading *r, struct error *err)
{
    uint64_t file = 0;
    if (!u64_read(r, UINT32_MAX, &file, err))
        return false;
    r->tensor->file = (size_t)file;
    return true;
}

static bool tensor_dtype(struct reading *r, struct error *err)
{
    const char *name;
    if (!string_read(r, &name, err))
        return false;
    return dtype_parse(name, &r->tensor->dtype) ||
           json_scan_error(r->scan, err, "dtype %s is unknown", quote(name).text);
}

static bool tensor_offset(struct reading *r, struct error *err)
{
    return u64_read(r, INT64_MAX, &r->tensor->offset, err);
}

static bool tensor_bytes(struct reading *r, struct error *err)
{
    return u64_read(r, INT64_MAX, &r->tensor->bytes, err);
}

static bool tensor_before(struct reading *r, struct error *err)
{
    if (r->record->version == RECORD_BEFORE_IN_CHUNKS)
        return json_null(r->scan, err);
    r->tensor->before_known = true;
    return digest_read(r->scan, &r->tensor->before, err);
}

static bool tensor_item(struct reading *r, void *item, struct error *err)
{
    static const struct member members[] = {{"name", tensor_name},   {"file", tensor_file},
                                            {"dtype", tensor_dtype}, {"offset", tensor_offset},
                                            {"bytes", tensor_bytes}, {"before", tensor_before}};
    r->tensor = item;
    return object_read(r, members, sizeof members / sizeof *members, err);
}

static bool tensors_read(struct reading *r, struct error *err)
{
    void *items;
    if (!array_read(r, sizeof *r->record->tensors, &items, &r->record->n_tensors, tensor_item, err))
        return false;
    r->record->tensors = items;
    return true;
}

/* ---- the header ---- */

static bool header_number(struct reading *r, struct error *err)
{
    uint64_t number = 0;
    if (!u64_read(r, RECORD_MAX_NUMBER, &number, err))
        return false;
    r->record->number = (uint32_t)number;
    return true;
}

static bool header_kind(struct reading *r, struct error *err)
{
    return string_read(r, &r->record->kind, err);
}

static bool header_command(struct reading *r, struct error *err)
{
    return string_read(r, &r->record->command, err);
}

static bool header_note(struct reading *r, struct error *err)
{
    enum json_type type;
    if (!json_peek(r->scan, &type, err))
        return false;
    return type == JSON_NULL ? json_null(r->scan, err) : string_read(r, &r->record->note, err);
}

static bool header_host(struct reading *r, struct error *err)
{
    return string_read(r, &r->record->host, err);
}

static bool header_time(struct reading *r, struct error *err)
{
    uint64_t time = 0;
    if (!u64_read(r, INT64_MAX, &time, err))
        return false;
    r->record->time = (int64_t)time;
    return true;
}

static bool header_undoes(struct reading *r, struct error *err)
{
    return numbers_read(r, &r->record->undoes, &r->record->n_undoes, err);
}

static bool header_drops(struct reading *r, struct error *err)
{
    return numbers_read(r, &r->record->drops, &r->record->n_drops, err);
}

/* What no single member tells: names once only, tensors in order, apart, inside their file's data. */
static bool whole_check(const char *path, const struct record *record, struct error *err)
{
    if (record->number == 0 || !*record->kind)
        return error_set(err, ERROR_FORMAT, "%s: has no number or no kind", path);
    if (record->n_files == 0 || record->n_tensors == 0)
        return error_set(err, ERROR_FORMAT, "%s: lists no file or no tensor", path);
    if ((record->n_undoes && record->undoes[record->n_undoes - 1] >= record->number) ||
        (record->n_drops && record->drops[record->n_drops - 1] > record->number))
        return error_set(err, ERROR_FORMAT, "%s: names a record that is newer than itself", path);
    for (size_t i = 0; i < record->n_files; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(record->files[i].name, record->files[k].name) == 0)
                return error_set(err, ERROR_FORMAT, "%s: lists the file %s twice", path,
                                 quote(record->files[i].name).text);
    for (size_t i = 0; i < record->n_tensors; i++) {
        const struct record_tensor *t = &record->tensors[i], *previous = i ? t - 1 : NULL;
        const struct record_file *file = t->file < record->n_files ? &record->files[t->file] : NULL;
        bool inside =
            file && t->offset >= file->head && t->offset <= file->size && t->bytes <= file->size - t->offset;
        if (!inside)
            return error_set(err, ERROR_FORMAT, "%s: tensor %s lies outside the data of its file", path,
                             quote(t->name).text);
        if (previous && (t->file < previous->file ||
                         (t->file == previous->file && t->offset < previous->offset + previous->bytes)))
            return error_set(err, ERROR_FORMAT, "%s: tensor %s is out of order or overlaps the one before",
                             path, quote(t->name).text);
    }
    return true;
}

bool record_text_read(const char *path, const char *text, size_t n, struct record *record, struct error *err)
{
    static const struct member members[] = {
        {"number", header_number}, {"kind", header_kind},   {"command", header_command},
        {"note", header_note},     {"host", header_host},   {"time", header_time},
        {"undoes", header_undoes}, {"drops", header_drops}, {"files", files_read},
        {"tensors", tensors_read},
    };
    struct json_scan scan;
    json_scan_init(&scan, path, text, n);
    struct reading r = {.scan = &scan, .record = record};
    bool ok = object_read(&r, members, sizeof members / sizeof *members, err) && json_end(&scan, err) &&
              whole_check(path, record, err) && record_sort_names(record, err);
    json_scan_release(&scan);
    return ok;
}

/* ---- the trailer ---- */

static bool after_read(struct reading *r, struct error *err)
{
    bool more = false;
    if (!json_array_begin(r->scan, err))
        return false;
    for (size_t i = 0; i < r->record->n_tensors; i++) {
        if (!json_array_next(r->scan, &more, err))
            return false;
        if (!more)
            return json_scan_error(r->scan, err, "the list ends, expected %zu digests", r->record->n_tensors);
        if (!digest_read(r->scan, &r->record->tensors[i].after, err))
            return false;
    }
    if (!json_array_next(r->scan, &more, err))
        return false;
    return !more || json_scan_error(r->scan, err, "more digests than tensors");
}

bool record_after_read(const char *path, const char *text, size_t n, struct record *record, struct error *err)
{
    static const struct member members[] = {{"after", after_read}};
    struct json_scan scan;
    json_scan_init(&scan, path, text, n);
    struct reading r = {.scan = &scan, .record = record};
    bool ok = object_read(&r, members, 1, err) && json_end(&scan, err);
    json_scan_release(&scan);
    return ok;
}
