#include "suite.h"

#include <math.h>
#include <unistd.h>

#include "gguf_box.h"
#include "gguf_architecture.h"
#include "gguf_file.h"
#include "history.h"
#include "transaction.h"

enum { F32 = 0, Q4_0 = 2 };

/* ---- what is refused: formats.md 2.8, a row each ---- */

static void bad_magic(struct str *s)
{
    put_head(s, 3, 0, 0);
    s->data[3] = 'G';
}

static void guarded(struct str *s)
{
    put_head(s, 3, 0, 0);
    s->data[0] = 0x7f;
}

static void version_1(struct str *s)
{
    put_head(s, 1, 0, 0);
}

static void version_4(struct str *s)
{
    put_head(s, 4, 0, 0);
}

static void big_endian(struct str *s)
{
    put_head(s, UINT32_C(3) << 24, 0, 0);
}

static void no_counts(struct str *s)
{
    str_append(s, "GGUF");
    put_u32(s, 3);
    put_u64(s, 0);
}

static void tensors_wrap(struct str *s)
{
    put_head(s, 3, UINT64_MAX, 0);
    put_data(s, 100);
}

static void tensors_beyond_the_file(struct str *s)
{
    put_head(s, 3, 5, 0);
    put_data(s, 100);
}

static void values_wrap(struct str *s)
{
    put_head(s, 3, 0, UINT64_C(1) << 60);
    put_data(s, 100);
}

static void key_of_all_ones(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_u64(s, UINT64_MAX);
    put_data(s, 100);
}

static void key_beyond_the_file(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_u64(s, 60000);
    put_data(s, 100);
}

static void key_too_long(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_u64(s, 65536);
    put_data(s, 70000);
}

static void key_empty(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key_u32(s, "", 1);
}

static void key_with_nul(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_u64(s, 3);
    str_append_bytes(s, "a\0b", 3);
    put_u32(s, GGUF_U32);
    put_u32(s, 0);
}

static void key_not_utf8(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key_u32(s, "a\xff", 1);
}

static void key_twice(struct str *s)
{
    put_head(s, 3, 0, 3);
    put_key_u32(s, "a", 1);
    put_key_u32(s, "b", 1);
    put_key_u32(s, "a", 1);
}

static void value_type_unknown(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_text(s, "a");
    put_u32(s, 13);
    put_data(s, 8);
}

static void value_cut(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key(s, "abcdefgh", GGUF_U64);
    put_u32(s, 0);
}

static void string_wraps(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key(s, "a", GGUF_STRING);
    put_u64(s, UINT64_MAX - 7);
    put_data(s, 100);
}

static void string_beyond_the_file(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key(s, "a", GGUF_STRING);
    put_u64(s, 101);
    put_data(s, 100);
}

static void array_wraps(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "a", GGUF_U64, UINT64_C(1) << 61);
    put_data(s, 100);
}

static void array_beyond_the_file(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "a", GGUF_U16, 51);
    put_data(s, 100);
}

static void array_of_strings_beyond_the_file(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "a", GGUF_STRING, 3);
    put_text(s, "x");
    put_text(s, "yyyyyyyyyyyyyyyyy");
}

static void array_of_arrays(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "a", GGUF_ARRAY, 1);
    put_data(s, 100);
}

static void array_type_unknown(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "a", (enum gguf_type)0xffffffff, 1);
    put_data(s, 100);
}

static void bool_of_2(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key(s, "a", GGUF_BOOL);
    str_append_bytes(s, "\2", 1);
}

static void alignment_of_another_type(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key(s, "general.alignment", GGUF_U64);
    put_u64(s, 32);
}

static void alignment_array(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_array(s, "general.alignment", GGUF_U32, 0);
}

static void alignment_0(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key_u32(s, "general.alignment", 0);
}

static void alignment_24(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key_u32(s, "general.alignment", 24);
}

static void alignment_huge(struct str *s)
{
    put_head(s, 3, 0, 1);
    put_key_u32(s, "general.alignment", UINT32_C(1) << 31);
}

static void one_tensor(struct str *s, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type,
                       uint64_t offset)
{
    put_head(s, 3, 1, 0);
    put_text(s, name);
    put_u32(s, rank);
    for (uint32_t i = 0; i < rank; i++)
        put_u64(s, dims[i]);
    put_u32(s, type);
    put_u64(s, offset);
    put_padding(s, 32);
}

static void rank_5(struct str *s)
{
    one_tensor(s, "a", 5, (uint64_t[]){1, 1, 1, 1, 1}, F32, 0);
    put_data(s, 32);
}

static void rank_huge(struct str *s)
{
    put_head(s, 3, 1, 0);
    put_text(s, "a");
    put_u32(s, UINT32_MAX);
    put_data(s, 100);
}

static void dimension_0(struct str *s)
{
    one_tensor(s, "a", 2, (uint64_t[]){0, 4}, F32, 0);
}

static void elements_wrap(struct str *s)
{
    one_tensor(s, "a", 2, (uint64_t[]){UINT64_C(1) << 32, UINT64_C(1) << 32}, F32, 0);
    put_data(s, 32);
}

