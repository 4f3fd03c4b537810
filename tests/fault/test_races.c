/* Others while a change is under way or was cut: a second writer, a reader, another file in the place of a
 * half-changed one, a record from elsewhere, names that go away. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "record.h"
#include "sim_work.h"
#include "suite.h"
#include "transaction.h"

static struct simfs *sim;
static struct sim_state original;
static struct error err;

static void setup(void)
{
    sim = sim_model_new();
    original = sim_state_of(sim);
    err = (struct error){0};
}

static void teardown(void)
{
    ck_assert_uint_eq(simfs_open_count(sim), 0);
    sim_state_release(&original);
    simfs_free(sim);
}

static bool change(struct sim_model *model, struct error *e)
{
    static const char *const names[] = {"x", "z"};
    uint32_t number;
    return sim_model_change(model, names, 2, 1, false, &number, e);
}

static uint64_t changes_of_a_change(void)
{
    struct simfs *copy = simfs_clone(sim);
    simfs_plan(copy, SIMFS_NOTHING, 0, 0);
    ck_assert(sim_work_run(copy, change, &err));
    uint64_t n = simfs_changes(copy);
    simfs_free(copy);
    return n;
}

/* The first half of a change, then the power goes; all that was written is kept. */
static void half_change(void)
{
    simfs_plan(sim, SIMFS_CUT, changes_of_a_change() * 2 / 3, 0);
    sim_work_run(sim, change, &err);
    simfs_power_on(sim, SIMFS_KEEP, 1);
    ck_assert(!sim_model_loads(sim, 0) && !sim_model_loads(sim, 1));
    ck_assert_ptr_nonnull(simfs_get(sim, "/m/.lancet/0001.open", NULL));
}

static void expect_open(enum checkpoint_mode mode, bool force, enum error_kind kind, const char *words)
{
    struct sim_model other;
    struct simfs *before = simfs_clone(sim);
    bool ok = sim_model_open(&other, sim, mode, force, &err);
    if (ok)
        sim_model_close(&other);
    ck_assert_msg(!ok && err.kind == kind, "%s: kind %d: %s", ok ? "opened" : "refused", err.kind, err.text);
    ck_assert_msg(strstr(err.text, words), "\"%s\" not in: %s", words, err.text);
    ck_assert_msg(simfs_same(before, sim), "something was touched: %s", err.text);
    simfs_free(before);
}

static struct transaction *begin(struct sim_model *model)
{
    const struct tensor *x = checkpoint_find(&model->checkpoint, "x");
    struct transaction_options options = {.kind = "edit", .chunk_bytes = SIM_CHUNK_ONE};
    struct transaction *t = NULL;
    uint8_t zeros[3000] = {0};
    ck_assert_msg(transaction_begin(&model->context, &model->checkpoint, &options, &x, 1, &t, &err), "%s",
                  err.text);
    ck_assert_msg(transaction_write(t, x, 0, zeros, sizeof zeros, &err), "%s", err.text);
    return t;
}

START_TEST(a_second_writer_and_a_reader_meet_a_live_change)
{
    struct sim_model model;
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    struct transaction *t = begin(&model);
    expect_open(CHECKPOINT_READ, false, ERROR_BUSY, "locked");
    expect_open(CHECKPOINT_CHANGE, false, ERROR_BUSY, "locked");
    expect_open(CHECKPOINT_CHANGE, true, ERROR_BUSY, "locked"); /* a flock is never forced */
    ck_assert(transaction_end(t, &err));
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

/* Whoever gets past the locks of the files (they were renamed, say) still meets the lock of the record. */
START_TEST(the_lock_of_the_record_holds_by_itself)
{
    struct sim_model model, other;
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    struct transaction *t = begin(&model);
    const struct fs *fs = simfs_fs(sim);
    for (size_t i = 0; i < SIM_FILES; i++)
        fs->lock(fs->state, model.files[i].fd, LOCK_UN);
    ck_assert(!sim_model_open(&other, sim, CHECKPOINT_CHANGE, true, &err));
    ck_assert_int_eq(err.kind, ERROR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "0001.open"));
    ck_assert(!sim_model_open(&other, sim, CHECKPOINT_READ, false, &err));
    ck_assert_int_eq(err.kind, ERROR_BUSY);
    ck_assert(transaction_end(t, &err));
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

START_TEST(a_cut_change_is_for_writers_to_take_back)
{
    struct sim_model model;
    half_change();
    expect_open(CHECKPOINT_READ, false, ERROR_BUSY, "lancet verify --recover");
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err), "%s", err.text);
    ck_assert(model.checkpoint.recovered);
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
    ck_assert_ptr_null(simfs_get(sim, "/m/.lancet/0001.open", NULL));
}
END_TEST

