/* safetensors.
 *
 *     0      u64, little-endian   N, at most 100,000,000
 *     8      N bytes              UTF-8 JSON: {"__metadata__": {string: string, ...},
 *                                              NAME: {"dtype": D, "shape": [..], "data_offsets": [begin,
 * end]}, ...} 8 + N  the rest             the data; a tensor is data[begin, end)
 *
 * The tensors cover the data without holes and overlaps. White space may stand around the JSON; writers pad
 * it with spaces so that the data is aligned. Source: the format's own README and the reference reader (Rust,
 * 0.8), which this one follows but for three things: names that occur twice, fields that occur twice and
 * fields that nobody knows are errors here.
 *
 * While lancet changes a file, N is 0x7f in its top byte and a nonce below (guard): no reader accepts it. */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file_tree.h"
#include "json_scan.h"
#include "json_write.h"
#include "memory.h"
#include "pending.h"
#include "quote.h"
#include "size.h"
#include "str.h"

enum {
    LENGTH_BYTES = 8,
    HEADER_LIMIT = 100000000,
    TENSOR_LIMIT = 1000000,
    NAME_LIMIT = 4096,
    DEPTH_LIMIT = 4,
    GUARD_BYTE = 0x7f,
};

/* ---- the length ---- */

static uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool is_guarded(const uint8_t *bytes)
{
    return bytes[LENGTH_BYTES - 1] == GUARD_BYTE;
}

static void guard(uint64_t nonce, uint8_t *out)
{
    memcpy(out, &nonce, LENGTH_BYTES);
    out[LENGTH_BYTES - 1] = GUARD_BYTE;
}

static bool probe(const char *name, const uint8_t *bytes, size_t n)
{
    static const char extension[] = ".safetensors";
    size_t length = strlen(name), suffix = sizeof extension - 1;
    if (length >= suffix && strcmp(name + length - suffix, extension) == 0)
        return true;
    return n > LENGTH_BYTES && bytes[LENGTH_BYTES] == '{' &&
           (load_u64(bytes) <= HEADER_LIMIT || is_guarded(bytes));
}

static bool could_open(const uint8_t *bytes, size_t n, uint64_t file_bytes)
{
    uint64_t length = n > LENGTH_BYTES ? load_u64(bytes) : 0;
    return length >= 2 && length <= HEADER_LIMIT && length <= file_bytes - LENGTH_BYTES &&
           strchr("{ \t\r\n", bytes[LENGTH_BYTES]) && bytes[LENGTH_BYTES];
}

bool safetensors_head_bytes(const char *name, const uint8_t bytes[8], uint64_t file_bytes, uint64_t *out,
                            struct error *err)
{
    uint64_t n = load_u64(bytes);
    if (is_guarded(bytes))
        return error_set(
            err, ERROR_BUSY,
            "%s: a change of this file was not finished; `lancet verify --recover` takes it back", name);
    if (n > HEADER_LIMIT)
        return error_set(err, ERROR_FORMAT,
                         "%s: its header would have %" PRIu64 " bytes, expected at most %d", name, n,
                         HEADER_LIMIT);
    if (n > file_bytes - LENGTH_BYTES)
        return error_set(err, ERROR_FORMAT,
                         "%s: its header would have %" PRIu64 " bytes, but the file ends after %" PRIu64,
                         name, n, file_bytes - LENGTH_BYTES);
    *out = LENGTH_BYTES + n;
    return true;
}

/* ---- one entry ---- */

struct entry {
    struct tensor tensor;
    uint64_t begin, end;
};

static bool read_dtype(struct json_scan *s, struct entry *entry, struct error *err)
{
    struct json_text text;
    if (!json_string(s, &text, err))
        return false;
    char name[32] = "";
    if (text.length < sizeof name)
        memcpy(name, text.data, text.length);
    if (strlen(name) != text.length || !dtype_parse(name, &entry->tensor.dtype) ||
        dtype_facts(entry->tensor.dtype)->block_elements != 1) {
        json_scan_error(s, err, "unknown dtype %s", quote_bytes(text.data, text.length).text);
        err->kind = ERROR_UNSUPPORTED;
        return false;
    }
    return true;
}