static void elements_negative(struct str *s) /* ggml issue 27203 */
{
    one_tensor(s, "a", 4, (uint64_t[]){INT64_MAX, 2, 1, 1}, F32, 0);
    put_data(s, 32);
}

static void bytes_wrap(struct str *s) /* CVE-2026-33298 */
{
    one_tensor(s, "a", 2, (uint64_t[]){UINT64_C(1) << 31, UINT64_C(1) << 31}, F32, 0);
    put_data(s, 32);
}

static void type_removed(struct str *s)
{
    one_tensor(s, "a", 1, (uint64_t[]){32}, 4, 0);
    put_data(s, 32);
}

static void type_unknown(struct str *s)
{
    one_tensor(s, "a", 1, (uint64_t[]){32}, 43, 0);
    put_data(s, 32);
}

static void type_negative(struct str *s)
{
    one_tensor(s, "a", 1, (uint64_t[]){32}, UINT32_MAX, 0);
    put_data(s, 32);
}

static void half_a_block(struct str *s)
{
    one_tensor(s, "a", 2, (uint64_t[]){16, 2}, Q4_0, 0);
    put_data(s, 32);
}

static void data_shorter_than_the_shape(struct str *s) /* CVE-2026-7482 */
{
    one_tensor(s, "a", 1, (uint64_t[]){9}, F32, 0);
    put_data(s, 35);
}

static void no_data_at_all(struct str *s)
{
    put_head(s, 3, 1, 0);
    put_tensor(s, "a", 8, 1, F32, 0);
}

static void offset_not_0(struct str *s)
{
    one_tensor(s, "a", 1, (uint64_t[]){8}, F32, 32);
    put_data(s, 64);
}

static void two_tensors(struct str *s, const char *second, uint64_t offset)
{
    put_head(s, 3, 2, 0);
    put_tensor(s, "a", 9, 1, F32, 0);
    put_tensor(s, second, 8, 1, F32, offset);
    put_padding(s, 32);
    put_data(s, 128);
}

static void offset_with_a_gap(struct str *s)
{
    two_tensors(s, "b", 96);
}

static void offset_that_overlaps(struct str *s)
{
    two_tensors(s, "b", 32);
}

static void offset_not_aligned(struct str *s)
{
    two_tensors(s, "b", 36);
}

static void offset_of_all_ones(struct str *s) /* the sum of offset and size wraps: CVE-2025-53630 */
{
    two_tensors(s, "b", UINT64_MAX - 31);
}

static void tensor_twice(struct str *s)
{
    two_tensors(s, "a", 64);
}

static void name_empty(struct str *s)
{
    one_tensor(s, "", 1, (uint64_t[]){8}, F32, 0);
    put_data(s, 32);
}

static void name_too_long(struct str *s)
{
    char name[257];
    memset(name, 'a', 256);
    name[256] = '\0';
    one_tensor(s, name, 1, (uint64_t[]){8}, F32, 0);
    put_data(s, 32);
}

static void split_but_alone(struct str *s)
{
    put_head(s, 3, 0, 2);
    put_key(s, "split.no", GGUF_U16);
    str_append_bytes(s, "\1\0", 2);
    put_key(s, "split.count", GGUF_U16);
    str_append_bytes(s, "\3\0", 2);
}

