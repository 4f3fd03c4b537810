#include "suite.h"

#include "index.h"
#include "model_box.h"

#define SHARD1 "model-00001-of-00002.safetensors"
#define SHARD2 "model-00002-of-00002.safetensors"
#define INDEX "model.safetensors.index.json"

static void two_shards(void)
{
    box_setup();
    box_safetensors(SHARD1,
                    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                    "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
                    3);
    box_safetensors(SHARD2, "{\"c\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
}

/* Each is an index over the two shards: a and b lie in the first, c in the second. */
static const struct bad {
    const char *what, *text;
    enum error_kind kind;
    const char *words;
} bad[] = {
    {"nothing", "", ERROR_FORMAT, "the text ends"},
    {"an array", "[]", ERROR_FORMAT, "found '['"},
    {"cut", "{\"weight_map\":{\"a\":\"" SHARD1, ERROR_FORMAT, "1:"},
    {"text behind", "{\"weight_map\":{\"a\":\"" SHARD1 "\"}}x", ERROR_FORMAT, "found 'x'"},
    {"no map", "{\"metadata\":{}}", ERROR_FORMAT, "there is no \"weight_map\""},
    {"an empty map", "{\"weight_map\":{}}", ERROR_FORMAT, "names no tensor"},
    {"a map that is a list", "{\"weight_map\":[]}", ERROR_FORMAT, "found '['"},
    {"the map twice", "{\"weight_map\":{\"a\":\"" SHARD1 "\"},\"weight_map\":{\"c\":\"" SHARD2 "\"}}",
     ERROR_FORMAT, "\"weight_map\" occurs twice"},
    {"a number for a shard", "{\"weight_map\":{\"a\":1}}", ERROR_FORMAT, "tensor \"a\""},
    {"a path upwards", "{\"weight_map\":{\"a\":\"../" SHARD1 "\"}}", ERROR_FORMAT, "not a plain file name"},
    {"an absolute path", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", ERROR_FORMAT, "not a plain file name"},
    {"a path with an escaped slash", "{\"weight_map\":{\"a\":\"x\\/y\"}}", ERROR_FORMAT,
     "not a plain file name"},
    {"two dots", "{\"weight_map\":{\"a\":\"..\"}}", ERROR_FORMAT, "not a plain file name"},
    {"one dot", "{\"weight_map\":{\"a\":\".\"}}", ERROR_FORMAT, "not a plain file name"},
    {"no name", "{\"weight_map\":{\"a\":\"\"}}", ERROR_FORMAT, "not a plain file name"},
    {"a NUL in a shard", "{\"weight_map\":{\"a\":\"x\\u0000y\"}}", ERROR_FORMAT, "not a plain file name"},
    {"a NUL in a tensor", "{\"weight_map\":{\"a\\u0000\":\"" SHARD1 "\"}}", ERROR_FORMAT, "NUL character"},
    {"a tensor twice", "{\"weight_map\":{\"a\":\"" SHARD1 "\",\"\\u0061\":\"" SHARD1 "\"}}", ERROR_FORMAT,
     "tensor \"a\" occurs twice"},
    {"a missing shard", "{\"weight_map\":{\"a\":\"model-3.safetensors\"}}", ERROR_IO,
     "model-3.safetensors: No such file"},
    {"a shard that is an unknown form", "{\"weight_map\":{\"a\":\"" INDEX "\"}}", ERROR_UNSUPPORTED,
     "a form that lancet does not read"},
    {"a tensor that no shard holds", "{\"weight_map\":{\"a\":\"" SHARD1 "\",\"x\":\"" SHARD1 "\"}}",
     ERROR_FORMAT, "tensor \"x\" is mapped to \"" SHARD1 "\", but is not there"},
    {"a tensor in another shard", "{\"weight_map\":{\"a\":\"" SHARD2 "\",\"b\":\"" SHARD1 "\"}}",
     ERROR_FORMAT, "tensor \"a\" is mapped to \"" SHARD2 "\", but lies in \"" SHARD1 "\""},
    {"nesting without end",
     "{\"metadata\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     ERROR_FORMAT, "nested deeper"},
};

START_TEST(malformed_indexes_are_named)
{
    const struct bad *b = &bad[_i];
    box_text(INDEX, b->text);
    ck_assert_msg(!box_try("", CHECKPOINT_READ, false), "%s: opened", b->what);
    ck_assert_msg(box_error.kind == b->kind && strstr(box_error.text, b->words), "%s: kind %d: %s", b->what,
                  (int)box_error.kind, box_error.text);
}
END_TEST

START_TEST(a_good_index_joins_its_shards)
{
    box_text(INDEX, "{\"metadata\":{\"total_size\":7},\"weight_map\":{\"c\":\"" SHARD2 "\",\"b\":\"" SHARD1
                    "\",\"a\":\"" SHARD1 "\"},\"x\":[1,{}]}\n");
    struct checkpoint *c = box_open("");
    ck_assert_uint_eq(c->n_files, 2);
    ck_assert_uint_eq(c->n_tensors, 3);
    ck_assert_uint_eq(c->n_warnings, 0);
    ck_assert_str_eq(c->index, INDEX);
    ck_assert_str_eq(c->files[0].name, SHARD1);
    ck_assert_uint_eq(checkpoint_find(c, "a")->file, 0);
    ck_assert_uint_eq(checkpoint_find(c, "c")->file, 1);
    ck_assert_int_eq(memcmp(checkpoint_find(c, "c")->data, "\0\1\2\3", 4), 0);
    ck_assert_ptr_nonnull(c->directory);
    checkpoint_close(c);
    c = box_open(INDEX); /* the index by its own name */
    ck_assert_uint_eq(c->n_tensors, 3);
    ck_assert(!c->is_folder);
    checkpoint_close(c);
}
END_TEST

START_TEST(tensors_that_it_forgets_are_warnings)
{
    box_text(INDEX, "{\"weight_map\":{\"c\":\"" SHARD2 "\",\"b\":\"" SHARD1 "\"}}");
    struct checkpoint *c = box_open("");
    ck_assert_uint_eq(c->n_tensors, 3);
    ck_assert_uint_eq(c->n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(c->warnings[0], "tensor \"a\" of \"" SHARD1 "\" is not in the weight map"));
    checkpoint_close(c);
}
END_TEST

START_TEST(many_forgotten_tensors_are_counted)
{
    char header[2000] = "{", map[] = "{\"weight_map\":{\"t0\":\"s.safetensors\"}}";
    size_t n = 1;
    for (int i = 0; i < 20; i++)
        n +=
            (size_t)sprintf(header + n, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                            i ? "," : "", i, i, i + 1);
    strcpy(header + n, "}");
    box_safetensors("s.safetensors", header, 20);
    box_text(INDEX, map);
    struct checkpoint *c = box_open("");
    ck_assert_uint_eq(c->n_warnings, 9);
    ck_assert_ptr_nonnull(strstr(c->warnings[8], "11 more tensors"));
    checkpoint_close(c);
}
END_TEST

START_TEST(one_name_in_two_shards_is_refused)
{
    box_safetensors(SHARD2, "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    box_text(INDEX, "{\"weight_map\":{\"a\":\"" SHARD2 "\",\"b\":\"" SHARD1 "\"}}");
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT, "tensor \"a\" lies in two files");
    ck_assert_ptr_nonnull(strstr(box_error.text, SHARD1));
    ck_assert_ptr_nonnull(strstr(box_error.text, SHARD2));
}
END_TEST

/* The parser alone, over a text that is exactly as long as it says. */
START_TEST(parsed_entries_are_sorted)
{
    static const char text[] = "{\"weight_map\":{\"z\":\"2\",\"a\":\"1\",\"m\":\"2\",\"b\":\"1\"}}";
    struct arena arena = {0};
    struct shard_index index;
    char *exact = malloc(sizeof text - 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, sizeof text - 1);
    ck_assert(index_parse("I", exact, sizeof text - 1, &arena, &index, &box_error));
    free(exact);
    ck_assert_uint_eq(index.n_entries, 4);
    ck_assert_uint_eq(index.n_shards, 2);
    ck_assert_str_eq(index.shards[0], "1");
    ck_assert_str_eq(index.entries[0].tensor, "a");
    ck_assert_str_eq(index.entries[3].tensor, "z");
    ck_assert_str_eq(index.entries[3].shard, "2");
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tc = tcase_create("index");
    tcase_add_checked_fixture(tc, two_shards, box_teardown);
    tcase_add_loop_test(tc, malformed_indexes_are_named, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, a_good_index_joins_its_shards);
    tcase_add_test(tc, tensors_that_it_forgets_are_warnings);
    tcase_add_test(tc, many_forgotten_tensors_are_counted);
    tcase_add_test(tc, one_name_in_two_shards_is_refused);
    tcase_add_test(tc, parsed_entries_are_sorted);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