START_TEST(somebody_reads_a_file_that_the_record_names)
{
    half_change();
    const struct fs *fs = simfs_fs(sim);
    int fd = fs->open(fs->state, sim_paths[1], O_RDONLY, 0);
    ck_assert_int_eq(fs->lock(fs->state, fd, LOCK_SH), 0);
    expect_open(CHECKPOINT_CHANGE, false, ERROR_BUSY, "locked");
    fs->close(fs->state, fd);
}
END_TEST

static void put_changed(size_t file, size_t n, size_t offset, const void *bytes, size_t length)
{
    uint8_t copy[20000] = {0};
    memcpy(copy, original.bytes[file], n < original.size[file] ? n : original.size[file]);
    memcpy(copy + offset, bytes, length);
    simfs_put(sim, sim_paths[file], copy, n);
}

START_TEST(another_file_stands_in_the_place_of_a_half_changed_one)
{
    static const char text[] = "other";
    half_change();
    struct simfs *half = simfs_clone(sim);
    size_t head = 8 + 160;
    const struct {
        size_t n, offset; /* its size, and where it differs from the original */
        const char *words;
    } others[] = {
        {original.size[0] + 1, 3000, "size"},      {original.size[0] - 1, 3000, "size"},
        {original.size[0], 100, "header"},        /* valid, but another header (here: a name) */
        {original.size[0], head + 10, "tensors"}, /* the same header, another tensor that was to be changed */
        {original.size[0], head + 5100, "beside"}, /* another neighbour on a saved page */
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        simfs_free(sim);
        sim = simfs_clone(half);
        put_changed(0, others[i].n, others[i].offset, text, 5);
        expect_open(CHECKPOINT_CHANGE, false, ERROR_MISMATCH, others[i].words);
        expect_open(CHECKPOINT_CHANGE, true, ERROR_MISMATCH, others[i].words);
        ck_assert_ptr_nonnull(simfs_get(sim, "/m/.lancet/0001.open", NULL));
    }
    /* A tensor that nothing saved: the record cannot prove that this is its file. */
    simfs_free(sim);
    sim = simfs_clone(half);
    put_changed(1, original.size[1], 8 + 4500 + 77 + 5990, text, 5);
    expect_open(CHECKPOINT_CHANGE, false, ERROR_MISMATCH, "");
    /* The original itself may be put back: then nothing is left to do. */
    simfs_free(sim);
    sim = half;
    for (size_t i = 0; i < SIM_FILES; i++)
        put_changed(i, original.size[i], 0, original.bytes[i], 8);
    struct sim_model model;
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err), "%s", err.text);
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

/* The model /m/one.safetensors alone shares its directory with /m/two.safetensors. */
static bool open_first_only(struct sim_model *model)
{
    struct checkpoint_options options = {.mode = CHECKPOINT_CHANGE};
    const struct fs *fs = simfs_fs(sim);
    *model = (struct sim_model){.context = {.fs = fs}};
    model->files[0] =
        (struct checkpoint_file){.name = "one.safetensors", .path = sim_paths[0], .shown = sim_paths[0]};
    model->files[1].fd = -1;
    model->files[0].fd = fs->open(fs->state, sim_paths[0], O_RDWR, 0);
    model->files[0].size = original.size[0];
    struct stat st;
    ck_assert_int_eq(fs->fstat(fs->state, model->files[0].fd, &st), 0);
    model->files[0].device = st.st_dev;
    model->files[0].inode = st.st_ino;
    ck_assert_int_eq(fs->lock(fs->state, model->files[0].fd, LOCK_EX | LOCK_NB), 0);
    model->checkpoint = (struct checkpoint){.path = sim_paths[0],
                                            .directory = "/m",
                                            .files = model->files,
                                            .n_files = 1,
                                            .writable = true,
                                            .context = &model->context};
    bool ok =
        history_settle(&model->context, &model->checkpoint, &options, &model->checkpoint.recovered, &err);
    sim_model_close(model);
    return ok;
}

