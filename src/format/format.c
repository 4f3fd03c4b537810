#include "format.h"

#include "gguf.h"
#include "memory.h"
#include "safetensors.h"

const struct format *const formats[] = {&format_safetensors, &format_gguf, NULL};

const struct format *format_of(const char *name, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; formats[i]; i++)
        if (formats[i]->probe(name, bytes, n))
            return formats[i];
    return NULL;
}

bool tensor_list_add(struct tensor_list *list, const struct tensor *tensor, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct tensor *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "listing tensors");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = *tensor;
    return true;
}
