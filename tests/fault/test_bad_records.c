/* Records malformed in ways that no cut produces: a writer refuses them (exit 4) and touches nothing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "sim_work.h"
#include "suite.h"

/* With /m/.lancet/0001.open, and with 0001: of an edit, and of a merge. */
static struct simfs *cut, *committed, *cut_merge, *committed_merge;
static struct error err;

/* A record being spoilt: its bytes, and what they say. */
struct spoilt {
    uint8_t *bytes;
    size_t n;
    struct record record; /* with its index */
};

static bool change(struct sim_model *model, struct error *e)
{
    static const char *const names[] = {"x", "z"};
    uint32_t number;
    return sim_model_change(model, names, 2, 1, false, &number, e);
}

static bool merge(struct sim_model *model, struct error *e)
{
    uint32_t number;
    return sim_model_merge(model, false, &number, e);
}

/* The disk once it is done, and just before its rename: the whole record, still open, trailer included. */
static void prepare(bool (*run)(struct sim_model *model, struct error *e), struct simfs **done,
                    struct simfs **before)
{
    *done = sim_model_new();
    *before = simfs_clone(*done);
    simfs_plan(*done, SIMFS_NOTHING, 0, 0);
    ck_assert_msg(sim_work_run(*done, run, &err), "%s", err.text);
    simfs_plan(*before, SIMFS_CUT, simfs_changes(*done) - 2, 0);
    sim_work_run(*before, run, &err);
    simfs_power_on(*before, SIMFS_KEEP, 1);
    ck_assert_ptr_nonnull(simfs_get(*before, "/m/.lancet/0001.open", NULL));
}

static void setup(void)
{
    prepare(change, &committed, &cut);
    prepare(merge, &committed_merge, &cut_merge);
}

static void teardown(void)
{
    simfs_free(cut);
    simfs_free(committed);
    simfs_free(cut_merge);
    simfs_free(committed_merge);
}

/* ---- tools ---- */

static struct spoilt load(const struct simfs *sim, const char *path)
{
    struct spoilt s = {0};
    struct simfs *copy = simfs_clone(sim);
    const struct fs *fs = simfs_fs(copy);
    const uint8_t *bytes = simfs_get(sim, path, &s.n);
    s.bytes = malloc(s.n + 4 * RECORD_PAGE);
    memcpy(s.bytes, bytes, s.n);
    memset(s.bytes + s.n, 0, 4 * RECORD_PAGE);
    int fd = fs->open(fs->state, path, 0, 0);
    ck_assert_msg(record_load(fs, fd, path, 1, strstr(path, ".open") != NULL, &s.record, &err), "%s",
                  err.text);
    ck_assert(s.record.sealed && s.record.n_chunks >= 6);
    fs->close(fs->state, fd);
    simfs_free(copy);
    return s;
}

static void release(struct spoilt *s)
{
    free(s->bytes);
    record_release(&s->record);
}

/* The checksum of a header or trailer, over its fixed part and its text. */
static void reseal(uint8_t *bytes, const char *text)
{
    uint64_t n = strlen(text);
    uint8_t all[RECORD_PAGE];
    struct digest digest;
    memcpy(bytes + 24, &n, 8);
    memset(bytes + RECORD_HEAD, 0, RECORD_PAGE - RECORD_HEAD);
    memcpy(bytes + RECORD_HEAD, text, n);
    memcpy(all, bytes, 32);
    memcpy(all + 32, text, n);
    ck_assert(digest_of(all, 32 + n, &digest, &err));
    memcpy(bytes + 32, digest.bytes, 32);
}

static char *text_of(const uint8_t *bytes)
{
    uint64_t n;
    memcpy(&n, bytes + 24, 8);
    char *text = malloc(n + 1);
    memcpy(text, bytes + RECORD_HEAD, n);
    text[n] = '\0';
    return text;
}

/* Puts `to` in the place of the first `from` in a text. */
static void replace_at(uint8_t *bytes, const char *from, const char *to)
{
    char *text = text_of(bytes), out[RECORD_PAGE];
    char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "%s not in %s", from, text);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    reseal(bytes, out);
    free(text);
}

static void replace(struct spoilt *s, const char *from, const char *to)
{
    replace_at(s->bytes, from, to);
}

