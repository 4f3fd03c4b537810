#include "fetch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* What cannot be asked about is left alone. */
static bool is_resident(uintptr_t page, size_t page_bytes)
{
    unsigned char state = 0;

    return mincore((void *)page, page_bytes, &state) || state & 1;
}

void fetch_mapped(const void *data, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)data / page * page, last = ((uintptr_t)data + n - 1) / page * page,
              middle = (first + (last - first) / 2) / page * page;

    if (n == 0 || (is_resident(first, page) && is_resident(middle, page) && is_resident(last, page)))
        return;
    madvise((void *)first, last - first + page, MADV_WILLNEED);
}