static const struct bad {
    void (*make)(struct str *s);
    enum error_kind kind;
    const char *words;
} bad[] = {
    {bad_magic, ERROR_FORMAT, "begins with \"GGUG\", expected \"GGUF\""},
    {guarded, ERROR_BUSY, "lancet verify --recover"},
    {version_1, ERROR_UNSUPPORTED, "version 1, lancet reads 2 and 3"},
    {version_4, ERROR_UNSUPPORTED, "version 4"},
    {big_endian, ERROR_UNSUPPORTED, "big-endian"},
    {no_counts, ERROR_FORMAT, "but the file ends after 16"},
    {tensors_wrap, ERROR_FORMAT, "has 18446744073709551615 tensors"},
    {tensors_beyond_the_file, ERROR_FORMAT, "has 5 tensors, more than the 108 bytes"},
    {values_wrap, ERROR_FORMAT, "values, more than the 100 bytes"},
    {key_of_all_ones, ERROR_FORMAT, "key of 18446744073709551615 bytes, expected at most 65535"},
    {key_beyond_the_file, ERROR_FORMAT, "key would take 60000 bytes from byte 32 on"},
    {key_too_long, ERROR_FORMAT, "key of 65536 bytes"},
    {key_empty, ERROR_FORMAT, "key \"\" is empty"},
    {key_with_nul, ERROR_FORMAT, "holds a NUL"},
    {key_not_utf8, ERROR_FORMAT, "not UTF-8"},
    {key_twice, ERROR_FORMAT, "key \"a\" occurs twice"},
    {value_type_unknown, ERROR_FORMAT, "\"a\" has type 13, expected one of 0 to 12"},
    {value_cut, ERROR_FORMAT, "\"abcdefgh\": "},
    {string_wraps, ERROR_FORMAT, "a string of 18446744073709551608 bytes, expected at most 1073741824"},
    {string_beyond_the_file, ERROR_FORMAT, "a string would take 101 bytes"},
    {array_wraps, ERROR_FORMAT, "has 2305843009213693952 elements, more than the 100 bytes"},
    {array_beyond_the_file, ERROR_FORMAT, "has 51 elements, more than the 100 bytes"},
    {array_of_strings_beyond_the_file, ERROR_FORMAT, "\"a\": "},
    {array_of_arrays, ERROR_FORMAT, "array of arrays"},
    {array_type_unknown, ERROR_FORMAT, "has type 4294967295"},
    {bool_of_2, ERROR_FORMAT, "a bool of value 2"},
    {alignment_of_another_type, ERROR_FORMAT, "general.alignment is u64, expected u32"},
    {alignment_array, ERROR_FORMAT, "general.alignment is an array of u32, expected u32"},
    {alignment_0, ERROR_FORMAT, "general.alignment is 0, expected a power of two"},
    {alignment_24, ERROR_FORMAT, "general.alignment is 24"},
    {alignment_huge, ERROR_FORMAT, "general.alignment is 2147483648"},
    {rank_5, ERROR_FORMAT, "has 5 dimensions, expected at most 4"},
    {rank_huge, ERROR_FORMAT, "has 4294967295 dimensions"},
    {dimension_0, ERROR_FORMAT, "F32 [4, 0], which has a dimension of 0"},
    {elements_wrap, ERROR_FORMAT, "more elements than 63 bits"},
    {elements_negative, ERROR_FORMAT, "more elements than 63 bits"},
    {bytes_wrap, ERROR_FORMAT, "more bytes than 64 bits"},
    {type_removed, ERROR_UNSUPPORTED, "ggml type 4"},
    {type_unknown, ERROR_UNSUPPORTED, "ggml type 43"},
    {type_negative, ERROR_UNSUPPORTED, "ggml type 4294967295"},
    {half_a_block, ERROR_FORMAT, "Q4_0 [2, 16], whose rows do not fill blocks of 32"},
    {data_shorter_than_the_shape, ERROR_FORMAT,
     "tensor \"a\" would take 36 bytes from byte 0 of the data on"},
    {no_data_at_all, ERROR_FORMAT, "tensor \"a\" would take 32 bytes"},
    {offset_not_0, ERROR_FORMAT, "begins at byte 32 of the data, expected 0"},
    {offset_with_a_gap, ERROR_FORMAT, "begins at byte 96 of the data, expected 64"},
    {offset_that_overlaps, ERROR_FORMAT, "begins at byte 32 of the data, expected 64"},
    {offset_not_aligned, ERROR_FORMAT, "begins at byte 36 of the data, expected 64"},
    {offset_of_all_ones, ERROR_FORMAT, "expected 64"},
    {tensor_twice, ERROR_FORMAT, "tensor \"a\" occurs twice"},
    {name_empty, ERROR_FORMAT, "tensor name \"\" is empty"},
    {name_too_long, ERROR_FORMAT, "tensor name of 256 bytes"},
    {split_but_alone, ERROR_FORMAT, "file 2 of 3, but its name makes it file 1 of 1"},
};

START_TEST(bad_files_are_refused_by_name)
{
    struct str s = {0};
    bad[_i].make(&s);
    box_gguf("m.gguf", &s);
    ck_assert_ptr_null(box_try("m.gguf", CHECKPOINT_READ, false));
    box_refused(bad[_i].kind, bad[_i].words);
    box_refused(bad[_i].kind, "m.gguf");
}
END_TEST

/* ---- a good one ---- */

static void put_good(struct str *s, uint32_t version)
{
    put_head(s, version, 2, 12);
    put_key_text(s, "general.architecture", "llama");
    put_key_u32(s, "general.alignment", 64);
    put_key(s, "u8", GGUF_U8);
    str_append_bytes(s, "\xff", 1);
    put_key(s, "i8", GGUF_I8);
    str_append_bytes(s, "\xff", 1);
    put_key(s, "i16", GGUF_I16);
    str_append_bytes(s, "\xfe\xff", 2);
    put_key(s, "f32", GGUF_F32);
    str_append_bytes(s, &(float){1.5f}, 4);
    put_key(s, "f64", GGUF_F64);
    str_append_bytes(s, &(double){-2.5}, 8);
    put_key(s, "bool", GGUF_BOOL);
    str_append_bytes(s, "\1", 1);
    put_key(s, "u64", GGUF_U64);
    put_u64(s, UINT64_MAX);
    put_array(s, "texts", GGUF_STRING, 3);
    put_text(s, "one");
    put_text(s, "");
    put_text(s, "\xff three");
    put_array(s, "ints", GGUF_I32, 2);
    put_u32(s, 7);
    put_u32(s, UINT32_MAX);
    put_array(s, "none", GGUF_STRING, 0);
    put_tensor(s, "b", 3, 2, F32, 0);
    put_tensor(s, "a", 32, 3, Q4_0, 64);
    put_padding(s, 64);
    put_data(s, 64 + 54); /* no padding after the last */
}