START_TEST(files_that_were_not_opened_are_locked_and_restored_too)
{
    struct sim_model model;
    half_change();
    const struct fs *fs = simfs_fs(sim);
    int fd = fs->open(fs->state, sim_paths[1], O_RDONLY, 0);
    ck_assert_int_eq(fs->lock(fs->state, fd, LOCK_SH), 0);
    ck_assert(!open_first_only(&model));
    ck_assert_int_eq(err.kind, ERROR_BUSY);
    fs->close(fs->state, fd);
    ck_assert_msg(open_first_only(&model), "%s", err.text);
    ck_assert(model.checkpoint.recovered);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

START_TEST(a_file_that_the_record_names_is_missing)
{
    struct sim_model model;
    half_change();
    simfs_remove(sim, sim_paths[1]);
    struct simfs *before = simfs_clone(sim);
    ck_assert(!open_first_only(&model));
    ck_assert_int_eq(err.kind, ERROR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "missing"));
    ck_assert(simfs_same(before, sim));
    simfs_free(before);
}
END_TEST

/* The open record again, with another header. */
static void rewrite_header(void (*edit)(struct record *record))
{
    size_t n, header_bytes;
    const uint8_t *bytes = simfs_get(sim, "/m/.lancet/0001.open", &n);
    struct record record = {0};
    bool torn;
    uint8_t *header;
    ck_assert(record_header_decode("record", 1, bytes, n, &record, &torn, &err) && !torn);
    edit(&record);
    ck_assert(record_header_encode(&record, &header, &header_bytes, &err));
    uint8_t *copy = malloc(n);
    memcpy(copy, bytes, n);
    memset(copy, 0, RECORD_PAGE);
    ck_assert_uint_eq(header_bytes, RECORD_PAGE);
    memcpy(copy, header, header_bytes);
    simfs_put(sim, "/m/.lancet/0001.open", copy, n);
    free(header);
    free(copy);
    record_release(&record);
}

static void other_host(struct record *record)
{
    record->host = "elsewhere.example";
}

START_TEST(a_record_of_another_host_is_taken_back_only_by_force)
{
    struct sim_model model;
    half_change();
    rewrite_header(other_host);
    expect_open(CHECKPOINT_CHANGE, false, ERROR_BUSY, "elsewhere.example");
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_CHANGE, true, &err), "%s", err.text);
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

static bool merge(struct sim_model *model, struct error *e)
{
    uint32_t number;
    return sim_model_merge(model, true, &number, e);
}

static void half_merge(void)
{
    struct simfs *copy = simfs_clone(sim);
    simfs_plan(copy, SIMFS_NOTHING, 0, 0);
    ck_assert(sim_work_run(copy, merge, &err));
    simfs_plan(sim, SIMFS_CUT, simfs_changes(copy) * 2 / 3, 0);
    simfs_free(copy);
    sim_work_run(sim, merge, &err);
    simfs_power_on(sim, SIMFS_KEEP, 1);
}

static void expect_no_resume(bool force, enum error_kind kind, const char *words)
{
    struct sim_model other;
    struct simfs *before = simfs_clone(sim);
    bool ok = sim_model_resume(&other, sim, force, &err);
    if (ok)
        sim_model_close(&other);
    ck_assert_msg(!ok && err.kind == kind, "%s: kind %d: %s", ok ? "opened" : "refused", err.kind, err.text);
    ck_assert_msg(strstr(err.text, words), "\"%s\" not in: %s", words, err.text);
    ck_assert_msg(simfs_same(before, sim), "something was touched: %s", err.text);
    simfs_free(before);
}

START_TEST(only_a_merge_that_was_cut_here_is_gone_on_with)
{
    struct simfs *whole = simfs_clone(sim);
    expect_no_resume(true, ERROR_USAGE, "nothing to go on with");
    half_change();
    expect_no_resume(true, ERROR_USAGE, "edit");
    simfs_free(sim);
    sim = whole;
    half_merge();
    const struct fs *fs = simfs_fs(sim);
    int fd = fs->open(fs->state, "/m/.lancet/0001.open", O_RDONLY, 0);
    ck_assert_int_eq(fs->lock(fs->state, fd, LOCK_EX), 0);
    expect_no_resume(true, ERROR_BUSY, "another lancet");
    fs->close(fs->state, fd);
    rewrite_header(other_host);
    expect_no_resume(false, ERROR_BUSY, "elsewhere.example");
    struct sim_model model;
    ck_assert_msg(sim_model_resume(&model, sim, true, &err), "%s", err.text);
    ck_assert(simfs_get(sim, "/m/.lancet/0001.open", NULL) && !sim_model_loads(sim, 0));
    expect_open(CHECKPOINT_READ, false, ERROR_BUSY, "locked");
    sim_model_close(&model);
    put_changed(1, original.size[1] - 1, 0, "", 0);
    expect_no_resume(true, ERROR_MISMATCH, "size");
    simfs_remove(sim, sim_paths[1]);
    ck_assert(!sim_model_resume(&model, sim, true, &err));
}
END_TEST

