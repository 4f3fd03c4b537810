/* Linked with --wrap: the allocation number LANCET_FAIL_ALLOC of lancet's own code fails (with
 * LANCET_FAIL_ALLOC_ON also every later one), and a byte on descriptor 9 tells that it was reached. */
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);

static int fails(void)
{
    static atomic_long count;
    static long wanted = -1;
    static int go_on;
    if (wanted < 0) {
        const char *text = getenv("LANCET_FAIL_ALLOC");
        wanted = text ? atol(text) : 0;
        go_on = getenv("LANCET_FAIL_ALLOC_ON") != NULL;
    }
    long n = atomic_fetch_add(&count, 1) + 1;
    if (!wanted || n < wanted || (n > wanted && !go_on))
        return 0;
    ssize_t ignored = write(9, "x", 1);
    (void)ignored;
    return 1;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t n)
{
    return fails() ? NULL : __real_realloc(block, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, n);
}
