#include "json_document.h"

#include <math.h>
#include <string.h>

#include "json_scan.h"
#include "memory.h"

/* cJSON copies a number into a buffer of 64 bytes. */
enum { LONGEST_NUMBER = 63 };

static bool check_string(struct json_scan *s, struct error *err)
{
    struct json_text text;
    if (!json_string(s, &text, err))
        return false;
    return memchr(text.data, '\0', text.length) ? json_scan_error(s, err, "a string holds \\u0000") : true;
}

static bool check_number(struct json_scan *s, struct error *err)
{
    double value;
    size_t from = s->position;
    if (!json_number(s, &value, err))
        return false;
    return s->position - from > LONGEST_NUMBER
               ? json_scan_error(s, err, "a number has more than %d characters", LONGEST_NUMBER)
               : true;
}

static bool check_value(struct json_scan *s, struct error *err);

static bool check_object(struct json_scan *s, struct error *err)
{
    struct json_text key;
    bool more;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        if (!more)
            return true;
        if (memchr(key.data, '\0', key.length))
            return json_scan_error(s, err, "a key holds \\u0000");
        if (!check_value(s, err))
            return false;
    }
    return false;
}

static bool check_array(struct json_scan *s, struct error *err)
{
    bool more;
    if (!json_array_begin(s, err))
        return false;
    while (json_array_next(s, &more, err)) {
        if (!more)
            return true;
        if (!check_value(s, err))
            return false;
    }
    return false;
}

/* Everything that cJSON would pass silently or read wrongly. */
static bool check_value(struct json_scan *s, struct error *err)
{
    enum json_type type;
    if (!json_peek(s, &type, err))
        return false;
    switch (type) {
    case JSON_OBJECT:
        return check_object(s, err);
    case JSON_ARRAY:
        return check_array(s, err);
    case JSON_STRING:
        return check_string(s, err);
    case JSON_NUMBER:
        return check_number(s, err);
    case JSON_NULL:
    case JSON_BOOL:
        return json_skip(s, NULL, NULL, err);
    }
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_keys(const char *name, const cJSON *object, struct error *err)
{
    size_t n = 0, i = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, object) n++;
    const char **keys = memory_array(n, sizeof *keys);
    if (!keys)
        return error_set(err, ERROR_MEMORY, "out of memory while reading %s", name);
    cJSON_ArrayForEach(child, object) keys[i++] = child->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    bool ok = true;
    for (i = 1; ok && i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            ok = error_set(err, ERROR_FORMAT, "%s: key \"%s\" stands twice in one object", name, keys[i]);
    free(keys);
    return ok;
}

static bool check_duplicates(const char *name, const cJSON *value, struct error *err)
{
    if (cJSON_IsObject(value) && !check_keys(name, value, err))
        return false;
    const cJSON *child;
    cJSON_ArrayForEach(child, value)
    {
        if (!check_duplicates(name, child, err))
            return false;
    }
    return true;
}

bool json_document_parse(const char *name, const char *text, size_t n, cJSON **out, struct error *err)
{
    struct json_scan s;
    json_scan_init(&s, name, text, n);
    bool ok = check_value(&s, err) && json_end(&s, err);
    json_scan_release(&s);
    if (!ok)
        return false;
    cJSON *document = cJSON_ParseWithLengthOpts(text, n, NULL, 0);
    if (!document)
        return error_set(err, ERROR_MEMORY, "out of memory while reading %s", name);
    if (!check_duplicates(name, document, err)) {
        cJSON_Delete(document);
        return false;
    }
    *out = document;
    return true;
}

bool json_document_read(const struct fs *fs, const char *path, size_t limit, cJSON **out, struct error *err)
{
    char *text;
    size_t n;
    if (!fs_read_file(fs, path, limit, &text, &n, err))
        return false;
    bool ok = json_document_parse(path, text, n, out, err);
    free(text);
    return ok;
}

static const char *type_name(const cJSON *value)
{
    switch (value->type & 0xff) {
    case cJSON_NULL:
        return "null";
    case cJSON_False:
    case cJSON_True:
        return "a boolean";
    case cJSON_Number:
        return "a number";
    case cJSON_String:
        return "a string";
    case cJSON_Array:
        return "an array";
    default:
        return "an object";
    }
}

static bool get(const char *name, const cJSON *object, const char *key, const char *expected,
                int (*is)(const cJSON *), const cJSON **out, struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!value)
        return error_set(err, ERROR_FORMAT, "%s: \"%s\" is missing, expected %s", name, key, expected);
    if (!is(value))
        return error_set(err, ERROR_FORMAT, "%s: \"%s\" is %s, expected %s", name, key, type_name(value),
                         expected);
    *out = value;
    return true;
}

bool json_get_u64(const char *name, const cJSON *object, const char *key, uint64_t *out, struct error *err)
{
    const cJSON *value = NULL;
    if (!get(name, object, key, "a non-negative integer", cJSON_IsNumber, &value, err))
        return false;
    double d = value->valuedouble; /* valueint stops at INT_MAX; a double is exact up to 2^53 */
    if (!(d >= 0 && d <= 0x1p53 && floor(d) == d))
        return error_set(err, ERROR_FORMAT, "%s: \"%s\" is %.17g, expected a non-negative integer", name, key,
                         d);
    *out = (uint64_t)d;
    return true;
}

bool json_get_number(const char *name, const cJSON *object, const char *key, double *out, struct error *err)
{
    const cJSON *value = NULL;
    if (!get(name, object, key, "a number", cJSON_IsNumber, &value, err))
        return false;
    *out = value->valuedouble;
    return true;
}

bool json_get_string(const char *name, const cJSON *object, const char *key, const char **out,
                     struct error *err)
{
    const cJSON *value = NULL;
    if (!get(name, object, key, "a string", cJSON_IsString, &value, err))
        return false;
    *out = value->valuestring;
    return true;
}
