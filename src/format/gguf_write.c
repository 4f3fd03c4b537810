/* gguf.c has the layout. */
#include "gguf_write.h"

#include <inttypes.h>
#include <string.h>

#include "quote.h"
#include "size.h"

enum { ALIGNMENT = 32, MAX_DIMS = 4, NAME_LIMIT = 63, VERSION = 3 };

static void put_u32(struct str *s, uint32_t value)
{
    str_append_bytes(s, &value, sizeof value);
}

static void put_u64(struct str *s, uint64_t value)
{
    str_append_bytes(s, &value, sizeof value);
}

static void put_string(struct str *s, const char *text, size_t n)
{
    put_u64(s, n);
    str_append_bytes(s, text, n);
}

/* ---- metadata ---- */

static void put_key(struct gguf_values *values, const char *key, enum gguf_type type)
{
    put_string(&values->text, key, strlen(key));
    put_u32(&values->text, type);
    values->n++;
}

void gguf_put_u32(struct gguf_values *values, const char *key, uint32_t value)
{
    put_key(values, key, GGUF_U32);
    put_u32(&values->text, value);
}

void gguf_put_f32(struct gguf_values *values, const char *key, float value)
{
    put_key(values, key, GGUF_F32);
    str_append_bytes(&values->text, &value, sizeof value);
}

void gguf_put_bool(struct gguf_values *values, const char *key, bool value)
{
    put_key(values, key, GGUF_BOOL);
    str_append_bytes(&values->text, value ? "\1" : "\0", 1);
}

void gguf_put_text(struct gguf_values *values, const char *key, const char *text, size_t n)
{
    put_key(values, key, GGUF_STRING);
    put_string(&values->text, text, n);
}

void gguf_put_array(struct gguf_values *values, const char *key, enum gguf_type type, uint64_t n)
{
    put_key(values, key, GGUF_ARRAY);
    put_u32(&values->text, type);
    put_u64(&values->text, n);
}

void gguf_put_string(struct gguf_values *values, const char *text, size_t n)
{
    put_string(&values->text, text, n);
}

/* ---- the head ---- */

static bool measure(struct tensor_plan *plan, const struct gguf_tensor_type **type, struct error *err)
{
    uint64_t elements = 1, row = plan->rank ? plan->shape[plan->rank - 1] : 1;
    const struct dtype_facts *facts = dtype_facts(plan->dtype);
    bool ok = plan->rank <= MAX_DIMS && strlen(plan->name) <= NAME_LIMIT && row % facts->block_elements == 0;
    for (unsigned i = 0; ok && i < plan->rank; i++)
        ok = plan->shape[i] && u64_mul(elements, plan->shape[i], &elements);
    *type = gguf_tensor_type_for(plan->dtype);
    return (ok && *type && dtype_bytes(plan->dtype, elements, &plan->bytes)) ||
           error_set(err, ERROR_UNSUPPORTED,
                     "tensor %s: a %s tensor of its name and shape cannot lie in a GGUF",
                     quote(plan->name).text, facts->name);
}

static bool put_tensor(struct str *s, struct tensor_plan *plan, uint64_t *data, struct error *err)
{
    const struct gguf_tensor_type *type;
    uint64_t padded;
    if (!measure(plan, &type, err))
        return false;
    put_string(s, plan->name, strlen(plan->name));
    put_u32(s, plan->rank);
    for (unsigned i = plan->rank; i-- > 0;)
        put_u64(s, plan->shape[i]);
    put_u32(s, type->id);
    put_u64(s, *data);
    plan->offset = *data;
    if (!u64_add(*data, plan->bytes, &padded) || !u64_add(padded, ALIGNMENT - 1, &padded) ||
        padded > INT64_MAX / 2)
        return error_set(err, ERROR_UNSUPPORTED, "tensor %s: the file would be larger than any file can be",
                         quote(plan->name).text);
    *data = padded / ALIGNMENT * ALIGNMENT;
    return true;
}

bool gguf_layout(struct tensor_plan *tensors, size_t n, const struct gguf_values *values, uint8_t **head,
                 size_t *head_bytes, uint64_t *file_bytes, struct error *err)
{
    struct str s = {0};
    uint64_t data = 0;
    bool ok = true;
    str_append(&s, "GGUF");
    put_u32(&s, VERSION);
    put_u64(&s, n);
    put_u64(&s, values->n);
    str_append_bytes(&s, values->text.data, values->text.length);
    for (size_t i = 0; ok && i < n; i++)
        ok = put_tensor(&s, &tensors[i], &data, err);
    while (!s.failed && s.length % ALIGNMENT)
        str_append_bytes(&s, "", 1);
    if (ok && (s.failed || values->text.failed))
        ok = error_memory(err, "making the head of a GGUF file");
    if (ok) {
        for (size_t i = 0; i < n; i++)
            tensors[i].offset += s.length;
        *head_bytes = s.length;
        *file_bytes = s.length + data;
        *head = (uint8_t *)str_take(&s);
    }
    str_release(&s);
    return ok;
}
