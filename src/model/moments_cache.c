#include "moments_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "str.h"

/* A change of what is below makes another name. */
static const char version[] = "lancet moments 1";

/* ---- where ---- */

/* $XDG_CACHE_HOME/lancet, else ~/.cache/lancet; NULL when neither is known, or without memory. */
static char *user_folder(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct str s = {0};

    if (cache && cache[0] == '/')
        str_printf(&s, "%s/lancet", cache);
    else if (home && home[0] == '/')
        str_printf(&s, "%s/.cache/lancet", home);
    else
        return NULL;
    return str_take(&s);
}

/* Makes a folder and those above it; what is there is fine. */
static void make_folders(const struct fs *fs, char *path)
{
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            fs->mkdir(fs->state, path, 0777);
            *p = '/';
        }
    fs->mkdir(fs->state, path, 0777);
}

/* ---- what moments depend on ---- */

struct digest_job {
    struct moments_cache *cache;
    struct error *errors; /* [n_tensors] */
};

static void digest_task(void *user, size_t task, unsigned worker)
{
    struct digest_job *job = user;
    struct moments_cache *c = job->cache;

    (void)worker;
    checkpoint_tensor_digest(c->model->checkpoint, c->tensors[task], &c->digests[task], &job->errors[task]);
}

static bool digest_tensors(struct moments_cache *c, struct error *err)
{
    struct digest_job job = {c, memory_zeroed(c->n_tensors, sizeof *job.errors)};
    bool ok = true;

    if (!job.errors)
        return error_memory(err, "looking for second moments in the cache");
    pool_run(c->context->pool, c->n_tensors, digest_task, &job);
    for (size_t i = 0; ok && i < c->n_tensors; i++)
        if (job.errors[i].kind != ERROR_NONE) {
            *err = job.errors[i];
            ok = false;
        }
    free(job.errors);
    return ok;
}

static bool digest_config(struct moments_cache *c, struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    bool ok = checkpoint_companion(c->model->checkpoint, "config.json", &text, &n, err) &&
              digest_of(text ? text : "", text ? n : 0, &c->config, err);

    free(text);
    return ok;
}

bool moments_cache_open(const struct context *context, const struct model *model, const char *folder,
                        size_t highest, struct moments_cache *out, struct error *err)
{
    struct moments_cache c = {.context = context, .model = model};

    /* Weights that were changed in memory have no digest. */
    if ((folder && !*folder) || model->overlay->n_entries) {
        *out = c;
        return true;
    }
    c.folder = folder ? memory_string(folder) : user_folder();
    if (!c.folder) {
        *out = c;
        return true;
    }
    c.on = true;
    context_progress(context, "looking for second moments in the cache", 0, 0);
    if (model_tensors_below(model, highest, &c.tensors, &c.n_tensors, err)) {
        c.digests = memory_zeroed(c.n_tensors, sizeof *c.digests);
        if (!c.digests)
            error_memory(err, "looking for second moments in the cache");
        else if (digest_config(&c, err) && digest_tensors(&c, err)) {
            *out = c;
            return true;
        }
    }
    moments_cache_close(&c);
    return false;
}

void moments_cache_close(struct moments_cache *cache)
{
    free(cache->folder);
    free(cache->tensors);
    free(cache->digests);
    *cache = (struct moments_cache){0};
}

static const struct digest *digest_of_tensor(const struct moments_cache *c, const struct tensor *tensor)
{
    size_t low = 0, high = c->n_tensors;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(c->tensors[middle]->name, tensor->name);

        if (order == 0)
            return &c->digests[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* FOLDER/moments/HEX.safetensors; *folder, when not NULL, gets FOLDER/moments. Both are freed with free(). */
static bool cache_path(const struct moments_cache *c, const char *text, size_t layer, char **path,
                       char **folder, struct error *err)
{
    const struct tensor **tensors = NULL;
    size_t n = 0;
    struct str s = {0}, where = {0};
    struct digest digest;
    char hex[65], what[256];
    bool ok = model_tensors_below(c->model, layer, &tensors, &n, err);

    if (!ok)
        return false;
    digest_hex(&c->config, hex);
    str_printf(&s, "%s\n%s\nconfig %s\nlayer %zu\n", version, text, hex, layer);
    for (size_t i = 0; i < n; i++) {
        const struct digest *of = digest_of_tensor(c, tensors[i]);

        tensor_describe(tensors[i], what, sizeof what);
        str_printf(&s, "%s %s ", tensors[i]->name, what);
        digest_hex(of, hex);
        str_printf(&s, "%s\n", hex);
    }
    free(tensors);
    if (s.failed)
        ok = error_memory(err, "looking for second moments in the cache");
    ok = ok && digest_of(s.data, s.length, &digest, err);
    str_release(&s);
    if (!ok)
        return false;
    digest_hex(&digest, hex);
    str_printf(&where, "%s/moments/%s.safetensors", c->folder, hex);
    *path = str_take(&where);
    if (folder) {
        str_printf(&where, "%s/moments", c->folder);
        *folder = str_take(&where);
    }
    if (*path && (!folder || *folder))
        return true;
    free(*path);
    if (folder)
        free(*folder);
    return error_memory(err, "looking for second moments in the cache");
}

bool moments_cache_find(const struct moments_cache *cache, const char *text, size_t layer,
                        struct moments *out, bool *found, struct error *err)
{
    struct error ignored;
    char *path;

    *found = false;
    if (!cache->on)
        return true;
    if (!cache_path(cache, text, layer, &path, NULL, err))
        return false;
    *found = fs_exists(cache->context->fs, path) &&
             moments_read(cache->context, path, layer, cache->model->config.ff, out, &ignored);
    free(path);
    return true;
}

bool moments_cache_keep(const struct moments_cache *cache, const char *text, const struct moments *moments,
                        struct error *err)
{
    struct error ignored;
    char *path, *folder;

    if (!cache->on)
        return true;
    if (!cache_path(cache, text, moments->layer, &path, &folder, err))
        return false;
    make_folders(cache->context->fs, folder);
    moments_write(cache->context, moments, 1, path, &ignored);
    free(path);
    free(folder);
    return true;
}
