#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "fs.h"
#include "npy.h"
#include "npz.h"

static struct error err;

static uint64_t number(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

START_TEST(heads_of_arrays)
{
    static const struct {
        unsigned rank;
        size_t shape[4];
        const char *text;
    } cases[] = {
        {0, {0}, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"},
        {1, {7}, "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }"},
        {4, {1, 12, 512, 512}, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 12, 512, 512), }"},
        {2, {0, SIZE_MAX}, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 18446744073709551615), }"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[NPY_HEADER];
        size_t n = npy_header("<f4", cases[i].shape, cases[i].rank, head);
        ck_assert_uint_eq(n % 64, 0);
        ck_assert_mem_eq(head, "\x93NUMPY\x01\x00", 8);
        ck_assert_uint_eq(number((unsigned char *)head + 8, 2), n - 10);
        ck_assert_mem_eq(head + 10, cases[i].text, strlen(cases[i].text));
        ck_assert_int_eq(head[n - 1], '\n');
    }
}
END_TEST

/* From the end to each member, as a reader goes. */
START_TEST(the_directory_leads_to_the_members)
{
    char folder[] = "/tmp/lancet-npz-XXXXXX", path[64];
    struct out_file *out;
    struct npz_writer *npz;
    unsigned char *text;
    size_t n;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.npz", folder);
    ck_assert(out_file_open(fs_real(), path, NULL, false, &out, &err) && npz_new(out, &npz, &err));
    ck_assert(npz_array(npz, "first", "<f4", (size_t[]){6}, 1, values, sizeof values, &err));
    ck_assert(npz_begin(npz, "second", "<f4", (size_t[]){2, 3}, 2, &err) && npz_put(npz, values, 12, &err) &&
              npz_put(npz, values + 3, 12, &err) && npz_end(npz, &err));
    ck_assert(npz_finish(npz, &err) && out_file_commit(out, &err));
    npz_free(npz);
    out_file_free(out);

    ck_assert(fs_read_file(fs_real(), path, 1 << 20, (char **)&text, &n, &err));
    const unsigned char *end = text + n - 22, *locator = end - 20;
    ck_assert_uint_eq(number(end, 4), 0x06054b50);
    ck_assert_uint_eq(number(locator, 4), 0x07064b50);
    const unsigned char *end_64 = text + number(locator + 8, 8);
    ck_assert_uint_eq(number(end_64, 4), 0x06064b50);
    ck_assert_uint_eq(number(end_64 + 32, 8), 2);
    ck_assert_uint_eq(number(end_64 + 40, 8) + number(end_64 + 48, 8), (uint64_t)(end_64 - text));
    const unsigned char *entry = text + number(end_64 + 48, 8);
    static const char *const names[] = {"first.npy", "second.npy"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = number(entry + 28, 2);
        ck_assert_uint_eq(number(entry, 4), 0x02014b50);
        ck_assert_uint_eq(length, strlen(names[i]));
        ck_assert_mem_eq(entry + 46, names[i], length);
        const unsigned char *wide = entry + 46 + length + 4;
        size_t bytes = number(wide, 8);
        const unsigned char *local = text + number(wide + 16, 8);
        ck_assert_uint_eq(number(local, 4), 0x04034b50);
        const unsigned char *data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        ck_assert_uint_eq(number(entry + 16, 4), crc32(0, data, (unsigned)bytes));
        ck_assert_mem_eq(data + bytes - sizeof values, values, sizeof values);
        ck_assert_uint_eq(number(data + bytes, 4), 0x08074b50);
        ck_assert_uint_eq(number(data + bytes + 8, 8), bytes);
        entry = wide + 24;
    }
    ck_assert_ptr_eq(entry, end_64);
    free(text);
    unlink(path);
    rmdir(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npz");
    TCase *tc = tcase_create("npz");
    tcase_add_test(tc, heads_of_arrays);
    tcase_add_test(tc, the_directory_leads_to_the_members);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
