#include "suite.h"

#include <sys/stat.h>
#include <unistd.h>

#include "hub.h"
#include "model_box.h"

static void make(const char *name)
{
    ck_assert_int_eq(mkdir(box_path(name), 0777), 0);
}

/* CACHE/models--org--name with one commit, its files links into blobs. */
static void cache_setup(void)
{
    box_setup();
    make("hub");
    make("hub/models--org--name");
    make("hub/models--org--name/refs");
    make("hub/models--org--name/blobs");
    make("hub/models--org--name/snapshots");
    make("hub/models--org--name/snapshots/0123abc");
    box_text("hub/models--org--name/refs/main", "0123abc\n");
    box_text("hub/models--org--name/blobs/c0ffee", "{}");
    box_safetensors("hub/models--org--name/blobs/deadbeef",
                    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    ck_assert_int_eq(symlink("../../blobs/deadbeef",
                             box_path("hub/models--org--name/snapshots/0123abc/model.safetensors")),
                     0);
    ck_assert_int_eq(
        symlink("../../blobs/c0ffee", box_path("hub/models--org--name/snapshots/0123abc/config.json")), 0);
    setenv("HF_HUB_CACHE", box_path("hub"), 1);
}

static struct checkpoint *open_name(const char *name, enum checkpoint_mode mode, bool force)
{
    struct checkpoint *c = NULL;
    struct checkpoint_options options = {.mode = mode, .force = force};
    return checkpoint_open(&box_context, name, &options, &c, &box_error) ? c : NULL;
}

START_TEST(names)
{
    static const char *const good[] = {"org/name", "gpt2", "a-b/c_d.e", "A/0"};
    static const char *const wrong[] = {"",    "/",    "a/",  "/a",   "a/b/c", "../a",
                                        "./a", "a/..", "a b", "a/b*", "~/x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(hub_is_name(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!hub_is_name(wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(a_cached_model_opens_for_reading)
{
    struct checkpoint *c = open_name("org/name", CHECKPOINT_READ, false);
    ck_assert_msg(c != NULL, "%s", box_error.text);
    ck_assert_uint_eq(c->n_tensors, 1);
    ck_assert(c->files[0].in_cache && c->is_folder);
    ck_assert_str_eq(c->files[0].name, "model.safetensors");
    char *text;
    size_t n;
    ck_assert(checkpoint_companion(c, "config.json", &text, &n, &box_error));
    ck_assert_str_eq(text, "{}");
    free(text);
    checkpoint_close(c);
}
END_TEST

START_TEST(a_cached_model_is_never_changed)
{
    for (int force = 0; force < 2; force++) {
        ck_assert_ptr_null(open_name("org/name", CHECKPOINT_CHANGE, force));
        box_refused(ERROR_USAGE, "\"org/name\": a model of the Hugging Face cache is not changed");
    }
}
END_TEST

START_TEST(what_the_cache_lacks_is_said)
{
    ck_assert_ptr_null(open_name("org/other", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "holds no model of that name");
    ck_assert_ptr_nonnull(strstr(box_error.text, box_path("hub")));
    ck_assert_ptr_null(open_name("no/such/file", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "\"no/such/file\": No such file or directory");
}
END_TEST

START_TEST(a_reference_that_leads_elsewhere_is_refused)
{
    static const char *const wrong[] = {"", "\n", "../../etc", "0123abc/..", "main"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        box_text("hub/models--org--name/refs/main", wrong[i]);
        ck_assert_ptr_null(open_name("org/name", CHECKPOINT_READ, false));
        box_refused(ERROR_FORMAT, "expected the name of a commit");
    }
    box_text("hub/models--org--name/refs/main", "fedcba");
    ck_assert_ptr_null(open_name("org/name", CHECKPOINT_READ, false));
    ck_assert_int_eq(box_error.kind, ERROR_IO);
}
END_TEST

START_TEST(the_places_of_the_cache)
{
    struct arena arena = {0};
    const char *out;
    unsetenv("HF_HUB_CACHE");
    setenv("HF_HOME", box, 1);
    ck_assert(hub_find(fs_real(), "org/name", &arena, &out, &box_error));
    ck_assert_str_eq(out, box_path("hub/models--org--name/snapshots/0123abc"));
    unsetenv("HF_HOME");
    make("huggingface");
    ck_assert_int_eq(symlink("../hub", box_path("huggingface/hub")), 0);
    setenv("XDG_CACHE_HOME", box, 1);
    ck_assert(hub_find(fs_real(), "org/name", &arena, &out, &box_error));
    unsetenv("XDG_CACHE_HOME");
    ck_assert_int_eq(symlink(".", box_path(".cache")), 0);
    setenv("HOME", box, 1);
    ck_assert(hub_find(fs_real(), "org/name", &arena, &out, &box_error));
    setenv("HF_HUB_CACHE", "/nonexistent", 1); /* the first that is set decides */
    ck_assert(!hub_find(fs_real(), "org/name", &arena, &out, &box_error));
    arena_release(&arena);
}
END_TEST

/* A folder of that name comes first. */
START_TEST(a_local_path_comes_first)
{
    ck_assert_int_eq(chdir(box), 0);
    make("org");
    make("org/name");
    ck_assert_ptr_null(open_name("org/name", CHECKPOINT_READ, false));
    box_refused(ERROR_IO, "org/name: no weights found: looked for model.safetensors");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub");
    TCase *tc = tcase_create("hub");
    tcase_add_checked_fixture(tc, cache_setup, box_teardown);
    tcase_add_test(tc, names);
    tcase_add_test(tc, a_cached_model_opens_for_reading);
    tcase_add_test(tc, a_cached_model_is_never_changed);
    tcase_add_test(tc, what_the_cache_lacks_is_said);
    tcase_add_test(tc, a_reference_that_leads_elsewhere_is_refused);
    tcase_add_test(tc, the_places_of_the_cache);
    tcase_add_test(tc, a_local_path_comes_first);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
