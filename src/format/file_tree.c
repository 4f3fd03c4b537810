#include "file_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "memory.h"
#include "quote.h"
#include "size.h"
#include "str.h"

enum { DEPTH_LIMIT = 32, NAME_KEPT = 200 };

static bool add(struct file_tree *tree, const char *path, const struct stat *st, struct error *err)
{
    if (tree->n == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 32;
        struct tree_entry *items = memory_resize(tree->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "listing a folder");
        tree->items = items;
        tree->capacity = capacity;
    }
    struct tree_entry entry = {.path = arena_copy(&tree->arena, path, strlen(path)), .mode = st->st_mode};
    if (!entry.path)
        return error_memory(err, "listing a folder");
    if (S_ISREG(st->st_mode))
        entry.bytes = (uint64_t)st->st_size;
    if (!u64_add(tree->bytes, entry.bytes, &tree->bytes))
        return error_set(err, ERROR_UNSUPPORTED, "%s: the folder is too large", quote(path).text);
    tree->items[tree->n++] = entry;
    return true;
}

struct walk {
    const struct fs *fs;
    const char *root;
    const struct tree_filter *filter;
    struct file_tree *tree;
};

bool file_tree_names(const struct fs *fs, const char *path, const char *what, char **out, struct error *err)
{
    if (fs->list(fs->state, path, out) == 0)
        return true;
    return errno == ENOMEM ? error_memory(err, "listing a folder")
                           : error_set_errno(err, "%s: cannot list the %s", quote(path).text, what);
}

static bool walk_folder(const struct walk *w, const char *below, unsigned depth, struct error *err);

static bool visit(const struct walk *w, const char *below, const char *name, unsigned depth,
                  struct error *err)
{
    struct stat st;
    bool ok = false;
    char *relative = depth ? path_join(below, name) : memory_string(name);
    char *path = relative ? path_join(w->root, relative) : NULL;
    if (!path) {
        error_memory(err, "listing a folder");
        goto out;
    }
    if (w->fs->lstat(w->fs->state, path, &st) < 0) {
        error_set_errno(err, "%s", quote(path).text);
        goto out;
    }
    ok = true;
    if (S_ISLNK(st.st_mode) && w->filter->follow &&
        (w->fs->stat(w->fs->state, path, &st) < 0 || !S_ISREG(st.st_mode)))
        goto out; /* a link to nowhere, or to a folder */
    ok = add(w->tree, relative, &st, err) &&
         (!S_ISDIR(st.st_mode) || walk_folder(w, relative, depth + 1, err));
out:
    free(relative);
    free(path);
    return ok;
}

static bool walk_folder(const struct walk *w, const char *below, unsigned depth, struct error *err)
{
    char *path = depth ? path_join(w->root, below) : memory_string(w->root), *list = NULL;
    bool ok = true;
    if (!path)
        ok = error_memory(err, "listing a folder");
    else if (depth > DEPTH_LIMIT)
        ok = error_set(err, ERROR_UNSUPPORTED, "%s: more than %d folders within each other", quote(path).text,
                       DEPTH_LIMIT);
    else
        ok = file_tree_names(w->fs, path, "folder", &list, err);
    for (const char *p = list; ok && list && *p; p += strlen(p) + 1)
        if (!w->filter->wanted || w->filter->wanted(w->filter->user, p, depth == 0))
            ok = visit(w, below, p, depth, err);
    free(list);
    free(path);
    return ok;
}

bool file_tree_list(const struct fs *fs, const char *root, const struct tree_filter *filter,
                    struct file_tree *out, struct error *err)
{
    struct walk w = {.fs = fs, .root = root, .filter = filter, .tree = out};
    return walk_folder(&w, "", 0, err);
}

void file_tree_release(struct file_tree *tree)
{
    if (!tree)
        return;
    free(tree->items);
    arena_release(&tree->arena);
    *tree = (struct file_tree){0};
}

static bool remove_entry(const struct fs *fs, const char *root, const struct tree_entry *entry,
                         struct error *err)
{
    char *path = path_join(root, entry->path);
    if (!path)
        return error_memory(err, "removing a folder");
    int done = S_ISDIR(entry->mode) ? fs->rmdir(fs->state, path) : fs->unlink(fs->state, path);
    bool ok = done == 0 ? true : error_set_errno(err, "%s: cannot remove", quote(path).text);
    free(path);
    return ok;
}

bool file_tree_remove(const struct fs *fs, const char *root, struct error *err)
{
    struct stat st;
    struct file_tree tree = {0};
    struct tree_filter all = {0};
    if (fs->lstat(fs->state, root, &st) < 0 && errno == ENOENT)
        return true;
    bool ok = file_tree_list(fs, root, &all, &tree, err);
    for (size_t i = tree.n; ok && i > 0; i--)
        ok = remove_entry(fs, root, &tree.items[i - 1], err);
    if (ok && fs->rmdir(fs->state, root) < 0)
        ok = error_set_errno(err, "%s: cannot remove", quote(root).text);
    file_tree_release(&tree);
    return ok;
}

char *file_tree_temporary(const char *path, struct error *err)
{
    uint32_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        error_set_errno(err, "no random numbers");
        return NULL;
    }
    const char *base = path_base(path);
    struct str s = {0};
    str_append_bytes(&s, path, (size_t)(base - path));
    str_printf(&s, ".%.*s.lancet-%08" PRIx32, (int)NAME_KEPT, base, number);
    char *name = str_take(&s);
    if (!name)
        error_memory(err, "making a temporary name");
    return name;
}