static void put_chunk(struct spoilt *s, size_t i)
{
    const struct record_chunk *c = &s->record.chunks[i];
    ck_assert(record_chunk_encode(s->record.nonce, c, s->bytes + c->position, &err));
}

static uint8_t *trailer(struct spoilt *s)
{
    return s->bytes + s->record.end - RECORD_PAGE;
}

/* ---- the table ---- */

static void version(struct spoilt *s)
{
    char *text = text_of(s->bytes);
    s->bytes[8] = 3;
    reseal(s->bytes, text);
    free(text);
}

static void version_of_merges(struct spoilt *s)
{
    char *text = text_of(s->bytes);
    s->bytes[8] = 2;
    reseal(s->bytes, text);
    free(text);
}

static void version_of_edits(struct spoilt *s)
{
    char *text = text_of(s->bytes);
    s->bytes[8] = 1;
    reseal(s->bytes, text);
    free(text);
}

static void page(struct spoilt *s)
{
    char *text = text_of(s->bytes);
    s->bytes[13] = 0x20;
    reseal(s->bytes, text);
    free(text);
}

static void not_json(struct spoilt *s)
{
    reseal(s->bytes, "{");
}

static void text_after(struct spoilt *s)
{
    char *text = text_of(s->bytes), out[RECORD_PAGE];
    snprintf(out, sizeof out, "%s{}", text);
    reseal(s->bytes, out);
    free(text);
}

static void no_files(struct spoilt *s)
{
    s->record.n_files = 0;
    char *text;
    size_t n;
    ck_assert(record_text_write(&s->record, &text, &n, &err));
    reseal(s->bytes, text);
    free(text);
}

static void no_tensors(struct spoilt *s)
{
    s->record.n_tensors = 0;
    char *text;
    size_t n;
    ck_assert(record_text_write(&s->record, &text, &n, &err));
    reseal(s->bytes, text);
    free(text);
}

static void file_twice(struct spoilt *s)
{
    replace(s, "two.safetensors", "one.safetensors");
}

#define REPLACES(name_, from_, to_)                                                                          \
    static void name_(struct spoilt *s)                                                                      \
    {                                                                                                        \
        replace(s, from_, to_);                                                                              \
    }
