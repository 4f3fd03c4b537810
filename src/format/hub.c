/* The cache of huggingface_hub: CACHE/models--ORG--NAME/refs/main holds the name of a commit, and
 * CACHE/models--ORG--NAME/snapshots/COMMIT/ the files, as links into ../../blobs/. CACHE is $HF_HUB_CACHE,
 * else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. */
#include "hub.h"

#include <stdlib.h>
#include <string.h>

#include "quote.h"
#include "str.h"

enum { NAME_LIMIT = 96, REF_LIMIT = 4096 };

bool hub_is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *slash = strchr(name, '/'), *last = slash ? slash + 1 : name;
    size_t first = slash ? (size_t)(slash - name) : 1;
    if (strlen(name) > 2 * NAME_LIMIT || first == 0 || *last == '\0' || name[0] == '.' || *last == '.')
        return false;
    return (!slash || strspn(name, allowed) == first) && strspn(last, allowed) == strlen(last);
}

static void append_cache(struct str *s)
{
    static const struct place {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HOME", "/.cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = getenv(places[i].variable);
        if (!value || !*value)
            continue;
        str_append(s, value);
        str_append(s, places[i].below);
        return;
    }
    str_append(s, "/nonexistent");
}

static void append_model(struct str *s, const char *name)
{
    str_append(s, "/models--");
    for (const char *p = name; *p; p++)
        str_append_bytes(s, *p == '/' ? "--" : p, *p == '/' ? 2 : 1);
}

/* Cuts white space off the end; false when what is left is not one plain name. */
static bool trim_commit(char *commit)
{
    size_t n = strlen(commit);
    while (n && strchr(" \n\r\t", commit[n - 1]))
        commit[--n] = '\0';
    return n && strspn(commit, "0123456789abcdefABCDEF") == n;
}

bool hub_find(const struct fs *fs, const char *name, struct arena *arena, const char **out, struct error *err)
{
    bool ok = false;
    char *commit = NULL;
    size_t n;
    struct str cache = {0}, reference = {0}, folder = {0};
    append_cache(&cache);
    if (!cache.failed) {
        str_append(&reference, cache.data);
        append_model(&reference, name);
        str_append(&reference, "/refs/main");
        str_append(&folder, cache.data);
        append_model(&folder, name);
    }
    if (cache.failed || reference.failed || folder.failed) {
        error_memory(err, "looking into the Hugging Face cache");
        goto out;
    }
    if (!fs_exists(fs, reference.data)) {
        error_set(err, ERROR_IO,
                  "%s: no such file or folder, and the Hugging Face cache %s holds no model of that name",
                  quote(name).text, cache.data);
        goto out;
    }
    if (!fs_read_file(fs, reference.data, REF_LIMIT, &commit, &n, err))
        goto out;
    if (!trim_commit(commit)) {
        error_set(err, ERROR_FORMAT, "%s: holds %s, expected the name of a commit", reference.data,
                  quote(commit).text);
        goto out;
    }
    str_printf(&folder, "/snapshots/%s", commit);
    const char *copy = folder.failed ? NULL : arena_copy(arena, folder.data, folder.length);
    if (!copy) {
        error_memory(err, "looking into the Hugging Face cache");
        goto out;
    }
    *out = copy;
    ok = true;
out:
    free(commit);
    str_release(&cache);
    str_release(&reference);
    str_release(&folder);
    return ok;
}
