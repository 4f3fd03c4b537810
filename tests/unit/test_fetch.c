#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fetch.h"

enum { BYTES = 4 << 20, INSIDE = 5000 };

static size_t missing(const unsigned char *map, size_t page)
{
    unsigned char state[BYTES / 4096];
    size_t n = 0;

    ck_assert_int_eq(mincore((void *)(uintptr_t)map, BYTES, state), 0);
    for (size_t i = 0; i < BYTES / page; i++)
        n += !(state[i] & 1);
    return n;
}

/* On a file system whose pages cannot be dropped, nothing is left to see. */
START_TEST(pages_come_without_being_touched)
{
    char name[] = "fetch-XXXXXX";
    int fd = mkstemp(name);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *block = calloc(1, BYTES), *map;

    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(write(fd, block, BYTES), BYTES);
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    if (missing(map, page) == BYTES / page) {
        fetch_mapped(map + INSIDE, 0);
        ck_assert_uint_eq(missing(map, page), BYTES / page);
        fetch_mapped(map + INSIDE, BYTES - 2 * INSIDE);
        for (int i = 0; i < 1000 && missing(map, page) > 2; i++)
            nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        ck_assert_uint_le(missing(map, page), 2);
    }
    fetch_mapped(map, BYTES); /* in memory already */
    munmap(map, BYTES);
    close(fd);
    free(block);
}
END_TEST

/* Memory that is no file is left as it is. */
START_TEST(other_memory)
{
    char text[] = "text";

    fetch_mapped(text, sizeof text);
    ck_assert_str_eq(text, "text");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fetch");
    TCase *tc = tcase_create("fetch");

    tcase_add_test(tc, pages_come_without_being_touched);
    tcase_add_test(tc, other_memory);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
