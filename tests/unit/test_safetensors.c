#include "suite.h"

#include <unistd.h>

#include "model_box.h"
#include "safetensors.h"

#define ENTRY(name, dtype, shape, begin, end)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

/* Each is one file m.safetensors: `length` in front (0: the true one), the header, so many bytes of data. */
static const struct bad {
    const char *what, *header;
    size_t data;
    uint64_t length;
    enum error_kind kind;
    const char *words;
} bad[] = {
    /* the length */
    {"length above the limit", "{}", 0, 100000001, ERROR_FORMAT, "expected at most 100000000"},
    {"length of all ones", "{}", 0, UINT64_MAX, ERROR_FORMAT, "expected at most 100000000"},
    {"length that wraps with 8", "{}", 0, UINT64_MAX - 7, ERROR_FORMAT, "expected at most 100000000"},
    {"length beyond the file", "{}", 0, 3, ERROR_FORMAT, "the file ends after 2"},
    {"huge length in a tiny file", "{}", 0, 99999999, ERROR_FORMAT, "the file ends after 2"},
    {"a change that was cut", "{}", 0, 0x7f00000000000001u, ERROR_BUSY, "lancet verify --recover"},
    /* the JSON */
    {"header cut in the middle", "{" ENTRY("a", "F32", "1", "0", "4") "}", 4, 20, ERROR_FORMAT,
     "the text ends"},
    {"an array", "[]", 0, 0, ERROR_FORMAT, "1:1: found '['"},
    {"a number", "7", 0, 0, ERROR_FORMAT, "found '7'"},
    {"only white space", "    ", 0, 0, ERROR_FORMAT, "the text ends"},
    {"text after the object", "{}{}", 0, 0, ERROR_FORMAT, "1:3: found '{', expected the end"},
    {"NUL bytes as padding", "{}\\0", 0, 0, ERROR_FORMAT, "1:3:"},
    {"a trailing comma", "{" ENTRY("a", "F32", "1", "0", "4") ",}", 4, 0, ERROR_FORMAT, "1:"},
    {"invalid UTF-8 in a name", "{" ENTRY("a\xff", "F32", "1", "0", "4") "}", 4, 0, ERROR_FORMAT, "1:"},
    {"half a surrogate pair", "{" ENTRY("\\ud800", "F32", "1", "0", "4") "}", 4, 0, ERROR_FORMAT, "1:"},
    {"a control character in a name", "{" ENTRY("a\x01", "F32", "1", "0", "4") "}", 4, 0, ERROR_FORMAT, "1:"},
    {"a NUL in a name", "{" ENTRY("a\\u0000b", "F32", "1", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "NUL character"},
    {"nested too deep", "{\"a\":{\"dtype\":\"F32\",\"shape\":[[[1]]],\"data_offsets\":[0,4]}}", 4, 0,
     ERROR_FORMAT, "found '['"},
    /* metadata */
    {"metadata that is no object", "{\"__metadata__\":[]}", 0, 0, ERROR_FORMAT, "found '['"},
    {"a number in the metadata", "{\"__metadata__\":{\"a\":1}}", 0, 0, ERROR_FORMAT, "found '1'"},
    {"an object in the metadata", "{\"__metadata__\":{\"a\":{}}}", 0, 0, ERROR_FORMAT, "found '{'"},
    {"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, 0, ERROR_FORMAT,
     "\"__metadata__\" occurs twice"},
    /* an entry's fields */
    {"an entry that is no object", "{\"a\":3}", 0, 0, ERROR_FORMAT, "(tensor \"a\")"},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0, ERROR_FORMAT,
     "there is no \"dtype\" (tensor \"a\")"},
    {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, 0, ERROR_FORMAT,
     "there is no \"shape\""},
    {"no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, 0, ERROR_FORMAT,
     "there is no \"data_offsets\""},
    {"a field that nobody knows", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}",
     4, 0, ERROR_FORMAT, "unknown field \"x\" (tensor \"a\")"},
    {"a field twice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     0, ERROR_FORMAT, "\"dtype\" occurs twice"},
    {"a field twice, once escaped",
     "{\"a\":{\"shape\":[1],\"\\u0073hape\":[1],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, 0,
     ERROR_FORMAT, "\"shape\" occurs twice"},
    {"an unknown dtype", "{" ENTRY("a", "I4", "2", "0", "1") "}", 1, 0, ERROR_UNSUPPORTED,
     "unknown dtype \"I4\""},
    {"a dtype of GGUF", "{" ENTRY("a", "Q4_0", "32", "0", "18") "}", 18, 0, ERROR_UNSUPPORTED,
     "unknown dtype \"Q4_0\""},
    {"a dtype in lower case", "{" ENTRY("a", "f32", "1", "0", "4") "}", 4, 0, ERROR_UNSUPPORTED,
     "unknown dtype \"f32\""},
    {"a dtype that is a number", "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0,
     ERROR_FORMAT, "found '3'"},
    {"too many dimensions", "{" ENTRY("a", "U8", "1,1,1,1,1,1,1,1,1", "0", "1") "}", 1, 0, ERROR_UNSUPPORTED,
     "more than 8 dimensions"},
    {"a negative dimension", "{" ENTRY("a", "F32", "-1", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "'-1' is not spelt"},
    {"minus zero", "{" ENTRY("a", "F32", "-0", "0", "0") "}", 0, 0, ERROR_FORMAT, "'-0' is not spelt"},
    {"a dimension with a point", "{" ENTRY("a", "F32", "1.0", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "'1.0' is not spelt"},
    {"a dimension with an exponent", "{" ENTRY("a", "F32", "1e0", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "'1e0' is not"},
    {"a leading zero", "{" ENTRY("a", "F32", "01", "0", "4") "}", 4, 0, ERROR_FORMAT, "1:"},
    {"an integer of 65 bits", "{" ENTRY("a", "F32", "18446744073709551616", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "larger than 64 bits"},
    {"one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, 0, ERROR_FORMAT,
     "holds 1 integers, expected 2"},
    {"three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, 0,
     ERROR_FORMAT, "more than 2 integers"},
    /* sizes */
    {"a shape whose product wraps", "{" ENTRY("a", "U8", "4294967296,4294967296", "0", "0") "}", 0, 0,
     ERROR_FORMAT, "more elements than 64 bits"},
    {"a shape whose product wraps before a zero",
     "{" ENTRY("a", "U8", "4294967296,4294967296,0", "0", "0") "}", 0, 0, ERROR_FORMAT,
     "more elements than 64 bits"},
    {"a shape whose bytes wrap", "{" ENTRY("a", "F64", "4611686018427387904", "0", "0") "}", 0, 0,
     ERROR_FORMAT, "does not fill whole bytes, or too many"},
    {"half a byte", "{" ENTRY("a", "F4", "3", "0", "2") "}", 2, 0, ERROR_FORMAT, "does not fill whole bytes"},
    {"fewer bytes than the shape", "{" ENTRY("a", "F32", "2,2", "0", "12") "}", 12, 0, ERROR_FORMAT,
     "tensor \"a\": F32 [2, 2] takes 16 bytes, but data_offsets [0, 12] hold 12"},
    {"more bytes than the shape", "{" ENTRY("a", "F16", "2", "0", "8") "}", 8, 0, ERROR_FORMAT,
     "takes 4 bytes"},
    {"bytes for a zero dimension", "{" ENTRY("a", "F16", "0", "0", "2") "}", 2, 0, ERROR_FORMAT,
     "takes 0 bytes"},
    {"offsets the wrong way round", "{" ENTRY("a", "F32", "1", "4", "0") "}", 4, 0, ERROR_FORMAT,
     "[4, 0] do not lie in the 4 bytes"},
    {"offsets beyond the data", "{" ENTRY("a", "F32", "2", "0", "8") "}", 4, 0, ERROR_FORMAT,
     "[0, 8] do not lie in the 4 bytes"},
    {"offsets near 2^64", "{" ENTRY("a", "F32", "1", "18446744073709551612", "18446744073709551615") "}", 4,
     0, ERROR_FORMAT, "do not lie in"},
    /* the cover */
    {"data that starts late", "{" ENTRY("a", "F32", "1", "4", "8") "}", 8, 0, ERROR_FORMAT,
     "bytes 0 to 4 of the data, before tensor \"a\""},
    {"a hole", "{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("b", "F32", "1", "8", "12") "}", 12, 0,
     ERROR_FORMAT, "bytes 4 to 8 of the data, before tensor \"b\""},
    {"an overlap", "{" ENTRY("a", "F32", "2", "0", "8") "," ENTRY("b", "F32", "2", "4", "12") "}", 12, 0,
     ERROR_FORMAT, "tensors \"a\" and \"b\" overlap at byte 4"},
    {"two names for the same bytes",
     "{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("b", "F32", "1", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "overlap at byte 0"},
    {"bytes after the last tensor", "{" ENTRY("a", "F32", "1", "0", "4") "}", 9, 0, ERROR_FORMAT,
     "the last 5 bytes of the file belong to no tensor"},
    {"bytes and no tensor", "{}", 1, 0, ERROR_FORMAT, "the last 1 bytes"},
    {"an empty tensor in the middle of another",
     "{" ENTRY("a", "F32", "2", "0", "8") "," ENTRY("b", "F32", "0", "4", "4") "}", 8, 0, ERROR_FORMAT,
     "overlap at byte 4"},
    /* names */
    {"a name twice", "{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("a", "F32", "1", "4", "8") "}", 8, 0,
     ERROR_FORMAT, "tensor \"a\" occurs twice"},
    {"a name twice, once escaped",
     "{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("\\u0061", "F32", "1", "4", "8") "}", 8, 0, ERROR_FORMAT,
     "tensor \"a\" occurs twice"},
    {"a name that moves the cursor", "{" ENTRY("a\\u001b[2J", "F32", "2", "0", "4") "}", 4, 0, ERROR_FORMAT,
     "tensor \"a\\x1b[2J\""},
};

START_TEST(malformed_files_are_named)
{
    const struct bad *b = &bad[_i];
    box_safetensors_of("m.safetensors", b->length, b->header, strlen(b->header), b->data);
    struct checkpoint *c = box_try("m.safetensors", CHECKPOINT_READ, false);
    ck_assert_msg(!c, "%s: opened", b->what);
    ck_assert_msg(box_error.kind == b->kind && strstr(box_error.text, b->words) &&
                      strstr(box_error.text, "m.safetensors"),
                  "%s: kind %d: %s", b->what, (int)box_error.kind, box_error.text);
    ck_assert_ptr_null(strchr(box_error.text, '\n'));
}
END_TEST

START_TEST(files_too_short_for_a_length)
{
    for (size_t n = 0; n < 8; n++) {
        box_write("m.safetensors", "\2\0\0\0\0\0\0\0", n);
        ck_assert_ptr_null(box_try("m.safetensors", CHECKPOINT_READ, false));
        box_refused(ERROR_FORMAT, n ? "at least 8" : "is empty");
    }
}
END_TEST

/* Every prefix of a good file is refused, and nothing is read beyond it. */
START_TEST(every_cut_is_refused)
{
    static const char header[] =
        "{" ENTRY("a", "F32", "2", "0", "8") "," ENTRY("b", "F16", "3", "8", "14") "}";
    box_safetensors("whole.safetensors", header, 14);
    size_t n;
    char *bytes = box_read("whole.safetensors", &n);
    for (size_t cut = 0; cut < n; cut++) {
        box_write("m.safetensors", bytes, cut);
        ck_assert_ptr_null(box_try("m.safetensors", CHECKPOINT_READ, false));
        ck_assert_int_eq(box_error.kind, ERROR_FORMAT);
    }
    free(bytes);
}
END_TEST

START_TEST(long_names_are_refused)
{
    char header[5000];
    for (int over = 0; over < 2; over++) {
        size_t n = 4096 + (size_t)over;
        char *p = header + sprintf(header, "{\"");
        memset(p, 'n', n);
        sprintf(p + n, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
        box_safetensors("m.safetensors", header, 1);
        struct checkpoint *c = box_try("m.safetensors", CHECKPOINT_READ, false);
        ck_assert_int_eq(c != NULL, !over);
        if (over)
            box_refused(ERROR_FORMAT, "a tensor name of 4097 bytes");
        checkpoint_close(c);
    }
}
END_TEST

START_TEST(good_files_are_listed)
{
    static const char header[] = " \n\t{\"b\" : {\"data_offsets\":[4, 10],\"dtype\":\"F16\",\"shape\":[3,1]},"
                                 "\"__metadata__\":{ \"format\" : \"p\\u0074\", \"\":\"\" },"
                                 "\"\\u00e9\\n\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                 "\"empty\":{\"dtype\":\"F64\",\"shape\":[5,0],\"data_offsets\":[4,4]},"
                                 "\"\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[10,12]}}   \r\n";
    box_safetensors("m.safetensors", header, 12);
    struct checkpoint *c = box_open("m.safetensors");
    ck_assert_uint_eq(c->n_tensors, 4);
    ck_assert_uint_eq(c->files[0].head, 8 + strlen(header));
    ck_assert_str_eq(c->files[0].metadata, "{ \"format\" : \"p\\u0074\", \"\":\"\" }");
    const struct tensor *b = checkpoint_find(c, "b"), *e = checkpoint_find(c, "\u00e9\n"),
                        *z = checkpoint_find(c, "empty"), *n = checkpoint_find(c, "");
    ck_assert(b && e && z && n && !checkpoint_find(c, "c"));
    ck_assert_uint_eq(b->rank, 2);
    ck_assert_uint_eq(b->elements, 3);
    ck_assert_uint_eq(b->bytes, 6);
    ck_assert_int_eq(memcmp(b->data, "\4\5\6\7\10\11", 6), 0);
    ck_assert_uint_eq(e->rank, 0);
    ck_assert_uint_eq(e->elements, 1);
    ck_assert_int_eq(e->dtype, DTYPE_I32);
    ck_assert_uint_eq(z->elements, 0);
    ck_assert_uint_eq(z->bytes, 0);
    ck_assert_uint_eq(n->bytes, 2);
    checkpoint_close(c);
}
END_TEST

START_TEST(a_file_without_tensors_is_fine)
{
    box_safetensors("m.safetensors", "{}", 0);
    struct checkpoint *c = box_open("m.safetensors");
    ck_assert_uint_eq(c->n_tensors, 0);
    ck_assert_ptr_null(checkpoint_find(c, ""));
    ck_assert_ptr_null(c->files[0].metadata);
    checkpoint_close(c);
}
END_TEST

START_TEST(every_dtype_is_read)
{
    for (int d = 0; d < DTYPE_COUNT; d++) {
        uint64_t bytes;
        char header[256];
        if (dtype_facts((enum dtype)d)->block_elements != 1) /* GGUF's */
            continue;
        ck_assert(dtype_bytes((enum dtype)d, 8, &bytes));
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,%u]}}",
                 dtype_facts((enum dtype)d)->name, (unsigned)bytes);
        box_safetensors("m.safetensors", header, bytes);
        struct checkpoint *c = box_open("m.safetensors");
        ck_assert_int_eq(c->tensors[0].dtype, d);
        checkpoint_close(c);
    }
}
END_TEST