START_TEST(metadata_is_typed)
{
    struct str s = {0};
    uint64_t u = 1;
    int64_t i = 1;
    double f = 1;
    bool b = false;
    const struct gguf_value *array;
    put_good(&s, 2 + (uint32_t)_i);
    box_gguf("m.gguf", &s);
    struct checkpoint *c = box_open("m.gguf");
    const struct gguf *g = checkpoint_gguf(c);
    ck_assert_ptr_nonnull(g);
    ck_assert_uint_eq(g->version, 2 + (uint32_t)_i);
    ck_assert(gguf_text_is(gguf_find(g, "general.architecture"), "llama"));
    ck_assert(!gguf_text_is(gguf_find(g, "general.architecture"), "llam"));
    ck_assert(gguf_u64(gguf_find(g, "u8"), 0, &u) && u == 255);
    ck_assert(gguf_i64(gguf_find(g, "i8"), 0, &i) && i == -1);
    ck_assert(!gguf_u64(gguf_find(g, "i8"), 0, &u) && u == 255);
    ck_assert(gguf_i64(gguf_find(g, "i16"), 0, &i) && i == -2);
    ck_assert(gguf_f64(gguf_find(g, "i16"), 0, &f) && f == -2);
    ck_assert(gguf_f64(gguf_find(g, "f32"), 0, &f) && f == 1.5);
    ck_assert(gguf_f64(gguf_find(g, "f64"), 0, &f) && f == -2.5);
    ck_assert(!gguf_u64(gguf_find(g, "f64"), 0, &u) && !gguf_bool(gguf_find(g, "u8"), 0, &b));
    ck_assert(gguf_bool(gguf_find(g, "bool"), 0, &b) && b);
    ck_assert(!gguf_u64(gguf_find(g, "bool"), 0, &u) && !gguf_f64(gguf_find(g, "bool"), 0, &f));
    ck_assert(gguf_u64(gguf_find(g, "u64"), 0, &u) && u == UINT64_MAX);
    ck_assert(!gguf_i64(gguf_find(g, "u64"), 0, &i) && i == -2);
    ck_assert(gguf_f64(gguf_find(g, "u64"), 0, &f) && f == 0x1p64);
    ck_assert(gguf_i64(gguf_find(g, "ints"), 1, &i) && i == -1 && !gguf_i64(gguf_find(g, "ints"), 2, &i));
    ck_assert_ptr_null(gguf_find(g, "nothing"));
    ck_assert(!gguf_u64(NULL, 0, &u) && !gguf_text_is(NULL, ""));
    ck_assert(gguf_array(g, "ints", GGUF_I32, 2, &array, &box_error) && array->n == 2);
    ck_assert(gguf_array(g, "nothing", GGUF_I32, 2, &array, &box_error) && !array);
    ck_assert(!gguf_array(g, "ints", GGUF_F32, 2, &array, &box_error));
    box_refused(ERROR_FORMAT, "\"ints\" is an array of i32, expected an array of f32");
    ck_assert(!gguf_array(g, "ints", GGUF_I32, 3, &array, &box_error));
    box_refused(ERROR_FORMAT, "\"ints\" has 2 elements, expected 3");
    ck_assert(!gguf_array(g, "u8", GGUF_U8, GGUF_ANY, &array, &box_error));
    box_refused(ERROR_FORMAT, "\"u8\" is u8, expected an array of u8");
    checkpoint_close(c);
}
END_TEST

START_TEST(strings_of_an_array_come_in_order)
{
    struct str s = {0};
    const char *text;
    size_t n;
    put_good(&s, 3);
    box_gguf("m.gguf", &s);
    struct checkpoint *c = box_open("m.gguf");
    const struct gguf *g = checkpoint_gguf(c);
    struct gguf_texts texts = gguf_texts(gguf_find(g, "texts"));
    ck_assert(gguf_texts_next(&texts, &text, &n) && n == 3 && memcmp(text, "one", 3) == 0);
    ck_assert(gguf_texts_next(&texts, &text, &n) && n == 0);
    ck_assert(gguf_texts_next(&texts, &text, &n) && n == 7 && memcmp(text, "\xff three", 7) == 0);
    ck_assert(!gguf_texts_next(&texts, &text, &n));
    texts = gguf_texts(gguf_find(g, "none"));
    ck_assert(!gguf_texts_next(&texts, &text, &n));
    texts = gguf_texts(gguf_find(g, "ints"));
    ck_assert(!gguf_texts_next(&texts, &text, &n));
    ck_assert(!gguf_text(gguf_find(g, "texts"), &text, &n));
    checkpoint_close(c);
}
END_TEST

START_TEST(tensors_have_the_shapes_of_pytorch)
{
    struct str s = {0};
    put_good(&s, 3);
    size_t data = s.length - 64 - 54;
    box_gguf("other-name", &s); /* known by its magic */
    struct checkpoint *c = box_open("other-name");
    ck_assert_uint_eq(c->n_tensors, 2);
    const struct tensor *a = checkpoint_find(c, "a"), *b = checkpoint_find(c, "b");
    ck_assert_int_eq(a->dtype, DTYPE_Q4_0);
    ck_assert(a->rank == 2 && a->shape[0] == 3 && a->shape[1] == 32);
    ck_assert(a->elements == 96 && a->bytes == 54 && a->offset == data + 64);
    ck_assert(b->dtype == DTYPE_F32 && b->shape[0] == 2 && b->shape[1] == 3 && b->offset == data);
    ck_assert_uint_eq(*(const uint8_t *)a->data, 64);
    ck_assert_uint_eq(c->files[0].head, data);
    checkpoint_close(c);
}
END_TEST

