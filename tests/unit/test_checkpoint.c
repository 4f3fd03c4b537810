#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"
#include "model_box.h"

#define MODEL "model.safetensors"
static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                             "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                             "\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[24,28]}}";

static void setup(void)
{
    box_setup();
    box_safetensors(MODEL, header, 28);
}

START_TEST(a_folder_and_its_file_are_the_same_model)
{
    struct checkpoint *c = box_open("");
    ck_assert(c->is_folder && !c->writable && !c->index);
    ck_assert_str_eq(c->directory, box);
    ck_assert_uint_eq(c->n_tensors, 2);
    ck_assert_str_eq(c->tensors[0].name, "b");
    ck_assert_str_eq(c->files[0].path, box_path(MODEL));
    ck_assert_str_eq(c->files[0].format->name, "safetensors");
    ck_assert(!c->files[0].in_cache && !c->files[0].hard_linked);
    checkpoint_close(c);
    c = box_open(MODEL);
    ck_assert(!c->is_folder);
    ck_assert_str_eq(c->directory, box);
    ck_assert_str_eq(c->folder, box);
    ck_assert_uint_eq(checkpoint_find(c, "w")->bytes, 24);
    checkpoint_close(c);
    ck_assert_int_eq(chdir(box), 0);
    struct checkpoint_options read = {0};
    ck_assert(checkpoint_open(&box_context, MODEL, &read, &c, &box_error));
    ck_assert_str_eq(c->folder, ".");
    ck_assert_str_eq(c->files[0].shown, "./" MODEL);
    checkpoint_close(c);
}
END_TEST

START_TEST(shapes_are_described)
{
    static const struct tensor tensors[] = {{.dtype = DTYPE_F32, .rank = 0},
                                            {.dtype = DTYPE_BF16, .rank = 2, .shape = {3, 4}}};
    char out[64], small[8];
    tensor_describe(&tensors[0], out, sizeof out);
    ck_assert_str_eq(out, "F32 []");
    tensor_describe(&tensors[1], out, sizeof out);
    ck_assert_str_eq(out, "BF16 [3, 4]");
    tensor_describe(&tensors[1], small, sizeof small);
    ck_assert_str_eq(small, "BF16 [3");
}
END_TEST

START_TEST(companions)
{
    char *text;
    size_t n;
    box_write("config.json", "{}\0x", 4);
    struct checkpoint *c = box_open("");
    ck_assert(checkpoint_companion(c, "config.json", &text, &n, &box_error));
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(memcmp(text, "{}\0x", 5), 0);
    free(text);
    ck_assert(checkpoint_companion(c, "tokenizer.json", &text, &n, &box_error));
    ck_assert_ptr_null(text);
    ck_assert_int_eq(mkdir(box_path("vocab.json"), 0777), 0);
    ck_assert(!checkpoint_companion(c, "vocab.json", &text, &n, &box_error));
    box_refused(ERROR_IO, "vocab.json");
    checkpoint_close(c);
}
END_TEST

START_TEST(digests)
{
    struct digest d, expected;
    size_t n;
    char *bytes = box_read(MODEL, &n);
    struct checkpoint *c = box_open("");
    ck_assert(checkpoint_header_digest(c, 0, &d, &box_error));
    ck_assert(digest_of(bytes, 8 + strlen(header), &expected, &box_error));
    ck_assert(digest_equal(&d, &expected));
    ck_assert(checkpoint_tensor_digest(c, checkpoint_find(c, "b"), &d, &box_error));
    ck_assert(digest_of("\30\31\32\33", 4, &expected, &box_error));
    ck_assert(digest_equal(&d, &expected));
    ck_assert(checkpoint_file_digest(c, 0, &d, &box_error));
    ck_assert(digest_of(bytes, n, &expected, &box_error));
    ck_assert(digest_equal(&d, &expected));
    sig_atomic_t cancel = 1;
    box_context.cancel = &cancel;
    ck_assert(!checkpoint_file_digest(c, 0, &d, &box_error));
    ck_assert_int_eq(box_error.kind, ERROR_CANCELLED);
    box_context.cancel = NULL;
    ck_assert_int_eq(truncate(box_path(MODEL), 20), 0);
    ck_assert(!checkpoint_file_digest(c, 0, &d, &box_error));
    box_refused(ERROR_IO, "cut short at byte 20");
    checkpoint_close(c);
    free(bytes);
}
END_TEST

