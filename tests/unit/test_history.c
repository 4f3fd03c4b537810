/* Changes in place on real files: log, undo, undo --to, prune, repack, history kept or not, models that move.
 */
#include "history.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model_box.h"
#include "record.h"
#include "store.h"
#include "suite.h"
#include "transaction.h"

enum { STATES = 8 };

static struct checkpoint *model;
static char *states[STATES]; /* whole files, remembered */
static size_t state_bytes;

static void make_model(const char *name)
{
    box_safetensors(name,
                    "{\"a\":{\"dtype\":\"BF16\",\"shape\":[3000],\"data_offsets\":[0,6000]},"
                    "\"b\":{\"dtype\":\"U8\",\"shape\":[9000],\"data_offsets\":[6000,15000]},"
                    "\"c\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[15000,15002]}}",
                    15002);
}

static bool try_open(const char *name, enum checkpoint_mode mode, bool force)
{
    struct checkpoint_options options = {.mode = mode, .force = force};
    return checkpoint_open(&box_context, box_path(name), &options, &model, &box_error);
}

static void open_model(void)
{
    ck_assert_msg(try_open("m.safetensors", CHECKPOINT_CHANGE, false), "%s", box_error.text);
}

static void close_model(void)
{
    checkpoint_close(model);
    model = NULL;
}

static void setup(void)
{
    box_setup();
    make_model("m.safetensors");
    open_model();
}

static void teardown(void)
{
    close_model();
    for (size_t i = 0; i < STATES; i++) {
        free(states[i]);
        states[i] = NULL;
    }
    box_teardown();
}

static void remember(size_t state)
{
    free(states[state]);
    states[state] = box_read("m.safetensors", &state_bytes);
}

static void expect_state(size_t state)
{
    size_t n;
    char *now = box_read("m.safetensors", &n);
    ck_assert_uint_eq(n, state_bytes);
    ck_assert_msg(memcmp(now, states[state], n) == 0, "the file is not in state %zu", state);
    free(now);
}

/* Overwrites some bytes of one tensor; the number of the record. */
static bool try_change(const char *name, int seed, bool no_history, bool force, uint32_t *number)
{
    const struct tensor *tensor = checkpoint_find(model, name);
    struct transaction_options options = {.kind = "edit",
                                          .command = "lancet edit m",
                                          .note = "{\"seed\": 1}",
                                          .no_history = no_history,
                                          .force = force,
                                          .chunk_bytes = 2500};
    struct transaction *t = NULL;
    uint8_t bytes[9000];
    memcpy(bytes, tensor->data, tensor->bytes);
    for (size_t i = 0; i < tensor->bytes; i++)
        bytes[i] ^= (uint8_t)(i * 7 + (size_t)seed * 31 + 1);
    struct error ignored;
    bool ok = transaction_begin(&box_context, model, &options, &tensor, 1, &t, &box_error) &&
              transaction_write(t, tensor, 0, bytes, (size_t)tensor->bytes, &box_error) &&
              transaction_commit(t, number, &box_error);
    ck_assert(transaction_end(t, &ignored));
    return ok;
}

static uint32_t change(const char *name, int seed)
{
    uint32_t number = 0;
    ck_assert_msg(try_change(name, seed, false, false, &number), "%s", box_error.text);
    return number;
}

static bool try_undo(struct history_undo_options options, struct history_undone *done)
{
    options.command = "lancet undo m";
    options.chunk_bytes = 2500;
    return history_undo(&box_context, model, &options, done, &box_error);
}

static struct history_undone undo(void)
{
    struct history_undone done = {0};
    ck_assert_msg(try_undo((struct history_undo_options){0}, &done), "%s", box_error.text);
    return done;
}

static struct history_undone undo_to(uint32_t to)
{
    struct history_undone done = {0};
    ck_assert_msg(try_undo((struct history_undo_options){.to_given = true, .to = to}, &done), "%s",
                  box_error.text);
    return done;
}