START_TEST(every_type_has_its_size)
{
    size_t known = 0;
    for (uint32_t id = 0; id < 64; id++) {
        const struct gguf_tensor_type *type = gguf_tensor_type_of(id);
        if (!type)
            continue;
        struct str s = {0};
        uint64_t bytes, elements = dtype_facts(type->dtype)->block_elements;
        ck_assert(dtype_bytes(type->dtype, elements, &bytes));
        ck_assert_ptr_eq(gguf_tensor_type_for(type->dtype), type);
        put_head(&s, 3, 1, 0);
        put_tensor(&s, "t", elements, 1, id, 0);
        put_padding(&s, 32);
        put_data(&s, bytes);
        box_gguf("m.gguf", &s);
        struct checkpoint *c = box_open("m.gguf");
        ck_assert_int_eq(c->tensors[0].dtype, type->dtype);
        checkpoint_close(c);
        known++;
    }
    ck_assert_uint_eq(known, 43 - 8); /* of which ggml removed eight */
    ck_assert_ptr_null(gguf_tensor_type_for(DTYPE_U16));
}
END_TEST

START_TEST(a_vocabulary_alone_opens)
{
    struct str s = {0};
    put_head(&s, 3, 0, 1);
    put_key_text(&s, "general.architecture", "llama");
    box_gguf("m.gguf", &s);
    struct checkpoint *c = box_open("m.gguf");
    ck_assert_uint_eq(c->n_tensors, 0);
    ck_assert_uint_eq(c->files[0].head, c->files[0].size);
    checkpoint_close(c);
}
END_TEST

/* ---- config.json ---- */

static void head_of(struct str *s, const char *architecture, uint64_t n_values, uint64_t n_tensors)
{
    put_head(s, 3, n_tensors, 1 + n_values);
    put_key_text(s, "general.architecture", architecture);
}

static void llama_by_layer(struct str *s)
{
    head_of(s, "llama", 4, 1);
    put_key_u32(s, "llama.embedding_length", 64);
    put_array(s, "llama.attention.head_count", GGUF_U32, 2);
    put_u32(s, 4);
    put_u32(s, 4);
    put_key(s, "llama.attention.layer_norm_rms_epsilon", GGUF_F32);
    str_append_bytes(s, &(float){1e-5f}, 4);
    put_key(s, "llama.block_count", GGUF_U64);
    put_u64(s, 2);
    put_tensor(s, "token_embd.weight", 64, 100, Q4_0, 0);
    put_padding(s, 32);
    put_data(s, 100 * 36);
}

static void mixtral(struct str *s)
{
    head_of(s, "llama", 1, 0);
    put_key_u32(s, "llama.expert_count", 8);
}

static void neox(struct str *s)
{
    head_of(s, "gptneox", 4, 0);
    put_key_u32(s, "gptneox.embedding_length", 64);
    put_key_u32(s, "gptneox.attention.head_count", 4);
    put_key_u32(s, "gptneox.rope.dimension_count", 4);
    put_key(s, "gptneox.use_parallel_residual", GGUF_BOOL);
    str_append_bytes(s, "\1", 1);
}

static void falcon_40b(struct str *s)
{
    head_of(s, "falcon", 2, 1);
    put_key_u32(s, "falcon.attention.head_count", 16);
    put_key_u32(s, "falcon.attention.head_count_kv", 8);
    put_tensor(s, "blk.0.attn_norm_2.weight", 8, 1, F32, 0);
    put_padding(s, 32);
    put_data(s, 32);
}

static void gemma2_27b(struct str *s)
{
    head_of(s, "gemma2", 5, 0);
    put_key_u32(s, "gemma2.block_count", 46);
    put_key_u32(s, "gemma2.embedding_length", 4608);
    put_key_u32(s, "gemma2.attention.head_count", 32);
    put_key_u32(s, "gemma2.attention.key_length", 128);
    put_key(s, "gemma2.attn_logit_softcapping", GGUF_F32);
    str_append_bytes(s, &(float){50}, 4);
}

/* The divisors of Llama 3.2 1B: heads of 64, base 500000, factor 32. */
static void put_divisors(struct str *s, bool plain)
{
    head_of(s, "llama", 2, 2);
    put_key(s, "llama.rope.freq_base", GGUF_F32);
    str_append_bytes(s, &(float){500000}, 4);
    put_key_u32(s, "llama.context_length", 131072);
    put_tensor(s, "rope_freqs.weight", 32, 1, F32, 0);
    put_tensor(s, "output.weight", 8, 1, F32, 128);
    put_padding(s, 32);
    for (int i = 0; i < 32; i++) {
        double wavelength = 2 * 3.14159265358979323846 * pow(500000, i / 32.0), divisor = 1;
        if (wavelength > 8192)
            divisor = 32;
        else if (wavelength > 2048) {
            double smooth = (8192 / wavelength - 1) / 3;
            divisor = 1 / ((1 - smooth) / 32 + smooth);
        }
        str_append_bytes(s, &(float){plain ? (float)i + 1 : (float)divisor}, 4);
    }
    put_data(s, 32);
}

