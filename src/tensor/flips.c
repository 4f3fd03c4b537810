#include "flips.h"

#include <stdbool.h>

static bool before(const struct flip_heap *heap, size_t a, size_t b)
{
    size_t i = heap->order[a], j = heap->order[b];

    return heap->cost[i] < heap->cost[j] || (heap->cost[i] == heap->cost[j] && i < j);
}

static void sift_down(struct flip_heap *heap, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1, swap;

        if (child >= heap->n)
            return;
        if (child + 1 < heap->n && before(heap, child + 1, child))
            child++;
        if (!before(heap, child, at))
            return;
        swap = heap->order[at];
        heap->order[at] = heap->order[child];
        heap->order[child] = swap;
        at = child;
    }
}

void flips_make(struct flip_heap *heap)
{
    for (size_t i = heap->n / 2; i-- > 0;)
        sift_down(heap, i);
}

size_t flips_pop(struct flip_heap *heap)
{
    size_t first = heap->order[0];

    heap->order[0] = heap->order[--heap->n];
    sift_down(heap, 0);
    return first;
}
