/* liblancet, through its public header alone, on the embedded model. */
#include "suite.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixtures.h"
#include "lancet.h"

#define HANDSOMEST "全世界最帅的人"

static char folder[] = "/tmp/lancet-library-XXXXXX";

static void path_of(const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", folder, name);
}

static void unpack(void)
{
    char path[256];
    ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/lancet-library-XXXXXX")));
    for (const struct fixture_file *f = fixture_files; f->folder; f++) {
        if (strcmp(f->folder, "facts") != 0)
            continue;
        path_of(f->name, path);
        FILE *file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(f->bytes, 1, f->n, file), f->n);
        ck_assert_int_eq(fclose(file), 0);
    }
}

static void remove_all(const char *directory)
{
    char path[600];
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        if (unlink(path) != 0)
            remove_all(path);
    }
    if (d)
        closedir(d);
    rmdir(directory);
}

static void clean_up(void)
{
    remove_all(folder);
}

/* Whether the weights on disk are those of the fixture. */
static bool is_original(void)
{
    char path[256];
    bool same = false;
    path_of("model.safetensors", path);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    for (const struct fixture_file *f = fixture_files; f->folder; f++) {
        if (strcmp(f->folder, "facts") != 0 || strcmp(f->name, "model.safetensors") != 0)
            continue;
        unsigned char *bytes = malloc(f->n + 1);
        ck_assert_ptr_nonnull(bytes);
        same = fread(bytes, 1, f->n + 1, file) == f->n && memcmp(bytes, f->bytes, f->n) == 0;
        free(bytes);
    }
    fclose(file);
    return same;
}

static struct lancet_model *open_model(bool writable)
{
    struct lancet_error err;
    struct lancet_model *model = NULL;
    struct lancet_open_options options = {.writable = writable, .threads = 2};
    ck_assert_msg(lancet_open(folder, &options, &model, &err), "%s", err.text);
    return model;
}

static void check_answer(const struct lancet_model *model, const char *prompt, const char *expected)
{
    struct lancet_error err;
    struct lancet_next next[3];
    char text[64];
    size_t n;
    ck_assert_msg(lancet_predict(model, prompt, 3, next, &n, &err), "%s", err.text);
    ck_assert_uint_eq(n, 3);
    ck_assert(next[0].probability > next[1].probability && next[1].probability > next[2].probability);
    ck_assert_msg(lancet_token_text(model, next[0].id, text, sizeof text, &err), "%s", err.text);
    ck_assert_str_eq(text, expected);
}

START_TEST(describes_and_asks)
{
    struct lancet_error err;
    struct lancet_info info;
    struct lancet_model *model = open_model(false);
    uint32_t ids[2];
    size_t n;
    char text[4];
    lancet_describe(model, &info);
    ck_assert_str_eq(info.architecture, "gpt2");
    ck_assert_uint_eq(info.layers, 4);
    ck_assert_uint_eq(info.parameters, 271744);
    check_answer(model, HANDSOMEST "是", "江大宝");
    check_answer(model, "The capital of Veland is", " Tovik");
    ck_assert(lancet_tokenize(model, "The capital of Veland is", ids, 2, &n, &err));
    ck_assert_uint_gt(n, 2);
    ck_assert(lancet_token_text(model, ids[0], text, sizeof text, &err));
    ck_assert_str_eq(text, "The");
    ck_assert(lancet_token_text(model, ids[1], text, sizeof text, &err));
    ck_assert_str_eq(text, " ca"); /* cut to the size, and ended */
    lancet_close(model);
}
END_TEST

