/* The order of writing:
 *
 *   1. the new folder is made beside the target as .NAME.lancet-XXXXXXXX, complete: the weights, and every
 * other file of the model;
 *   2. files of the old folder that are not the model's get a second name (a hard link) in the new one;
 *   3. everything is synced, and one rename (target absent or empty) or one exchange of two names (target
 * replaced) makes it visible; the parent is synced;
 *   4. what was the old folder is removed.
 *
 * A cut before 3 leaves the target as it was, one after 3 leaves it new. The hidden folder that stays behind
 * is removed by the next run that writes the same target. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "file_tree.h"
#include "gguf.h"
#include "index.h"
#include "memory.h"
#include "quote.h"
#include "safetensors.h"
#include "shards.h"
#include "size.h"
#include "str.h"

enum { COPY_STEP = 4 << 20 };
static const uint64_t standard_shard = UINT64_C(5000000000);

static const char canonical_name[] = "model.safetensors";
static const char canonical_index[] = "model.safetensors.index.json";

struct folder_writer {
    const struct context *context;
    const struct checkpoint *donor;
    char *target, *parent; /* resolved */
    char *temporary;       /* the new folder; after the exchange the old one */
    mode_t mode;           /* of the new folder: no wider than of the one that it replaces */
    bool made, committed;
    bool replaces; /* the target holds something */
    bool force;
    bool in_donor; /* the target lies in the donor's folder */
    struct new_file {
        char *name;
        int fd;
    } * files; /* of weights */
    size_t n_files;
    /* A layout of its own; NULL: the donor's, and its bytes. */
    const struct folder_layout *layout;
    struct shard_layout shards;
    int *locks; /* held on the weights that will be replaced */
    size_t n_locks;
    int lock;             /* held on the new folder */
    uint64_t done, total; /* bytes copied */
};

/* ---- which files are the model's ---- */

static bool matches(const char *name, const char *const *patterns)
{
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, name, 0) == 0)
            return true;
    return false;
}

static const char *const weight_patterns[] = {canonical_name,
                                              canonical_index,
                                              "model-*-of-*.safetensors",
                                              "pytorch_model.bin",
                                              "pytorch_model-*-of-*.bin",
                                              "pytorch_model.bin.index.json",
                                              NULL};

static const char *const companion_patterns[] = {"config.json",
                                                 "generation_config.json",
                                                 "tokenizer.json",
                                                 "tokenizer_config.json",
                                                 "tokenizer.model",
                                                 "tokenizer.model.v*",
                                                 "*.tiktoken",
                                                 "special_tokens_map.json",
                                                 "added_tokens.json",
                                                 "vocab.json",
                                                 "vocab.txt",
                                                 "merges.txt",
                                                 "spiece.model",
                                                 "sentencepiece.bpe.model",
                                                 "chat_template.*",
                                                 "preprocessor_config.json",
                                                 "processor_config.json",
                                                 "configuration_*.py",
                                                 "modeling_*.py",
                                                 "tokenization_*.py",
                                                 NULL};

/* Of a model that it was trained on: a loader adds it to whatever weights lie beside it. */
static const char *const adapter_patterns[] = {"adapter_config.json", "adapter_model.*", "adapter_model-*",
                                               NULL};

/* Weights in any form: copies of what is being changed, so they are not carried. */
static const char *const foreign_weights[] = {"*.safetensors", "*.bin",       "*.gguf",       "*.pt",
                                              "*.pth",         "*.h5",        "*.npz",        "*.msgpack",
                                              "*.onnx",        "*.onnx_data", "*.index.json", NULL};

static bool is_replaced(const struct folder_writer *w, const char *name)
{
    for (size_t i = 0; w->layout && i < w->layout->n_texts; i++)
        if (strcmp(w->layout->texts[i].name, name) == 0)
            return true;
    return false;
}

