/* The bytes are a safetensors file. What is accepted must obey the format, and must be the same after it was
 * laid out again and read back. */
#include "fuzz.h"

#include <string.h>

#include "memory.h"
#include "safetensors.h"

static bool list_bytes(const uint8_t *bytes, size_t n, uint64_t file_bytes, struct arena *arena,
                       struct tensor_list *list, const char **metadata)
{
    struct error err;
    struct safetensors_head head = {.name = "fuzz", .bytes = bytes, .file_bytes = file_bytes};
    return n >= 8 && safetensors_head_bytes("fuzz", bytes, file_bytes, &head.n, &err) && head.n <= n &&
           safetensors_list(&head, arena, list, metadata, &err);
}

static void check_list(const struct tensor_list *list, uint64_t file_bytes)
{
    uint64_t end = list->n ? list->items[0].offset : file_bytes;
    for (size_t i = 0; i < list->n; i++) {
        const struct tensor *t = &list->items[i];
        uint64_t bytes;
        FUZZ_HOLDS(t->rank <= TENSOR_MAX_RANK && t->offset == end && t->offset >= 8);
        FUZZ_HOLDS(dtype_bytes(t->dtype, t->elements, &bytes) && bytes == t->bytes);
        end += t->bytes;
    }
    FUZZ_HOLDS(end == file_bytes);
}

/* Lays the same tensors out anew and lists that head. */
static void check_round_trip(const struct tensor_list *list, const char *metadata)
{
    struct tensor_plan *plans = memory_zeroed(list->n, sizeof *plans);
    struct arena arena = {0};
    struct tensor_list again = {0};
    const char *metadata_again = NULL;
    struct error err;
    uint8_t *head = NULL;
    size_t head_bytes;
    uint64_t file_bytes;
    for (size_t i = 0; plans && i < list->n; i++) {
        const struct tensor *t = &list->items[i];
        plans[i] = (struct tensor_plan){.name = t->name, .dtype = t->dtype, .rank = t->rank};
        memcpy(plans[i].shape, t->shape, sizeof t->shape);
    }
    FUZZ_HOLDS(plans && format_safetensors.writer->layout(plans, list->n, metadata, &head, &head_bytes,
                                                          &file_bytes, &err));
    FUZZ_HOLDS(list_bytes(head, head_bytes, file_bytes, &arena, &again, &metadata_again));
    FUZZ_HOLDS(again.n == list->n && !metadata == !metadata_again);
    FUZZ_HOLDS(!metadata || strcmp(metadata, metadata_again) == 0);
    check_list(&again, file_bytes);
    free(again.items);
    arena_release(&arena);
    free(head);
    free(plans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct tensor_list list = {0};
    const char *metadata = NULL;
    if (list_bytes(data, size, size, &arena, &list, &metadata)) {
        check_list(&list, size);
        check_round_trip(&list, metadata);
    }
    free(list.items);
    arena_release(&arena);
    return 0;
}