START_TEST(folders_without_weights_say_what_was_looked_for)
{
    ck_assert_int_eq(unlink(box_path(MODEL)), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "looked for model.safetensors and model.safetensors.index.json");
    box_text("pytorch_model.bin", "x");
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_UNSUPPORTED, "\"pytorch_model.bin\" are in a form");
    box_text("m.gguf", "x");
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "give \"m.gguf\" by its own name");
    ck_assert_ptr_null(box_try("m.gguf", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT, "m.gguf: has 1 bytes, a GGUF file has at least 24");
    ck_assert_ptr_null(box_try("pytorch_model.bin", CHECKPOINT_READ, false));
    box_refused(ERROR_UNSUPPORTED, "pytorch_model.bin: weights in a form that lancet does not read");
    box_safetensors("other.safetensors", header, 28);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "give \"other.safetensors\" by its own name");
    ck_assert_ptr_null(box_try("none/at/all", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "No such file");
}
END_TEST

START_TEST(a_single_file_is_preferred_to_an_index)
{
    box_text("model.safetensors.index.json", "not even JSON");
    struct checkpoint *c = box_open("");
    ck_assert_uint_eq(c->n_files, 1);
    ck_assert_uint_eq(c->n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(c->warnings[0], "an index lies beside it and is not used"));
    checkpoint_close(c);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    ck_assert_int_eq(unlink(box_path(MODEL)), 0);
    ck_assert_int_eq(mkfifo(box_path(MODEL), 0600), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false)); /* and does not wait for a writer */
    box_refused(ERROR_IO, "not a regular file");
    ck_assert_int_eq(unlink(box_path(MODEL)), 0);
    ck_assert_int_eq(mkdir(box_path(MODEL), 0777), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "not a regular file");
}
END_TEST

START_TEST(locks)
{
    struct checkpoint *a = box_open(""), *b = box_open(MODEL);
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_BUSY, "another run of lancet is using it");
    checkpoint_close(a);
    checkpoint_close(b);
    a = box_try("", CHECKPOINT_CHANGE, false);
    ck_assert_msg(a != NULL, "%s", box_error.text);
    ck_assert(a->writable);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_BUSY, "another run of lancet is changing it");
    checkpoint_close(a);
    checkpoint_close(box_open(""));
}
END_TEST

static int lock_errno;
static int failing_lock(void *state, int fd, int operation)
{
    (void)state, (void)fd, (void)operation;
    errno = lock_errno;
    return -1;
}

START_TEST(where_there_are_no_locks_only_reading_is_safe)
{
    struct fs fs = *fs_real();
    fs.lock = failing_lock;
    box_context.fs = &fs;
    static const int numbers[] = {ENOLCK, EOPNOTSUPP};
    for (int i = 0; i < 2; i++) {
        lock_errno = numbers[i];
        checkpoint_close(box_open(""));
        ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
        box_refused(ERROR_IO, "not safe to change it");
    }
}
END_TEST

static int lock_after_replacement(void *state, int fd, int operation)
{
    ck_assert_int_eq(rename(box_path("other"), box_path(MODEL)), 0);
    return fs_real()->lock(state, fd, operation);
}

START_TEST(a_file_put_in_its_place_meanwhile)
{
    struct fs fs = *fs_real();
    fs.lock = lock_after_replacement;
    box_context.fs = &fs;
    box_safetensors("other", header, 28);
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_BUSY, "another file was put in its place");
}
END_TEST

START_TEST(files_that_another_program_has_open)
{
    int fd = open(box_path(MODEL), O_RDONLY);
    void *map = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert(fd >= 0 && map != MAP_FAILED);
    close(fd);
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, false));
    box_refused(ERROR_BUSY, "another program has it open");
    struct checkpoint *c = box_try("", CHECKPOINT_CHANGE, true);
    ck_assert_ptr_nonnull(c);
    checkpoint_close(c);
    munmap(map, 16);
    c = box_try("", CHECKPOINT_CHANGE, false);
    ck_assert_ptr_nonnull(c);
    checkpoint_close(c);
}
END_TEST