REPLACES(unknown_member, "\"kind\"", "\"more\":1,\"kind\"")
REPLACES(missing_member, "\"host\"", "\"hots\"")
REPLACES(member_twice, "\"kind\"", "\"number\":1,\"kind\"")
REPLACES(other_number, "\"number\":1", "\"number\":2")
REPLACES(number_zero, "\"number\":1", "\"number\":0")
REPLACES(number_fraction, "\"number\":1", "\"number\":1.5")
REPLACES(number_huge, "\"number\":1", "\"number\":18446744073709551616")
REPLACES(empty_kind, "\"kind\":\"edit\"", "\"kind\":\"\"")
REPLACES(nul_in_kind, "\"kind\":\"edit\"", "\"kind\":\"e\\u0000\"")
REPLACES(path_as_name, "\"one.safetensors\"", "\"../one.safetensors\"")
REPLACES(dots_as_name, "\"one.safetensors\"", "\"..\"")
REPLACES(head_beyond_file, "\"head\":168", "\"head\":99999999")
REPLACES(guard_too_long, "\"guard\":\"", "\"guard\":\"00112233445566778899")
REPLACES(guard_odd, "\"guard\":\"", "\"guard\":\"0")
REPLACES(digest_not_hex, "\"sha256\":\"", "\"sha256\":\"xx")
REPLACES(digest_short, "\"before\":\"", "\"before\":\"\",\"n\":\"")
REPLACES(digest_in_the_header, "\"before\":null",
         "\"before\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"")
REPLACES(tensor_in_no_file, "\"file\":1", "\"file\":7")
REPLACES(tensor_in_header, "\"offset\":168", "\"offset\":100")
REPLACES(tensor_beyond_file, "\"bytes\":6000", "\"bytes\":60000")
REPLACES(tensor_huge, "\"bytes\":6000", "\"bytes\":18446744073709551615")
REPLACES(tensors_out_of_order, "\"file\":0", "\"file\":1")
REPLACES(unknown_dtype, "\"BF16\"", "\"BF17\"")
REPLACES(undoes_itself, "\"undoes\":[]", "\"undoes\":[1]")
REPLACES(undoes_unsorted, "\"undoes\":[]", "\"undoes\":[5,4]")
REPLACES(drops_newer, "\"drops\":[]", "\"drops\":[2]")
REPLACES(files_not_a_list, "\"files\":[", "\"files\":3,\"f\":[")

static void sequence(struct spoilt *s)
{
    s->record.chunks[3].sequence = 2;
    put_chunk(s, 3);
}

static void unknown_packing(struct spoilt *s)
{
    s->record.chunks[2].packing = RECORD_PACKINGS;
    put_chunk(s, 2);
}

static void mixed_packing(struct spoilt *s)
{
    s->record.chunks[2].packing = RECORD_PLANES;
    put_chunk(s, 2);
}

static void chunk_in_no_file(struct spoilt *s)
{
    s->record.chunks[2].file = 2;
    put_chunk(s, 2);
}

static void holds_nothing(struct spoilt *s)
{
    s->record.chunks[2].bytes = 0;
    put_chunk(s, 2);
}

static void holds_too_much(struct spoilt *s)
{
    s->record.chunks[2].bytes = UINT64_MAX;
    put_chunk(s, 2);
}

static void holds_other_pages(struct spoilt *s)
{
    s->record.chunks[3].offset += RECORD_PAGE;
    put_chunk(s, 3);
}

static void first_page_owns(struct spoilt *s)
{
    s->record.chunks[0].own_offset = 168;
    s->record.chunks[0].own_bytes = 10;
    put_chunk(s, 0);
}

static void first_pages_swapped(struct spoilt *s)
{
    s->record.chunks[0].file = 1;
    put_chunk(s, 0);
}

static void owns_a_neighbour(struct spoilt *s)
{
    s->record.chunks[3].own_bytes += 100;
    put_chunk(s, 3);
}

static void owns_the_header(struct spoilt *s)
{
    s->record.chunks[2].own_offset = 8;
    put_chunk(s, 2);
}

static void owns_nothing(struct spoilt *s)
{
    s->record.chunks[2].own_bytes = 0;
    put_chunk(s, 2);
}

static void owned_twice(struct spoilt *s)
{
    s->record.chunks[3].own_offset = s->record.chunks[2].own_offset;
    s->record.chunks[3].offset = s->record.chunks[2].offset;
    s->record.chunks[3].bytes = s->record.chunks[2].bytes;
    s->record.chunks[3].own_bytes = s->record.chunks[2].own_bytes;
    put_chunk(s, 3);
}

static void packed_too_long(struct spoilt *s)
{
    s->record.chunks[2].packed_bytes = UINT64_MAX - 100;
    put_chunk(s, 2);
}

static void spoil_stream(struct spoilt *s, size_t at)
{
    struct record_chunk *c = &s->record.chunks[2];
    uint8_t *packed = s->bytes + c->position + RECORD_CHUNK_HEAD;
    packed[at] ^= 0x55;
    ck_assert(digest_of(packed, c->packed_bytes, &c->packed, &err));
    put_chunk(s, 2);
}

static void stream_is_no_stream(struct spoilt *s)
{
    spoil_stream(s, 0);
}

static void stream_fails_its_sum(struct spoilt *s)
{
    spoil_stream(s, s->record.chunks[2].packed_bytes - 1);
}

static void stream_goes_on(struct spoilt *s)
{
    struct record_chunk *c = &s->record.chunks[2];
    c->packed_bytes++;
    ck_assert(digest_of(s->bytes + c->position + RECORD_CHUNK_HEAD, c->packed_bytes, &c->packed, &err));
    put_chunk(s, 2);
}

static void old_bytes_are_others(struct spoilt *s)
{
    s->record.chunks[2].old.bytes[0] ^= 1;
    put_chunk(s, 2);
}

static void bad_before_good(struct spoilt *s)
{
    s->bytes[s->record.chunks[2].position + 100] ^= 1;
}

static void torn_stream_before_good(struct spoilt *s)
{
    s->bytes[s->record.chunks[3].position + RECORD_CHUNK_HEAD + 30] ^= 1;
}

static void header_torn_chunks_whole(struct spoilt *s)
{
    s->bytes[40] ^= 1;
}

static void chunk_after_trailer(struct spoilt *s)
{
    memcpy(s->bytes + s->record.end, s->bytes + s->record.chunks[2].position, RECORD_PAGE);
    s->n = s->record.end + RECORD_PAGE;
}

static void trailer_counts_wrong(struct spoilt *s)
{
    char *text = text_of(trailer(s));
    trailer(s)[16]++;
    reseal(trailer(s), text);
    free(text);
}

static void trailer_too_short(struct spoilt *s)
{
    reseal(trailer(s), "{\"after\":[]}");
}

static void trailer_with_more(struct spoilt *s)
{
    replace_at(trailer(s), "\"after\"", "\"before\":[],\"after\"");
}

static void digest_in_an_edit(struct spoilt *s)
{
    s->record.chunks[2].before.bytes[0] = 1;
    put_chunk(s, 2);
}

static void digest_missing(struct spoilt *s)
{
    s->record.chunks[2].before = (struct digest){0};
    put_chunk(s, 2);
}

static void digest_twice(struct spoilt *s)
{
    s->record.chunks[3].before = s->record.chunks[2].before;
    put_chunk(s, 3);
}

static void digest_with_a_first_page(struct spoilt *s)
{
    s->record.chunks[1].before.bytes[31] = 1;
    put_chunk(s, 1);
}

static void raw_too_short(struct spoilt *s)
{
    struct record_chunk *c = &s->record.chunks[2];
    c->packed_bytes--;
    ck_assert(digest_of(s->bytes + c->position + RECORD_CHUNK_HEAD, c->packed_bytes, &c->packed, &err));
    c->old = c->packed;
    put_chunk(s, 2);
}

static void raw_with_two_digests(struct spoilt *s)
{
    s->record.chunks[2].old.bytes[0] ^= 1;
    put_chunk(s, 2);
}

static void raw_among_packed(struct spoilt *s)
{
    s->record.chunks[2].packing = RECORD_PAGES;
    put_chunk(s, 2);
}

static void raw_in_an_edit(struct spoilt *s)
{
    s->record.chunks[0].packing = RECORD_RAW;
    put_chunk(s, 0);
}

struct row {
    const char *name;
    void (*spoil)(struct spoilt *s);
    bool merge; /* a record of a merge */
};
#define ROW(f)                                                                                               \
    {                                                                                                        \
#f, f, false                                                                                         \
    }
#define MERGE_ROW(f)                                                                                         \
    {                                                                                                        \
#f, f, true                                                                                          \
    }
static const struct row rows[] = {
    ROW(version),
    ROW(page),
    ROW(not_json),
    ROW(text_after),
    ROW(no_files),
    ROW(no_tensors),
    ROW(file_twice),
    ROW(unknown_member),
    ROW(missing_member),
    ROW(member_twice),
    ROW(other_number),
    ROW(number_zero),
    ROW(number_fraction),
    ROW(number_huge),
    ROW(empty_kind),
    ROW(nul_in_kind),
    ROW(path_as_name),
    ROW(dots_as_name),
    ROW(head_beyond_file),
    ROW(guard_too_long),
    ROW(guard_odd),
    ROW(digest_not_hex),
    ROW(digest_short),
    ROW(tensor_in_no_file),
    ROW(tensor_in_header),
    ROW(tensor_beyond_file),
    ROW(tensor_huge),
    ROW(tensors_out_of_order),
    ROW(unknown_dtype),
    ROW(undoes_itself),
    ROW(undoes_unsorted),
    ROW(drops_newer),
    ROW(files_not_a_list),
    ROW(sequence),
    ROW(unknown_packing),
    ROW(mixed_packing),
    ROW(chunk_in_no_file),
    ROW(holds_nothing),
    ROW(holds_too_much),
    ROW(holds_other_pages),
    ROW(first_page_owns),
    ROW(first_pages_swapped),
    ROW(owns_a_neighbour),
    ROW(owns_the_header),
    ROW(owns_nothing),
    ROW(owned_twice),
    ROW(packed_too_long),
    ROW(stream_is_no_stream),
    ROW(stream_fails_its_sum),
    ROW(stream_goes_on),
    ROW(old_bytes_are_others),
    ROW(bad_before_good),
    ROW(torn_stream_before_good),
    ROW(header_torn_chunks_whole),
    ROW(chunk_after_trailer),
    ROW(trailer_counts_wrong),
    ROW(trailer_too_short),
    ROW(trailer_with_more),
    ROW(version_of_merges),
    ROW(digest_in_an_edit),
    ROW(raw_in_an_edit),
    MERGE_ROW(version),
    MERGE_ROW(version_of_edits),
    MERGE_ROW(digest_in_the_header),
    MERGE_ROW(digest_missing),
    MERGE_ROW(digest_twice),
    MERGE_ROW(digest_with_a_first_page),
    MERGE_ROW(raw_too_short),
    MERGE_ROW(raw_with_two_digests),
    MERGE_ROW(raw_among_packed),
    MERGE_ROW(owned_twice),
    MERGE_ROW(bad_before_good),
    MERGE_ROW(trailer_too_short),
};
enum { ROWS = sizeof rows / sizeof *rows };

static void expect_refused(struct simfs *sim, bool resume, const char *name)
{
    struct sim_model model;
    struct simfs *before = simfs_clone(sim);
    bool ok = resume ? sim_model_resume(&model, sim, true, &err)
                     : sim_model_open(&model, sim, CHECKPOINT_CHANGE, true, &err);
    ck_assert_msg(!ok, "%s: accepted", name);
    ck_assert_msg(err.kind == ERROR_FORMAT, "%s: kind %d: %s", name, err.kind, err.text);
    ck_assert_msg(strstr(err.text, ".lancet") != NULL, "%s: names no record: %s", name, err.text);
    ck_assert_msg(simfs_same(before, sim), "%s: something was touched", name);
    ck_assert_uint_eq(simfs_open_count(sim), 0);
    simfs_free(before);
}

START_TEST(an_open_record_is_malformed)
{
    const struct simfs *good = rows[_i].merge ? cut_merge : cut;
    struct simfs *sim = simfs_clone(good);
    struct spoilt s = load(good, "/m/.lancet/0001.open");
    rows[_i].spoil(&s);
    simfs_put(sim, "/m/.lancet/0001.open", s.bytes, s.n);
    expect_refused(sim, false, rows[_i].name);
    if (rows[_i].merge)
        expect_refused(sim, true, rows[_i].name);
    release(&s);
    simfs_free(sim);
}
END_TEST

/* What is wrong with an open record is wrong with a committed one too, where a stream is looked at only when
 * it is needed: then the undo refuses. */
START_TEST(a_committed_record_is_malformed)
{
    struct sim_model model;
    struct history_undone done;
    const struct simfs *good = rows[_i].merge ? committed_merge : committed;
    struct simfs *sim = simfs_clone(good);
    struct spoilt s = load(good, "/m/.lancet/0001");
    rows[_i].spoil(&s);
    simfs_put(sim, "/m/.lancet/0001", s.bytes, s.n);
    struct simfs *before = simfs_clone(sim);
    bool ok = sim_model_open(&model, sim, CHECKPOINT_CHANGE, true, &err);
    if (ok) {
        ok = history_undo(&model.context, &model.checkpoint, &(struct history_undo_options){0}, &done, &err);
        sim_model_close(&model);
    }
    ck_assert_msg(!ok, "%s: accepted", rows[_i].name);
    ck_assert_msg(err.kind == ERROR_FORMAT, "%s: kind %d: %s", rows[_i].name, err.kind, err.text);
    ck_assert_msg(simfs_same(before, sim), "%s: something was touched", rows[_i].name);
    release(&s);
    simfs_free(before);
    simfs_free(sim);
}
END_TEST

START_TEST(a_committed_record_is_cut_short_or_goes_on)
{
    size_t n;
    const uint8_t *bytes = simfs_get(committed, "/m/.lancet/0001", &n);
    uint8_t *longer = calloc(1, n + RECORD_PAGE);
    memcpy(longer, bytes, n);
    const size_t sizes[] = {0,     10,    RECORD_PAGE,    n / 2 / RECORD_PAGE * RECORD_PAGE, n - RECORD_PAGE,
                            n - 1, n + 1, n + RECORD_PAGE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct history history;
        struct simfs *sim = simfs_clone(committed);
        struct context context = {.fs = simfs_fs(sim)};
        simfs_put(sim, "/m/.lancet/0001", longer, sizes[i]);
        ck_assert_msg(!history_read(&context, "/m", &history, &err), "%zu of %zu bytes", sizes[i], n);
        ck_assert_msg(err.kind == ERROR_FORMAT, "%zu of %zu bytes: %s", sizes[i], n, err.text);
        simfs_free(sim);
    }
    free(longer);
}
END_TEST

START_TEST(names_that_do_not_belong_there)
{
    static const char *const names[] = {"1",     "00001",     "0000",      "0001.Open", "0001.open.bak",
                                        "notes", "0001.tmp2", "1234567",   "0001.",     "-001",
                                        ".0001", "0x01",      "0002.open", "0001.open"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct simfs *sim = simfs_clone(committed);
        char path[128];
        snprintf(path, sizeof path, "/m/.lancet/%s", names[i]);
        simfs_put(sim, path, "x", 1);
        if (strcmp(names[i], "0002.open") == 0) /* only the newest may be open, and a newer one is there */
            simfs_put(sim, "/m/.lancet/0003", "x", 1);
        expect_refused(sim, false, names[i]);
        simfs_free(sim);
    }
}
END_TEST

START_TEST(what_nfs_leaves_is_passed_over)
{
    struct sim_model model;
    struct simfs *sim = simfs_clone(committed);
    simfs_put(sim, "/m/.lancet/.nfs000000000001", "x", 1);
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err), "%s", err.text);
    sim_model_close(&model);
    ck_assert_ptr_nonnull(simfs_get(sim, "/m/.lancet/.nfs000000000001", NULL));
    simfs_free(sim);
}
END_TEST