/* Widest dtype first, then by name; the header padded to 8; every tensor aligned to its elements. */
START_TEST(written_files_have_the_reference_layout)
{
    static const float b[2] = {1, 2}, a[1] = {3};
    static const uint16_t h[3] = {1, 2, 3};
    static const uint8_t u[1] = {9};
    struct tensor_plan plans[] = {{.name = "u", .dtype = DTYPE_U8, .rank = 0},
                                  {.name = "h\"\n", .dtype = DTYPE_BF16, .rank = 1, .shape = {3}},
                                  {.name = "b", .dtype = DTYPE_F32, .rank = 2, .shape = {1, 2}},
                                  {.name = "a", .dtype = DTYPE_F32, .rank = 1, .shape = {1}}};
    const void *data[] = {u, h, b, a};
    ck_assert_msg(safetensors_write(fs_real(), box_path("m.safetensors"), plans, data, 4,
                                    "{\"format\":\"pt\"}", &box_error),
                  "%s", box_error.text);
    static const char expected[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                   "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                   "\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[4,12]},"
                                   "\"h\\\"\\n\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[12,18]},"
                                   "\"u\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[18,19]}}";
    size_t n;
    char *bytes = box_read("m.safetensors", &n);
    uint64_t length;
    memcpy(&length, bytes, 8);
    ck_assert_uint_eq(length % 8, 0);
    ck_assert_uint_ge(length, strlen(expected));
    ck_assert_int_eq(memcmp(bytes + 8, expected, strlen(expected)), 0);
    for (size_t i = strlen(expected); i < length; i++)
        ck_assert_int_eq(bytes[8 + i], ' ');
    free(bytes);
    struct checkpoint *c = box_open("m.safetensors");
    ck_assert_str_eq(c->files[0].metadata, "{\"format\":\"pt\"}");
    ck_assert_int_eq(memcmp(checkpoint_find(c, "h\"\n")->data, h, sizeof h), 0);
    ck_assert_int_eq(memcmp(checkpoint_find(c, "b")->data, b, sizeof b), 0);
    checkpoint_close(c);
}
END_TEST