static void llama3(struct str *s)
{
    put_divisors(s, false);
}

static void divisors_of_its_own(struct str *s)
{
    put_divisors(s, true);
}

static void yarn(struct str *s)
{
    head_of(s, "qwen2", 3, 0);
    put_key_text(s, "qwen2.rope.scaling.type", "yarn");
    put_key(s, "qwen2.rope.scaling.factor", GGUF_F32);
    str_append_bytes(s, &(float){4}, 4);
    put_key_u32(s, "qwen2.rope.scaling.original_context_length", 32768);
}

static void unknown(struct str *s)
{
    head_of(s, "rwkv6", 1, 0);
    put_key_u32(s, "rwkv6.embedding_length", 64);
}

static void partial_where_none_is(struct str *s)
{
    head_of(s, "llama", 3, 0);
    put_key_u32(s, "llama.embedding_length", 64);
    put_key_u32(s, "llama.attention.head_count", 4);
    put_key_u32(s, "llama.rope.dimension_count", 4);
}

static const struct config_case {
    void (*make)(struct str *s);
    const char *parts[8];
} configs[] = {
    {llama_by_layer,
     {"\"model_type\": \"llama\"", "\"architectures\": [\n    \"LlamaForCausalLM\"\n  ]",
      "\"hidden_size\": 64", "\"num_attention_heads\": 4", "\"rms_norm_eps\": 1e-05", "\"vocab_size\": 100",
      "\"tie_word_embeddings\": true"}},
    {mixtral, {"\"model_type\": \"mixtral\"", "\"num_local_experts\": 8"}},
    {neox, {"\"model_type\": \"gpt_neox\"", "\"rotary_pct\": 0.25", "\"use_parallel_residual\": true"}},
    {falcon_40b,
     {"\"num_kv_heads\": 8", "\"new_decoder_architecture\": true", "\"num_ln_in_parallel_attn\": 2",
      "\"multi_query\": false"}},
    {gemma2_27b, {"\"query_pre_attn_scalar\": 144", "\"attn_logit_softcapping\": 50"}},
    {llama3,
     {"\"rope_type\": \"llama3\"", "\"factor\": 32", "\"original_max_position_embeddings\": 8192",
      "\"tie_word_embeddings\": false"}},
    {divisors_of_its_own,
     {"\"rope_type\": \"longrope\"", "\"attention_factor\": 1",
      "\"original_max_position_embeddings\": 131072"}},
    {yarn, {"\"rope_type\": \"yarn\"", "\"factor\": 4", "\"original_max_position_embeddings\": 32768"}},
    {unknown, {"\"model_type\": \"rwkv6\"", "\"hidden_size\": 64"}},
    {partial_where_none_is, {"\"partial_rotary_factor\": 0.25"}},
};

START_TEST(the_config_comes_from_metadata)
{
    struct str s = {0};
    char *text;
    size_t n;
    configs[_i].make(&s);
    box_gguf("m.gguf", &s);
    box_text("config.json", "not this one");
    box_text("tokenizer.json", "nor this");
    struct checkpoint *c = box_open("m.gguf");
    ck_assert_msg(checkpoint_companion(c, "config.json", &text, &n, &box_error), "%s", box_error.text);
    ck_assert_uint_eq(strlen(text), n);
    for (size_t i = 0; i < 8 && configs[_i].parts[i]; i++)
        ck_assert_msg(strstr(text, configs[_i].parts[i]), "%s not in %s", configs[_i].parts[i], text);
    free(text);
    ck_assert(checkpoint_companion(c, "tokenizer.json", &text, &n, &box_error) && !text);
    checkpoint_close(c);
}
END_TEST

START_TEST(configs_that_cannot_be_said)
{
    struct str s = {0};
    char *text;
    size_t n;
    if (_i) {
        head_of(&s, "llama", 1, 0);
        put_array(&s, "llama.attention.head_count", GGUF_U32, 2);
        put_u32(&s, 4);
        put_u32(&s, 8);
    } else
        put_head(&s, 3, 0, 0);
    box_gguf("m.gguf", &s);
    struct checkpoint *c = box_open("m.gguf");
    ck_assert(!checkpoint_companion(c, "config.json", &text, &n, &box_error));
    if (_i)
        box_refused(ERROR_UNSUPPORTED, "m.gguf: \"llama.attention.head_count\" differs from layer to layer");
    else
        box_refused(ERROR_FORMAT, "m.gguf: there is no general.architecture");
    checkpoint_close(c);
}
END_TEST

/* ---- split ---- */

static void put_part(struct str *s, uint16_t no, uint16_t count, uint32_t tensors, const char *name)
{
    put_head(s, 3, 1, 4);
    put_key_text(s, "general.architecture", no ? "another" : "llama");
    put_key(s, "split.no", GGUF_U16);
    str_append_bytes(s, &no, 2);
    put_key(s, "split.count", GGUF_U16);
    str_append_bytes(s, &count, 2);
    put_key_u32(s, "split.tensors.count", tensors);
    put_tensor(s, name, 8, 1, F32, 0);
    put_padding(s, 32);
    put_data(s, 32);
}