START_TEST(lancet_is_no_directory)
{
    struct simfs *sim = sim_model_new();
    simfs_put(sim, "/m/.lancet", "x", 1);
    expect_refused(sim, false, "a file");
    simfs_free(sim);
}
END_TEST

/* Garbage in the last chunk is what a cut may leave, so it is left out; but here its tensor bytes were
 * overwritten, which no cut does before the chunk is synced: the digests tell. */
START_TEST(the_last_chunk_is_torn_and_yet_was_used)
{
    struct sim_model model;
    uint64_t state = 99;
    struct spoilt s = load(cut, "/m/.lancet/0001.open");
    struct simfs *sim = simfs_clone(cut);
    for (size_t i = s.record.chunks[s.record.n_chunks - 1].position + 100; i < s.n; i++)
        s.bytes[i] = (uint8_t)simfs_draw(&state, 256);
    simfs_put(sim, "/m/.lancet/0001.open", s.bytes, s.n);
    ck_assert(!sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    ck_assert_msg(err.kind == ERROR_MISMATCH, "kind %d: %s", err.kind, err.text);
    simfs_free(sim);
    release(&s);
}
END_TEST

/* A digest that the old bytes do not have: nobody takes anything back. */
START_TEST(the_digest_of_a_tensor_is_another)
{
    for (int open = 0; open < 2; open++) {
        struct sim_model model;
        struct history_undone done;
        const char *path = open ? "/m/.lancet/0001.open" : "/m/.lancet/0001";
        struct simfs *sim = simfs_clone(open ? cut_merge : committed_merge);
        struct spoilt s = load(sim, path);
        s.record.chunks[4].before.bytes[7] ^= 1;
        put_chunk(&s, 4);
        simfs_put(sim, path, s.bytes, s.n);
        struct simfs *before = simfs_clone(sim);
        ck_assert(!open || !sim_model_resume(&model, sim, true, &err));
        ck_assert(!open || err.kind == ERROR_MISMATCH);
        bool ok = sim_model_open(&model, sim, CHECKPOINT_CHANGE, true, &err);
        ck_assert(ok != open);
        if (ok) {
            ck_assert(!history_undo(&model.context, &model.checkpoint, &(struct history_undo_options){0},
                                    &done, &err));
            sim_model_close(&model);
        }
        ck_assert_int_eq(err.kind, ERROR_MISMATCH);
        ck_assert(simfs_same(before, sim));
        release(&s);
        simfs_free(before);
        simfs_free(sim);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad_records");
    TCase *tc = tcase_create("bad_records");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, an_open_record_is_malformed, 0, ROWS);
    tcase_add_loop_test(tc, a_committed_record_is_malformed, 0, ROWS);
    tcase_add_test(tc, a_committed_record_is_cut_short_or_goes_on);
    tcase_add_test(tc, names_that_do_not_belong_there);
    tcase_add_test(tc, what_nfs_leaves_is_passed_over);
    tcase_add_test(tc, lancet_is_no_directory);
    tcase_add_test(tc, the_digest_of_a_tensor_is_another);
    tcase_add_test(tc, the_last_chunk_is_torn_and_yet_was_used);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
