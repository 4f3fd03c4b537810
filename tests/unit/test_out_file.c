#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "out_file.h"

enum { CALLS = 5 };

static struct error err;
static char folder[64], path[128];
static struct fs fs;
static int left; /* calls until one fails; negative: none does */

static bool fails(void)
{
    errno = ENOSPC;
    return left >= 0 && left-- == 0;
}

static int open_file(void *state, const char *name, int flags, mode_t mode)
{
    return fails() ? -1 : fs_real()->open(state, name, flags, mode);
}

static ssize_t write_file(void *state, int fd, const void *bytes, size_t n, off_t offset)
{
    return fails() ? -1 : fs_real()->pwrite(state, fd, bytes, n, offset);
}

static int sync_file(void *state, int fd)
{
    return fails() ? -1 : fs_real()->sync(state, fd);
}

static int close_file(void *state, int fd)
{
    int status = fs_real()->close(state, fd);
    return fails() ? -1 : status;
}

static int rename_file(void *state, const char *from, const char *to)
{
    return fails() ? -1 : fs_real()->rename(state, from, to);
}

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/lancet-out-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out", folder);
    fs = *fs_real();
    fs.open = open_file;
    fs.pwrite = write_file;
    fs.sync = sync_file;
    fs.close = close_file;
    fs.rename = rename_file;
    left = -1;
}

static void tear_down(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left */
}

static bool put_all(const char *text, bool force)
{
    struct out_file *out = NULL;
    bool ok = out_file_open(&fs, path, NULL, force, &out, &err) &&
              out_file_put(out, text, strlen(text), &err) && out_file_commit(out, &err);
    out_file_free(out);
    return ok;
}

static void expect(const char *text)
{
    char *found;
    size_t n;
    ck_assert(fs_read_file(fs_real(), path, 1 << 20, &found, &n, &err));
    ck_assert_str_eq(found, text);
    free(found);
}

START_TEST(the_old_file_or_the_new_one)
{
    ck_assert(put_all("old", false));
    for (int call = 0; call < CALLS; call++) {
        left = call;
        ck_assert_msg(!put_all("new", true), "call %d", call);
        ck_assert_int_eq(err.kind, ERROR_IO);
        ck_assert_msg(strstr(err.text, path), "%s", err.text);
        expect("old");
    }
    left = CALLS;
    ck_assert(put_all("new", true));
    expect("new");
}
END_TEST

START_TEST(nothing_is_overwritten_unasked)
{
    ck_assert(put_all("old", false));
    ck_assert(!put_all("new", false));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    expect("old");
    ck_assert(!out_file_check(&fs, folder, true, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert(out_file_check(&fs, "/dev/null", false, &err));
}
END_TEST

START_TEST(what_is_not_committed_goes_away)
{
    struct out_file *out;
    ck_assert(out_file_open(&fs, path, NULL, false, &out, &err) && out_file_put(out, "half", 4, &err));
    out_file_free(out);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* More than a buffer, in uneven parts. */
START_TEST(large_files)
{
    enum { PART = 70001, PARTS = 40 };
    static char part[PART];
    struct out_file *out;
    char *found;
    size_t n;
    ck_assert(out_file_open(&fs, path, NULL, false, &out, &err));
    for (int i = 0; i < PARTS; i++) {
        memset(part, 'a' + i % 26, PART);
        ck_assert_uint_eq(out_file_bytes(out), (uint64_t)i * PART);
        ck_assert(out_file_put(out, part, PART, &err));
    }
    ck_assert(out_file_commit(out, &err));
    out_file_free(out);
    ck_assert(fs_read_file(fs_real(), path, 1 << 24, &found, &n, &err));
    ck_assert_uint_eq(n, PART * PARTS);
    for (size_t i = 0; i < n; i++)
        ck_each(found[i] == 'a' + (int)(i / PART % 26), "byte %zu", i);
    free(found);
}
END_TEST

START_TEST(a_device_stays_one)
{
    struct out_file *out;
    struct stat facts;
    ck_assert(out_file_open(&fs, "/dev/full", NULL, false, &out, &err));
    ck_assert(out_file_put(out, "x", 1, &err));
    ck_assert(!out_file_commit(out, &err));
    ck_assert_int_eq(err.kind, ERROR_IO);
    out_file_free(out);
    ck_assert(stat("/dev/full", &facts) == 0 && S_ISCHR(facts.st_mode));
}
END_TEST

START_TEST(a_stream_stays_open)
{
    char text[16] = "";
    FILE *stream = tmpfile();
    struct out_file *out;
    ck_assert(out_file_open(&fs, NULL, stream, false, &out, &err) && out_file_put(out, "word", 4, &err) &&
              out_file_commit(out, &err));
    out_file_free(out);
    rewind(stream);
    ck_assert_uint_eq(fread(text, 1, sizeof text, stream), 4);
    ck_assert_str_eq(text, "word");
    fclose(stream);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out_file");
    TCase *tc = tcase_create("out_file");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_old_file_or_the_new_one);
    tcase_add_test(tc, nothing_is_overwritten_unasked);
    tcase_add_test(tc, what_is_not_committed_goes_away);
    tcase_add_test(tc, large_files);
    tcase_add_test(tc, a_device_stays_one);
    tcase_add_test(tc, a_stream_stays_open);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
