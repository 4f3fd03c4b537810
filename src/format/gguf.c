/* GGUF, little-endian.
 *
 *     0    4    "GGUF"
 *     4    4    version, u32: 2 or 3 (which are the same but for big-endian files, whose version reads as v
 * << 16) 8    8    n_tensors, u64 16   8    n_values, u64 24        n_values times   string key; u32 type;
 * value n_tensors times  string name; u32 n_dims; u64 dims[n_dims]; u32 type; u64 offset zeros up to a
 * multiple of A: there is D D         the tensors' bytes, each padded to a multiple of A, in the order of the
 * infos and without gaps
 *
 * A string is a u64 length and its bytes; an array is u32 type, u64 count and its elements. A is
 * general.alignment, else 32. dims[0] runs fastest. A tensor takes product(dims) / (elements of a block) *
 * (bytes of a block) bytes. Source: ggml's docs/gguf.md and gguf.cpp, August 2026, whose limits are kept;
 * names of up to 255 bytes are read, where ggml takes 63 (a build option).
 *
 * While lancet changes a file, the magic is 0x7f and three bytes of a nonce (guard): no reader accepts it. */
#include "gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pending.h"
#include "quote.h"
#include "size.h"
#include "utf8.h"

enum {
    MAGIC_BYTES = 4,
    GUARD_BYTE = 0x7f,
    VALUE_BYTES = 8 + 1 + 4 + 1, /* the least that a value can take */
    TENSOR_BYTES = 8 + 4 + 4 + 8,
    MAX_DIMS = 4,
    KEY_LIMIT = 65535,
    NAME_LIMIT = 255,
    STRING_LIMIT = 1 << 30,
    ELEMENT_LIMIT = 1 << 30,
    TENSOR_LIMIT = 1000000,
    VALUE_LIMIT = 1000000,
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_LIMIT = 1 << 16,
};

static const uint8_t magic[MAGIC_BYTES] = {'G', 'G', 'U', 'F'};

/* ---- the bounded cursor ---- */

struct cursor {
    const char *name;
    const uint8_t *bytes;
    uint64_t n, at;
};

static bool take(struct cursor *c, uint64_t n, const char *what, const uint8_t **out, struct error *err)
{
    if (n > c->n - c->at)
        return error_set(err, ERROR_FORMAT,
                         "%s: %s would take %" PRIu64 " bytes from byte %" PRIu64
                         " on, but the file ends after %" PRIu64,
                         c->name, what, n, c->at, c->n);
    *out = c->bytes + c->at;
    c->at += n;
    return true;
}

static bool take_u32(struct cursor *c, const char *what, uint32_t *out, struct error *err)
{
    const uint8_t *bytes;
    if (!take(c, sizeof *out, what, &bytes, err))
        return false;
    memcpy(out, bytes, sizeof *out);
    return true;
}

static bool take_u64(struct cursor *c, const char *what, uint64_t *out, struct error *err)
{
    const uint8_t *bytes;
    if (!take(c, sizeof *out, what, &bytes, err))
        return false;
    memcpy(out, bytes, sizeof *out);
    return true;
}

/* A count of things that take at least `each` bytes. */
static bool take_count(struct cursor *c, const char *what, uint64_t each, uint64_t limit, uint64_t *out,
                       struct error *err)
{
    uint64_t n;
    if (!take_u64(c, what, &n, err))
        return false;
    if (n > (c->n - c->at) / each)
        return error_set(err, ERROR_FORMAT,
                         "%s: has %" PRIu64 " %s, more than the %" PRIu64 " bytes that are left can hold",
                         c->name, n, what, c->n - c->at);
    if (n > limit)
        return error_set(err, ERROR_UNSUPPORTED, "%s: has %" PRIu64 " %s, lancet reads at most %" PRIu64,
                         c->name, n, what, limit);
    *out = n;
    return true;
}

