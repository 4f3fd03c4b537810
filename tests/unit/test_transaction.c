/* What a merge in place asks of a transaction: old bytes at any time, going on after a cut, its space known
 * before. */
#include "transaction.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "history.h"
#include "model_box.h"
#include "record.h"
#include "suite.h"

enum { CHUNK = 5000, A_BYTES = 24000, B_BYTES = 15001, TENSORS = 3 };

static struct checkpoint *model;
static const struct tensor *tensors[TENSORS];
static char *original;
static size_t file_bytes;

static bool try_open(bool resume)
{
    struct checkpoint_options options = {.mode = CHECKPOINT_CHANGE, .resume = resume};
    if (!checkpoint_open(&box_context, box_path("m.safetensors"), &options, &model, &box_error))
        return false;
    static const char *const names[TENSORS] = {"b", "a", "empty"};
    for (size_t i = 0; i < TENSORS; i++)
        ck_assert_ptr_nonnull(tensors[i] = checkpoint_find(model, names[i]));
    return true;
}

static void open_model(bool resume)
{
    ck_assert_msg(try_open(resume), "%s", box_error.text);
}

static void close_model(void)
{
    checkpoint_close(model);
    model = NULL;
}

static void setup(void)
{
    box_setup();
    box_safetensors("m.safetensors",
                    "{\"a\":{\"dtype\":\"BF16\",\"shape\":[12000],\"data_offsets\":[0,24000]},"
                    "\"empty\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[24000,24000]},"
                    "\"b\":{\"dtype\":\"U8\",\"shape\":[15001],\"data_offsets\":[24000,39001]},"
                    "\"c\":{\"dtype\":\"U8\",\"shape\":[99],\"data_offsets\":[39001,39100]}}",
                    39100);
    original = box_read("m.safetensors", &file_bytes);
    open_model(false);
}

static void teardown(void)
{
    close_model();
    free(original);
    box_teardown();
}

static const struct transaction_options merging = {.kind = "merge",
                                                   .command = "lancet merge",
                                                   .note = "{\"recipe\": 1}",
                                                   .chunk_bytes = CHUNK,
                                                   .before_with_chunks = true};

static struct transaction *begin(bool resume)
{
    struct transaction_options options = merging;
    struct transaction *t = NULL;
    options.resume = resume;
    ck_assert_msg(transaction_begin(&box_context, model, &options, tensors, TENSORS, &t, &box_error), "%s",
                  box_error.text);
    return t;
}

static const uint8_t *old_bytes(const struct tensor *tensor)
{
    return (const uint8_t *)original + tensor->offset;
}

/* The new bytes of b are old ones of a, turned; those of a are its own. */
static bool compute(struct transaction *t, const struct tensor *tensor, uint64_t offset, uint64_t n,
                    uint8_t *out)
{
    if (!transaction_old(t, checkpoint_find(model, "a"), offset, n, out, &box_error))
        return false;
    for (uint64_t i = 0; i < n; i++)
        out[i] = (uint8_t)(out[i] * 3 + (uint8_t)tensor->bytes);
    return true;
}

static bool write_pieces(struct transaction *t, const struct tensor *tensor, uint64_t offset, uint64_t n,
                         uint64_t most)
{
    uint8_t bytes[A_BYTES];
    for (uint64_t done = 0; done < n;) {
        uint64_t piece = n - done < most ? n - done : most;
        if (!compute(t, tensor, offset + done, piece, bytes) ||
            !transaction_write(t, tensor, offset + done, bytes, (size_t)piece, &box_error))
            return false;
        done += piece;
    }
    return true;
}

static bool write_some(struct transaction *t, const struct tensor *tensor, uint64_t offset, uint64_t n)
{
    return write_pieces(t, tensor, offset, n, 4000);
}

static void write_missing(struct transaction *t)
{
    for (size_t i = 0; i < TENSORS; i++) {
        uint64_t at = 0, n = 0;
        while (transaction_missing(t, tensors[i], at, &at, &n)) {
            ck_assert_msg(write_some(t, tensors[i], at, n), "%s", box_error.text);
            at += n;
        }
        ck_assert(transaction_has(t, tensors[i], 0, tensors[i]->bytes));
    }
}

static void commit(struct transaction *t)
{
    uint32_t number = 0;
    ck_assert_msg(transaction_commit(t, &number, &box_error), "%s", box_error.text);
    ck_assert_uint_eq(number, 1);
    ck_assert(transaction_end(t, &box_error));
}

