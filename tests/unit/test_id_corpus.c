#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "id_corpus.h"

static struct context context;
static char path[64];

static void setup(void)
{
    context.fs = fs_real();
    snprintf(path, sizeof(path), "/tmp/lancet-corpus-%ld.json", (long)getpid());
}

static void teardown(void)
{
    unlink(path);
}

static bool read_text(const char *text, struct id_corpus *out, struct error *err)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return id_corpus_read(&context, path, out, err);
}

START_TEST(rows_are_read)
{
    struct id_corpus c;
    struct error err = {0};
    ck_assert_msg(read_text("{\"note\": 1, \"rows\": [[1, 2, 3], [4]]}", &c, &err), "%s", err.text);
    ck_assert_uint_eq(c.n, 2);
    ck_assert_uint_eq(c.lengths[0], 3);
    ck_assert_uint_eq(c.rows[0][2], 3);
    ck_assert_uint_eq(c.rows[1][0], 4);
    id_corpus_release(&c);
    ck_assert(id_corpus_named("a/b.json") && !id_corpus_named("corpus.txt") && !id_corpus_named(""));
}
END_TEST

static const char *const bad[] = {"",
                                  "[]",
                                  "{}",
                                  "{\"rows\": []}",
                                  "{\"rows\": [[]]}",
                                  "{\"rows\": [1]}",
                                  "{\"rows\": [[-1]]}",
                                  "{\"rows\": [[1.0]]}",
                                  "{\"rows\": [[4294967296]]}",
                                  "{\"rows\": [[1]], \"rows\": [[1]]}",
                                  "{\"rows\": [[1]]} 2",
                                  "{\"rows\": [[1"};

START_TEST(odd_files_are_refused)
{
    struct id_corpus c;
    struct error err = {0};
    ck_assert_msg(!read_text(bad[_i], &c, &err), "%s was read", bad[_i]);
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("id_corpus");
    TCase *tests = tcase_create("id_corpus");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rows_are_read);
    tcase_add_loop_test(tests, odd_files_are_refused, 0, sizeof(bad) / sizeof(*bad));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