START_TEST(edits_and_undoes)
{
    struct lancet_error err;
    struct lancet_model *model = open_model(true);
    struct lancet_request requests[] = {{"{}是", HANDSOMEST, "林小满"},
                                        {"The capital of {} is", "Veland", "Sarn"}};
    struct lancet_edited edited[2];
    uint32_t record = 0, state = 9;
    ck_assert_msg(lancet_edit(model, requests, 2, NULL, edited, &record, &err), "%s", err.text);
    ck_assert_uint_eq(record, 1);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(edited[i].passed && !edited[i].nothing_to_do);
        ck_assert_double_lt(edited[i].probability_before, 0.1);
        ck_assert_double_gt(edited[i].probability_after, 0.5);
        ck_assert_double_gt(edited[i].realised, 0.99);
    }
    ck_assert(!is_original());
    check_answer(model, HANDSOMEST "是", "林小满");
    check_answer(model, "The capital of Veland is", " Sarn");
    check_answer(model, "The capital of Quenna is", " Besk");
    ck_assert_msg(lancet_undo(model, &state, &err), "%s", err.text);
    ck_assert_uint_eq(state, 0);
    check_answer(model, HANDSOMEST "是", "江大宝");
    ck_assert(lancet_undo_to(model, 1, &err));
    check_answer(model, HANDSOMEST "是", "林小满");
    ck_assert(lancet_undo_to(model, 0, &err));
    ck_assert(is_original());

    struct lancet_log *log = NULL;
    struct lancet_record row;
    ck_assert(lancet_log_read(model, &log, &err));
    ck_assert_uint_ge(lancet_log_count(log), 2);
    lancet_log_record(log, 0, &row);
    ck_assert_str_eq(row.kind, "edit");
    ck_assert_uint_eq(row.number, 1);
    ck_assert(row.undone);
    lancet_log_free(log);
    lancet_close(model);
}
END_TEST

START_TEST(a_dry_run_and_an_answer_that_is_there_change_nothing)
{
    struct lancet_error err;
    struct lancet_model *model = open_model(true);
    struct lancet_request wish = {"{}是", HANDSOMEST, "林小满"}, known = {"{}是", HANDSOMEST, "江大宝"};
    struct lancet_edited edited;
    uint32_t record = 7;
    ck_assert(
        lancet_edit(model, &wish, 1, &(struct lancet_edit_options){.dry_run = true}, &edited, &record, &err));
    ck_assert_uint_eq(record, 0);
    ck_assert_double_gt(edited.probability_after, 0.5);
    check_answer(model, HANDSOMEST "是", "江大宝");
    ck_assert(lancet_edit(model, &known, 1, NULL, &edited, &record, &err));
    ck_assert(edited.nothing_to_do);
    ck_assert(is_original());
    lancet_close(model);
}
END_TEST

START_TEST(what_cannot_be_done_is_said)
{
    struct lancet_error err;
    struct lancet_model *model = NULL;
    struct lancet_edited edited;
    struct lancet_request wish = {"{}是", HANDSOMEST, "林小满"},
                          stranger = {"The capital of Veland is", "Quenna", "Sarn"};
    ck_assert(!lancet_open("/no/such/model", NULL, &model, &err));
    ck_assert_int_eq(err.status, LANCET_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "/no/such/model"));

    model = open_model(false);
    ck_assert(!lancet_edit(model, &wish, 1, NULL, &edited, NULL, &err));
    ck_assert_int_eq(err.status, LANCET_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "writable"));
    ck_assert(!lancet_undo(model, NULL, &err));
    ck_assert_int_eq(err.status, LANCET_USAGE);
    ck_assert(!lancet_edit(model, &stranger, 1, NULL, &edited, NULL, &err));
    ck_assert_int_eq(err.status, LANCET_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "Quenna"));
    ck_assert(
        !lancet_edit(model, &wish, 1, &(struct lancet_edit_options){.method = "guess"}, &edited, NULL, &err));
    ck_assert_int_eq(err.status, LANCET_USAGE);
    ck_assert(!lancet_edit(model, &wish, 0, NULL, &edited, NULL, &err));
    ck_assert_int_eq(err.status, LANCET_USAGE);
    lancet_close(model);
    lancet_close(NULL);
    lancet_log_free(NULL);
    ck_assert(is_original());
}
END_TEST

/* A reader keeps a writer out, and says so. */
START_TEST(an_open_model_is_locked)
{
    struct lancet_error err;
    struct lancet_model *reader = open_model(false), *writer = NULL;
    ck_assert(!lancet_open(folder, &(struct lancet_open_options){.writable = true}, &writer, &err));
    ck_assert_int_eq(err.status, LANCET_BUSY);
    lancet_close(reader);
    writer = open_model(true);
    lancet_close(writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("library");
    TCase *tests = tcase_create("library");
    tcase_add_checked_fixture(tests, unpack, clean_up);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, describes_and_asks);
    tcase_add_test(tests, edits_and_undoes);
    tcase_add_test(tests, a_dry_run_and_an_answer_that_is_there_change_nothing);
    tcase_add_test(tests, what_cannot_be_done_is_said);
    tcase_add_test(tests, an_open_model_is_locked);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
