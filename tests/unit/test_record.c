/* The bytes of a record: what is written is read again, whatever the names; planes, streams, pages. */
#include "record.h"

#include <stdio.h>
#include <string.h>

#include "store.h"
#include "suite.h"

static struct error err;

static struct record example(void)
{
    static struct record_file files[2] = {{.name = "a \"b\" \xe6\x9c\x80.safetensors",
                                           .size = 100000,
                                           .head = 5000,
                                           .guard = {1, 2, 3, 4},
                                           .guard_bytes = 4},
                                          {.name = "two",
                                           .size = UINT64_C(1) << 40,
                                           .head = 8,
                                           .guard = {0xff, 0, 0xab, 0, 0, 0, 0, 0x7f},
                                           .guard_bytes = 8}};
    static struct record_tensor tensors[4] = {
        {.name = "empty", .file = 0, .dtype = DTYPE_F32, .offset = 5000, .bytes = 0},
        {.name = "\n\t\\", .file = 0, .dtype = DTYPE_BF16, .offset = 5000, .bytes = 95000},
        {.name = "", .file = 1, .dtype = DTYPE_F4, .offset = 8, .bytes = 1},
        {.name = "large", .file = 1, .dtype = DTYPE_F64, .offset = 9, .bytes = (UINT64_C(1) << 40) - 9}};
    static uint32_t undoes[] = {3, 7}, drops[] = {4, 12};
    memset(files[0].digest.bytes, 0xa5, 32);
    memset(tensors[1].before.bytes, 0x5a, 32);
    memset(tensors[3].after.bytes, 0x77, 32);
    return (struct record){.version = RECORD_BEFORE_IN_HEADER,
                           .nonce = UINT64_MAX - 5,
                           .number = 12,
                           .kind = "undo",
                           .command = "lancet edit -p 'x\ty'",
                           .host = "h",
                           .time = 1764000000,
                           .undoes = undoes,
                           .n_undoes = 2,
                           .drops = drops,
                           .n_drops = 2,
                           .files = files,
                           .n_files = 2,
                           .tensors = tensors,
                           .n_tensors = 4};
}

START_TEST(a_header_is_read_as_it_was_written)
{
    struct record record = example(), copy = {0};
    uint8_t *bytes;
    size_t n;
    bool torn = true;
    ck_assert(record_header_encode(&record, &bytes, &n, &err));
    ck_assert_uint_eq(n % RECORD_PAGE, 0);
    ck_assert_msg(record_header_decode("r", 12, bytes, n, &copy, &torn, &err), "%s", err.text);
    ck_assert(!torn);
    ck_assert(copy.nonce == record.nonce && copy.number == 12 && copy.time == record.time);
    ck_assert_str_eq(copy.kind, record.kind);
    ck_assert_str_eq(copy.command, record.command);
    ck_assert_ptr_null(copy.note);
    ck_assert(copy.n_undoes == 2 && copy.undoes[1] == 7 && copy.n_drops == 2 && copy.drops[0] == 4);
    ck_assert(copy.n_files == 2 && copy.n_tensors == 4);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_str_eq(copy.files[i].name, record.files[i].name);
        ck_assert(copy.files[i].size == record.files[i].size && copy.files[i].head == record.files[i].head);
        ck_assert(digest_equal(&copy.files[i].digest, &record.files[i].digest));
        ck_assert(copy.files[i].guard_bytes == record.files[i].guard_bytes);
        ck_assert_mem_eq(copy.files[i].guard, record.files[i].guard, record.files[i].guard_bytes);
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(copy.tensors[i].name, record.tensors[i].name);
        ck_assert(copy.tensors[i].dtype == record.tensors[i].dtype &&
                  copy.tensors[i].file == record.tensors[i].file);
        ck_assert(copy.tensors[i].offset == record.tensors[i].offset);
        ck_assert(copy.tensors[i].bytes == record.tensors[i].bytes);
        ck_assert(digest_equal(&copy.tensors[i].before, &record.tensors[i].before));
    }
    record_release(&copy);
    free(bytes);
}
END_TEST