static bool read_shape(struct json_scan *s, struct entry *entry, struct error *err)
{
    struct tensor *t = &entry->tensor;
    bool more;
    if (!json_array_begin(s, err))
        return false;
    for (t->rank = 0; json_array_next(s, &more, err); t->rank++) {
        if (!more)
            return true;
        if (t->rank == TENSOR_MAX_RANK) {
            json_scan_error(s, err, "a shape of more than %d dimensions", TENSOR_MAX_RANK);
            err->kind = ERROR_UNSUPPORTED;
            return false;
        }
        if (!json_u64(s, &t->shape[t->rank], err))
            return false;
    }
    return false;
}

static bool read_offsets(struct json_scan *s, struct entry *entry, struct error *err)
{
    bool more;
    unsigned n = 0;
    if (!json_array_begin(s, err))
        return false;
    while (json_array_next(s, &more, err)) {
        if (!more)
            return n == 2 ? true : json_scan_error(s, err, "data_offsets holds %u integers, expected 2", n);
        if (n == 2)
            return json_scan_error(s, err, "data_offsets holds more than 2 integers");
        if (!json_u64(s, n == 0 ? &entry->begin : &entry->end, err))
            return false;
        n++;
    }
    return false;
}

static const struct field {
    const char *name;
    bool (*read)(struct json_scan *s, struct entry *entry, struct error *err);
} fields[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};

enum { FIELDS = sizeof fields / sizeof *fields };

static bool read_fields(struct json_scan *s, struct entry *entry, struct error *err)
{
    bool seen[FIELDS] = {false}, more;
    struct json_text key;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        size_t f = 0;
        if (!more) {
            while (f < FIELDS && seen[f])
                f++;
            return f == FIELDS ? true : json_scan_error(s, err, "there is no \"%s\"", fields[f].name);
        }
        while (f < FIELDS && !json_text_equal(key, fields[f].name))
            f++;
        if (f == FIELDS)
            return json_scan_error(s, err, "unknown field %s", quote_bytes(key.data, key.length).text);
        if (seen[f])
            return json_scan_error(s, err, "\"%s\" occurs twice", fields[f].name);
        seen[f] = true;
        if (!fields[f].read(s, entry, err))
            return false;
    }
    return false;
}

/* Elements and bytes from dtype and shape, against the offsets and the data that there is. */
static bool measure(struct entry *entry, uint64_t data_bytes, char *why, size_t size)
{
    struct tensor *t = &entry->tensor;
    char shape[256];
    tensor_describe(t, shape, sizeof shape);
    if (entry->end < entry->begin || entry->end > data_bytes) {
        snprintf(why, size,
                 "data_offsets [%" PRIu64 ", %" PRIu64 "] do not lie in the %" PRIu64 " bytes of data",
                 entry->begin, entry->end, data_bytes);
        return false;
    }
    t->elements = 1;
    for (unsigned i = 0; i < t->rank; i++)
        if (!u64_mul(t->elements, t->shape[i], &t->elements)) {
            snprintf(why, size, "%s has more elements than 64 bits can count", shape);
            return false;
        }
    if (!dtype_bytes(t->dtype, t->elements, &t->bytes)) {
        snprintf(why, size, "%s does not fill whole bytes, or too many", shape);
        return false;
    }
    if (t->bytes != entry->end - entry->begin) {
        snprintf(why, size,
                 "%s takes %" PRIu64 " bytes, but data_offsets [%" PRIu64 ", %" PRIu64 "] hold %" PRIu64,
                 shape, t->bytes, entry->begin, entry->end, entry->end - entry->begin);
        return false;
    }
    return true;
}

/* The scanner's sentences tell line and column; this adds the tensor. */
static bool in_tensor(struct error *err, const char *name)
{
    size_t used = strlen(err->text);
    if (err->kind == ERROR_FORMAT || err->kind == ERROR_UNSUPPORTED)
        snprintf(err->text + used, sizeof err->text - used, " (tensor %s)", quote(name).text);
    return false;
}

static bool read_entry(struct json_scan *s, const struct safetensors_head *head, const char *name,
                       struct tensor *out, struct error *err)
{
    struct entry entry = {.tensor = {.name = name, .file = head->file}};
    if (!read_fields(s, &entry, err))
        return in_tensor(err, name);
    char why[512];
    if (!measure(&entry, head->file_bytes - head->n, why, sizeof why))
        return error_set(err, ERROR_FORMAT, "%s: tensor %s: %s", head->name, quote(name).text, why);
    *out = entry.tensor;
    out->offset = head->n + entry.begin;
    return true;
}

