#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "memory.h"
#include "quote.h"
#include "record.h"

static const char folder_name[] = ".lancet";

static const char *const suffixes[] = {
    [STORE_COMMITTED] = "", [STORE_OPEN] = ".open", [STORE_TEMPORARY] = ".tmp"};

enum { KINDS = sizeof suffixes / sizeof *suffixes };

/* "0012" is a number, "12" and "00012" are not: one number has one name. */
static bool entry_parse(const char *name, struct store_entry *out)
{
    size_t digits = strspn(name, "0123456789");
    if (digits < 4 || digits > 6 || (digits > 4 && name[0] == '0'))
        return false;
    uint32_t number = 0;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint32_t)(name[i] - '0');
    for (size_t kind = 0; number && kind < KINDS; kind++) {
        if (strcmp(name + digits, suffixes[kind]) == 0) {
            *out = (struct store_entry){number, (enum store_kind)kind};
            return true;
        }
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static bool entries_read(const char *names, struct store *store, struct error *err)
{
    size_t n = 0;
    for (const char *p = names; *p; p += strlen(p) + 1)
        n++;
    store->entries = memory_array(n, sizeof *store->entries);
    if (!store->entries)
        return error_memory(err, "listing records");
    for (const char *p = names; *p; p += strlen(p) + 1) {
        if (strncmp(p, ".nfs", 4) == 0) /* NFS's own name for a record that was removed while it was open */
            continue;
        if (!entry_parse(p, &store->entries[store->n]))
            return error_set(err, ERROR_FORMAT, "%s: %s is not the name of a record; nothing was touched",
                             store->path, quote(p).text);
        store->n++;
    }
    qsort(store->entries, store->n, sizeof *store->entries, by_number);
    for (size_t i = 0; i < store->n; i++) {
        const struct store_entry *e = &store->entries[i];
        if (e->kind == STORE_TEMPORARY)
            continue;
        if (store->open)
            return error_set(err, ERROR_FORMAT,
                             "%s: record %04u is open, but record %04u is there: only the newest may be",
                             store->path, store->open, e->number);
        if (e->number == store->newest)
            return error_set(err, ERROR_FORMAT, "%s: record %04u is there twice, open and committed",
                             store->path, e->number);
        if (e->kind == STORE_OPEN)
            store->open = e->number;
        store->newest = e->number;
    }
    return true;
}

bool store_list(const struct fs *fs, const char *directory, struct store *out, struct error *err)
{
    struct store store = {.directory = directory};
    char *names = NULL;
    bool ok = false;
    struct stat st;
    store.path = path_join(directory, folder_name);
    if (!store.path) {
        error_memory(err, "listing records");
        goto out;
    }
    if (fs->lstat(fs->state, store.path, &st) < 0) {
        ok = errno == ENOENT || error_set_errno(err, "%s: cannot look at it", store.path);
        goto out;
    }
    if (!S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_FORMAT, "%s: is no directory, and records belong there", store.path);
        goto out;
    }
    store.there = true;
    if (fs->list(fs->state, store.path, &names) < 0) {
        ok = errno == EACCES || errno == EPERM ||
             (errno == ENOMEM ? error_memory(err, "listing records")
                              : error_set_errno(err, "%s: cannot list the records", store.path));
        goto out;
    }
    store.readable = true;
    ok = entries_read(names, &store, err);
out:
    free(names);
    if (ok)
        *out = store;
    else
        store_release(&store);
    return ok;
}

void store_release(struct store *store)
{
    if (!store)
        return;
    free(store->path);
    free(store->entries);
    *store = (struct store){0};
}

char *store_path(const struct store *store, uint32_t number, enum store_kind kind, struct error *err)
{
    char name[32];
    snprintf(name, sizeof name, "%04u%s", number, suffixes[kind]);
    char *path = path_join(store->path, name);
    if (!path)
        error_memory(err, "naming a record");
    return path;
}

bool store_create(const struct fs *fs, struct store *store, struct error *err)
{
    if (!store->there && fs->mkdir(fs->state, store->path, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, "%s: cannot make the directory of records", store->path);
    /* Also when it was there: whoever made it may have been cut before this. */
    if (!fs_sync_directory(fs, store->directory, err))
        return false;
    store->there = store->readable = true;
    return true;
}

bool store_remove(const struct fs *fs, const struct store *store, uint32_t number, enum store_kind kind,
                  struct error *err)
{
    char *path = store_path(store, number, kind, err);
    if (!path)
        return false;
    bool ok = fs->unlink(fs->state, path) == 0 || errno == ENOENT ||
              error_set_errno(err, "%s: cannot remove the record", path);
    free(path);
    return ok;
}

bool store_sync(const struct fs *fs, const struct store *store, struct error *err)
{
    return fs_sync_directory(fs, store->path, err);
}

bool store_open_record(const struct fs *fs, const char *path, int flags, int *fd, struct error *err)
{
    int opened = fs->open(fs->state, path, flags | O_NOFOLLOW | O_NONBLOCK, 0);
    if (opened < 0)
        return errno == ELOOP ? error_set(err, ERROR_FORMAT, "%s: is a link, expected a record", path)
                              : error_set_errno(err, "%s: cannot open the record", path);
    *fd = opened;
    return true;
}

bool store_lock(const struct fs *fs, int fd, const char *path, struct error *err)
{
    struct stat named, opened;
    if (fs->lock(fs->state, fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? error_set(err, ERROR_BUSY, "%s: another lancet is changing this model right now", path)
                   : error_set_errno(err, "%s: cannot lock the record", path);
    if (fs->fstat(fs->state, fd, &opened) < 0)
        return error_set_errno(err, "%s: cannot stat", path);
    bool gone = fs->lstat(fs->state, path, &named) < 0;
    if (gone && errno != ENOENT)
        return error_set_errno(err, "%s: cannot look at it", path);
    if (gone || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev)
        return error_set(err, ERROR_BUSY, "%s: another lancet took this record away", path);
    return true;
}
