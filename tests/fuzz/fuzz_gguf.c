/* The bytes are a GGUF file after its magic. What is accepted must obey the format; every value can be read,
 * and the config that is made of them is one object. */
#include "fuzz.h"

#include <string.h>

#include "gguf_architecture.h"
#include "json_document.h"
#include "memory.h"

static void check_tensors(const struct gguf *gguf, const struct tensor_list *list, uint64_t file_bytes)
{
    uint64_t end = gguf->data;
    for (size_t i = 0; i < list->n; i++) {
        const struct tensor *t = &list->items[i];
        uint64_t bytes;
        FUZZ_HOLDS(t->rank <= 4 && t->offset % gguf->alignment == 0);
        FUZZ_HOLDS(t->offset >= end && t->offset - end < gguf->alignment);
        FUZZ_HOLDS(dtype_bytes(t->dtype, t->elements, &bytes) && bytes == t->bytes);
        end = t->offset + t->bytes;
        FUZZ_HOLDS(end <= file_bytes);
    }
}

static void read_values(const struct gguf *gguf, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < gguf->n_values; i++) {
        const struct gguf_value *v = &gguf->values[i];
        struct gguf_texts texts = gguf_texts(v);
        const char *text;
        uint64_t u, count = 0;
        int64_t s;
        double f;
        bool b;
        size_t n;
        FUZZ_HOLDS(gguf_find(gguf, v->key) == v);
        while (gguf_texts_next(&texts, &text, &n)) {
            FUZZ_HOLDS((const uint8_t *)text >= data && (const uint8_t *)text + n <= data + size);
            count++;
        }
        FUZZ_HOLDS(v->type != GGUF_STRING || !v->is_array || count == v->n);
        gguf_text(v, &text, &n);
        for (uint64_t e = 0; e < v->n && e < 8; e++)
            FUZZ_HOLDS((gguf_u64(v, e, &u) | gguf_i64(v, e, &s) | gguf_f64(v, e, &f) | gguf_bool(v, e, &b)) ==
                       (v->type != GGUF_STRING));
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static void make_config(const struct gguf *gguf, struct tensor_list *list)
{
    struct checkpoint_file file = {.name = "fuzz", .shown = "fuzz", .gguf = gguf};
    struct checkpoint checkpoint = {
        .files = &file, .n_files = 1, .tensors = list->items, .n_tensors = list->n};
    struct error err;
    char *text;
    size_t n;
    cJSON *document;
    if (list->n)
        qsort(list->items, list->n, sizeof *list->items, by_name);
    if (!gguf_config(&checkpoint, &text, &n, &err))
        return;
    FUZZ_HOLDS(json_document_parse("fuzz", text, n, &document, &err));
    FUZZ_HOLDS(cJSON_IsObject(document));
    cJSON_Delete(document);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct tensor_list list = {0};
    struct gguf gguf;
    struct error err;
    if (size >= 4 && gguf_read("fuzz", data, size, &arena, 0, &gguf, &list, &err)) {
        check_tensors(&gguf, &list, size);
        read_values(&gguf, data, size);
        make_config(&gguf, &list);
    }
    free(list.items);
    arena_release(&arena);
    return 0;
}