/* ---- the whole header ---- */

static bool read_name(struct json_scan *s, struct json_text key, struct arena *arena, const char **out,
                      struct error *err)
{
    if (key.length > NAME_LIMIT)
        return json_scan_error(s, err, "a tensor name of %zu bytes, expected at most %d", key.length,
                               NAME_LIMIT);
    if (memchr(key.data, '\0', key.length))
        return json_scan_error(s, err, "the tensor name %s holds a NUL character",
                               quote_bytes(key.data, key.length).text);
    char *name = arena_copy(arena, key.data, key.length);
    if (!name)
        return error_memory(err, "reading tensor names");
    *out = name;
    return true;
}

/* The text of __metadata__, byte for byte, once it is known to map strings to strings. */
static bool read_metadata(struct json_scan *s, struct arena *arena, const char **out, struct error *err)
{
    struct json_text key, value;
    enum json_type type;
    bool more;
    if (*out)
        return json_scan_error(s, err, "\"__metadata__\" occurs twice");
    if (!json_peek(s, &type, err))
        return false;
    size_t start = s->position;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        if (!more) {
            *out = arena_copy(arena, s->text + start, s->position - start);
            return *out ? true : error_memory(err, "reading metadata");
        }
        if (!json_string(s, &value, err))
            return false;
    }
    return false;
}