static bool take_string(struct cursor *c, const char *what, uint64_t limit, const char **text, size_t *n,
                        struct error *err)
{
    uint64_t length;
    const uint8_t *bytes;
    if (!take_u64(c, what, &length, err))
        return false;
    if (length > limit)
        return error_set(err, ERROR_FORMAT, "%s: %s of %" PRIu64 " bytes, expected at most %" PRIu64, c->name,
                         what, length, limit);
    if (!take(c, length, what, &bytes, err))
        return false;
    *text = (const char *)bytes;
    *n = (size_t)length;
    return true;
}

/* A string that is looked up and printed: neither empty nor with a NUL in it, UTF-8. */
static bool take_name(struct cursor *c, const char *what, uint64_t limit, struct arena *arena,
                      const char **out, struct error *err)
{
    const char *text = NULL;
    size_t n = 0;
    if (!take_string(c, what, limit, &text, &n, err))
        return false;
    bool sound = n != 0 && !memchr(text, '\0', n);
    for (size_t i = 0; sound && i < n;) {
        uint32_t code;
        i += utf8_decode(text + i, n - i, &code);
        sound = code != UTF8_BAD;
    }
    if (!sound)
        return error_set(err, ERROR_FORMAT, "%s: %s %s is empty, or not UTF-8, or holds a NUL", c->name, what,
                         quote_bytes(text, n).text);
    *out = arena_copy(arena, text, n);
    return *out ? true : error_memory(err, "reading a GGUF file");
}

/* ---- metadata ---- */

static const unsigned type_bytes[GGUF_TYPES] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2,  [GGUF_I16] = 2,    [GGUF_U32] = 4,
    [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_STRING] = 8, [GGUF_ARRAY] = 12,
    [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

static bool take_type(struct cursor *c, const char *key, enum gguf_type *out, struct error *err)
{
    uint32_t type;
    if (!take_u32(c, "the type of a value", &type, err))
        return false;
    if (type >= GGUF_TYPES)
        return error_set(err, ERROR_FORMAT, "%s: %s has type %" PRIu32 ", expected one of 0 to %d", c->name,
                         quote(key).text, type, GGUF_TYPES - 1);
    *out = (enum gguf_type)type;
    return true;
}

static bool take_elements(struct cursor *c, struct gguf_value *value, struct error *err)
{
    const uint8_t *bytes = NULL;
    const char *text;
    size_t n;
    value->bytes = c->bytes + c->at;
    if (value->type != GGUF_STRING) {
        if (!take(c, value->n * type_bytes[value->type], "a value", &bytes, err))
            return error_prefix(err, "%s", quote(value->key).text);
        for (uint64_t i = 0; value->type == GGUF_BOOL && i < value->n; i++)
            if (bytes[i] > 1)
                return error_set(err, ERROR_FORMAT, "%s: %s is a bool of value %u, expected 0 or 1", c->name,
                                 quote(value->key).text, bytes[i]);
    }
    for (uint64_t i = 0; value->type == GGUF_STRING && i < value->n; i++)
        if (!take_string(c, "a string", STRING_LIMIT, &text, &n, err))
            return error_prefix(err, "%s", quote(value->key).text);
    value->n_bytes = (size_t)(c->bytes + c->at - value->bytes);
    return true;
}

static bool take_value(struct cursor *c, struct arena *arena, struct gguf_value *value, struct error *err)
{
    value->n = 1;
    if (!take_name(c, "key", KEY_LIMIT, arena, &value->key, err) ||
        !take_type(c, value->key, &value->type, err))
        return false;
    value->is_array = value->type == GGUF_ARRAY;
    if (value->is_array) {
        if (!take_type(c, value->key, &value->type, err))
            return false;
        if (value->type == GGUF_ARRAY)
            return error_set(err, ERROR_FORMAT, "%s: %s is an array of arrays, which ggml refuses, too",
                             c->name, quote(value->key).text);
        if (!take_count(c, "elements", type_bytes[value->type], ELEMENT_LIMIT, &value->n, err))
            return error_prefix(err, "%s", quote(value->key).text);
    }
    return take_elements(c, value, err);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct gguf_value *)a)->key, ((const struct gguf_value *)b)->key);
}

