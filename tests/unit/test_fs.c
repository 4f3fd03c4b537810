#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs.h"

static char folder[64];
static const struct fs *fs;

static void setup(void)
{
    strcpy(folder, "/tmp/lancet-test-fs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    fs = fs_real();
}

static void teardown(void)
{
    char *names;
    ck_assert_int_eq(fs->list(fs->state, folder, &names), 0);
    for (const char *p = names; *p; p += strlen(p) + 1) {
        char *path = path_join(folder, p);
        if (fs->unlink(fs->state, path) < 0)
            fs->rmdir(fs->state, path);
        free(path);
    }
    free(names);
    ck_assert_int_eq(fs->rmdir(fs->state, folder), 0);
}

static char *path_of(const char *name)
{
    return path_join(folder, name);
}

START_TEST(paths)
{
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < 4; i++) {
        char *joined = path_join(cases[i][0], cases[i][1]);
        ck_assert_str_eq(joined, cases[i][2]);
        free(joined);
    }
    ck_assert_str_eq(path_base("/x/y.z"), "y.z");
    ck_assert_str_eq(path_base("y"), "y");
    ck_assert_str_eq(path_base("x/"), "");
}
END_TEST

START_TEST(files_written_whole_are_read_whole)
{
    struct error err = {0};
    char *path = path_of("file"), *text;
    size_t n;
    ck_assert(fs_write_file(fs, path, "one", 3, &err));
    ck_assert(fs_write_file(fs, path, "t\0wo", 4, &err));
    ck_assert(fs_read_file(fs, path, 4, &text, &n, &err));
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(memcmp(text, "t\0wo", 5), 0);
    free(text);
    ck_assert(!fs_read_file(fs, path, 3, &text, &n, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    char *names;
    ck_assert_int_eq(fs->list(fs->state, folder, &names), 0);
    ck_assert_str_eq(names, "file"); /* no temporary file stays */
    ck_assert_str_eq(names + 5, "");
    free(names);
    free(path);
}
END_TEST

START_TEST(what_is_no_file_is_said)
{
    struct error err = {0};
    char *text, *missing = path_of("missing"), *pipe = path_of("pipe");
    size_t n;
    ck_assert(!fs_read_file(fs, missing, 9, &text, &n, &err));
    ck_assert_int_eq(err.kind, ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    ck_assert(!fs_exists(fs, missing));
    ck_assert(!fs_read_file(fs, folder, 9, &text, &n, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "a directory"));
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert(!fs_read_file(fs, pipe, 9, &text, &n, &err)); /* does not wait for a writer */
    ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
    free(missing);
    free(pipe);
}
END_TEST

START_TEST(a_short_file_is_an_error_with_its_place)
{
    struct error err = {0};
    char *path = path_of("short"), buffer[8];
    ck_assert(fs_write_file(fs, path, "12345", 5, &err));
    int fd = fs->open(fs->state, path, O_RDWR, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert(fs_read_at(fs, fd, "NAME", buffer, 3, 2, &err));
    ck_assert_int_eq(memcmp(buffer, "345", 3), 0);
    ck_assert(!fs_read_at(fs, fd, "NAME", buffer, 4, 2, &err));
    ck_assert_str_eq(err.text, "NAME: cut short at byte 5, 1 bytes more expected");
    ck_assert(!fs_read_at(fs, fd, "NAME", buffer, 4, UINT64_MAX - 1, &err));
    ck_assert(fs_write_at(fs, fd, "NAME", "xy", 2, 4, &err));
    ck_assert(fs_read_at(fs, fd, "NAME", buffer, 6, 0, &err));
    ck_assert_int_eq(memcmp(buffer, "1234xy", 6), 0);
    fs->close(fs->state, fd);
    free(path);
}
END_TEST

/* A kernel that moves one byte a call and is interrupted every other time. */
static int calls;

static ssize_t slow_pread(void *state, int fd, void *buffer, size_t n, off_t offset)
{
    if (calls++ % 2) {
        errno = EINTR;
        return -1;
    }
    return fs_real()->pread(state, fd, buffer, n ? 1 : 0, offset);
}

static ssize_t slow_pwrite(void *state, int fd, const void *bytes, size_t n, off_t offset)
{
    if (calls++ % 2) {
        errno = EINTR;
        return -1;
    }
    return fs_real()->pwrite(state, fd, bytes, n ? 1 : 0, offset);
}

START_TEST(short_and_interrupted_calls_are_repeated)
{
    struct fs slow = *fs_real();
    slow.pread = slow_pread;
    slow.pwrite = slow_pwrite;
    struct error err = {0};
    char *path = path_of("slow"), *text;
    size_t n;
    ck_assert_msg(fs_write_file(&slow, path, "abcdefgh", 8, &err), "%s", err.text);
    ck_assert_msg(fs_read_file(&slow, path, 8, &text, &n, &err), "%s", err.text);
    ck_assert_str_eq(text, "abcdefgh");
    free(text);
    free(path);
}
END_TEST

START_TEST(lists_are_sorted)
{
    static const char *const names[] = {"b", "a", "c", ".hidden", "B"};
    struct error err = {0};
    for (size_t i = 0; i < 5; i++) {
        char *path = path_of(names[i]);
        ck_assert(fs_write_file(fs, path, "", 0, &err));
        free(path);
    }
    char *list;
    ck_assert_int_eq(fs->list(fs->state, folder, &list), 0);
    ck_assert_int_eq(memcmp(list, ".hidden\0B\0a\0b\0c\0", 17), 0);
    free(list);
}
END_TEST

START_TEST(locks_exclude_and_leases_notice)
{
    struct error err = {0};
    char *path = path_of("lock");
    ck_assert(fs_write_file(fs, path, "x", 1, &err));
    int a = fs->open(fs->state, path, O_RDWR, 0), b = fs->open(fs->state, path, O_RDWR, 0);
    ck_assert_int_eq(fs->lock(fs->state, a, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(fs->lock(fs->state, b, LOCK_SH | LOCK_NB), -1);
    ck_assert_int_eq(errno, EWOULDBLOCK);
    int lease = fs->lease(fs->state, a);
    if (lease < 0 && errno != EAGAIN) { /* a file system without leases */
        fs->close(fs->state, a);
        fs->close(fs->state, b);
        free(path);
        return;
    }
    ck_assert_int_eq(lease, -1);
    fs->close(fs->state, b);
    ck_assert_int_eq(fs->lease(fs->state, a), 0);
    fs->close(fs->state, a);
    free(path);
}
END_TEST

START_TEST(descriptors_do_not_survive_exec)
{
    char *path = path_of("exec");
    int fd = fs->open(fs->state, path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    uint64_t bytes = 0;
    ck_assert_int_eq(fs->free_bytes(fs->state, fd, &bytes), 0);
    ck_assert_uint_gt(bytes, 0);
    fs->close(fs->state, fd);
    free(path);
}
END_TEST

START_TEST(maps_read)
{
    struct error err = {0};
    char *path = path_of("map");
    ck_assert(fs_write_file(fs, path, "mapped", 6, &err));
    int fd = fs->open(fs->state, path, O_RDONLY, 0);
    char *map = fs->map(fs->state, fd, 6);
    ck_assert_ptr_nonnull(map);
    ck_assert_int_eq(memcmp(map, "mapped", 6), 0);
    ck_assert_int_eq(fs->unmap(fs->state, map, 6), 0);
    ck_assert_ptr_null(fs->map(fs->state, -1, 6));
    fs->close(fs->state, fd);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs");
    TCase *tc = tcase_create("fs");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, paths);
    tcase_add_test(tc, files_written_whole_are_read_whole);
    tcase_add_test(tc, what_is_no_file_is_said);
    tcase_add_test(tc, a_short_file_is_an_error_with_its_place);
    tcase_add_test(tc, short_and_interrupted_calls_are_repeated);
    tcase_add_test(tc, lists_are_sorted);
    tcase_add_test(tc, locks_exclude_and_leases_notice);
    tcase_add_test(tc, descriptors_do_not_survive_exec);
    tcase_add_test(tc, maps_read);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