START_TEST(every_byte_of_a_header_is_checked)
{
    struct record record = example();
    uint8_t *bytes;
    size_t n;
    ck_assert(record_header_encode(&record, &bytes, &n, &err));
    uint64_t extent = record_head_extent(bytes);
    ck_assert(extent > RECORD_HEAD && extent <= n);
    for (size_t i = 0; i < extent; i++) {
        struct record copy = {0};
        bool torn = false;
        bytes[i] ^= 0x10;
        ck_assert(record_header_decode("r", 12, bytes, n, &copy, &torn, &err));
        ck_assert_msg(torn, "byte %zu", i);
        bytes[i] ^= 0x10;
        record_release(&copy);
    }
    for (size_t length = 0; length < extent; length += 13) {
        struct record copy = {0};
        bool torn = false;
        ck_assert(record_header_decode("r", 12, bytes, length, &copy, &torn, &err) && torn);
    }
    free(bytes);
}
END_TEST

START_TEST(a_trailer_is_read_as_it_was_written)
{
    struct record record = example();
    struct record_tensor tensors[4];
    struct record copy = record;
    uint8_t *bytes;
    size_t n;
    bool torn = true;
    memcpy(tensors, record.tensors, sizeof tensors);
    for (size_t i = 0; i < 4; i++)
        memset(tensors[i].after.bytes, 0, 32);
    copy.tensors = tensors;
    record.n_chunks = copy.n_chunks = 5;
    ck_assert(record_trailer_encode(&record, &bytes, &n, &err));
    ck_assert(record_trailer_decode("r", bytes, n, &copy, &torn, &err) && !torn);
    for (size_t i = 0; i < 4; i++)
        ck_assert(digest_equal(&tensors[i].after, &record.tensors[i].after));
    copy.n_chunks = 4;
    ck_assert(!record_trailer_decode("r", bytes, n, &copy, &torn, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    free(bytes);
}
END_TEST

START_TEST(every_byte_of_a_chunk_head_is_checked)
{
    struct record_chunk chunk = {.sequence = 3,
                                 .file = 1,
                                 .packing = RECORD_PLANES,
                                 .offset = UINT64_C(1) << 41,
                                 .bytes = 4097,
                                 .own_offset = 77,
                                 .own_bytes = 5,
                                 .packed_bytes = 12345};
    struct record_chunk copy = {0};
    uint8_t bytes[RECORD_CHUNK_HEAD];
    uint64_t nonce = 0;
    bool intact = false;
    memset(chunk.packed.bytes, 0xc3, 32);
    ck_assert(record_chunk_encode(99, &chunk, bytes, &err));
    ck_assert(record_chunk_decode(bytes, &intact, &nonce, &copy, &err) && intact);
    ck_assert(nonce == 99 && copy.sequence == 3 && copy.file == 1 && copy.packing == RECORD_PLANES);
    ck_assert(copy.offset == chunk.offset && copy.bytes == 4097 && copy.own_offset == 77 &&
              copy.own_bytes == 5);
    ck_assert(copy.packed_bytes == 12345 && digest_equal(&copy.packed, &chunk.packed));
    for (size_t i = 0; i < RECORD_CHUNK_HEAD; i++) {
        bytes[i] ^= 1;
        ck_assert(record_chunk_decode(bytes, &intact, &nonce, &copy, &err));
        ck_assert_msg(!intact, "byte %zu", i);
        bytes[i] ^= 1;
    }
}
END_TEST

START_TEST(the_tensor_that_holds_a_range)
{
    struct record record = example();
    ck_assert_uint_eq(record_tensor_at(&record, 0, 5000, 95000), 1);
    ck_assert_uint_eq(record_tensor_at(&record, 0, 99999, 1), 1);
    ck_assert_uint_eq(record_tensor_at(&record, 0, 99999, 2), 4);
    ck_assert_uint_eq(record_tensor_at(&record, 0, 4999, 1), 4);
    ck_assert_uint_eq(record_tensor_at(&record, 1, 8, 1), 2);
    ck_assert_uint_eq(record_tensor_at(&record, 1, 8, 2), 4);
    ck_assert_uint_eq(record_tensor_at(&record, 1, 9, UINT64_MAX), 4);
    ck_assert_uint_eq(record_tensor_at(&record, 2, 9, 1), 4);
}
END_TEST

START_TEST(pages_around_a_range)
{
    static const uint64_t rows[][5] = {/* offset, bytes, size of the file; held from, held bytes */
                                       {0, 1, 10000, 0, 4096},       {4095, 1, 10000, 0, 4096},
                                       {4095, 2, 10000, 0, 8192},    {4096, 4096, 10000, 4096, 4096},
                                       {9000, 1, 10000, 8192, 1808}, {100, 50, 200, 0, 200},
                                       {8192, 1, 8193, 8192, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t held, bytes;
        record_pages_around(rows[i][0], rows[i][1], rows[i][2], &held, &bytes);
        ck_assert_msg(held == rows[i][3] && bytes == rows[i][4], "row %zu", i);
    }
}
END_TEST

START_TEST(planes_and_back)
{
    uint8_t in[37], planes[37], out[37];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 73 + 1);
    for (size_t width = 1; width <= 8; width++)
        for (size_t n = 0; n <= sizeof in; n++) {
            memset(out, 0, sizeof out);
            record_planes_split(in, n, width, planes);
            record_planes_join(planes, n, width, out);
            ck_assert_msg(memcmp(in, out, n) == 0, "%zu bytes of width %zu", n, width);
        }
    record_planes_split(in, 7, 2, planes);
    static const size_t order[] = {0, 2, 4, 1, 3, 5, 6};
    for (size_t i = 0; i < 7; i++)
        ck_assert_uint_eq(planes[i], in[order[i]]);
    ck_assert_uint_eq(record_plane_width(DTYPE_BF16), 2);
    ck_assert_uint_eq(record_plane_width(DTYPE_F64), 8);
    ck_assert_uint_eq(record_plane_width(DTYPE_F4), 1);
    ck_assert_uint_eq(record_plane_width(DTYPE_F6_E2M3), 1);
}
END_TEST

START_TEST(a_stream_unpacks_to_exactly_what_was_packed)
{
    uint8_t in[5000], packed[6000], out[5001];
    size_t n = 0;
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    ck_assert_uint_le(record_pack_bound(sizeof in), sizeof packed);
    ck_assert(record_pack("r", in, sizeof in, 1, packed, sizeof packed, &n, &err));
    ck_assert(record_unpack("r", packed, n, out, sizeof in, &err));
    ck_assert_mem_eq(in, out, sizeof in);
    ck_assert(!record_unpack("r", packed, n, out, sizeof in + 1, &err));
    ck_assert(!record_unpack("r", packed, n, out, sizeof in - 1, &err));
    ck_assert(!record_unpack("r", packed, n - 1, out, sizeof in, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
}
END_TEST

START_TEST(one_number_has_one_name)
{
    static const uint32_t numbers[] = {1, 42, 9999, 10000, RECORD_MAX_NUMBER};
    static const char *const names[] = {"0001", "0042", "9999", "10000", "999999"};
    char folder[] = "/m/.lancet";
    struct store store = {.path = folder};
    for (size_t i = 0; i < 5; i++) {
        char expected[64];
        char *path = store_path(&store, numbers[i], STORE_OPEN, &err);
        snprintf(expected, sizeof expected, "/m/.lancet/%s.open", names[i]);
        ck_assert_str_eq(path, expected);
        free(path);
    }
}
END_TEST

static bool add_chunk(struct record *record, size_t file, uint64_t own, uint64_t n)
{
    struct record_chunk chunk = {
        .sequence = record->n_chunks, .file = file, .own_offset = own, .own_bytes = n};
    if (n)
        record_pages_around(own, n, record->files[file].size, &chunk.offset, &chunk.bytes);
    return record_chunk_add(record, &chunk, &err);
}

/* Chunks that came in any order are found by place, and each byte that is held is told by one that knows it.
 */
START_TEST(chunks_are_found_by_place)
{
    static struct record_file files[] = {{.name = "a", .size = 100000, .guard_bytes = 8},
                                         {.name = "b", .size = 50000, .guard_bytes = 8}};
    struct record record = {.files = files, .n_files = 2};
    static const struct {
        size_t file;
        uint64_t own, n;
    } chunks[] = {{0, 0, 0},      {1, 0, 0},       {1, 40000, 9000}, {0, 20000, 10}, {0, 100, 900},
                  {0, 20100, 30}, {0, 9000, 4000}, {1, 100, 4000},   {0, 1000, 8000}};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        ck_assert(add_chunk(&record, chunks[i].file, chunks[i].own, chunks[i].n));
    ck_assert_uint_eq(record.n_placed, 7);
    for (size_t file = 0; file < 2; file++)
        for (uint64_t at = 0; at < files[file].size; at += 50) {
            bool owned = false, held = false, told = false;
            struct record_range owning = record_owning(&record, file, at, 50),
                                holding = record_holding(&record, file, at, 50);
            for (size_t i = 0; i < record.n_placed; i++) {
                const struct record_chunk *c = &record.chunks[record.by_place[i]];
                uint64_t from, to;
                bool owns = c->file == file && c->own_offset < at + 50 && at < c->own_offset + c->own_bytes;
                bool holds = c->file == file && c->offset < at + 50 && at < c->offset + c->bytes;
                ck_assert((i >= owning.first && i < owning.end) == owns);
                ck_assert((i >= holding.first && i < holding.end) == holds);
                record_chunk_tells(&record, i, &from, &to);
                ck_assert(from <= c->own_offset && to >= c->own_offset + c->own_bytes &&
                          to <= c->offset + c->bytes);
                owned = owned || owns;
                held = held || holds;
                told = told || (c->file == file && from < at + 50 && at < to);
            }
            ck_assert(held == told && (held || !owned));
        }
    record_drop_chunks(&record);
}
END_TEST

START_TEST(tensors_are_found_by_name)
{
    struct record record = example(), copy = {0};
    uint8_t *bytes;
    size_t n;
    bool torn = true;
    ck_assert(record_header_encode(&record, &bytes, &n, &err));
    ck_assert(record_header_decode("r", 12, bytes, n, &copy, &torn, &err) && !torn);
    for (size_t i = 0; i < 4; i++) {
        const char *file = copy.files[copy.tensors[i].file].name,
                   *other = copy.files[!copy.tensors[i].file].name;
        ck_assert_uint_eq(record_tensor_named(&copy, file, copy.tensors[i].name), i);
        ck_assert_uint_eq(record_tensor_named(&copy, other, copy.tensors[i].name), 4);
        ck_assert_uint_eq(record_tensor_named(&copy, file, "larger"), 4);
    }
    record_release(&copy);
    free(bytes);
}
END_TEST

/* A merge's header has no digests, and an edit's has all. */
START_TEST(the_version_says_where_old_digests_are)
{
    struct record record = example(), copy = {0};
    uint8_t *bytes;
    size_t n;
    bool torn = true;
    record.version = RECORD_BEFORE_IN_CHUNKS;
    ck_assert(record_header_encode(&record, &bytes, &n, &err));
    ck_assert(record_header_decode("r", 12, bytes, n, &copy, &torn, &err) && !torn);
    ck_assert(copy.version == RECORD_BEFORE_IN_CHUNKS && !copy.tensors[1].before_known);
    record_release(&copy);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_add_test(tc, a_header_is_read_as_it_was_written);
    tcase_add_test(tc, every_byte_of_a_header_is_checked);
    tcase_add_test(tc, a_trailer_is_read_as_it_was_written);
    tcase_add_test(tc, every_byte_of_a_chunk_head_is_checked);
    tcase_add_test(tc, the_tensor_that_holds_a_range);
    tcase_add_test(tc, pages_around_a_range);
    tcase_add_test(tc, planes_and_back);
    tcase_add_test(tc, a_stream_unpacks_to_exactly_what_was_packed);
    tcase_add_test(tc, one_number_has_one_name);
    tcase_add_test(tc, chunks_are_found_by_place);
    tcase_add_test(tc, tensors_are_found_by_name);
    tcase_add_test(tc, the_version_says_where_old_digests_are);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