static bool take_values(struct cursor *c, size_t n, struct arena *arena, struct gguf *out, struct error *err)
{
    out->n_values = n;
    out->values = arena_array(arena, n, sizeof *out->values);
    if (!out->values)
        return error_memory(err, "reading a GGUF file");
    for (size_t i = 0; i < n; i++)
        if (!take_value(c, arena, &out->values[i], err))
            return false;
    if (n)
        qsort(out->values, n, sizeof *out->values, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(out->values[i - 1].key, out->values[i].key) == 0)
            return error_set(err, ERROR_FORMAT, "%s: key %s occurs twice", c->name,
                             quote(out->values[i].key).text);
    return true;
}

static bool find_alignment(struct gguf *gguf, struct error *err)
{
    const struct gguf_value *value = gguf_find(gguf, "general.alignment");
    uint64_t a = ALIGNMENT_DEFAULT;
    if (value && (value->is_array || value->type != GGUF_U32))
        return error_set(err, ERROR_FORMAT, "%s: general.alignment is %s%s, expected u32", gguf->name,
                         value->is_array ? "an array of " : "", gguf_type_name(value->type));
    gguf_u64(value, 0, &a);
    if (a == 0 || (a & (a - 1)) || a > ALIGNMENT_LIMIT)
        return error_set(err, ERROR_FORMAT,
                         "%s: general.alignment is %" PRIu64 ", expected a power of two up to %d", gguf->name,
                         a, ALIGNMENT_LIMIT);
    gguf->alignment = a;
    return true;
}

/* ---- tensors ---- */

static bool take_shape(struct cursor *c, struct tensor *t, struct error *err)
{
    uint32_t rank;
    if (!take_u32(c, "the rank of a tensor", &rank, err))
        return false;
    if (rank > MAX_DIMS)
        return error_set(err, ERROR_FORMAT, "%s: tensor %s has %" PRIu32 " dimensions, expected at most %d",
                         c->name, quote(t->name).text, rank, MAX_DIMS);
    t->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        if (!take_u64(c, "a dimension of a tensor", &t->shape[rank - 1 - i], err))
            return false;
    return true;
}

static bool take_dtype(struct cursor *c, struct tensor *t, struct error *err)
{
    uint32_t id;
    if (!take_u32(c, "the type of a tensor", &id, err))
        return false;
    const struct gguf_tensor_type *type = gguf_tensor_type_of(id);
    if (!type)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: tensor %s is of ggml type %" PRIu32
                         ", which is unknown or was removed from ggml",
                         c->name, quote(t->name).text, id);
    t->dtype = type->dtype;
    return true;
}

/* Elements and bytes; never a product before its check. */
static bool measure(const struct cursor *c, struct tensor *t, struct error *err)
{
    char shape[256];
    unsigned block = dtype_facts(t->dtype)->block_elements;
    tensor_describe(t, shape, sizeof shape);
    t->elements = 1;
    for (unsigned i = 0; i < t->rank; i++) {
        if (t->shape[i] == 0)
            return error_set(err, ERROR_FORMAT, "%s: tensor %s is %s, which has a dimension of 0", c->name,
                             quote(t->name).text, shape);
        if (!u64_mul(t->elements, t->shape[i], &t->elements) || t->elements > INT64_MAX)
            return error_set(err, ERROR_FORMAT,
                             "%s: tensor %s is %s, which are more elements than 63 bits can count", c->name,
                             quote(t->name).text, shape);
    }
    if ((t->rank ? t->shape[t->rank - 1] : 1) % block)
        return error_set(err, ERROR_FORMAT,
                         "%s: tensor %s is %s, whose rows do not fill blocks of %u elements", c->name,
                         quote(t->name).text, shape, block);
    if (!dtype_bytes(t->dtype, t->elements, &t->bytes))
        return error_set(err, ERROR_FORMAT,
                         "%s: tensor %s is %s, which are more bytes than 64 bits can count", c->name,
                         quote(t->name).text, shape);
    return true;
}