static void expect_new(void)
{
    size_t n;
    char *now = box_read("m.safetensors", &n);
    ck_assert_uint_eq(n, file_bytes);
    char *wanted = malloc(n);
    memcpy(wanted, original, n);
    for (size_t i = 0; i < TENSORS; i++)
        for (uint64_t k = 0; k < tensors[i]->bytes; k++)
            wanted[tensors[i]->offset + k] =
                (char)(uint8_t)(old_bytes(checkpoint_find(model, "a"))[k] * 3 + (uint8_t)tensors[i]->bytes);
    ck_assert(memcmp(now, wanted, n) == 0);
    free(wanted);
    free(now);
}

static void expect_old(void)
{
    size_t n;
    char *now = box_read("m.safetensors", &n);
    ck_assert(n == file_bytes && memcmp(now, original, n) == 0);
    free(now);
}

static void poke(uint64_t offset)
{
    FILE *f = fopen(box_path("m.safetensors"), "r+b");
    ck_assert(f && fseek(f, (long)offset, SEEK_SET) == 0 && fputc('?', f) == '?' && fclose(f) == 0);
}

/* A process that writes all of b and `n` bytes of a, and is gone. */
static void cut_after(uint64_t n)
{
    close_model();
    pid_t child = fork();
    if (child == 0) {
        if (!try_open(false))
            _exit(1);
        struct transaction *t = begin(false);
        if (write_some(t, tensors[0], 0, B_BYTES) && write_some(t, tensors[1], 0, n))
            kill(getpid(), SIGKILL); /* an _exit would have valgrind call its memory lost */
        _exit(2);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %d", status);
}

START_TEST(old_bytes_come_from_the_record_once_they_are_overwritten)
{
    struct transaction *t = begin(false);
    uint8_t bytes[A_BYTES];
    ck_assert(!transaction_has(t, tensors[0], 0, 1) && transaction_has(t, tensors[2], 0, 0));
    ck_assert_msg(write_some(t, tensors[1], 0, 9000), "%s", box_error.text);
    const struct tensor *c = checkpoint_find(model, "c"); /* not listed */
    ck_assert(transaction_old(t, c, 10, 89, bytes, &box_error));
    ck_assert_mem_eq(bytes, old_bytes(c) + 10, 89);
    for (uint64_t offset = 0; offset < A_BYTES; offset += 997)
        for (uint64_t n = 1; n <= A_BYTES - offset; n = n * 3 + 1) {
            ck_assert_msg(transaction_old(t, tensors[1], offset, n, bytes, &box_error), "%s", box_error.text);
            ck_assert_mem_eq(bytes, old_bytes(tensors[1]) + offset, (size_t)n);
        }
    ck_assert(transaction_has(t, tensors[1], 0, 9000) && !transaction_has(t, tensors[1], 8999, 2));
    uint64_t at = 0, n = 0;
    ck_assert(transaction_missing(t, tensors[1], 1, &at, &n));
    ck_assert(at == 9000 && n == A_BYTES - 9000);
    ck_assert_msg(transaction_end(t, &box_error), "%s", box_error.text);
    expect_old();
}
END_TEST

struct reading {
    struct transaction *t;
    atomic_bool stop;
    atomic_uint rounds;
    bool same;
};

static void *keep_reading(void *user)
{
    struct reading *r = user;
    struct error err;
    while (!atomic_load(&r->stop)) {
        uint8_t bytes[A_BYTES];
        for (uint64_t at = 0; at < A_BYTES; at += 1500)
            r->same = r->same && transaction_old(r->t, tensors[1], at, 1500, bytes, &err) &&
                      memcmp(bytes, old_bytes(tensors[1]) + at, 1500) == 0;
        atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

START_TEST(old_bytes_are_old_while_another_thread_writes)
{
    struct pool *pool = NULL;
    ck_assert(pool_new(2, &pool, &box_error));
    box_context.pool = pool;
    struct reading r = {.t = begin(false), .same = true};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_reading, &r), 0);
    for (uint64_t at = 0; at < A_BYTES; at += 600) {
        unsigned rounds = atomic_load(&r.rounds);
        ck_assert_msg(write_some(r.t, tensors[1], at, 600), "%s", box_error.text);
        while (atomic_load(&r.rounds) == rounds)
            usleep(100);
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    ck_assert(r.same);
    write_missing(r.t);
    commit(r.t);
    expect_new();
    box_context.pool = NULL;
    pool_free(pool);
}
END_TEST

/* With threads, a chunk is overwritten while the next one is read. */
START_TEST(threads_change_nothing)
{
    struct pool *pool = NULL;
    ck_assert(pool_new(2, &pool, &box_error));
    for (int round = 0; round < 2; round++) {
        box_context.pool = round ? pool : NULL;
        struct history_undone done;
        uint32_t number = 0;
        struct transaction *t = begin(false);
        for (size_t i = 0; i < 2; i++)
            ck_assert_msg(write_pieces(t, tensors[i], 0, tensors[i]->bytes, 700), "%s", box_error.text);
        ck_assert(transaction_has(t, tensors[1], 0, A_BYTES));
        ck_assert_msg(transaction_commit(t, &number, &box_error), "%s", box_error.text);
        ck_assert(transaction_end(t, &box_error));
        expect_new();
        ck_assert_msg(history_undo(&box_context, model, &(struct history_undo_options){0}, &done, &box_error),
                      "%s", box_error.text);
        expect_old();
        t = begin(false);
        ck_assert(write_some(t, tensors[1], 0, 9000));
        ck_assert_msg(transaction_end(t, &box_error), "%s", box_error.text);
        expect_old();
    }
    box_context.pool = NULL;
    pool_free(pool);
}
END_TEST

START_TEST(a_merge_stands_and_is_undone)
{
    struct history_undone done;
    struct history history;
    struct transaction *t = begin(false);
    write_missing(t);
    commit(t);
    expect_new();
    ck_assert(history_of(&box_context, model, &history, &box_error));
    ck_assert_uint_eq(history.n_records, 1);
    for (size_t i = 0; i < TENSORS; i++) {
        struct digest before;
        const struct history_tensor *h = &history.records[0].tensors[i];
        const struct tensor *tensor = checkpoint_find(model, h->name);
        ck_assert(digest_of(old_bytes(tensor), (size_t)tensor->bytes, &before, &box_error));
        ck_assert_msg(digest_equal(&before, &h->before), "%s", h->name);
    }
    history_release(&history);
    ck_assert_msg(history_undo(&box_context, model, &(struct history_undo_options){0}, &done, &box_error),
                  "%s", box_error.text);
    ck_assert_uint_eq(done.n_tensors, 2);
    expect_old();
}
END_TEST

START_TEST(a_merge_that_was_cut_goes_on)
{
    for (uint64_t n = 0; n <= A_BYTES; n += 6000) {
        cut_after(n);
        open_model(true);
        ck_assert_str_eq(history_open_note(model), merging.note);
        struct transaction *t = begin(true);
        ck_assert_str_eq(transaction_note(t), merging.note);
        ck_assert(transaction_has(t, tensors[0], 0, B_BYTES) && transaction_has(t, tensors[1], 0, n));
        ck_assert(n == A_BYTES || !transaction_has(t, tensors[1], n, 1));
        write_missing(t);
        commit(t);
        expect_new();
        struct history_undone done;
        struct history_undo_options options = {.no_history = true};
        ck_assert_msg(history_undo(&box_context, model, &options, &done, &box_error), "%s", box_error.text);
        expect_old();
    }
}
END_TEST

/* What the cut lost is found by its digest, and must come out the same. */
START_TEST(bytes_that_the_cut_lost_are_written_again)
{
    cut_after(12000);
    const struct {
        const char *tensor;
        uint64_t at;
    } lost[] = {{"b", 0}, {"b", 9000}, {"a", 11999}};
    uint64_t offsets[] = {0, 0, 0};
    open_model(true);
    for (size_t i = 0; i < 3; i++)
        offsets[i] = checkpoint_find(model, lost[i].tensor)->offset + lost[i].at;
    close_model();
    for (size_t i = 0; i < 3; i++)
        poke(offsets[i]);
    open_model(true);
    struct transaction *t = begin(true);
    uint64_t at = 0, n = 0;
    ck_assert(transaction_missing(t, tensors[0], 0, &at, &n) && at == 0 && n == 4000);
    ck_assert(transaction_missing(t, tensors[0], 4000, &at, &n) && at == 8000 && n == 4000);
    uint32_t number;
    ck_assert(write_some(t, tensors[0], 0, 4000));
    ck_assert(!write_some(t, tensors[0], 4000, 10)); /* it is there already */
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    ck_assert(!write_some(t, tensors[0], 9000, 10)); /* over bytes that are missing */
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    write_missing(t);
    ck_assert(transaction_has(t, tensors[0], 0, B_BYTES));
    ck_assert_msg(transaction_commit(t, &number, &box_error), "%s", box_error.text);
    ck_assert(transaction_end(t, &box_error));
    expect_new();
}
END_TEST

START_TEST(bytes_that_come_out_otherwise_take_the_change_back)
{
    cut_after(0);
    open_model(true);
    uint64_t offset = tensors[0]->offset;
    close_model();
    poke(offset);
    open_model(true);
    struct transaction *t = begin(true);
    uint8_t zeros[4000] = {0};
    ck_assert(transaction_write(t, tensors[0], 0, zeros, 1000, &box_error));
    ck_assert(!transaction_write(t, tensors[0], 1000, zeros, 3000, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    ck_assert(transaction_end(t, &box_error));
    expect_old();
}
END_TEST

START_TEST(what_is_not_the_change_that_was_cut_is_refused_and_the_record_kept)
{
    struct transaction *t = NULL;
    struct transaction_options options = merging;
    options.resume = true;
    ck_assert(!transaction_begin(&box_context, model, &options, tensors, TENSORS, &t, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    close_model();
    ck_assert(!try_open(true)); /* nothing was cut */
    ck_assert_int_eq(box_error.kind, ERROR_USAGE);
    cut_after(100);
    open_model(true);
    ck_assert(!transaction_begin(&box_context, model, &options, tensors, 1, &t, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    close_model();
    open_model(true);
    options.kind = "apply";
    ck_assert(!transaction_begin(&box_context, model, &options, tensors, TENSORS, &t, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_MISMATCH);
    close_model();
    open_model(false); /* takes it back */
    ck_assert(model->recovered);
    expect_old();
}
END_TEST

START_TEST(the_space_that_was_said_is_kept)
{
    static const size_t chunks[] = {700, CHUNK, 1 << 20}, pieces[] = {175, 1250, A_BYTES};
    for (int raw = 0; raw < 2; raw++)
        for (size_t i = 0; i < 3; i++) {
            struct transaction_options options = merging;
            struct transaction_space space = {0};
            struct transaction *t = NULL;
            struct history history;
            uint32_t number = 0;
            options.chunk_bytes = chunks[i];
            options.before_with_chunks = raw;
            ck_assert(transaction_space(model, &options, tensors, TENSORS, &space, &box_error));
            ck_assert(transaction_begin(&box_context, model, &options, tensors, TENSORS, &t, &box_error));
            for (size_t k = 0; k < 2; k++)
                ck_assert(write_pieces(t, tensors[k], 0, tensors[k]->bytes, pieces[i]));
            ck_assert(transaction_commit(t, &number, &box_error) && transaction_end(t, &box_error));
            ck_assert(history_of(&box_context, model, &history, &box_error));
            ck_assert_uint_le(history.records[history.n_records - 1].stored_bytes, space.record);
            history_release(&history);
            struct history_undone done;
            ck_assert(
                history_undo(&box_context, model, &(struct history_undo_options){0}, &done, &box_error));
            ck_assert(history_of(&box_context, model, &history, &box_error));
            ck_assert_uint_le(history.records[history.n_records - 1].stored_bytes, space.undo);
            history_release(&history);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transaction");
    TCase *tc = tcase_create("transaction");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, old_bytes_come_from_the_record_once_they_are_overwritten);
    tcase_add_test(tc, old_bytes_are_old_while_another_thread_writes);
    tcase_add_test(tc, threads_change_nothing);
    tcase_add_test(tc, a_merge_stands_and_is_undone);
    tcase_add_test(tc, a_merge_that_was_cut_goes_on);
    tcase_add_test(tc, bytes_that_the_cut_lost_are_written_again);
    tcase_add_test(tc, bytes_that_come_out_otherwise_take_the_change_back);
    tcase_add_test(tc, what_is_not_the_change_that_was_cut_is_refused_and_the_record_kept);
    tcase_add_test(tc, the_space_that_was_said_is_kept);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