static bool read_header(struct json_scan *s, const struct safetensors_head *head, struct arena *arena,
                        struct tensor_list *out, const char **metadata, struct error *err)
{
    struct json_text key;
    bool more;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        if (!more)
            return json_end(s, err);
        if (json_text_equal(key, "__metadata__")) {
            if (!read_metadata(s, arena, metadata, err))
                return false;
            continue;
        }
        if (out->n == TENSOR_LIMIT) {
            json_scan_error(s, err, "more than %d tensors", TENSOR_LIMIT);
            err->kind = ERROR_UNSUPPORTED;
            return false;
        }
        const char *name = NULL;
        struct tensor tensor;
        if (!read_name(s, key, arena, &name, err) || !read_entry(s, head, name, &tensor, err) ||
            !tensor_list_add(out, &tensor, err))
            return false;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static bool check_names(const struct safetensors_head *head, struct tensor *tensors, size_t n,
                        struct error *err)
{
    if (n)
        qsort(tensors, n, sizeof *tensors, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
            return error_set(err, ERROR_FORMAT, "%s: tensor %s occurs twice", head->name,
                             quote(tensors[i].name).text);
    return true;
}

/* No holes, no overlaps, nothing after the last: leaves the tensors in the order of the data. */
static bool check_cover(const struct safetensors_head *head, struct tensor *tensors, size_t n,
                        struct error *err)
{
    if (n)
        qsort(tensors, n, sizeof *tensors, by_place);
    uint64_t end = head->n;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = &tensors[i];
        if (t->offset < end)
            return error_set(err, ERROR_FORMAT,
                             "%s: tensors %s and %s overlap at byte %" PRIu64 " of the data", head->name,
                             quote(tensors[i - 1].name).text, quote(t->name).text, t->offset - head->n);
        if (t->offset > end)
            return error_set(err, ERROR_FORMAT,
                             "%s: bytes %" PRIu64 " to %" PRIu64
                             " of the data, before tensor %s, belong to no tensor",
                             head->name, end - head->n, t->offset - head->n, quote(t->name).text);
        end = t->offset + t->bytes;
    }
    if (end != head->file_bytes)
        return error_set(err, ERROR_FORMAT, "%s: the last %" PRIu64 " bytes of the file belong to no tensor",
                         head->name, head->file_bytes - end);
    return true;
}

bool safetensors_list(const struct safetensors_head *head, struct arena *arena, struct tensor_list *out,
                      const char **metadata, struct error *err)
{
    size_t before = out->n;
    const char *text = NULL;
    struct json_scan s;
    json_scan_init(&s, head->name, (const char *)head->bytes + LENGTH_BYTES, (size_t)head->n - LENGTH_BYTES);
    s.max_depth = DEPTH_LIMIT;
    bool ok = read_header(&s, head, arena, out, &text, err);
    size_t n = out->n - before;
    struct tensor *own = n ? out->items + before : NULL;
    ok = ok && check_names(head, own, n, err) && check_cover(head, own, n, err);
    if (ok)
        *metadata = text;
    else
        out->n = before;
    json_scan_release(&s);
    return ok;
}

/* The header is read into memory first: what was checked is then what is used, whatever happens to the file.
 */
static bool open_file(struct checkpoint *checkpoint, size_t index, struct tensor_list *out, struct error *err)
{
    struct checkpoint_file *file = &checkpoint->files[index];
    uint8_t length[LENGTH_BYTES];
    struct safetensors_head head = {.name = file->shown, .file_bytes = file->size, .file = index};
    if (file->size < LENGTH_BYTES)
        return error_set(err, ERROR_FORMAT, "%s: has %" PRIu64 " bytes, a safetensors file has at least %d",
                         file->shown, file->size, LENGTH_BYTES);
    if (!pending_read_head(checkpoint, index, 0, length, sizeof length, err) ||
        !safetensors_head_bytes(file->shown, length, file->size, &head.n, err))
        return false;
    uint8_t *bytes = memory_array((size_t)head.n, 1);
    if (!bytes)
        return error_memory(err, "reading a header");
    head.bytes = bytes;
    size_t before = out->n;
    bool ok = pending_read_head(checkpoint, index, 0, bytes, (size_t)head.n, err) &&
              safetensors_list(&head, &checkpoint->arena, out, &file->metadata, err);
    free(bytes);
    if (!ok)
        return false;
    file->head = head.n;
    for (size_t i = before; i < out->n; i++)
        out->items[i].data = file->map + out->items[i].offset;
    return true;
}

/* ---- writing ---- */

static int by_layout(const void *a, const void *b)
{
    const struct tensor_plan *x = *(struct tensor_plan *const *)a, *y = *(struct tensor_plan *const *)b;
    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool measure_plan(struct tensor_plan *plan, struct error *err)
{
    uint64_t elements = 1;
    bool ok = plan->rank <= TENSOR_MAX_RANK && dtype_facts(plan->dtype)->block_elements == 1;
    for (unsigned i = 0; ok && i < plan->rank; i++)
        ok = u64_mul(elements, plan->shape[i], &elements);
    if (!ok || !dtype_bytes(plan->dtype, elements, &plan->bytes))
        return error_set(err, ERROR_UNSUPPORTED, "tensor %s: a %s tensor of its shape cannot be stored",
                         quote(plan->name).text, dtype_facts(plan->dtype)->name);
    return true;
}

static void append_entry(struct str *s, const struct tensor_plan *plan)
{
    struct json_write w;
    json_write_to_str(&w, s, false);
    json_write_string(&w, plan->name);
    str_printf(s, ":{\"dtype\":\"%s\",\"shape\":[", dtype_facts(plan->dtype)->name);
    for (unsigned i = 0; i < plan->rank; i++)
        str_printf(s, "%s%" PRIu64, i ? "," : "", plan->shape[i]);
    str_printf(s, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", plan->offset, plan->offset + plan->bytes);
}

/* Sets offsets in the file along `order`, and makes the head. */
static bool lay_out(struct tensor_plan **order, size_t n, const char *metadata, struct str *head,
                    uint64_t *file_bytes, struct error *err)
{
    static const char length[LENGTH_BYTES] = {0};
    uint64_t data = 0;
    if (n)
        qsort(order, n, sizeof *order, by_layout);
    str_append_bytes(head, length, sizeof length);
    str_append(head, "{");
    if (metadata)
        str_printf(head, "\"__metadata__\":%s%s", metadata, n ? "," : "");
    for (size_t i = 0; i < n; i++) {
        struct tensor_plan *plan = order[i];
        if (!measure_plan(plan, err))
            return false;
        plan->offset = data;
        if (!u64_add(data, plan->bytes, &data) || data > INT64_MAX - HEADER_LIMIT)
            return error_set(err, ERROR_UNSUPPORTED,
                             "tensor %s: the file would be larger than any file can be",
                             quote(plan->name).text);
        append_entry(head, plan);
        str_append(head, i + 1 < n ? "," : "");
    }
    str_append(head, "}");
    while (!head->failed && head->length % LENGTH_BYTES)
        str_append(head, " ");
    if (head->failed)
        return error_memory(err, "making a header");
    if (head->length - LENGTH_BYTES > HEADER_LIMIT)
        return error_set(err, ERROR_UNSUPPORTED, "a header of %zu bytes, a safetensors file has at most %d",
                         head->length - LENGTH_BYTES, HEADER_LIMIT);
    uint64_t text = head->length - LENGTH_BYTES;
    memcpy(head->data, &text, sizeof text);
    for (size_t i = 0; i < n; i++)
        order[i]->offset += head->length;
    *file_bytes = head->length + data;
    return true;
}

static struct tensor_plan **point_at(struct tensor_plan *plans, size_t n)
{
    struct tensor_plan **order = memory_array(n, sizeof *order);
    for (size_t i = 0; order && i < n; i++)
        order[i] = &plans[i];
    return order;
}

static bool layout(struct tensor_plan *tensors, size_t n, const char *metadata, uint8_t **head,
                   size_t *head_bytes, uint64_t *file_bytes, struct error *err)
{
    bool ok = false;
    struct str s = {0};
    struct tensor_plan **order = point_at(tensors, n), *sorted = memory_array(n, sizeof *sorted);
    if (!order || !sorted)
        error_memory(err, "laying out a file");
    else
        ok = lay_out(order, n, metadata, &s, file_bytes, err);
    if (ok) {
        for (size_t i = 0; i < n; i++)
            sorted[i] = *order[i];
        if (n)
            memcpy(tensors, sorted, n * sizeof *sorted);
        *head_bytes = s.length;
        *head = (uint8_t *)str_take(&s);
    }
    str_release(&s);
    free(order);
    free(sorted);
    return ok;
}

static bool write_file(const struct fs *fs, int fd, const char *name, const struct str *head,
                       const struct tensor_plan *plans, const void *const *data, size_t n, struct error *err)
{
    if (!fs_write_at(fs, fd, name, head->data, head->length, 0, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!fs_write_at(fs, fd, name, data[i], (size_t)plans[i].bytes, plans[i].offset, err))
            return false;
    return fs->sync(fs->state, fd) == 0 ? true : error_set_errno(err, "%s: cannot sync", name);
}

/* Creates `temporary`, fills it, gives it the name `path`. */
static bool write_and_rename(const struct fs *fs, const char *path, const char *temporary,
                             const char *directory, const struct str *head, const struct tensor_plan *plans,
                             const void *const *data, size_t n, struct error *err)
{
    int fd = fs->open(fs->state, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return error_set_errno(err, "%s: cannot create", temporary);
    bool ok = write_file(fs, fd, path, head, plans, data, n, err);
    if (fs->close(fs->state, fd) < 0 && ok)
        ok = error_set_errno(err, "%s: cannot close", temporary);
    if (ok && fs->rename(fs->state, temporary, path) < 0)
        ok = error_set_errno(err, "%s: cannot rename to %s", temporary, path);
    if (!ok) {
        fs->unlink(fs->state, temporary);
        return false;
    }
    return fs_sync_directory(fs, directory, err);
}

bool safetensors_write(const struct fs *fs, const char *path, const struct tensor_plan *tensors,
                       const void *const *data, size_t n, const char *metadata, struct error *err)
{
    bool ok = false;
    uint64_t file_bytes;
    struct str head = {0};
    struct tensor_plan *plans = memory_array(n, sizeof *plans), **order = NULL;
    char *temporary = file_tree_temporary(path, err), *directory = NULL;
    if (plans && n)
        memcpy(plans, tensors, n * sizeof *plans);
    if (plans)
        order = point_at(plans, n);
    if (!temporary)
        goto out;
    const char *base = path_base(path);
    directory = base == path ? memory_string(".") : memory_copy(path, (size_t)(base - path));
    if (!order || !directory) {
        error_memory(err, "writing a file");
        goto out;
    }
    ok = lay_out(order, n, metadata, &head, &file_bytes, err) &&
         write_and_rename(fs, path, temporary, directory, &head, plans, data, n, err);
out:
    str_release(&head);
    free(order);
    free(plans);
    free(directory);
    free(temporary);
    return ok;
}

static const struct format_writer writer = {.layout = layout};

const struct format format_safetensors = {
    .name = "safetensors",
    .extension = ".safetensors",
    .probe = probe,
    .open = open_file,
    .could_open = could_open,
    .guard_bytes = LENGTH_BYTES,
    .guard = guard,
    .writer = &writer,
};
