#include "suite.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "resident.h"

enum { BYTES = 64 << 20, SLACK = 8 << 20 };

static struct resident_watch *watch;

static void setup(void)
{
    struct error err;
    ck_assert_msg(resident_watch_new(&watch, &err), "%s", err.text);
}

static void teardown(void)
{
    resident_watch_free(watch);
}

/* What was given back before anybody asked is seen all the same. */
START_TEST(a_peak_that_is_over_counts)
{
    uint64_t before = resident_watch_peak(watch);
    ck_assert_uint_gt(before, 0);
    char *block = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(block != MAP_FAILED);
    memset(block, 1, BYTES);
    usleep(200000);
    ck_assert_int_eq(munmap(block, BYTES), 0);
    uint64_t peak = resident_watch_peak(watch);
    ck_assert_uint_gt(peak, before + BYTES - SLACK);
    ck_assert_uint_lt(peak, before + BYTES + SLACK);
    ck_assert_uint_eq(resident_watch_peak(watch), peak);
}
END_TEST

START_TEST(pages_of_a_mapped_file_do_not_count)
{
    FILE *file = tmpfile();
    struct statfs where;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstatfs(fileno(file), &where), 0);
    if (where.f_type == TMPFS_MAGIC) { /* there they are memory */
        fclose(file);
        return;
    }
    ck_assert_int_eq(ftruncate(fileno(file), BYTES), 0);
    uint64_t before = resident_watch_peak(watch);
    const volatile char *map = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    ck_assert(map != MAP_FAILED);
    for (size_t i = 0; i < BYTES; i += 4096)
        ck_each(map[i] == 0, "byte %zu", i);
    ck_assert_uint_lt(resident_watch_peak(watch), before + SLACK);
    munmap((void *)(uintptr_t)map, BYTES);
    fclose(file);
}
END_TEST

START_TEST(nothing_is_released_twice)
{
    resident_watch_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resident");
    TCase *tc = tcase_create("resident");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_peak_that_is_over_counts);
    tcase_add_test(tc, pages_of_a_mapped_file_do_not_count);
    tcase_add_test(tc, nothing_is_released_twice);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
