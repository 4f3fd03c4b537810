/* A path is, in this order: a folder with model.safetensors (which transformers prefers) or an index; a file
 * of weights or an index, given by itself; the name of a model in the Hugging Face cache. A GGUF file of a
 * model that was split ("NAME-00001-of-00003.gguf", any of them) stands for all of them. */
#include "model_files.h"

#include <errno.h>
#include <string.h>

#include "gguf.h"
#include "hub.h"
#include "memory.h"
#include "quote.h"
#include "str.h"

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static char *join(const char *folder, const char *name, struct arena *arena)
{
    char *joined = path_join(folder, name);
    char *copy = joined ? arena_copy(arena, joined, strlen(joined)) : NULL;
    free(joined);
    return copy;
}

const char *model_files_shown(const char *folder, const char *name, struct arena *arena)
{
    char *joined = path_join(folder, name);
    struct str s = {0};
    if (joined)
        str_append_escaped(&s, joined, strlen(joined));
    const char *copy = joined && !s.failed ? arena_copy(arena, s.data ? s.data : "", s.length) : NULL;
    free(joined);
    str_release(&s);
    return copy;
}

static bool use_one(const char *name, struct arena *arena, struct model_files *out, struct error *err)
{
    out->names = arena_array(arena, 1, sizeof *out->names);
    if (!out->names || !(out->names[0] = arena_copy(arena, name, strlen(name))))
        return error_memory(err, "looking for weights");
    out->n_names = 1;
    return true;
}

static bool use_split(const char *name, unsigned count, struct arena *arena, struct model_files *out,
                      struct error *err)
{
    out->names = arena_array(arena, count, sizeof *out->names);
    for (unsigned i = 0; out->names && i < count; i++) {
        char *copy = arena_copy(arena, name, strlen(name));
        if (!copy)
            return error_memory(err, "looking for weights");
        gguf_split_rename(copy, i);
        out->names[i] = copy;
    }
    out->n_names = count;
    return out->names ? true : error_memory(err, "looking for weights");
}

static bool use_index(const struct fs *fs, const char *name, struct arena *arena, struct model_files *out,
                      struct error *err)
{
    const char *path = join(out->folder, name, arena);
    const char *shown = model_files_shown(out->folder, name, arena);
    if (!path || !shown)
        return error_memory(err, "looking for weights");
    if (!index_read(fs, path, shown, arena, &out->index, err))
        return false;
    out->index_name = arena_copy(arena, name, strlen(name));
    if (!out->index_name)
        return error_memory(err, "looking for weights");
    out->names = out->index.shards;
    out->n_names = out->index.n_shards;
    return true;
}

static const char *first_with(const char *list, const char *const *ends)
{
    for (; *ends; ends++)
        for (const char *p = list; *p; p += strlen(p) + 1)
            if (ends_with(p, *ends))
                return p;
    return NULL;
}

/* Says what the folder holds in place of what was looked for. */
static bool explain_absence(const struct fs *fs, const char *folder, struct error *err)
{
    static const char *const own[] = {".safetensors", ".gguf", NULL};
    static const char *const others[] = {".bin", ".pth", ".pt", ".npz", ".h5", ".msgpack", ".onnx", NULL};
    char *list;
    if (fs->list(fs->state, folder, &list) < 0)
        return error_set_errno(err, "%s: cannot list the folder", folder);
    const char *found = first_with(list, own);
    if (found)
        error_set(err, ERROR_IO, "%s: holds neither %s nor %s; give %s by its own name to use it", folder,
                  single_name, index_name, quote(found).text);
    else if ((found = first_with(list, others)))
        error_set(err, ERROR_UNSUPPORTED,
                  "%s: holds neither %s nor %s; the weights in %s are in a form that lancet does not read",
                  folder, single_name, index_name, quote(found).text);
    else
        error_set(err, ERROR_IO, "%s: no weights found: looked for %s and %s", folder, single_name,
                  index_name);
    free(list);
    return false;
}

static bool look_into_folder(const struct fs *fs, struct arena *arena, struct model_files *out,
                             struct error *err)
{
    const char *single = join(out->folder, single_name, arena), *index = join(out->folder, index_name, arena);
    if (!single || !index)
        return error_memory(err, "looking for weights");
    out->is_folder = true;
    bool has_index = fs_exists(fs, index);
    if (fs_exists(fs, single)) {
        out->index_ignored = has_index;
        return use_one(single_name, arena, out, err);
    }
    return has_index ? use_index(fs, index_name, arena, out, err) : explain_absence(fs, out->folder, err);
}

static bool use_file(const struct fs *fs, const char *path, struct arena *arena, struct model_files *out,
                     struct error *err)
{
    const char *base = path_base(path);
    size_t n = (size_t)(base - path);
    out->folder = n == 0 ? "." : arena_copy(arena, path, n > 1 ? n - 1 : n);
    if (!out->folder)
        return error_memory(err, "looking for weights");
    if (ends_with(base, ".index.json"))
        return use_index(fs, base, arena, out, err);
    unsigned index, count;
    return gguf_split_parse(base, &index, &count) ? use_split(base, count, arena, out, err)
                                                  : use_one(base, arena, out, err);
}

bool model_files_find(const struct fs *fs, const char *path, struct arena *arena, struct model_files *out,
                      struct error *err)
{
    struct model_files files = {.folder = path};
    struct stat st;
    bool ok;
    if (fs->stat(fs->state, path, &st) == 0)
        ok = S_ISDIR(st.st_mode) ? look_into_folder(fs, arena, &files, err)
                                 : use_file(fs, path, arena, &files, err);
    else if ((errno == ENOENT || errno == ENOTDIR) && hub_is_name(path)) {
        files.from_hub = true;
        ok = hub_find(fs, path, arena, &files.folder, err) && look_into_folder(fs, arena, &files, err);
    } else
        ok = error_set_errno(err, "%s", quote(path).text);
    if (ok)
        *out = files;
    return ok;
}