static bool take_tensors(struct cursor *c, size_t n, struct arena *arena, size_t file,
                         struct tensor_list *tensors, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct tensor t = {.file = file};
        if (!take_name(c, "tensor name", NAME_LIMIT, arena, &t.name, err) || !take_shape(c, &t, err) ||
            !take_dtype(c, &t, err) || !take_u64(c, "the offset of a tensor", &t.offset, err) ||
            !measure(c, &t, err) || !tensor_list_add(tensors, &t, err))
            return false;
    }
    return true;
}

static bool round_up(uint64_t n, uint64_t alignment, uint64_t *out)
{
    uint64_t sum;
    if (!u64_add(n, alignment - 1, &sum))
        return false;
    *out = sum & ~(alignment - 1);
    return true;
}

/* From offsets in the data, which must leave no gaps, to offsets in the file, which must not lead out of it.
 */
static bool place_tensors(const struct cursor *c, const struct gguf *gguf, struct tensor *tensors, size_t n,
                          struct error *err)
{
    uint64_t expected = 0;
    for (size_t i = 0; i < n; i++) {
        struct tensor *t = &tensors[i];
        uint64_t begin, end;
        if (t->offset != expected)
            return error_set(err, ERROR_FORMAT,
                             "%s: tensor %s begins at byte %" PRIu64 " of the data, expected %" PRIu64
                             ", where the one before it ends",
                             c->name, quote(t->name).text, t->offset, expected);
        if (!u64_add(gguf->data, t->offset, &begin) || !u64_add(begin, t->bytes, &end) || end > c->n)
            return error_set(err, ERROR_FORMAT,
                             "%s: tensor %s would take %" PRIu64 " bytes from byte %" PRIu64
                             " of the data on, which begins at %" PRIu64 ", but the file ends after %" PRIu64,
                             c->name, quote(t->name).text, t->bytes, t->offset, gguf->data, c->n);
        if (!round_up(expected + t->bytes, gguf->alignment, &expected))
            return error_set(err, ERROR_FORMAT, "%s: the tensors take more bytes than 64 bits can count",
                             c->name);
        t->offset = begin;
        t->data = c->bytes + begin;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_names(const struct cursor *c, const struct tensor *tensors, size_t n, struct error *err)
{
    const char **names = memory_array(n, sizeof *names);
    bool ok = names ? true : error_memory(err, "reading a GGUF file");
    for (size_t i = 0; ok && i < n; i++)
        names[i] = tensors[i].name;
    if (ok && n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; ok && i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            ok = error_set(err, ERROR_FORMAT, "%s: tensor %s occurs twice", c->name, quote(names[i]).text);
    free(names);
    return ok;
}

/* ---- the whole head ---- */

static bool check_version(const struct cursor *c, uint32_t version, struct error *err)
{
    if (version == 2 || version == 3)
        return true;
    if (version && (version & 0xffff) == 0)
        return error_set(err, ERROR_UNSUPPORTED, "%s: is a big-endian GGUF file, which lancet does not read",
                         c->name);
    return error_set(err, ERROR_UNSUPPORTED,
                     "%s: is a GGUF file of version %" PRIu32 ", lancet reads 2 and 3", c->name, version);
}

bool gguf_read(const char *name, const uint8_t *bytes, uint64_t n, struct arena *arena, size_t file,
               struct gguf *out, struct tensor_list *tensors, struct error *err)
{
    struct cursor c = {name, bytes, n, MAGIC_BYTES};
    struct gguf gguf = {.name = name};
    uint64_t n_tensors, n_values;
    size_t before = tensors->n;
    bool ok = n >= MAGIC_BYTES ? true : error_set(err, ERROR_FORMAT, "%s: is too short for GGUF", name);
    ok = ok && take_u32(&c, "the version", &gguf.version, err) && check_version(&c, gguf.version, err) &&
         take_count(&c, "tensors", TENSOR_BYTES, TENSOR_LIMIT, &n_tensors, err) &&
         take_count(&c, "values", VALUE_BYTES, VALUE_LIMIT, &n_values, err) &&
         take_values(&c, (size_t)n_values, arena, &gguf, err) && find_alignment(&gguf, err) &&
         take_tensors(&c, (size_t)n_tensors, arena, file, tensors, err);
    size_t found = tensors->n - before;
    struct tensor *own = found ? tensors->items + before : NULL;
    ok = ok && check_names(&c, own, found, err);
    if (ok && !round_up(c.at, gguf.alignment, &gguf.data))
        ok = error_set(err, ERROR_FORMAT, "%s: the head takes more bytes than 64 bits can count", name);
    ok = ok && place_tensors(&c, &gguf, own, found, err);
    if (ok)
        *out = gguf;
    else
        tensors->n = before;
    return ok;
}

/* ---- the row of the table ---- */

bool gguf_magic_check(const char *name, const uint8_t bytes[4], struct error *err)
{
    if (memcmp(bytes, magic, sizeof magic) == 0)
        return true;
    if (bytes[0] == GUARD_BYTE)
        return error_set(
            err, ERROR_BUSY,
            "%s: a change of this file was not finished; `lancet verify --recover` takes it back", name);
    return error_set(err, ERROR_FORMAT, "%s: begins with %s, expected \"GGUF\"", name,
                     quote_bytes((const char *)bytes, MAGIC_BYTES).text);
}

static void guard(uint64_t nonce, uint8_t *out)
{
    memcpy(out, &nonce, MAGIC_BYTES);
    out[0] = GUARD_BYTE;
}

static bool probe(const char *name, const uint8_t *bytes, size_t n)
{
    static const char extension[] = ".gguf";
    size_t length = strlen(name), suffix = sizeof extension - 1;
    if (length >= suffix && strcmp(name + length - suffix, extension) == 0)
        return true;
    return n >= MAGIC_BYTES && memcmp(bytes, magic, sizeof magic) == 0;
}

static bool could_open(const uint8_t *bytes, size_t n, uint64_t file_bytes)
{
    uint32_t version = 0;
    if (n >= MAGIC_BYTES + sizeof version)
        memcpy(&version, bytes + MAGIC_BYTES, sizeof version);
    return file_bytes >= 24 && (version == 2 || version == 3) && memcmp(bytes, magic, sizeof magic) == 0;
}

static bool open_file(struct checkpoint *checkpoint, size_t index, struct tensor_list *out, struct error *err)
{
    struct checkpoint_file *file = &checkpoint->files[index];
    uint8_t first[MAGIC_BYTES];
    if (file->size < MAGIC_BYTES)
        return error_set(err, ERROR_FORMAT, "%s: has %" PRIu64 " bytes, a GGUF file has at least 24",
                         file->shown, file->size);
    struct gguf *gguf = arena_array(&checkpoint->arena, 1, sizeof *gguf);
    if (!gguf)
        return error_memory(err, "reading a GGUF file");
    if (!pending_read_head(checkpoint, index, 0, first, sizeof first, err) ||
        !gguf_magic_check(file->shown, first, err) ||
        !gguf_read(file->shown, file->map, file->size, &checkpoint->arena, index, gguf, out, err))
        return false;
    file->gguf = gguf;
    file->head = gguf->data < file->size ? gguf->data : file->size;
    return gguf_split_check(checkpoint, index, out->n, err);
}

const struct gguf *checkpoint_gguf(const struct checkpoint *checkpoint)
{
    return checkpoint->n_files ? checkpoint->files[0].gguf : NULL;
}

const struct format format_gguf = {
    .name = "GGUF",
    .extension = ".gguf",
    .probe = probe,
    .open = open_file,
    .could_open = could_open,
    .guard_bytes = MAGIC_BYTES,
    .guard = guard,
};
