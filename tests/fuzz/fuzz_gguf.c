/* The bytes are a GGUF file after its magic. What is accepted must obey the format; every value can be read,
 * the config that is made of them is one object, which an architecture reads or refuses, and the vocabulary
 * takes texts, or is refused. */
#include "fuzz_tokens.h"

#include <string.h>

#include "gguf_architecture.h"
#include "json_document.h"
#include "model.h"

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

static void read_config(cJSON *json)
{
    struct error err = {0};
    struct config_reader reader = {.name = "fuzz", .json = json, .err = &err};
    struct model_config *c = memory_zeroed(1, sizeof *c);
    const cJSON *type = config_member(json, "model_type");
    const struct architecture *a = cJSON_IsString(type) ? architecture_find(type->valuestring) : NULL;
    if (c && a && !(a->read_config(&reader, c) && config_check("fuzz", c, &err)))
        FUZZ_HOLDS(err.kind == ERROR_FORMAT || err.kind == ERROR_UNSUPPORTED);
    free(c);
}

static void make_config(const struct checkpoint *checkpoint)
{
    struct error err;
    char *text;
    size_t n;
    cJSON *document;
    if (!gguf_config(checkpoint, &text, &n, &err))
        return;
    FUZZ_HOLDS(json_document_parse("fuzz", text, n, &document, &err));
    FUZZ_HOLDS(cJSON_IsObject(document));
    read_config(document);
    cJSON_Delete(document);
    free(text);
}

/* A text of what vocabularies treat apart, then the end of the file. */
static void make_tokens(const struct checkpoint *checkpoint, const struct gguf *gguf, const uint8_t *data,
                        size_t size)
{
    static const char start[] = "ab a\u00e9 \n<s>12 \u4e2d";
    enum { TAIL = 16 };
    struct context context = {.fs = fs_real()};
    struct error err = {0};
    struct tokenizer *t = NULL;
    char text[sizeof start + TAIL];
    size_t tail = size < TAIL ? size : TAIL;
    if (!gguf_find(gguf, "tokenizer.ggml.model")) /* files beside it would be looked for */
        return;
    memcpy(text, start, sizeof start - 1);
    memcpy(text + sizeof start - 1, data + size - tail, tail);
    bool opened = tokenizer_open(&context, checkpoint, &t, &err);
    try_text(opened, t, &err, text, sizeof start - 1 + tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct tensor_list list = {0};
    struct gguf gguf;
    struct error err;
    if (size >= 4 && gguf_read("fuzz", data, size, &arena, 0, &gguf, &list, &err)) {
        check_tensors(&gguf, &list, size);
        struct checkpoint_file file = {.name = "fuzz", .shown = "fuzz", .gguf = &gguf};
        struct checkpoint checkpoint = {
            .path = "fuzz", .files = &file, .n_files = 1, .tensors = list.items, .n_tensors = list.n};
        read_values(&gguf, data, size);
        if (list.n)
            qsort(list.items, list.n, sizeof *list.items, by_name);
        make_config(&checkpoint);
        make_tokens(&checkpoint, &gguf, data, size);
    }
    free(list.items);
    arena_release(&arena);
    return 0;
}