static struct history read_history(void)
{
    struct history history;
    ck_assert_msg(history_of(&box_context, model, &history, &box_error), "%s", box_error.text);
    return history;
}

/* "1 2- 3": numbers of the records, those undone with a minus. */
static void expect_log(const char *expected)
{
    struct history history = read_history();
    char text[256] = "";
    for (size_t i = 0; i < history.n_records; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u%s", i ? " " : "",
                 history.records[i].number, history.records[i].undone ? "-" : "");
    ck_assert_str_eq(text, expected);
    history_release(&history);
}

static bool exists(const char *name)
{
    return fs_exists(fs_real(), box_path(name));
}

static void set_byte(const char *name, off_t offset, uint8_t value)
{
    int fd = open(box_path(name), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, &value, 1, offset), 1);
    close(fd);
}

struct findings {
    unsigned n;
    char last[1024];
};

static void found(void *user, const char *sentence)
{
    struct findings *f = user;
    f->n++;
    snprintf(f->last, sizeof f->last, "%s", sentence);
}

START_TEST(a_change_stands_and_is_listed)
{
    remember(0);
    ck_assert_uint_eq(change("a", 1), 1);
    remember(1);
    ck_assert(memcmp(states[0], states[1], state_bytes) != 0);
    struct history history = read_history();
    ck_assert_uint_eq(history.n_records, 1);
    const struct history_record *r = &history.records[0];
    ck_assert_str_eq(r->kind, "edit");
    ck_assert_str_eq(r->command, "lancet edit m");
    ck_assert_str_eq(r->note, "{\"seed\": 1}");
    ck_assert_uint_eq(r->n_tensors, 1);
    ck_assert_str_eq(r->tensors[0].name, "a");
    ck_assert_str_eq(r->tensors[0].file, "m.safetensors");
    ck_assert_uint_eq(r->tensors[0].bytes, 6000);
    ck_assert(!digest_equal(&r->tensors[0].before, &r->tensors[0].after));
    history_release(&history);
    struct stat st;
    ck_assert_int_eq(stat(box_path(".lancet"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(box_path(".lancet/0001"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert(!exists(".lancet/0001.open"));
}
END_TEST

START_TEST(undo_goes_back_change_by_change_and_never_undoes_an_undo)
{
    remember(0);
    change("a", 1);
    remember(1);
    change("b", 2);
    remember(2);
    change("a", 3);
    struct history_undone done = undo();
    ck_assert_uint_eq(done.number, 4);
    ck_assert_uint_eq(done.n_records, 1);
    ck_assert_uint_eq(done.n_tensors, 1);
    ck_assert_uint_eq(done.to, 2);
    expect_state(2);
    undo();
    expect_state(1);
    expect_log("1 2- 3- 4 5");
    undo();
    expect_state(0);
    done = undo();
    ck_assert_uint_eq(done.n_records, 0);
    ck_assert_uint_eq(done.number, 0);
    expect_log("1- 2- 3- 4 5 6");
    expect_state(0);
}
END_TEST

START_TEST(undo_to_goes_back_and_forth)
{
    remember(0);
    change("a", 1);
    remember(1);
    change("b", 2);
    remember(2);
    change("a", 3);
    remember(3);
    struct history_undone done = undo_to(0);
    ck_assert_uint_eq(done.number, 4);
    ck_assert_uint_eq(done.n_records, 3);
    ck_assert_uint_eq(done.n_tensors, 2);
    expect_state(0);
    expect_log("1- 2- 3- 4");
    undo_to(2);
    expect_state(2);
    expect_log("1 2 3- 4- 5");
    undo_to(3);
    expect_state(3);
    expect_log("1 2 3 4- 5- 6");
    undo();
    expect_state(2);
    undo();
    expect_state(1);
    ck_assert_uint_eq(undo_to(8).n_records, 0);
    change("c", 9);
    undo_to(8);
    expect_state(1);
    struct history_undone unused;
    ck_assert(!try_undo((struct history_undo_options){.to_given = true, .to = 99}, &unused));
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
}
END_TEST

START_TEST(undo_refuses_what_something_else_changed)
{
    change("a", 1);
    change("b", 2);
    const struct tensor *b = checkpoint_find(model, "b");
    uint8_t old = *(const uint8_t *)b->data;
    set_byte("m.safetensors", (off_t)b->offset, (uint8_t)(old ^ 1));
    remember(0);
    struct history_undone unused;
    ck_assert(!try_undo((struct history_undo_options){0}, &unused));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(box_error.text, "\"b\""));
    expect_state(0);
    ck_assert(!exists(".lancet/0003") && !exists(".lancet/0003.open"));
    set_byte("m.safetensors", (off_t)b->offset, old);
    undo();
}
END_TEST

START_TEST(an_older_record_that_does_not_fit_the_next_stops_an_undo)
{
    remember(0);
    change("a", 1);
    const struct tensor *a = checkpoint_find(model, "a");
    set_byte("m.safetensors", (off_t)a->offset,
             (uint8_t)(*(const uint8_t *)a->data ^ 1)); /* between the two */
    remember(1);
    change("a", 2);
    undo();
    expect_state(1);
    struct history_undone unused;
    ck_assert(!try_undo((struct history_undo_options){0}, &unused));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    expect_state(1);
    struct findings f = {0};
    bool clean = true;
    ck_assert(history_verify(&box_context, model, false, found, &f, &clean, &box_error));
    ck_assert(!clean && f.n == 1);
    ck_assert_ptr_nonnull(strstr(f.last, "record 2 did not find"));
}
END_TEST

START_TEST(a_change_without_history)
{
    uint32_t number = 7;
    remember(0);
    ck_assert(try_change("a", 1, true, false, &number));
    ck_assert_uint_eq(number, 0);
    ck_assert(!exists(".lancet/0001") && !exists(".lancet/0001.open"));
    change("b", 1);
    remember(1);
    ck_assert(!try_change("b", 2, true, false, &number));
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    ck_assert_ptr_nonnull(strstr(box_error.text, "--force"));
    expect_state(1);
    ck_assert(!exists(".lancet/0002.open"));
    ck_assert(try_change("b", 2, true, true, &number));
    struct history_undone unused;
    ck_assert(!try_undo((struct history_undo_options){0}, &unused));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
}
END_TEST

START_TEST(an_undo_without_history_removes_what_it_undid)
{
    remember(0);
    change("a", 1);
    remember(1);
    change("a", 2);
    change("b", 3);
    struct history_undone done;
    ck_assert(try_undo((struct history_undo_options){.to_given = true, .to = 1, .no_history = true}, &done));
    ck_assert_uint_eq(done.number, 0);
    ck_assert_uint_eq(done.n_records, 2);
    expect_state(1);
    expect_log("1");
    ck_assert(!exists(".lancet/0002") && !exists(".lancet/0003") && !exists(".lancet/0004"));
    undo();
    expect_state(0);
}
END_TEST

START_TEST(prune_removes_the_oldest)
{
    size_t removed = 0;
    change("a", 1);
    remember(1);
    change("b", 2);
    change("a", 3);
    ck_assert(history_prune(&box_context, model, 2, &removed, &box_error));
    ck_assert_uint_eq(removed, 1);
    expect_log("2 3");
    struct history_undone unused;
    ck_assert(!try_undo((struct history_undo_options){.to_given = true, .to = 0}, &unused));
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    undo_to(1);
    expect_state(1);
    ck_assert(history_prune(&box_context, model, 0, &removed, &box_error));
    ck_assert_uint_eq(removed, 3);
    expect_log("");
}
END_TEST

START_TEST(a_repacked_record_is_smaller_and_undoes_the_same)
{
    uint64_t saved = 0;
    remember(0);
    change("a", 1);
    remember(1);
    change("b", 2);
    ck_assert(!history_repack(&box_context, model, 3, &saved, &box_error));
    ck_assert_msg(history_repack(&box_context, model, 1, &saved, &box_error), "%s", box_error.text);
    ck_assert_uint_gt(saved, 0);
    ck_assert_msg(history_repack(&box_context, model, 2, &saved, &box_error), "%s", box_error.text);
    ck_assert_msg(history_repack(&box_context, model, 1, &saved, &box_error), "%s", box_error.text);
    ck_assert_uint_eq(saved, 0);
    undo();
    expect_state(1);
    undo();
    expect_state(0);
    /* Now the file no longer holds what record 1 left: it can be unpacked through later records only. */
    undo_to(2);
    undo_to(0);
    expect_state(0);
}
END_TEST

START_TEST(a_record_is_repacked_only_while_the_file_is_as_it_left_it)
{
    uint64_t saved = 0;
    change("a", 1);
    change("a", 2);
    ck_assert(!history_repack(&box_context, model, 1, &saved, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    ck_assert(!exists(".lancet/0001.tmp"));
}
END_TEST

START_TEST(what_is_foreign_in_the_folder_stops_writers_only)
{
    change("a", 1);
    close_model();
    box_text(".lancet/notes.txt", "mine");
    ck_assert(!try_open("m.safetensors", CHECKPOINT_CHANGE, false));
    ck_assert_int_eq(box_error.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(box_error.text, "notes.txt"));
    ck_assert(exists(".lancet/notes.txt"));
    ck_assert(try_open("m.safetensors", CHECKPOINT_READ, false));
}
END_TEST

START_TEST(a_cut_repack_is_ignored_and_removed_by_the_next_writer)
{
    change("a", 1);
    close_model();
    box_text(".lancet/0001.tmp", "half");
    ck_assert(try_open("m.safetensors", CHECKPOINT_READ, false));
    expect_log("1");
    close_model();
    ck_assert(exists(".lancet/0001.tmp"));
    open_model();
    ck_assert(!exists(".lancet/0001.tmp"));
}
END_TEST

static void run_shell(const char *format, const char *a, const char *b)
{
    char line[1200];
    snprintf(line, sizeof line, format, a, b);
    ck_assert_int_eq(system(line), 0);
}

START_TEST(a_model_that_moves_keeps_its_undo)
{
    remember(0);
    change("a", 1);
    close_model();
    ck_assert_int_eq(mkdir(box_path("copy"), 0755), 0);
    run_shell("cp -a %s %s", box_path("m.safetensors"), box_path("copy"));
    run_shell("cp -a %s %s", box_path(".lancet"), box_path("copy"));
    run_shell("mv %s %s", box_path("copy"), box_path("moved"));
    ck_assert_msg(try_open("moved/m.safetensors", CHECKPOINT_CHANGE, false), "%s", box_error.text);
    undo();
    size_t n;
    char *now = box_read("moved/m.safetensors", &n);
    ck_assert(n == state_bytes && memcmp(now, states[0], n) == 0);
    free(now);
}
END_TEST

START_TEST(models_that_share_a_folder_have_histories_of_their_own)
{
    remember(0);
    change("a", 1);
    close_model();
    make_model("other.safetensors");
    ck_assert(try_open("other.safetensors", CHECKPOINT_CHANGE, false));
    ck_assert_uint_eq(change("a", 2), 2);
    expect_log("2");
    close_model();
    open_model();
    expect_log("1");
    undo();
    expect_state(0);
}
END_TEST

START_TEST(a_change_that_ends_without_commit_is_taken_back)
{
    const struct tensor *a = checkpoint_find(model, "a");
    struct transaction_options options = {.kind = "edit", .chunk_bytes = 1000};
    struct transaction *t = NULL;
    uint8_t bytes[3000] = {0};
    remember(0);
    ck_assert(transaction_begin(&box_context, model, &options, &a, 1, &t, &box_error));
    ck_assert(transaction_write(t, a, 500, bytes, sizeof bytes, &box_error));
    ck_assert(!transaction_write(t, a, 500, bytes, 10, &box_error));
    /* While it is under way the file loads nowhere. */
    struct checkpoint *other = NULL;
    struct checkpoint_options read = {.mode = CHECKPOINT_READ};
    ck_assert(!checkpoint_open(&box_context, box_path("m.safetensors"), &read, &other, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_BUSY);
    size_t n;
    char *now = box_read("m.safetensors", &n);
    uint64_t header;
    memcpy(&header, now, 8);
    ck_assert_uint_gt(header, n);
    free(now);
    ck_assert(transaction_end(t, &box_error));
    expect_state(0);
    ck_assert(!exists(".lancet/0001.open"));
    ck_assert(!exists(".lancet/0001"));
}
END_TEST

START_TEST(cancelling_takes_the_change_back)
{
    volatile sig_atomic_t cancel = 0;
    const struct tensor *a = checkpoint_find(model, "a");
    struct transaction_options options = {.kind = "edit"};
    struct transaction *t = NULL;
    uint8_t bytes[3000] = {0};
    uint32_t number;
    remember(0);
    box_context.cancel = &cancel;
    ck_assert(transaction_begin(&box_context, model, &options, &a, 1, &t, &box_error));
    ck_assert(transaction_write(t, a, 0, bytes, sizeof bytes, &box_error));
    cancel = 1;
    ck_assert(!transaction_commit(t, &number, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_CANCELLED);
    ck_assert(transaction_end(t, &box_error));
    expect_state(0);
    box_context.cancel = NULL;
}
END_TEST

START_TEST(verify_tells_what_differs)
{
    struct findings f = {0};
    bool clean = false;
    change("a", 1);
    change("b", 2);
    change("a", 3);
    ck_assert(history_verify(&box_context, model, true, found, &f, &clean, &box_error));
    ck_assert_msg(clean && f.n == 0, "%s", f.last);
    const struct tensor *a = checkpoint_find(model, "a");
    set_byte("m.safetensors", (off_t)a->offset + 77, (uint8_t)(((const uint8_t *)a->data)[77] ^ 4));
    ck_assert(history_verify(&box_context, model, true, found, &f, &clean, &box_error));
    ck_assert(!clean && f.n == 1);
    ck_assert_ptr_nonnull(strstr(f.last, "\"a\""));
    ck_assert_ptr_nonnull(strstr(f.last, "record 3"));
    struct stat st;
    ck_assert_int_eq(stat(box_path(".lancet/0002"), &st), 0);
    set_byte(".lancet/0002", 4096 + 300, 0xa5); /* in the packed stream of its first chunk */
    f.n = 0;
    ck_assert(history_verify(&box_context, model, true, found, &f, &clean, &box_error));
    ck_assert(!clean && f.n == 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_change_stands_and_is_listed);
    tcase_add_test(tc, undo_goes_back_change_by_change_and_never_undoes_an_undo);
    tcase_add_test(tc, undo_to_goes_back_and_forth);
    tcase_add_test(tc, undo_refuses_what_something_else_changed);
    tcase_add_test(tc, an_older_record_that_does_not_fit_the_next_stops_an_undo);
    tcase_add_test(tc, a_change_without_history);
    tcase_add_test(tc, an_undo_without_history_removes_what_it_undid);
    tcase_add_test(tc, prune_removes_the_oldest);
    tcase_add_test(tc, a_repacked_record_is_smaller_and_undoes_the_same);
    tcase_add_test(tc, a_record_is_repacked_only_while_the_file_is_as_it_left_it);
    tcase_add_test(tc, what_is_foreign_in_the_folder_stops_writers_only);
    tcase_add_test(tc, a_cut_repack_is_ignored_and_removed_by_the_next_writer);
    tcase_add_test(tc, a_model_that_moves_keeps_its_undo);
    tcase_add_test(tc, models_that_share_a_folder_have_histories_of_their_own);
    tcase_add_test(tc, a_change_that_ends_without_commit_is_taken_back);
    tcase_add_test(tc, cancelling_takes_the_change_back);
    tcase_add_test(tc, verify_tells_what_differs);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
