#include "tokenizer.h"

#include "memory.h"

bool token_list_add(struct token_list *list, struct token token, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity + list->capacity / 2 : 32;
        struct token *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "tokenizing a text");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = token;
    return true;
}

void token_list_release(struct token_list *list)
{
    if (!list)
        return;
    free(list->items);
    *list = (struct token_list){0};
}
