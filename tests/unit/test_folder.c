#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "model_box.h"

#define MODEL "model.safetensors"
#define INDEX "model.safetensors.index.json"

static void make(const char *name)
{
    ck_assert_int_eq(mkdir(box_path(name), 0777), 0);
}

/* A donor of two shards with everything that lies beside weights. */
static void setup(void)
{
    box_setup();
    make("donor");
    box_safetensors("donor/1.safetensors", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
                    4);
    box_safetensors("donor/2.safetensors", "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}",
                    3);
    box_text("donor/" INDEX, "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
    box_text("donor/config.json", "{\"new\":1}");
    box_text("donor/tokenizer.json", "{}");
    box_text("donor/LICENSE", "free");
    make("donor/templates");
    box_text("donor/templates/a.jinja", "jinja");
    /* not carried: records, hidden files, weights in other forms */
    make("donor/.lancet");
    box_text("donor/.lancet/0001", "record");
    box_text("donor/.gitattributes", "x");
    box_text("donor/pytorch_model.bin", "old form");
    box_text("donor/adapter_config.json", "{}");
    box_text("donor/adapter_model.safetensors", "an adapter");
    box_text("donor/extra.safetensors", "another");
}

static struct checkpoint *donor_open(void)
{
    return box_open("donor");
}

static bool write_to(const struct checkpoint *donor, const char *target, bool force, bool commit)
{
    struct folder_writer *w = NULL;
    box_error = (struct error){0};
    bool ok = folder_begin(&box_context, donor, box_path(target), force, &w, &box_error) &&
              folder_write(w, checkpoint_find(donor, "a"), 1, "XY", 2, &box_error) &&
              (!commit || folder_commit(w, &box_error));
    folder_free(w);
    return ok;
}

static void has_text(const char *name, const char *text)
{
    size_t n;
    char *there = box_read(name, &n);
    ck_assert_msg(strcmp(there, text) == 0, "%s holds: %s", name, there);
    free(there);
}

static void lists(const char *folder, const char *names)
{
    char *list, text[1000] = "";
    ck_assert_int_eq(fs_real()->list(NULL, box_path(folder), &list), 0);
    for (const char *p = list; *p; p += strlen(p) + 1)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", p);
    free(list);
    ck_assert_str_eq(text, names);
}

static void is_new_model(const char *folder)
{
    struct checkpoint *c = box_open(folder);
    ck_assert_int_eq(memcmp(checkpoint_find(c, "a")->data, "\0XY\3", 4), 0);
    ck_assert_int_eq(memcmp(checkpoint_find(c, "b")->data, "\0\1\2", 3), 0);
    checkpoint_close(c);
}

START_TEST(a_new_folder_holds_the_whole_model)
{
    struct checkpoint *donor = donor_open();
    ck_assert_msg(write_to(donor, "out", false, true), "%s", box_error.text);
    is_new_model("out");
    lists("out", "1.safetensors 2.safetensors LICENSE config.json " INDEX " templates tokenizer.json ");
    has_text("out/templates/a.jinja", "jinja");
    ck_assert_int_eq(memcmp(checkpoint_find(donor, "a")->data, "\0\1\2\3", 4), 0);
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

START_TEST(one_file_becomes_a_folder)
{
    struct checkpoint *donor = box_open("donor/1.safetensors");
    ck_assert_msg(write_to(donor, "out/", false, true), "%s", box_error.text);
    lists("out", "config.json " MODEL " tokenizer.json "); /* only what is known to be a model's */
    checkpoint_close(donor);
}
END_TEST

START_TEST(nothing_is_visible_before_the_commit)
{
    struct checkpoint *donor = donor_open();
    struct folder_writer *w;
    ck_assert(folder_begin(&box_context, donor, box_path("out"), false, &w, &box_error));
    ck_assert(!box_has("out"));
    ck_assert(!folder_write(w, checkpoint_find(donor, "b"), 2, "XY", 2, &box_error));
    box_refused(ERROR_USAGE, "bytes 2 to 4 do not lie in its 3");
    folder_free(w);
    lists("", "donor ");
    folder_free(NULL);
    checkpoint_close(donor);
}
END_TEST

START_TEST(an_empty_folder_is_taken)
{
    struct checkpoint *donor = donor_open();
    make("out");
    ck_assert_msg(write_to(donor, "out", false, true), "%s", box_error.text);
    is_new_model("out");
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

static void old_model(void)
{
    make("out");
    make("out/.lancet");
    box_text("out/.lancet/0001", "old record");
    box_safetensors("out/odd.safetensors", "{\"o\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                    1);
    box_text("out/" INDEX, "{\"weight_map\":{\"o\":\"odd.safetensors\"}}");
    box_text("out/model-00001-of-00009.safetensors", "stale");
    box_text("out/config.json", "{\"old\":1}");
    box_text("out/vocab.json", "{}");
    box_text("out/adapter_config.json", "{}");
    box_text("out/adapter_model.safetensors", "of the old model");
    box_text("out/adapter_model-00001-of-00002.bin", "of the old model");
    box_text("out/notes.txt", "mine");
    make("out/.git");
    box_text("out/.git/HEAD", "ref");
    make("out/.git/empty");
    ck_assert_int_eq(symlink("notes.txt", box_path("out/link")), 0);
}

START_TEST(replacing_needs_force_and_keeps_what_is_not_the_models)
{
    struct checkpoint *donor = donor_open();
    old_model();
    ck_assert_int_eq(chmod(box_path("out"), 0700), 0);
    ck_assert_int_eq(chmod(box_path("out/.git"), 0700), 0);
    ck_assert_int_eq(chmod(box_path("donor/templates"), 0700), 0);
    ck_assert(!write_to(donor, "out", false, true));
    box_refused(ERROR_USAGE, "is not empty; use --force");
    has_text("out/config.json", "{\"old\":1}");
    ck_assert_msg(write_to(donor, "out", true, true), "%s", box_error.text);
    is_new_model("out");
    lists("out", ".git 1.safetensors 2.safetensors LICENSE config.json link " INDEX
                 " notes.txt templates tokenizer.json ");
    has_text("out/config.json", "{\"new\":1}");
    has_text("out/notes.txt", "mine");
    has_text("out/.git/HEAD", "ref");
    lists("out/.git", "HEAD empty ");
    struct stat st;
    ck_assert_int_eq(lstat(box_path("out/link"), &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_int_eq(stat(box_path("out/notes.txt"), &st), 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    static const char *const folders[] = {"out", "out/.git", "out/templates"};
    for (size_t i = 0; i < 3; i++) { /* what was private stays it */
        ck_assert_int_eq(stat(box_path(folders[i]), &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);
    }
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

static int no_exchange(void *state, const char *a, const char *b)
{
    (void)state, (void)a, (void)b;
    errno = EINVAL;
    return -1;
}

static int no_link(void *state, const char *a, const char *b)
{
    (void)state, (void)a, (void)b;
    errno = EPERM;
    return -1;
}

START_TEST(file_systems_that_can_do_less)
{
    struct checkpoint *donor = donor_open();
    struct fs fs = *fs_real();
    fs.exchange = no_exchange;
    fs.link = no_link;
    box_context.fs = &fs;
    old_model();
    ck_assert_int_eq(unlink(box_path("out/link")), 0);
    ck_assert_msg(write_to(donor, "out", true, true), "%s", box_error.text);
    is_new_model("out");
    has_text("out/notes.txt", "mine");
    has_text("out/.git/HEAD", "ref");
    ck_assert(!box_has("out/.lancet"));
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

static int second_rename_fails(void *state, const char *from, const char *to)
{
    static int n;
    return ++n == 2 ? (errno = EIO, -1) : fs_real()->rename(state, from, to);
}

START_TEST(a_replacement_that_fails_half_way_is_taken_back)
{
    struct checkpoint *donor = donor_open();
    struct fs fs = *fs_real();
    fs.exchange = no_exchange;
    fs.rename = second_rename_fails;
    box_context.fs = &fs;
    old_model();
    ck_assert(!write_to(donor, "out", true, true));
    ck_assert_int_eq(box_error.kind, ERROR_IO);
    has_text("out/config.json", "{\"old\":1}");
    has_text("out/.lancet/0001", "old record");
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

/* As in the Hugging Face cache: what is carried is the file, not the link. */
START_TEST(links_in_the_donor_become_files)
{
    make("blobs");
    ck_assert_int_eq(rename(box_path("donor/config.json"), box_path("blobs/0")), 0);
    ck_assert_int_eq(symlink("../blobs/0", box_path("donor/config.json")), 0);
    ck_assert_int_eq(symlink("nowhere", box_path("donor/README")), 0);
    ck_assert_int_eq(symlink(".", box_path("donor/loop")), 0);
    struct checkpoint *donor = donor_open();
    struct stat st;
    ck_assert_msg(write_to(donor, "out", false, true), "%s", box_error.text);
    ck_assert_int_eq(lstat(box_path("out/config.json"), &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    has_text("out/config.json", "{\"new\":1}");
    lists("out", "1.safetensors 2.safetensors LICENSE config.json " INDEX " templates tokenizer.json ");
    checkpoint_close(donor);
}
END_TEST

/* The target's weights are second names of the donor's: our own lock is no reason to refuse. */
START_TEST(a_target_that_shares_the_donors_files)
{
    struct checkpoint *donor = donor_open();
    make("out");
    ck_assert_int_eq(link(box_path("donor/1.safetensors"), box_path("out/" MODEL)), 0);
    ck_assert_msg(write_to(donor, "out", true, true), "%s", box_error.text);
    is_new_model("out");
    ck_assert(!box_has("out/" MODEL));
    ck_assert_int_eq(memcmp(checkpoint_find(donor, "a")->data, "\0\1\2\3", 4), 0);
    checkpoint_close(donor);
}
END_TEST

START_TEST(an_open_record_is_never_replaced)
{
    struct checkpoint *donor = donor_open();
    old_model();
    box_text("out/.lancet/0002.open", "half");
    for (int force = 0; force < 2; force++) {
        ck_assert(!write_to(donor, "out", force, true));
        box_refused(ERROR_BUSY, "\"0002.open\"");
    }
    has_text("out/config.json", "{\"old\":1}");
    checkpoint_close(donor);
}
END_TEST

START_TEST(weights_in_use_are_not_replaced)
{
    struct checkpoint *donor = donor_open();
    old_model();
    int fd = open(box_path("out/odd.safetensors"), O_RDONLY);
    ck_assert_int_eq(flock(fd, LOCK_SH), 0);
    ck_assert(!write_to(donor, "out", true, true));
    box_refused(ERROR_BUSY, "odd.safetensors");
    close(fd);
    ck_assert(write_to(donor, "out", true, true));
    checkpoint_close(donor);
}
END_TEST

START_TEST(targets_that_cannot_be)
{
    struct checkpoint *donor = donor_open();
    static const struct {
        const char *target;
        enum error_kind kind;
        const char *words;
    } wrong[] = {{"donor", ERROR_USAGE, "is the folder of the model itself"},
                 {"donor/../donor/", ERROR_USAGE, "is the folder of the model itself"},
                 {"donor/config.json", ERROR_USAGE, "is not a folder"},
                 {"none/out", ERROR_IO, "No such file"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert(!write_to(donor, wrong[i].target, true, true));
        box_refused(wrong[i].kind, wrong[i].words);
        size_t n;
        ck_assert(!folder_check(&box_context, donor, NULL, box_path(wrong[i].target), true, &n, &box_error));
        box_refused(wrong[i].kind, wrong[i].words);
    }
    checkpoint_close(donor);
}
END_TEST

START_TEST(a_check_counts_the_records_that_go_and_writes_nothing)
{
    struct checkpoint *donor = donor_open();
    size_t n = 9;
    ck_assert(folder_check(&box_context, donor, NULL, box_path("out"), false, &n, &box_error));
    ck_assert_uint_eq(n, 0);
    lists("", "donor ");
    old_model();
    box_text("out/.lancet/0002", "record");
    box_text("out/.lancet/0003.tmp", "left by a cut");
    ck_assert(!folder_check(&box_context, donor, NULL, box_path("out"), false, &n, &box_error));
    box_refused(ERROR_USAGE, "is not empty; use --force");
    ck_assert(folder_check(&box_context, donor, NULL, box_path("out"), true, &n, &box_error));
    ck_assert_uint_eq(n, 2);
    has_text("out/config.json", "{\"old\":1}");
    has_text("out/.lancet/0002", "record");
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

/* A folder inside the donor's own is not copied into itself, also not when it is there already. */
START_TEST(a_target_inside_the_donor)
{
    struct checkpoint *donor = donor_open();
    for (int i = 0; i < 2; i++)
        ck_assert_msg(write_to(donor, "donor/out", true, true), "%s", box_error.text);
    is_new_model("donor/out");
    ck_assert(!box_has("donor/out/out"));
    checkpoint_close(donor);
}
END_TEST

/* What cuts have left is cleared up, but not what another run is filling, nor what only looks alike. */
START_TEST(leftovers_are_removed)
{
    struct checkpoint *donor = donor_open();
    static const char *const names[] = {".out.lancet-00c0ffee", ".out.lancet-0badcafe",
                                        ".out.lancet-00c0ffee-old", ".other.lancet-00c0ffee",
                                        ".out.lancet-xyz"};
    for (size_t i = 0; i < 5; i++) {
        char inside[100];
        make(names[i]);
        snprintf(inside, sizeof inside, "%s/" MODEL, names[i]);
        box_text(inside, "half");
    }
    int busy = open(box_path(names[1]), O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(busy, LOCK_EX), 0);
    ck_assert_msg(write_to(donor, "out", false, true), "%s", box_error.text);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(box_has(names[i]), i != 0);
    close(busy);
    checkpoint_close(donor);
}
END_TEST

static int little_space(void *state, int fd, uint64_t *out)
{
    (void)state, (void)fd;
    *out = 10;
    return 0;
}

START_TEST(space_is_checked_first)
{
    struct checkpoint *donor = donor_open();
    struct fs fs = *fs_real();
    fs.free_bytes = little_space;
    box_context.fs = &fs;
    ck_assert(!write_to(donor, "out", false, true));
    box_refused(ERROR_IO, "and 10 are free");
    lists("", "donor ");
    checkpoint_close(donor);
}
END_TEST

START_TEST(a_cancelled_copy_leaves_nothing)
{
    struct checkpoint *donor = donor_open();
    sig_atomic_t cancel = 1;
    box_context.cancel = &cancel;
    ck_assert(!write_to(donor, "out", false, true));
    ck_assert_int_eq(box_error.kind, ERROR_CANCELLED);
    lists("", "donor ");
    checkpoint_close(donor);
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
static ssize_t pwrite_or_fail(void *s, int fd, const void *buffer, size_t n, off_t offset)
{
    return fails() ? -1 : fs_real()->pwrite(s, fd, buffer, n, offset);
}
static int sync_or_fail(void *s, int fd)
{
    return fails() ? -1 : fs_real()->sync(s, fd);
}
static int rename_or_fail(void *s, const char *from, const char *to)
{
    return fails() ? -1 : fs_real()->rename(s, from, to);
}
static int exchange_or_fail(void *s, const char *from, const char *to)
{
    return fails() ? -1 : fs_real()->exchange(s, from, to);
}
static int mkdir_or_fail(void *s, const char *path, mode_t mode)
{
    return fails() ? -1 : fs_real()->mkdir(s, path, mode);
}
static int list_or_fail(void *s, const char *path, char **out)
{
    return fails() ? -1 : fs_real()->list(s, path, out);
}

/* Old or new, never between; what failed before the exchange leaves no trace. */
START_TEST(every_failing_call_leaves_old_or_new)
{
    struct fs fs = *fs_real();
    fs.open = open_or_fail;
    fs.pread = pread_or_fail;
    fs.pwrite = pwrite_or_fail;
    fs.sync = sync_or_fail;
    fs.rename = rename_or_fail;
    fs.exchange = exchange_or_fail;
    fs.mkdir = mkdir_or_fail;
    fs.list = list_or_fail;
    struct checkpoint *donor = donor_open();
    bool done = false;
    int old = 0, new = 0;
    for (fail_at = 1; !done; fail_at++) {
        old_model();
        calls = 0;
        box_context.fs = &fs;
        bool ok = write_to(donor, "out", true, true);
        done = calls < fail_at;
        box_context.fs = fs_real();
        struct error why = box_error;
        has_text("out/notes.txt", "mine");
        if (box_has("out/.lancet")) {
            has_text("out/config.json", "{\"old\":1}");
            has_text("out/.lancet/0001", "old record");
            has_text("out/model-00001-of-00009.safetensors", "stale");
            lists("", "donor out ");
            old++;
        } else {
            is_new_model("out");
            ck_assert_msg(ok || strstr(why.text, "\": written, "), "%s", why.text);
            new ++;
        }
        box_context.fs = fs_real();
        char *list;
        ck_assert_int_eq(fs_real()->list(NULL, box, &list), 0);
        for (const char *p = list; *p; p += strlen(p) + 1)
            if (strcmp(p, "donor") != 0)
                ck_assert(file_tree_remove(fs_real(), box_path(p), &box_error));
        free(list);
    }
    ck_assert_int_gt(old, 40);
    ck_assert_int_gt(new, 1);
    checkpoint_close(donor);
}
END_TEST

/* ---- a layout of its own ---- */

static const struct tensor_plan layout_tensors[] = {
    {.name = "a", .dtype = DTYPE_U8, .rank = 1, .shape = {3}},
    {.name = "b", .dtype = DTYPE_F32, .rank = 2, .shape = {2, 2}},
    {.name = "c", .dtype = DTYPE_F32, .rank = 1, .shape = {1}},
    {.name = "d", .dtype = DTYPE_U8, .rank = 2, .shape = {0, 7}},
};
static const char *const layout_bytes[] = {"abc", "0123456789abcdef", "wxyz", ""};

static bool write_layout(const struct checkpoint *donor, const struct checkpoint *input, const char *target,
                         uint64_t shard_bytes, bool force)
{
    struct folder_text texts[] = {{"config.json", "{\"merged\":1}", 12}, {"README.md", "# card", 6}};
    struct folder_layout layout = {.tensors = layout_tensors,
                                   .n_tensors = 4,
                                   .shard_bytes = shard_bytes,
                                   .texts = texts,
                                   .n_texts = 2,
                                   .inputs = &input,
                                   .n_inputs = 1};
    struct folder_writer *w = NULL;
    box_error = (struct error){0};
    bool ok = folder_begin_layout(&box_context, donor, &layout, box_path(target), force, &w, &box_error);
    uint64_t last = 0;
    for (size_t i = 0; ok && i < 4; i++) { /* in two pieces each */
        size_t t = folder_order(w)[i], n = strlen(layout_bytes[t]);
        ok = folder_put(w, t, 0, layout_bytes[t], n / 2, &box_error) &&
             folder_put(w, t, n / 2, layout_bytes[t] + n / 2, n - n / 2, &box_error);
        last += n;
    }
    ck_assert(!ok || last == 23);
    ok = ok && folder_commit(w, &box_error);
    folder_free(w);
    return ok;
}

static void holds_layout(const char *folder)
{
    struct checkpoint *c = box_open(folder);
    ck_assert_uint_eq(c->n_tensors, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct tensor *t = checkpoint_find(c, layout_tensors[i].name);
        ck_assert_ptr_nonnull(t);
        ck_assert_uint_eq(t->bytes, strlen(layout_bytes[i]));
        ck_assert_int_eq(memcmp(t->data, layout_bytes[i], t->bytes), 0);
        ck_assert_int_eq(t->dtype, layout_tensors[i].dtype);
    }
    ck_assert_str_eq(c->files[0].metadata, "{\"format\":\"pt\"}");
    checkpoint_close(c);
}

START_TEST(a_layout_of_its_own)
{
    struct checkpoint *donor = donor_open();
    ck_assert_msg(write_layout(donor, donor, "out", 0, false), "%s", box_error.text);
    holds_layout("out");
    lists("out", "LICENSE README.md config.json " MODEL " templates tokenizer.json ");
    has_text("out/config.json", "{\"merged\":1}");
    has_text("out/README.md", "# card");
    has_text("out/templates/a.jinja", "jinja");
    has_text("donor/config.json", "{\"new\":1}");
    lists("", "donor out ");
    checkpoint_close(donor);
}
END_TEST

START_TEST(shards_hold_no_more_than_they_may)
{
    struct checkpoint *donor = donor_open();
    /* a (3), then b (16) alone: larger than a shard may be, then c and d (4) */
    ck_assert_msg(write_layout(donor, donor, "out", 10, false), "%s", box_error.text);
    holds_layout("out");
    lists("out", "LICENSE README.md config.json model-00001-of-00003.safetensors "
                 "model-00002-of-00003.safetensors model-00003-of-00003.safetensors " INDEX
                 " templates tokenizer.json ");
    /* from shards to one file */
    ck_assert(!write_layout(donor, donor, "out", 23, false));
    box_refused(ERROR_USAGE, "is not empty");
    ck_assert_msg(write_layout(donor, donor, "out", 23, true), "%s", box_error.text);
    holds_layout("out");
    lists("out", "LICENSE README.md config.json " MODEL " templates tokenizer.json ");
    checkpoint_close(donor);
}
END_TEST

START_TEST(no_inputs_folder_is_written)
{
    struct checkpoint *donor = donor_open(), *input;
    make("input");
    box_safetensors("input/" MODEL, "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    input = box_open("input");
    static const struct {
        const char *target, *words;
    } wrong[] = {{"donor", "is the folder of the model itself"},
                 {"input", "is the folder of an input"},
                 {"input/../input/", "is the folder of an input"},
                 {"input/merged", "lies in the folder of an input"},
                 {"input/deep/merged", "lies in the folder of an input"}};
    make("input/deep");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert(!write_layout(donor, input, wrong[i].target, 0, true));
        box_refused(ERROR_USAGE, wrong[i].words);
    }
    lists("", "donor input ");
    lists("input", "deep " MODEL " ");
    checkpoint_close(input);
    /* one file is no folder that could be carried along */
    input = box_open("input/" MODEL);
    ck_assert_msg(write_layout(donor, input, "input/merged", 0, false), "%s", box_error.text);
    ck_assert(!write_layout(donor, input, "input", 0, true));
    box_refused(ERROR_USAGE, "is the folder of an input");
    checkpoint_close(input);
    checkpoint_close(donor);
}
END_TEST

static int full_disk(void *state, int fd, uint64_t *out)
{
    (void)state, (void)fd;
    *out = 10;
    return 0;
}

START_TEST(no_space_is_said_first)
{
    struct checkpoint *donor = donor_open();
    struct fs fs = *fs_real();
    fs.free_bytes = full_disk;
    box_context.fs = &fs;
    ck_assert(!write_layout(donor, donor, "out", 0, false));
    box_refused(ERROR_IO, "and 10 are free");
    lists("", "donor ");
    checkpoint_close(donor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("folder");
    TCase *tc = tcase_create("folder");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, box_teardown);
    tcase_add_test(tc, a_new_folder_holds_the_whole_model);
    tcase_add_test(tc, one_file_becomes_a_folder);
    tcase_add_test(tc, nothing_is_visible_before_the_commit);
    tcase_add_test(tc, an_empty_folder_is_taken);
    tcase_add_test(tc, replacing_needs_force_and_keeps_what_is_not_the_models);
    tcase_add_test(tc, file_systems_that_can_do_less);
    tcase_add_test(tc, a_replacement_that_fails_half_way_is_taken_back);
    tcase_add_test(tc, links_in_the_donor_become_files);
    tcase_add_test(tc, a_target_that_shares_the_donors_files);
    tcase_add_test(tc, an_open_record_is_never_replaced);
    tcase_add_test(tc, weights_in_use_are_not_replaced);
    tcase_add_test(tc, targets_that_cannot_be);
    tcase_add_test(tc, a_check_counts_the_records_that_go_and_writes_nothing);
    tcase_add_test(tc, a_target_inside_the_donor);
    tcase_add_test(tc, leftovers_are_removed);
    tcase_add_test(tc, space_is_checked_first);
    tcase_add_test(tc, a_cancelled_copy_leaves_nothing);
    tcase_add_test(tc, every_failing_call_leaves_old_or_new);
    tcase_add_test(tc, a_layout_of_its_own);
    tcase_add_test(tc, shards_hold_no_more_than_they_may);
    tcase_add_test(tc, no_inputs_folder_is_written);
    tcase_add_test(tc, no_space_is_said_first);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