/* Whoever goes on and then ends without a commit has taken the change back. */
START_TEST(a_change_that_was_gone_on_with_is_taken_back)
{
    struct sim_model model;
    half_merge();
    ck_assert_msg(sim_model_resume(&model, sim, false, &err), "%s", err.text);
    const struct tensor *tensors[] = {checkpoint_find(&model.checkpoint, "v"),
                                      checkpoint_find(&model.checkpoint, "x"),
                                      checkpoint_find(&model.checkpoint, "z")};
    struct transaction_options options = {.kind = "merge", .resume = true, .chunk_bytes = SIM_CHUNK_ONE};
    struct transaction *t = NULL;
    ck_assert_msg(transaction_begin(&model.context, &model.checkpoint, &options, tensors, 3, &t, &err), "%s",
                  err.text);
    ck_assert(!model.checkpoint.pending && !history_open_note(&model.checkpoint));
    ck_assert(!sim_model_loads(sim, 0) && !sim_model_loads(sim, 1));
    ck_assert_msg(transaction_end(t, &err), "%s", err.text);
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
    ck_assert_ptr_null(simfs_get(sim, "/m/.lancet/0001.open", NULL));
}
END_TEST

START_TEST(an_undo_that_had_to_recover_finds_nothing_else_changed)
{
    struct sim_model model;
    struct history_undone done;
    half_change();
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    ck_assert(
        history_undo(&model.context, &model.checkpoint, &(struct history_undo_options){0}, &done, &err));
    ck_assert_uint_eq(done.n_records, 0);
    sim_model_close(&model);
}
END_TEST

START_TEST(records_that_cannot_be_listed_stop_writers_only)
{
    struct sim_model model;
    ck_assert(sim_work_run(sim, change, &err));
    sim_state_release(&original);
    original = sim_state_of(sim);
    simfs_forbid_listing(sim);
    expect_open(CHECKPOINT_CHANGE, false, ERROR_IO, ".lancet");
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_READ, false, &err), "%s", err.text);
    sim_model_close(&model);
}
END_TEST

/* The name of the record is taken away, or another record is put there, before the rename. */
START_TEST(the_record_goes_away_before_the_commit)
{
    struct sim_model model;
    uint32_t number = 0;
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    struct transaction *t = begin(&model);
    simfs_remove(sim, "/m/.lancet/0001.open");
    ck_assert(!transaction_commit(t, &number, &err));
    ck_assert_int_eq(err.kind, ERROR_BUSY);
    ck_assert_msg(transaction_end(t, &err), "%s", err.text); /* the record is still open in this process */
    sim_model_close(&model);
    ck_assert(sim_state_is(&original, sim));
}
END_TEST

START_TEST(what_the_disk_gives_back_is_compared)
{
    /* Bytes of the record are damaged while the change is under way: nothing is put back from them. */
    struct sim_model model;
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    struct transaction *t = begin(&model);
    size_t n;
    const uint8_t *bytes = simfs_get(sim, "/m/.lancet/0001.open", &n);
    uint8_t *copy = malloc(n);
    memcpy(copy, bytes, n);
    copy[RECORD_PAGE + RECORD_CHUNK_HEAD + 20] ^= 1; /* in the first page of one.safetensors */
    simfs_put(sim, "/m/.lancet/0001.open", copy, n);
    free(copy);
    ck_assert(!transaction_end(t, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "lancet verify --recover"));
    sim_model_close(&model);
    ck_assert(!sim_model_loads(sim, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("races");
    TCase *tc = tcase_create("races");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_second_writer_and_a_reader_meet_a_live_change);
    tcase_add_test(tc, the_lock_of_the_record_holds_by_itself);
    tcase_add_test(tc, a_cut_change_is_for_writers_to_take_back);
    tcase_add_test(tc, somebody_reads_a_file_that_the_record_names);
    tcase_add_test(tc, another_file_stands_in_the_place_of_a_half_changed_one);
    tcase_add_test(tc, files_that_were_not_opened_are_locked_and_restored_too);
    tcase_add_test(tc, a_file_that_the_record_names_is_missing);
    tcase_add_test(tc, a_record_of_another_host_is_taken_back_only_by_force);
    tcase_add_test(tc, only_a_merge_that_was_cut_here_is_gone_on_with);
    tcase_add_test(tc, a_change_that_was_gone_on_with_is_taken_back);
    tcase_add_test(tc, an_undo_that_had_to_recover_finds_nothing_else_changed);
    tcase_add_test(tc, records_that_cannot_be_listed_stop_writers_only);
    tcase_add_test(tc, the_record_goes_away_before_the_commit);
    tcase_add_test(tc, what_the_disk_gives_back_is_compared);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