static void box_parts(uint32_t tensors, uint16_t no)
{
    struct str s = {0};
    put_part(&s, 0, 2, tensors, "b");
    box_gguf("m-00001-of-00002.gguf", &s);
    put_part(&s, no, 2, tensors, "a");
    box_gguf("m-00002-of-00002.gguf", &s);
}

START_TEST(a_split_model_opens_by_any_of_its_files)
{
    box_parts(2, 1);
    struct checkpoint *c = box_open(_i ? "m-00002-of-00002.gguf" : "m-00001-of-00002.gguf");
    ck_assert_uint_eq(c->n_files, 2);
    ck_assert_uint_eq(c->n_tensors, 2);
    ck_assert(checkpoint_find(c, "a")->file == 1 && checkpoint_find(c, "b")->file == 0);
    ck_assert(gguf_text_is(gguf_find(checkpoint_gguf(c), "general.architecture"), "llama"));
    checkpoint_close(c);
}
END_TEST

START_TEST(split_files_must_belong_together)
{
    box_parts(3, 1);
    ck_assert_ptr_null(box_try("m-00001-of-00002.gguf", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT, "says that there are 3 tensors in all files, found 2");
    box_parts(2, 0);
    ck_assert_ptr_null(box_try("m-00001-of-00002.gguf", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT,
                "m-00002-of-00002.gguf: says that it is file 1 of 2, but its name makes it file 2");
    ck_assert_int_eq(unlink(box_path("m-00002-of-00002.gguf")), 0);
    ck_assert_ptr_null(box_try("m-00001-of-00002.gguf", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "m-00002-of-00002.gguf: No such file");
}
END_TEST

START_TEST(names_of_split_files)
{
    unsigned index = 9, count = 9;
    char name[] = "x-00003-of-00012.gguf";
    ck_assert(gguf_split_parse(name, &index, &count) && index == 2 && count == 12);
    gguf_split_rename(name, 11);
    ck_assert_str_eq(name, "x-00012-of-00012.gguf");
    static const char *const others[] = {"-00001-of-00002.gguf",  "x-00000-of-00002.gguf",
                                         "x-00003-of-00002.gguf", "x-0001-of-00002.gguf",
                                         "x-00001-of-00002.bin",  "x.gguf",
                                         "x-0000a-of-00002.gguf", "x-00001-if-00002.gguf"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!gguf_split_parse(others[i], &index, &count), "%s", others[i]);
}
END_TEST

/* ---- writing ---- */

static void make_values(struct gguf_values *values)
{
    gguf_put_text(values, "general.architecture", "llama", 5);
    gguf_put_u32(values, "llama.block_count", 7);
    gguf_put_f32(values, "llama.rope.freq_base", 1.5f);
    gguf_put_bool(values, "tokenizer.ggml.add_bos_token", true);
    gguf_put_array(values, "tokenizer.ggml.tokens", GGUF_STRING, 2);
    gguf_put_string(values, "a", 1);
    gguf_put_string(values, "", 0);
}

START_TEST(what_is_written_is_read_back)
{
    struct gguf_values values = {0};
    struct tensor_plan plans[] = {{.name = "z", .dtype = DTYPE_Q4_0, .rank = 2, .shape = {3, 64}},
                                  {.name = "a", .dtype = DTYPE_F32, .rank = 1, .shape = {3}},
                                  {.name = "e", .dtype = DTYPE_BF16, .rank = 3, .shape = {2, 1, 5}}};
    struct gguf_file *file;
    uint64_t number;
    float f[3] = {1, 2, 3};
    make_values(&values);
    for (int turn = 0; turn < 2; turn++) {
        ck_assert_msg(
            gguf_file_begin(&box_context, box_path("m.gguf"), turn, plans, 3, &values, &file, &box_error),
            "%s", box_error.text);
        ck_assert(gguf_file_put(file, plans[1].offset, f, sizeof f, &box_error));
        ck_assert_msg(gguf_file_commit(file, &box_error), "%s", box_error.text);
        gguf_file_free(file);
    }
    ck_assert(
        !gguf_file_begin(&box_context, box_path("m.gguf"), false, plans, 3, &values, &file, &box_error));
    box_refused(ERROR_USAGE, "is there already");
    struct checkpoint *c = box_open("m.gguf");
    ck_assert_uint_eq(c->n_tensors, 3);
    const struct tensor *a = checkpoint_find(c, "a"), *e = checkpoint_find(c, "e"),
                        *z = checkpoint_find(c, "z");
    ck_assert(z->dtype == DTYPE_Q4_0 && z->shape[0] == 3 && z->shape[1] == 64 && z->bytes == 108);
    ck_assert(a->rank == 1 && memcmp(a->data, f, sizeof f) == 0 && a->offset == z->offset + 128);
    ck_assert(e->rank == 3 && e->shape[0] == 2 && e->shape[2] == 5);
    ck_assert_uint_eq(c->files[0].size % 32, 0);
    const struct gguf *g = checkpoint_gguf(c);
    ck_assert(gguf_text_is(gguf_find(g, "general.architecture"), "llama"));
    ck_assert(gguf_u64(gguf_own(g, "block_count"), 0, &number) && number == 7);
    ck_assert_uint_eq(gguf_find(g, "tokenizer.ggml.tokens")->n, 2);
    checkpoint_close(c);
    str_release(&values.text);
}
END_TEST

START_TEST(an_unfinished_file_leaves_nothing)
{
    struct gguf_values values = {0};
    struct tensor_plan plan = {.name = "a", .dtype = DTYPE_F32, .rank = 1, .shape = {3}};
    struct gguf_file *file;
    char *list;
    ck_assert(gguf_file_begin(&box_context, box_path("m.gguf"), false, &plan, 1, &values, &file, &box_error));
    gguf_file_free(file);
    ck_assert_int_eq(box_context.fs->list(box_context.fs->state, box, &list), 0);
    ck_assert_uint_eq(list[0], 0);
    free(list);
}
END_TEST

static const struct tensor_plan not_in_gguf[] = {
    {.name = "a", .dtype = DTYPE_U16, .rank = 1, .shape = {4}},
    {.name = "a", .dtype = DTYPE_Q8_0, .rank = 2, .shape = {32, 16}},
    {.name = "a", .dtype = DTYPE_F32, .rank = 5, .shape = {1, 1, 1, 1, 1}},
    {.name = "a", .dtype = DTYPE_F32, .rank = 2, .shape = {4, 0}},
    {.name = "a", .dtype = DTYPE_F32, .rank = 2, .shape = {UINT64_MAX, 2}},
    {.name = "a-name-of-more-than-sixty-three-bytes-which-is-what-ggml-takes-at-most",
     .dtype = DTYPE_F32,
     .rank = 1,
     .shape = {4}},
};

START_TEST(what_ggml_does_not_read_is_not_written)
{
    struct gguf_values values = {0};
    struct tensor_plan plan = not_in_gguf[_i];
    uint8_t *head;
    size_t n;
    uint64_t bytes;
    ck_assert(!gguf_layout(&plan, 1, &values, &head, &n, &bytes, &box_error));
    box_refused(ERROR_UNSUPPORTED, "cannot lie in a GGUF");
}
END_TEST

/* ---- changing in place ---- */

START_TEST(a_change_in_place_is_guarded_and_undone)
{
    static const struct transaction_options how = {.kind = "edit", .command = "lancet edit"};
    struct history_undo_options undo = {.command = "lancet undo"};
    struct history_undone undone;
    struct transaction *t;
    struct error ended;
    struct str s = {0};
    uint32_t number;
    size_t n, m;
    put_good(&s, 3);
    box_gguf("m.gguf", &s);
    char *before = box_read("m.gguf", &n);
    struct checkpoint *c = box_try("m.gguf", CHECKPOINT_CHANGE, false);
    ck_assert_msg(c != NULL, "%s", box_error.text);
    const struct tensor *a = checkpoint_find(c, "a");
    ck_assert_msg(transaction_begin(&box_context, c, &how, &a, 1, &t, &box_error), "%s", box_error.text);
    char *during = box_read("m.gguf", &m);
    ck_assert(m == n && during[0] == 0x7f && memcmp(during, "GGUF", 4) != 0 &&
              memcmp(during + 4, before + 4, n - 4) == 0);
    ck_assert(transaction_write(t, a, 18, "new bytes", 9, &box_error));
    ck_assert_msg(transaction_commit(t, &number, &box_error), "%s", box_error.text);
    ck_assert(transaction_end(t, &ended));
    checkpoint_close(c);
    char *after = box_read("m.gguf", &m);
    ck_assert(memcmp(after, "GGUF", 4) == 0 && memcmp(after, before, n) != 0);
    c = box_try("m.gguf", CHECKPOINT_CHANGE, false);
    ck_assert_msg(c != NULL, "%s", box_error.text);
    ck_assert_msg(history_undo(&box_context, c, &undo, &undone, &box_error), "%s", box_error.text);
    checkpoint_close(c);
    char *again = box_read("m.gguf", &m);
    ck_assert(m == n && memcmp(again, before, n) == 0);
    free(before);
    free(during);
    free(after);
    free(again);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf");
    TCase *tc = tcase_create("gguf");
    tcase_add_checked_fixture(tc, box_setup, box_teardown);
    tcase_add_loop_test(tc, bad_files_are_refused_by_name, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(tc, metadata_is_typed, 0, 2);
    tcase_add_test(tc, strings_of_an_array_come_in_order);
    tcase_add_test(tc, tensors_have_the_shapes_of_pytorch);
    tcase_add_test(tc, every_type_has_its_size);
    tcase_add_test(tc, a_vocabulary_alone_opens);
    tcase_add_loop_test(tc, the_config_comes_from_metadata, 0, sizeof configs / sizeof *configs);
    tcase_add_loop_test(tc, configs_that_cannot_be_said, 0, 2);
    tcase_add_loop_test(tc, a_split_model_opens_by_any_of_its_files, 0, 2);
    tcase_add_test(tc, split_files_must_belong_together);
    tcase_add_test(tc, names_of_split_files);
    tcase_add_test(tc, a_change_in_place_is_guarded_and_undone);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, an_unfinished_file_leaves_nothing);
    tcase_add_loop_test(tc, what_ggml_does_not_read_is_not_written, 0,
                        sizeof not_in_gguf / sizeof *not_in_gguf);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