START_TEST(written_over_in_one_step)
{
    struct tensor_plan plan = {.name = "a", .dtype = DTYPE_U8, .rank = 1, .shape = {3}};
    const void *data[] = {"xyz"};
    box_text("m.safetensors", "old");
    ck_assert(safetensors_write(fs_real(), box_path("m.safetensors"), &plan, data, 1, NULL, &box_error));
    struct checkpoint *c = box_open("m.safetensors");
    ck_assert_int_eq(memcmp(c->tensors[0].data, "xyz", 3), 0);
    checkpoint_close(c);
    char *list;
    ck_assert_int_eq(fs_real()->list(NULL, box, &list), 0);
    ck_assert_str_eq(list, "m.safetensors");
    ck_assert_int_eq(list[strlen(list) + 1], 0); /* no temporary file is left */
    free(list);
    ck_assert(
        !safetensors_write(fs_real(), box_path("none/m.safetensors"), &plan, data, 1, NULL, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_IO);
}
END_TEST

START_TEST(what_cannot_be_stored_is_said)
{
    struct tensor_plan plan = {.name = "a", .dtype = DTYPE_F32, .rank = 2, .shape = {UINT64_MAX, 2}};
    const void *data[] = {NULL};
    ck_assert(!safetensors_write(fs_real(), box_path("m.safetensors"), &plan, data, 1, NULL, &box_error));
    box_refused(ERROR_UNSUPPORTED, "tensor \"a\"");
    ck_assert(!box_has("m.safetensors"));
}
END_TEST

START_TEST(the_guard_is_no_length)
{
    const struct format *f = &format_safetensors;
    uint64_t out, value;
    uint8_t bytes[8];
    static const uint64_t nonces[] = {0, 1, UINT64_MAX, 0x0123456789abcdefu};
    for (size_t i = 0; i < 4; i++) {
        f->guard(nonces[i], bytes);
        memcpy(&value, bytes, 8);
        ck_assert_uint_gt(value, INT64_MAX / 2);
        ck_assert_uint_le(value, INT64_MAX);
        ck_assert_uint_eq(value & 0xffffffffffffffu, nonces[i] & 0xffffffffffffffu);
        ck_assert(!safetensors_head_bytes("m", bytes, INT64_MAX, &out, &box_error));
        ck_assert_int_eq(box_error.kind, ERROR_BUSY);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_add_checked_fixture(tc, box_setup, box_teardown);
    tcase_add_loop_test(tc, malformed_files_are_named, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, files_too_short_for_a_length);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_test(tc, long_names_are_refused);
    tcase_add_test(tc, good_files_are_listed);
    tcase_add_test(tc, a_file_without_tensors_is_fine);
    tcase_add_test(tc, every_dtype_is_read);
    tcase_add_test(tc, written_files_have_the_reference_layout);
    tcase_add_test(tc, written_over_in_one_step);
    tcase_add_test(tc, what_cannot_be_stored_is_said);
    tcase_add_test(tc, the_guard_is_no_length);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