START_TEST(hard_links_are_refused_without_force)
{
    ck_assert_int_eq(link(box_path(MODEL), box_path("second")), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, false));
    box_refused(ERROR_USAGE, "hard links");
    struct checkpoint *c = box_try("", CHECKPOINT_CHANGE, true);
    ck_assert_ptr_nonnull(c);
    ck_assert(c->files[0].hard_linked);
    checkpoint_close(c);
    checkpoint_close(box_open(""));
}
END_TEST

START_TEST(caches_are_refused_without_force)
{
    static const struct place {
        const char *folder, *name;
        bool is_cache;
    } places[] = {{"blobs", "0123456789abcdef", true},
                  {"blobs", "sha256-00ff", true},
                  {"blobs", "model-a", true}, /* because it is a link */
                  {".git/annex", "SHA256E-s1.safetensors", true},
                  {"elsewhere", "0123456789abcdef", false}};
    ck_assert_int_eq(mkdir(box_path(".git"), 0777), 0);
    ck_assert_int_eq(rename(box_path(MODEL), box_path("kept")), 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char target[200];
        mkdir(box_path(places[i].folder), 0777);
        snprintf(target, sizeof target, "%s/%s", places[i].folder, places[i].name);
        ck_assert_int_eq(rename(box_path("kept"), box_path(target)), 0);
        ck_assert_int_eq(symlink(target, box_path(MODEL)), 0);
        struct checkpoint *c = box_try("", CHECKPOINT_CHANGE, false);
        ck_assert_int_eq(c == NULL, places[i].is_cache);
        if (!c) {
            box_refused(ERROR_USAGE, "a cache that names files by their content");
            c = box_try("", CHECKPOINT_CHANGE, true);
        }
        ck_assert_msg(c != NULL, "%s", box_error.text);
        ck_assert_int_eq(c->files[0].in_cache, places[i].is_cache);
        ck_assert_str_eq(c->files[0].path, box_path(target));
        ck_assert_str_eq(c->directory, box_path(places[i].folder));
        ck_assert_str_eq(c->folder, box_path(""));
        checkpoint_close(c);
        ck_assert_int_eq(unlink(box_path(MODEL)), 0);
        ck_assert_int_eq(rename(box_path(target), box_path("kept")), 0);
    }
}
END_TEST

static void two_shards(const char *first, const char *second)
{
    ck_assert_int_eq(unlink(box_path(MODEL)), 0);
    ck_assert_int_eq(mkdir(box_path("far"), 0777), 0);
    box_safetensors(first, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    box_safetensors(second, "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    box_text("model.safetensors.index.json",
             "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
}

START_TEST(shards_in_several_folders_are_only_read)
{
    two_shards("1.safetensors", "far/2.safetensors");
    ck_assert_int_eq(symlink("far/2.safetensors", box_path("2.safetensors")), 0);
    struct checkpoint *c = box_open("");
    ck_assert_ptr_null(c->directory);
    checkpoint_close(c);
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_UNSUPPORTED, "lie in different folders");
}
END_TEST

START_TEST(one_file_under_two_names_is_refused)
{
    two_shards("1.safetensors", "2.safetensors");
    ck_assert_int_eq(unlink(box_path("2.safetensors")), 0);
    ck_assert_int_eq(symlink("1.safetensors", box_path("2.safetensors")), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT, "2.safetensors: is the same file as");
    ck_assert_int_eq(unlink(box_path("2.safetensors")), 0);
    ck_assert_int_eq(link(box_path("1.safetensors"), box_path("2.safetensors")), 0);
    ck_assert_ptr_null(box_try("", CHECKPOINT_READ, false));
    box_refused(ERROR_FORMAT, "2.safetensors: is the same file as");
}
END_TEST

START_TEST(quantised_models_are_only_read)
{
    box_text("config.json", "{\"quantization_config\":{\"quant_method\":\"fp8\"}}");
    checkpoint_close(box_open(""));
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_UNSUPPORTED, "config.json: the weights are quantised (\"fp8\")");
    box_text("config.json", "{\"quantization_config\":{}}");
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_UNSUPPORTED, "quantised");
    box_text("config.json", "{\"quantization_config\":null}");
    struct checkpoint *c = box_try("", CHECKPOINT_CHANGE, true);
    ck_assert_ptr_nonnull(c);
    checkpoint_close(c);
    box_text("config.json", "{,}");
    ck_assert_ptr_null(box_try("", CHECKPOINT_CHANGE, true));
    box_refused(ERROR_FORMAT, "config.json:1:2");
    ck_assert_int_eq(unlink(box_path("config.json")), 0);
    static const struct form {
        const char *name, *dtype;
        bool refused;
    } forms[] = {{"l.weight_scale_inv", "F32", true},
                 {"l.qweight", "I32", true},
                 {"gate_up_proj_blocks", "I32", true},
                 {"n_blocks", "F32", false},
                 {"weight", "F32", false}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"%s\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                 forms[i].name, forms[i].dtype);
        box_safetensors(MODEL, text, 4);
        c = box_try("", CHECKPOINT_CHANGE, true);
        ck_assert_int_eq(c == NULL, forms[i].refused);
        if (!c)
            box_refused(ERROR_UNSUPPORTED, forms[i].name);
        checkpoint_close(c);
    }
}
END_TEST