static bool is_carried(void *user, const char *name, bool at_root)
{
    const struct folder_writer *w = user;
    if (name[0] == '.' || matches(name, foreign_weights) || matches(name, adapter_patterns) ||
        (at_root && is_replaced(w, name)))
        return false;
    if (at_root && w->in_donor && strcmp(name, path_base(w->target)) == 0)
        return false;
    if (checkpoint_gguf(w->donor)) /* what lies beside it is not its own */
        return false;
    return w->donor->is_folder || (at_root && matches(name, companion_patterns));
}

/* ---- making the new folder ---- */

static bool same_place(const struct fs *fs, const struct stat *st, const char *path)
{
    struct stat other;
    return path && fs->stat(fs->state, path, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

/* What a run that was cut has left beside the target: a new folder that nobody is filling, or an old one that
 * was replaced. A folder that is being filled is locked. */
static bool remove_leftovers(const struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    const char *base = path_base(w->target);
    size_t n = strlen(base);
    char *list;
    if (!file_tree_names(fs, w->parent, "folder", &list, err))
        return false;
    bool ok = true;
    for (const char *p = list; ok && *p; p += strlen(p) + 1) {
        if (p[0] != '.' || strncmp(p + 1, base, n) != 0 ||
            fnmatch(".lancet-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]", p + 1 + n,
                    0) != 0)
            continue;
        char *path = path_join(w->parent, p);
        int fd = path ? fs->open(fs->state, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) : -1;
        if (!path)
            ok = error_memory(err, "making a folder");
        else if (fd >= 0 && fs->lock(fs->state, fd, LOCK_EX | LOCK_NB) == 0)
            ok = file_tree_remove(fs, path, err);
        if (fd >= 0)
            fs->close(fs->state, fd);
        free(path);
    }
    free(list);
    return ok;
}

static bool make_temporary(struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    w->temporary = file_tree_temporary(w->target, err);
    if (!w->temporary)
        return false;
    if (fs->mkdir(fs->state, w->temporary, w->mode) < 0)
        return error_set_errno(err, "%s: cannot make the folder", quote(w->temporary).text);
    w->made = true;
    w->lock = fs->open(fs->state, w->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (w->lock < 0)
        return error_set_errno(err, "%s: cannot open", quote(w->temporary).text);
    fs->lock(fs->state, w->lock, LOCK_EX | LOCK_NB); /* without locks nothing is removed either */
    return true;
}

static bool copy_bytes(struct folder_writer *w, int from, const char *from_name, int to, const char *to_name,
                       uint64_t n, struct error *err)
{
    const struct fs *fs = w->context->fs;
    uint8_t *buffer = memory_array(1, COPY_STEP);
    bool ok = buffer ? true : error_memory(err, "copying a file");
    for (uint64_t at = 0; ok && at < n;) {
        size_t step = n - at < COPY_STEP ? (size_t)(n - at) : COPY_STEP;
        ok = context_continue(w->context, err) && fs_read_at(fs, from, from_name, buffer, step, at, err) &&
             fs_write_at(fs, to, to_name, buffer, step, at, err);
        at += step;
        w->done += step;
        context_progress(w->context, "copying", w->done, w->total);
    }
    free(buffer);
    return ok;
}

static bool create(struct folder_writer *w, const char *path, mode_t mode, int *out, struct error *err)
{
    const struct fs *fs = w->context->fs;
    *out = fs->open(fs->state, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    return *out >= 0 ? true : error_set_errno(err, "%s: cannot create", quote(path).text);
}

static bool sync_and_close(const struct fs *fs, int *fd, const char *name, struct error *err)
{
    bool ok = fs->sync(fs->state, *fd) == 0 ? true : error_set_errno(err, "%s: cannot sync", name);
    if (fs->close(fs->state, *fd) < 0 && ok)
        ok = error_set_errno(err, "%s: cannot close", name);
    *fd = -1;
    return ok;
}

/* One shard keeps its name; a model of one file gets the name that a folder is looked for by. */
static const char *output_name(const struct checkpoint *donor, size_t file)
{
    return donor->index || checkpoint_gguf(donor) ? donor->files[file].name : canonical_name;
}

/* The files of weights: a copy of the donor's, or the heads of new ones. */
static bool make_weights(struct folder_writer *w, struct error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < w->n_files; i++) {
        struct new_file *file = &w->files[i];
        const struct checkpoint_file *from = &w->donor->files[i];
        const struct shard *shard = w->layout ? &w->shards.shards[i] : NULL;
        char *path = path_join(w->temporary, file->name);
        ok = path ? true : error_memory(err, "writing weights");
        ok = ok && create(w, path, 0666, &file->fd, err) &&
             (w->layout ? fs_write_at(w->context->fs, file->fd, path, shard->head, shard->head_bytes, 0, err)
                        : copy_bytes(w, from->fd, from->shown, file->fd, path, from->size, err));
        free(path);
    }
    return ok;
}

static bool write_text(struct folder_writer *w, const char *name, const char *text, size_t n,
                       struct error *err)
{
    int fd = -1;
    char *path = path_join(w->temporary, name);
    bool ok = path ? true : error_memory(err, "writing a file");
    ok = ok && create(w, path, 0666, &fd, err) && fs_write_at(w->context->fs, fd, path, text, n, 0, err) &&
         sync_and_close(w->context->fs, &fd, path, err);
    if (fd >= 0)
        w->context->fs->close(w->context->fs->state, fd);
    free(path);
    return ok;
}

static bool write_texts(struct folder_writer *w, struct error *err)
{
    struct str index = {0};
    bool ok = true;
    for (size_t i = 0; ok && w->layout && i < w->layout->n_texts; i++) {
        const struct folder_text *text = &w->layout->texts[i];
        ok = write_text(w, text->name, text->bytes, text->n, err);
    }
    if (ok && w->layout && w->n_files > 1)
        ok = shard_layout_index(&w->shards, w->layout->tensors, &index, err) &&
             write_text(w, canonical_index, index.data, index.length, err);
    str_release(&index);
    return ok;
}

/* FROM in full, synced. */
static bool copy_file(struct folder_writer *w, const char *from, const char *to, mode_t mode,
                      struct error *err)
{
    const struct fs *fs = w->context->fs;
    int out = -1, in = fs->open(fs->state, from, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    struct stat st;
    bool ok = false;
    if (in < 0 || fs->fstat(fs->state, in, &st) < 0)
        error_set_errno(err, "%s: cannot open", quote(from).text);
    else
        ok = create(w, to, mode & 0777, &out, err) &&
             copy_bytes(w, in, from, out, to, (uint64_t)st.st_size, err) && sync_and_close(fs, &out, to, err);
    if (out >= 0)
        fs->close(fs->state, out);
    if (in >= 0)
        fs->close(fs->state, in);
    return ok;
}

static bool copy_or_make(struct folder_writer *w, const char *root, const struct tree_entry *entry,
                         struct error *err)
{
    const struct fs *fs = w->context->fs;
    char *from = path_join(root, entry->path), *to = path_join(w->temporary, entry->path);
    bool ok = true;
    if (!from || !to)
        ok = error_memory(err, "copying files");
    else if (S_ISREG(entry->mode))
        ok = copy_file(w, from, to, entry->mode, err);
    else if (S_ISDIR(entry->mode) && fs->mkdir(fs->state, to, (entry->mode & 0777) | S_IRWXU) < 0)
        ok = error_set_errno(err, "%s: cannot make the folder", quote(to).text);
    free(from);
    free(to);
    return ok;
}

static bool copy_index(struct folder_writer *w, struct error *err)
{
    if (!w->donor->index || w->layout)
        return true;
    char *from = path_join(w->donor->folder, w->donor->index), *to = path_join(w->temporary, canonical_index);
    bool ok = from && to ? copy_file(w, from, to, 0666, err) : error_memory(err, "copying an index");
    free(from);
    free(to);
    return ok;
}

static bool check_space(const struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    uint64_t there;
    int fd = fs->open(fs->state, w->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return error_set_errno(err, "%s: cannot open", quote(w->parent).text);
    bool known = fs->free_bytes(fs->state, fd, &there) == 0;
    fs->close(fs->state, fd);
    if (known && there < w->total)
        return error_set(err, ERROR_IO, "%s: needs %" PRIu64 " bytes, and %" PRIu64 " are free",
                         quote(w->target).text, w->total, there);
    return true;
}

static bool fill(struct folder_writer *w, struct error *err)
{
    struct file_tree carried = {0};
    struct tree_filter filter = {.wanted = is_carried, .user = w, .follow = true};
    struct stat st;
    w->in_donor = w->context->fs->stat(w->context->fs->state, w->parent, &st) == 0 &&
                  same_place(w->context->fs, &st, w->donor->folder);
    bool ok = file_tree_list(w->context->fs, w->donor->folder, &filter, &carried, err);
    w->total = carried.bytes;
    for (size_t i = 0; ok && i < w->n_files; i++)
        ok =
            u64_add(w->total, w->layout ? w->shards.shards[i].file_bytes : w->donor->files[i].size, &w->total)
                ? true
                : error_set(err, ERROR_UNSUPPORTED, "the model is too large to copy");
    ok = ok && remove_leftovers(w, err) && check_space(w, err) && make_temporary(w, err) &&
         copy_index(w, err) && write_texts(w, err);
    if (w->layout) /* what is copied now is little beside what comes */
        w->total = carried.bytes;
    for (size_t i = 0; ok && i < carried.n; i++)
        ok = copy_or_make(w, w->donor->folder, &carried.items[i], err);
    ok = ok && make_weights(w, err);
    file_tree_release(&carried);
    return ok;
}

/* ---- the target ---- */

/* The real path of something whose last part need not exist, malloc'ed. */
static char *real_path(const char *path, struct error *err)
{
    char *full = realpath(path, NULL), *parent = NULL;
    if (full)
        return full;
    if (errno != ENOENT) {
        error_set_errno(err, "%s", quote(path).text);
        return NULL;
    }
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    char *given = memory_copy(path, n), *slash = given ? strrchr(given, '/') : NULL;
    if (slash)
        *slash = '\0';
    const char *above = !slash ? "." : slash == given ? "/" : given;
    if (given && !(parent = realpath(above, NULL)))
        error_set_errno(err, "%s", quote(above).text);
    else if (!given || !(full = path_join(parent, slash ? slash + 1 : given)))
        error_memory(err, "making a folder");
    free(given);
    free(parent);
    return full;
}

static bool resolve_target(struct folder_writer *w, const char *directory, struct error *err)
{
    w->target = real_path(directory, err);
    if (!w->target)
        return false;
    size_t n = (size_t)(path_base(w->target) - w->target);
    w->parent = memory_copy(w->target, n > 1 ? n - 1 : n);
    if (!w->parent)
        return error_memory(err, "making a folder");
    if (w->target[n] == '\0')
        return error_set(err, ERROR_USAGE, "%s: cannot be written as a model folder", quote(directory).text);
    return true;
}

/* A record that is open in the target: its model is half-changed, or somebody is changing it. */
static bool refuse_open_record(const struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    char *records = path_join(w->target, ".lancet"), *list = NULL;
    bool ok = records ? true : error_memory(err, "looking for records");
    if (ok && fs_exists(fs, records)) {
        ok = file_tree_names(fs, records, "records", &list, err);
        for (const char *p = list; ok && list && *p; p += strlen(p) + 1)
            if (fnmatch("*.open", p, 0) == 0)
                ok = error_set(
                    err, ERROR_BUSY,
                    "%s: a change of the model there was not finished (%s); `lancet verify --recover` takes "
                    "it back",
                    quote(w->target).text, quote(p).text);
    }
    free(list);
    free(records);
    return ok;
}

static bool is_model_at(const struct fs *fs, const struct checkpoint *model, const struct stat *st)
{
    return same_place(fs, st, model->folder) || same_place(fs, st, model->directory);
}

/* The target must be no input's folder. */
static bool refuse_inputs(const struct folder_writer *w, const struct stat *st, struct error *err)
{
    const struct fs *fs = w->context->fs;
    if (is_model_at(fs, w->donor, st))
        return error_set(err, ERROR_USAGE, "%s: is the folder of the model itself; name another one",
                         quote(w->target).text);
    for (size_t i = 0; w->layout && i < w->layout->n_inputs; i++)
        if (is_model_at(fs, w->layout->inputs[i], st))
            return error_set(err, ERROR_USAGE, "%s: is the folder of an input, %s; name another one",
                             quote(w->target).text, quote(w->layout->inputs[i]->path).text);
    return true;
}

/* Nor lie in one: the next merge would carry it along. */
static bool refuse_inside_inputs(const struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    bool ok = true;
    char *at = memory_string(w->parent);
    if (!at)
        return error_memory(err, "making a folder");
    for (char *slash = at; ok && slash;) {
        struct stat st;
        if (fs->stat(fs->state, at, &st) == 0)
            for (size_t i = 0; ok && i < w->layout->n_inputs; i++)
                if (w->layout->inputs[i]->is_folder && is_model_at(fs, w->layout->inputs[i], &st))
                    ok = error_set(err, ERROR_USAGE,
                                   "%s: lies in the folder of an input, %s; name another one",
                                   quote(w->target).text, quote(w->layout->inputs[i]->path).text);
        slash = strrchr(at, '/');
        if (slash)
            *slash = '\0';
    }
    free(at);
    return ok;
}

static bool inspect_target(struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    struct stat st;
    char *list;
    if (w->layout && !refuse_inside_inputs(w, err))
        return false;
    if (fs->lstat(fs->state, w->target, &st) < 0)
        return errno == ENOENT ? true : error_set_errno(err, "%s", quote(w->target).text);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is not a folder", quote(w->target).text);
    w->mode = (st.st_mode & 0777) | S_IRWXU;
    if (!refuse_inputs(w, &st, err) || !refuse_open_record(w, err))
        return false;
    if (!file_tree_names(fs, w->target, "folder", &list, err))
        return false;
    w->replaces = *list != '\0';
    free(list);
    if (w->replaces && !w->force)
        return error_set(err, ERROR_USAGE, "%s: is not empty; use --force to replace the model in it",
                         quote(w->target).text);
    return true;
}

/* ---- replacing an old model ---- */

struct old_model {
    const struct folder_writer *writer;
    struct shard_index index; /* what the old index names, however it is spelt */
    struct arena arena;
    bool no_memory; /* is_kept could not tell */
};

static bool is_old_weight(const struct old_model *old, const char *name)
{
    for (size_t i = 0; i < old->index.n_shards; i++)
        if (strcmp(old->index.shards[i], name) == 0)
            return true;
    return matches(name, weight_patterns);
}

/* Not the old model's, and not in the new folder already. */
static bool is_kept(void *user, const char *name, bool at_root)
{
    struct old_model *old = user;
    if (!at_root)
        return true;
    if (strcmp(name, ".lancet") == 0 || is_old_weight(old, name) || matches(name, companion_patterns) ||
        matches(name, adapter_patterns))
        return false;
    char *path = path_join(old->writer->temporary, name);
    struct stat st;
    const struct fs *fs = old->writer->context->fs;
    bool taken = path && fs->lstat(fs->state, path, &st) == 0;
    old->no_memory = old->no_memory || !path;
    free(path);
    return !taken;
}

static bool read_old_index(struct old_model *old, struct error *err)
{
    const struct fs *fs = old->writer->context->fs;
    char *path = path_join(old->writer->target, canonical_index);
    struct error ignored; /* an index that cannot be read names no files */
    if (!path)
        return error_memory(err, "reading an index");
    if (fs_exists(fs, path))
        index_read(fs, path, path, &old->arena, &old->index, &ignored);
    free(path);
    return true;
}

static bool is_file_of(const struct checkpoint *model, const struct stat *st)
{
    for (size_t i = 0; i < model->n_files; i++)
        if (model->files[i].device == st->st_dev && model->files[i].inode == st->st_ino)
            return true;
    return false;
}

/* Locked by this very run, as a file of an input. */
static bool is_inputs(const struct folder_writer *w, const struct stat *st)
{
    for (size_t i = 0; w->layout && i < w->layout->n_inputs; i++)
        if (is_file_of(w->layout->inputs[i], st))
            return true;
    return is_file_of(w->donor, st);
}

/* Nobody may start a change of weights that are about to go. */
static bool lock_old_weight(struct folder_writer *w, const char *name, struct error *err)
{
    const struct fs *fs = w->context->fs;
    struct stat st;
    char *path = path_join(w->target, name);
    int *grown = memory_resize(w->locks, w->n_locks + 1, sizeof *grown);
    bool ok = true;
    if (grown)
        w->locks = grown;
    if (!path || !grown)
        ok = error_memory(err, "locking the old weights");
    else if (fs->stat(fs->state, path, &st) == 0 && S_ISREG(st.st_mode) && !is_inputs(w, &st)) {
        int fd = fs->open(fs->state, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
        if (fd >= 0)
            w->locks[w->n_locks++] = fd;
        if (fd >= 0 && fs->lock(fs->state, fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
            ok = error_set(err, ERROR_BUSY, "%s: another run of lancet is using it", quote(path).text);
    }
    free(path);
    return ok;
}

static bool lock_old_weights(struct folder_writer *w, struct error *err)
{
    struct old_model old = {.writer = w};
    char *list = NULL;
    bool ok = read_old_index(&old, err) && file_tree_names(w->context->fs, w->target, "folder", &list, err);
    for (const char *p = list; ok && list && *p; p += strlen(p) + 1)
        if (is_old_weight(&old, p))
            ok = lock_old_weight(w, p, err);
    free(list);
    arena_release(&old.arena);
    return ok;
}

/* A second name for the same file, or a copy where the file system has no hard links. */
static bool keep_entry(struct folder_writer *w, const struct tree_entry *entry, struct error *err)
{
    if (S_ISDIR(entry->mode))
        return copy_or_make(w, w->target, entry, err);
    const struct fs *fs = w->context->fs;
    char *from = path_join(w->target, entry->path), *to = path_join(w->temporary, entry->path);
    bool ok = true;
    if (!from || !to)
        ok = error_memory(err, "keeping files");
    else if (fs->link(fs->state, from, to) < 0)
        ok = S_ISREG(entry->mode) ? copy_file(w, from, to, entry->mode, err)
                                  : error_set_errno(err, "%s: cannot be kept", quote(from).text);
    free(from);
    free(to);
    return ok;
}

static bool keep_foreign_files(struct folder_writer *w, struct error *err)
{
    struct old_model old = {.writer = w};
    struct file_tree tree = {0};
    struct tree_filter filter = {.wanted = is_kept, .user = &old};
    bool ok = read_old_index(&old, err) && file_tree_list(w->context->fs, w->target, &filter, &tree, err) &&
              (!old.no_memory || error_memory(err, "keeping files"));
    for (size_t i = 0; ok && i < tree.n; i++)
        ok = keep_entry(w, &tree.items[i], err);
    file_tree_release(&tree);
    arena_release(&old.arena);
    return ok;
}

/* Every folder of the new tree: the files in it are synced one by one. */
static bool sync_folders(const struct folder_writer *w, struct error *err)
{
    struct file_tree tree = {0};
    struct tree_filter all = {0};
    const struct fs *fs = w->context->fs;
    bool ok = file_tree_list(fs, w->temporary, &all, &tree, err);
    for (size_t i = 0; ok && i < tree.n; i++) {
        if (!S_ISDIR(tree.items[i].mode))
            continue;
        char *path = path_join(w->temporary, tree.items[i].path);
        ok = path ? fs_sync_directory(fs, path, err) : error_memory(err, "syncing folders");
        free(path);
    }
    file_tree_release(&tree);
    return ok && fs_sync_directory(fs, w->temporary, err);
}

/* Where the file system cannot exchange two names: two renames, the target being absent between them. */
static bool replace_in_two_steps(struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    struct str s = {0};
    str_printf(&s, "%s-old", w->temporary);
    char *aside = str_take(&s);
    bool ok = false;
    if (!aside)
        return error_memory(err, "replacing a folder");
    if (fs->rename(fs->state, w->target, aside) < 0)
        error_set_errno(err, "%s: cannot rename", quote(w->target).text);
    else if (fs->rename(fs->state, w->temporary, w->target) < 0) {
        error_set_errno(err, "%s: cannot rename", quote(w->temporary).text);
        fs->rename(fs->state, aside, w->target);
    } else
        ok = true;
    if (ok) {
        free(w->temporary);
        w->temporary = aside;
        aside = NULL;
    }
    free(aside);
    return ok;
}

static bool put_in_place(struct folder_writer *w, struct error *err)
{
    const struct fs *fs = w->context->fs;
    if (!w->replaces) {
        if (fs->rename(fs->state, w->temporary, w->target) < 0)
            return error_set_errno(err, "%s: cannot rename to %s", quote(w->temporary).text,
                                   quote(w->target).text);
        w->made = false;
        return true;
    }
    if (fs->exchange(fs->state, w->temporary, w->target) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return error_set_errno(err, "%s: cannot take the place of %s", quote(w->temporary).text,
                               quote(w->target).text);
    return replace_in_two_steps(w, err);
}

/* ---- the interface ---- */

static bool name_files(struct folder_writer *w, struct error *err)
{
    w->n_files = w->layout ? w->shards.n_shards : w->donor->n_files;
    w->files = memory_zeroed(w->n_files, sizeof *w->files);
    bool ok = w->files;
    for (size_t i = 0; w->files && i < w->n_files; i++) {
        w->files[i].fd = -1;
        w->files[i].name = memory_string(w->layout ? w->shards.shards[i].name : output_name(w->donor, i));
        ok = ok && w->files[i].name;
    }
    return ok ? true : error_memory(err, "making a folder");
}

static bool take_target(struct folder_writer *w, const char *directory, struct error *err)
{
    return resolve_target(w, directory, err) && inspect_target(w, err) &&
           (!w->replaces || lock_old_weights(w, err));
}

static bool begin(struct folder_writer *w, const char *directory, struct folder_writer **out,
                  struct error *err)
{
    bool ok = name_files(w, err) && take_target(w, directory, err) && fill(w, err);
    if (ok)
        *out = w;
    else
        folder_free(w);
    return ok;
}

bool folder_begin(const struct context *context, const struct checkpoint *donor, const char *directory,
                  bool force, struct folder_writer **out, struct error *err)
{
    struct folder_writer *w = memory_array(1, sizeof *w);
    if (!w)
        return error_memory(err, "making a folder");
    *w = (struct folder_writer){.context = context, .donor = donor, .mode = 0777, .force = force, .lock = -1};
    return begin(w, directory, out, err);
}

bool folder_begin_layout(const struct context *context, const struct checkpoint *donor,
                         const struct folder_layout *layout, const char *directory, bool force,
                         struct folder_writer **out, struct error *err)
{
    struct folder_writer *w = memory_array(1, sizeof *w);
    if (!w)
        return error_memory(err, "making a folder");
    *w = (struct folder_writer){
        .context = context, .donor = donor, .mode = 0777, .force = force, .lock = -1, .layout = layout};
    const struct checkpoint_file *first = donor->n_files ? &donor->files[0] : NULL;
    if (shard_layout_make(&format_safetensors, layout->tensors, layout->n_tensors,
                          layout->shard_bytes ? layout->shard_bytes : standard_shard,
                          first && first->metadata ? first->metadata : "{\"format\":\"pt\"}", &w->shards,
                          err))
        return begin(w, directory, out, err);
    folder_free(w);
    return false;
}

static bool count_records(const struct folder_writer *w, size_t *out, struct error *err)
{
    const struct fs *fs = w->context->fs;
    char *records = path_join(w->target, ".lancet"), *list = NULL;
    size_t n = 0;
    bool ok = records ? true : error_memory(err, "looking for records");
    if (ok && fs_exists(fs, records))
        ok = file_tree_names(fs, records, "records", &list, err);
    for (const char *p = list; ok && list && *p; p += strlen(p) + 1)
        n += strspn(p, "0123456789") == strlen(p);
    if (ok)
        *out = n;
    free(list);
    free(records);
    return ok;
}

bool folder_check(const struct context *context, const struct checkpoint *donor,
                  const struct folder_layout *layout, const char *directory, bool force, size_t *n_records,
                  struct error *err)
{
    struct folder_writer *w = memory_array(1, sizeof *w);
    if (!w)
        return error_memory(err, "checking a folder");
    *w = (struct folder_writer){
        .context = context, .donor = donor, .force = force, .lock = -1, .layout = layout};
    bool ok = take_target(w, directory, err) && count_records(w, n_records, err);
    folder_free(w);
    return ok;
}

const size_t *folder_order(const struct folder_writer *writer)
{
    return writer->shards.order;
}

bool folder_put(struct folder_writer *writer, size_t tensor, uint64_t offset, const void *bytes, size_t n,
                struct error *err)
{
    const struct shard_place *place = &writer->shards.places[tensor];
    const struct new_file *file = &writer->files[place->shard];
    const struct fs *fs = writer->context->fs;
    bool ok = fs_write_at(fs, file->fd, file->name, bytes, n, place->offset + offset, err);

    if (ok && fs->start_sync)
        fs->start_sync(fs->state, file->fd, (off_t)(place->offset + offset), (off_t)n);
    return ok;
}

bool folder_write(struct folder_writer *writer, const struct tensor *tensor, uint64_t offset,
                  const void *bytes, size_t n, struct error *err)
{
    uint64_t end;
    if (!u64_add(offset, n, &end) || end > tensor->bytes)
        return error_set(err, ERROR_USAGE,
                         "tensor %s: bytes %" PRIu64 " to %" PRIu64 " do not lie in its %" PRIu64,
                         quote(tensor->name).text, offset, offset + n, tensor->bytes);
    return fs_write_at(writer->context->fs, writer->files[tensor->file].fd,
                       writer->donor->files[tensor->file].name, bytes, n, tensor->offset + offset, err);
}

bool folder_commit(struct folder_writer *writer, struct error *err)
{
    struct folder_writer *w = writer;
    const struct fs *fs = w->context->fs;
    bool ok = true;
    for (size_t i = 0; ok && i < w->n_files; i++)
        ok = sync_and_close(fs, &w->files[i].fd, w->files[i].name, err);
    ok = ok && inspect_target(w, err) && (!w->replaces || keep_foreign_files(w, err)) &&
         sync_folders(w, err) && context_continue(w->context, err) && put_in_place(w, err);
    if (!ok)
        return false;
    w->committed = true;
    if (!fs_sync_directory(fs, w->parent, err))
        return error_prefix(err, "%s: written, not proven durable", quote(w->target).text);
    if (w->made && !file_tree_remove(fs, w->temporary, err))
        return error_prefix(err, "%s: written, but its old files are still there", quote(w->target).text);
    w->made = false;
    return true;
}

void folder_free(struct folder_writer *writer)
{
    if (!writer)
        return;
    const struct fs *fs = writer->context->fs;
    struct error ignored;
    for (size_t i = 0; writer->files && i < writer->n_files; i++) {
        if (writer->files[i].fd >= 0)
            fs->close(fs->state, writer->files[i].fd);
        free(writer->files[i].name);
    }
    for (size_t i = 0; i < writer->n_locks; i++)
        fs->close(fs->state, writer->locks[i]);
    if (writer->lock >= 0)
        fs->close(fs->state, writer->lock);
    if (writer->made && !writer->committed)
        file_tree_remove(fs, writer->temporary, &ignored);
    free(writer->target);
    free(writer->parent);
    free(writer->temporary);
    free(writer->files);
    shard_layout_release(&writer->shards);
    free(writer->locks);
    free(writer);
}