/* ---- every call fails in turn ---- */

static int calls, fail_at;

static bool fails(void)
{
    if (++calls != fail_at)
        return false;
    errno = EIO;
    return true;
}
static int open_or_fail(void *s, const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : fs_real()->open(s, path, flags, mode);
}
static ssize_t pread_or_fail(void *s, int fd, void *buffer, size_t n, off_t offset)
{
    return fails() ? -1 : fs_real()->pread(s, fd, buffer, n, offset);
}
static int fstat_or_fail(void *s, int fd, struct stat *out)
{
    return fails() ? -1 : fs_real()->fstat(s, fd, out);
}
static int lstat_or_fail(void *s, const char *path, struct stat *out)
{
    return fails() ? -1 : fs_real()->lstat(s, path, out);
}
static void *map_or_fail(void *s, int fd, size_t n)
{
    return fails() ? NULL : fs_real()->map(s, fd, n);
}
static int lock_or_fail(void *s, int fd, int operation)
{
    return fails() ? -1 : fs_real()->lock(s, fd, operation);
}

static size_t open_descriptors(void)
{
    char *list;
    size_t n = 0;
    ck_assert_int_eq(fs_real()->list(NULL, "/proc/self/fd", &list), 0);
    for (const char *p = list; *p; p += strlen(p) + 1)
        n++;
    free(list);
    return n;
}

START_TEST(every_failing_call_is_an_error_and_leaks_nothing)
{
    struct fs fs = *fs_real();
    fs.open = open_or_fail;
    fs.pread = pread_or_fail;
    fs.fstat = fstat_or_fail;
    fs.lstat = lstat_or_fail;
    fs.map = map_or_fail;
    fs.lock = lock_or_fail;
    box_context.fs = &fs;
    size_t before = open_descriptors();
    for (fail_at = 1; fail_at < 100; fail_at++) {
        calls = 0;
        struct checkpoint *c = box_try("", CHECKPOINT_CHANGE, false);
        if (c) {
            checkpoint_close(c);
            break;
        }
        ck_assert_int_eq(box_error.kind, ERROR_IO);
        ck_assert_ptr_nonnull(strstr(box_error.text, "Input/output error"));
        ck_assert_uint_eq(open_descriptors(), before);
    }
    ck_assert_int_gt(fail_at, 6);
    ck_assert_int_lt(fail_at, 100);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tc = tcase_create("checkpoint");
    tcase_add_checked_fixture(tc, setup, box_teardown);
    tcase_add_test(tc, a_folder_and_its_file_are_the_same_model);
    tcase_add_test(tc, shapes_are_described);
    tcase_add_test(tc, companions);
    tcase_add_test(tc, digests);
    tcase_add_test(tc, folders_without_weights_say_what_was_looked_for);
    tcase_add_test(tc, a_single_file_is_preferred_to_an_index);
    tcase_add_test(tc, what_is_no_file_is_refused);
    tcase_add_test(tc, locks);
    tcase_add_test(tc, where_there_are_no_locks_only_reading_is_safe);
    tcase_add_test(tc, a_file_put_in_its_place_meanwhile);
    tcase_add_test(tc, files_that_another_program_has_open);
    tcase_add_test(tc, hard_links_are_refused_without_force);
    tcase_add_test(tc, caches_are_refused_without_force);
    tcase_add_test(tc, shards_in_several_folders_are_only_read);
    tcase_add_test(tc, one_file_under_two_names_is_refused);
    tcase_add_test(tc, quantised_models_are_only_read);
    tcase_add_test(tc, every_failing_call_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
