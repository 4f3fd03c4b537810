#include "simfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

enum { PAGE = 4096, MOST_OPEN = 256, MOST_NAME = 64 };

unsigned simfs_depth;
long simfs_handed_over;

/* ---- what the disk holds ---- */

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

enum write_kind { WRITE_BYTES, WRITE_SIZE };

struct pending_write { /* since the last sync of the file */
    enum write_kind kind;
    size_t offset, n; /* WRITE_SIZE: n is the new size */
    uint8_t *bytes;
};

enum name_kind { NAME_ADD, NAME_REMOVE, NAME_RENAME };

struct entry {
    char name[MOST_NAME];
    unsigned inode;
};

struct names {
    struct entry *items;
    size_t n;
};

struct pending_name { /* since the last sync of the directory */
    enum name_kind kind;
    char name[MOST_NAME], to[MOST_NAME];
    unsigned inode;
};

struct inode {
    bool is_directory;
    mode_t mode;
    struct bytes now, synced;
    struct pending_write *writes;
    size_t n_writes;
    struct names names_now, names_synced;
    struct pending_name *name_changes;
    size_t n_name_changes;
};

struct description {
    bool used;
    unsigned inode;
    int flags, lock;
};

struct simfs {
    struct fs table;
    struct inode *inodes; /* 0 is the root */
    size_t n_inodes;
    struct description open[MOST_OPEN];
    unsigned n_maps;
    enum simfs_fault fault;
    uint64_t at, calls, changes;
    int number;
    bool fired, sync_failed, off; /* off: the power is gone */
    bool no_reserve, no_listing;
    uint64_t free_bytes;
};

static void *need(void *block)
{
    if (!block)
        abort();
    return block;
}

static void *copy_of(const void *bytes, size_t n)
{
    void *copy = need(malloc(n ? n : 1));
    if (n)
        memcpy(copy, bytes, n);
    return copy;
}

uint64_t simfs_draw(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}

static void bytes_resize(struct bytes *b, size_t size)
{
    if (size > b->capacity) {
        size_t capacity = size + size / 2 + PAGE;
        b->data = need(realloc(b->data, capacity));
        b->capacity = capacity;
    }
    if (size > b->size)
        memset(b->data + b->size, 0, size - b->size);
    b->size = size;
}

static void bytes_set(struct bytes *to, const struct bytes *from)
{
    bytes_resize(to, from->size);
    if (from->size)
        memcpy(to->data, from->data, from->size);
}

static void names_set(struct names *to, const struct names *from)
{
    free(to->items);
    to->items = copy_of(from->items, from->n * sizeof *from->items);
    to->n = from->n;
}

static struct entry *names_find(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i].name, name) == 0)
            return &names->items[i];
    return NULL;
}

static void names_add(struct names *names, const char *name, unsigned inode)
{
    struct entry *e = names_find(names, name);
    if (!e) {
        names->items = need(realloc(names->items, (names->n + 1) * sizeof *names->items));
        e = &names->items[names->n++];
        strcpy(e->name, name);
    }
    e->inode = inode;
}

static void names_remove(struct names *names, const char *name)
{
    struct entry *e = names_find(names, name);
    if (e)
        *e = names->items[--names->n];
}

static void name_apply(struct names *names, const struct pending_name *p)
{
    struct entry *from;
    switch (p->kind) {
    case NAME_ADD:
        names_add(names, p->name, p->inode);
        break;
    case NAME_REMOVE:
        names_remove(names, p->name);
        break;
    case NAME_RENAME:
        from = names_find(names, p->name);
        if (from) {
            unsigned inode = from->inode;
            names_remove(names, p->name);
            names_add(names, p->to, inode);
        }
        break;
    }
}

static void forget_pending(struct inode *inode)
{
    for (size_t i = 0; i < inode->n_writes; i++)
        free(inode->writes[i].bytes);
    free(inode->writes);
    free(inode->name_changes);
    inode->writes = NULL;
    inode->name_changes = NULL;
    inode->n_writes = inode->n_name_changes = 0;
}

static void add_write(struct inode *inode, enum write_kind kind, size_t offset, const void *bytes, size_t n)
{
    inode->writes = need(realloc(inode->writes, (inode->n_writes + 1) * sizeof *inode->writes));
    inode->writes[inode->n_writes++] =
        (struct pending_write){kind, offset, n, bytes ? copy_of(bytes, n) : NULL};
    if (kind == WRITE_SIZE) {
        bytes_resize(&inode->now, n);
    } else {
        if (offset + n > inode->now.size)
            bytes_resize(&inode->now, offset + n);
        if (n)
            memcpy(inode->now.data + offset, bytes, n);
    }
}

static void add_name(struct inode *directory, struct pending_name p)
{
    directory->name_changes = need(
        realloc(directory->name_changes, (directory->n_name_changes + 1) * sizeof *directory->name_changes));
    directory->name_changes[directory->n_name_changes++] = p;
    name_apply(&directory->names_now, &p);
}

static unsigned add_inode(struct simfs *sim, bool is_directory, mode_t mode)
{
    sim->inodes = need(realloc(sim->inodes, (sim->n_inodes + 1) * sizeof *sim->inodes));
    sim->inodes[sim->n_inodes] = (struct inode){.is_directory = is_directory, .mode = mode};
    return (unsigned)sim->n_inodes++;
}

/* What is pending reaches the disk; what an earlier sync lost does not. */
static void inode_sync(struct inode *inode)
{
    for (size_t i = 0; i < inode->n_writes; i++) {
        const struct pending_write *w = &inode->writes[i];
        if (w->kind == WRITE_SIZE || w->offset + w->n > inode->synced.size)
            bytes_resize(&inode->synced, w->kind == WRITE_SIZE ? w->n : w->offset + w->n);
        if (w->kind == WRITE_BYTES && w->n)
            memcpy(inode->synced.data + w->offset, w->bytes, w->n);
    }
    for (size_t i = 0; i < inode->n_name_changes; i++)
        name_apply(&inode->names_synced, &inode->name_changes[i]);
    forget_pending(inode);
}

/* ---- when the power comes back ---- */

static void fill_garbage(uint8_t *bytes, size_t n, uint64_t *state)
{
    uint64_t kind = simfs_draw(state, 4);
    for (size_t i = 0; i < n; i++)
        bytes[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)simfs_draw(state, 256);
}

static enum simfs_survival fate(enum simfs_survival survival, uint64_t *state)
{
    return survival == SIMFS_RANDOM ? (enum simfs_survival)simfs_draw(state, 3) : survival;
}

/* Page by page: kept, dropped or torn. */
static void survive_write(struct bytes *disk, const struct pending_write *w, enum simfs_survival survival,
                          uint64_t *state)
{
    size_t end = w->offset + w->n;
    for (size_t page = w->offset / PAGE * PAGE; page < end; page += PAGE) {
        size_t from = page > w->offset ? page : w->offset, to = page + PAGE < end ? page + PAGE : end;
        enum simfs_survival how = fate(survival, state);
        if (how == SIMFS_DROP)
            continue;
        if (to > disk->size)
            bytes_resize(disk, to);
        memcpy(disk->data + from, w->bytes + (from - w->offset), to - from);
        if (how == SIMFS_TEAR) {
            size_t page_end = page + PAGE < disk->size ? page + PAGE : disk->size;
            fill_garbage(disk->data + page, page_end - page, state);
        }
    }
}

static void survive_file(struct inode *inode, enum simfs_survival survival, uint64_t *state)
{
    for (size_t i = 0; i < inode->n_writes; i++) {
        const struct pending_write *w = &inode->writes[i];
        if (w->kind == WRITE_BYTES)
            survive_write(&inode->synced, w, survival, state);
        else if (fate(survival, state) != SIMFS_DROP)
            bytes_resize(&inode->synced, w->n);
    }
    bytes_set(&inode->now, &inode->synced);
}

static void survive_names(struct inode *inode, enum simfs_survival survival, uint64_t *state)
{
    size_t n = inode->n_name_changes;
    bool ordered = simfs_draw(state, 2) == 0;
    size_t kept = simfs_draw(state, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool keep =
            survival == SIMFS_RANDOM ? (ordered ? i < kept : simfs_draw(state, 2)) : survival != SIMFS_DROP;
        if (keep)
            name_apply(&inode->names_synced, &inode->name_changes[i]);
    }
    names_set(&inode->names_now, &inode->names_synced);
}

void simfs_power_on(struct simfs *sim, enum simfs_survival survival, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    for (int i = 0; i < 4; i++)
        simfs_draw(&state, 2);
    for (size_t i = 0; i < sim->n_inodes; i++) {
        struct inode *inode = &sim->inodes[i];
        if (inode->is_directory)
            survive_names(inode, survival, &state);
        else
            survive_file(inode, survival, &state);
        forget_pending(inode);
    }
    memset(sim->open, 0, sizeof sim->open);
    sim->n_maps = 0;
    sim->off = false;
    simfs_plan(sim, SIMFS_NOTHING, 0, 0);
}

/* ---- faults ---- */

void simfs_plan(struct simfs *sim, enum simfs_fault fault, uint64_t n, int number)
{
    sim->fault = fault;
    sim->at = n;
    sim->number = number;
    sim->calls = sim->changes = 0;
    sim->fired = sim->sync_failed = false;
    sim->off = fault == SIMFS_CUT && n == 0;
}

bool simfs_fired(const struct simfs *sim)
{
    return sim->fired || sim->off;
}

bool simfs_sync_failed(const struct simfs *sim)
{
    return sim->sync_failed;
}

uint64_t simfs_calls(const struct simfs *sim)
{
    return sim->calls;
}

uint64_t simfs_changes(const struct simfs *sim)
{
    return sim->changes;
}

/* Before a call: whether it fails. */
static bool fails(struct simfs *sim)
{
    sim->calls++;
    if (sim->off) {
        errno = EIO;
        return true;
    }
    bool now = (sim->fault == SIMFS_FAIL_ONCE && sim->calls == sim->at) ||
               (sim->fault == SIMFS_FAIL_FOREVER && sim->calls >= sim->at);
    sim->fired = sim->fired || now;
    if (now)
        errno = sim->number;
    return now;
}

/* After a call that changed something. */
static void changed(struct simfs *sim)
{
    sim->changes++;
    if (sim->fault == SIMFS_CUT && sim->changes == sim->at)
        sim->off = true;
}

static size_t shortened(struct simfs *sim, size_t n)
{
    if (sim->fault != SIMFS_SHORT || sim->calls != sim->at || n < 2)
        return n;
    sim->fired = true;
    return n / 2;
}

/* ---- paths ---- */

/* Directory inode and last name of a path; false when a part of it is missing. */
static bool resolve(const struct simfs *sim, const char *path, unsigned *directory, const char **name)
{
    unsigned at = 0;
    while (*path == '/')
        path++;
    for (;;) {
        const char *slash = strchr(path, '/');
        if (!slash)
            break;
        char part[MOST_NAME] = "";
        memcpy(part, path, (size_t)(slash - path));
        const struct entry *e = names_find(&sim->inodes[at].names_now, part);
        if (!e || !sim->inodes[e->inode].is_directory)
            return false;
        at = e->inode;
        path = slash + 1;
    }
    *directory = at;
    *name = path;
    return true;
}

static bool lookup(const struct simfs *sim, const char *path, unsigned *inode)
{
    unsigned directory;
    const char *name;
    if (!resolve(sim, path, &directory, &name))
        return false;
    const struct entry *e = *name ? names_find(&sim->inodes[directory].names_now, name) : NULL;
    if (*name && !e)
        return false;
    *inode = e ? e->inode : directory;
    return true;
}

static struct description *description(struct simfs *sim, int fd)
{
    if (fd < 3 || fd >= MOST_OPEN || !sim->open[fd].used)
        abort(); /* a descriptor that was never opened, or closed twice */
    return &sim->open[fd];
}

static struct inode *inode_of(struct simfs *sim, int fd)
{
    return &sim->inodes[description(sim, fd)->inode];
}

/* ---- the table ---- */

static int sim_open(void *state, const char *path, int flags, mode_t mode)
{
    struct simfs *sim = state;
    unsigned inode, directory;
    const char *name;
    if (fails(sim))
        return -1;
    int fd = 3;
    while (fd < MOST_OPEN && sim->open[fd].used)
        fd++;
    if (fd == MOST_OPEN)
        return errno = EMFILE, -1;
    if (lookup(sim, path, &inode)) {
        if (flags & O_CREAT && flags & O_EXCL)
            return errno = EEXIST, -1;
    } else {
        if (!(flags & O_CREAT) || !resolve(sim, path, &directory, &name))
            return errno = ENOENT, -1;
        inode = add_inode(sim, false, mode);
        struct pending_name p = {.kind = NAME_ADD, .inode = inode};
        strcpy(p.name, name);
        add_name(&sim->inodes[directory], p);
        changed(sim);
    }
    sim->open[fd] = (struct description){.used = true, .inode = inode, .flags = flags};
    return fd;
}

/* Also a close that fails closes. */
static int sim_close(void *state, int fd)
{
    struct simfs *sim = state;
    bool failed = fails(sim);
    description(sim, fd)->used = false;
    return failed ? -1 : 0;
}

static ssize_t sim_pread(void *state, int fd, void *buffer, size_t n, off_t offset)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    const struct bytes *b = &inode_of(sim, fd)->now;
    if ((size_t)offset >= b->size)
        return 0;
    if (n > b->size - (size_t)offset)
        n = b->size - (size_t)offset;
    n = shortened(sim, n);
    memcpy(buffer, b->data + offset, n);
    return (ssize_t)n;
}

static ssize_t sim_pwrite(void *state, int fd, const void *buffer, size_t n, off_t offset)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    if (!(description(sim, fd)->flags & O_RDWR))
        return errno = EBADF, -1;
    n = shortened(sim, n);
    add_write(inode_of(sim, fd), WRITE_BYTES, (size_t)offset, buffer, n);
    changed(sim);
    return (ssize_t)n;
}

static int sim_sync(void *state, int fd)
{
    struct simfs *sim = state;
    if (fails(sim)) {
        if (!sim->off)
            forget_pending(inode_of(sim, fd)); /* the kernel may hold it clean now, and lose it */
        sim->sync_failed = true;
        return -1;
    }
    inode_sync(inode_of(sim, fd));
    changed(sim);
    return 0;
}

static int sim_truncate(void *state, int fd, off_t size)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    add_write(inode_of(sim, fd), WRITE_SIZE, 0, NULL, (size_t)size);
    changed(sim);
    return 0;
}

static int sim_reserve(void *state, int fd, off_t offset, off_t n)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    if (sim->no_reserve)
        return errno = EOPNOTSUPP, -1;
    if ((uint64_t)n > sim->free_bytes)
        return errno = ENOSPC, -1;
    struct inode *inode = inode_of(sim, fd);
    if ((size_t)(offset + n) > inode->now.size)
        add_write(inode, WRITE_SIZE, 0, NULL, (size_t)(offset + n));
    changed(sim);
    return 0;
}

static int sim_rename(void *state, const char *from, const char *to)
{
    struct simfs *sim = state;
    unsigned directory, other;
    const char *name, *new_name;
    if (fails(sim))
        return -1;
    if (!resolve(sim, from, &directory, &name) || !resolve(sim, to, &other, &new_name) ||
        directory != other || !names_find(&sim->inodes[directory].names_now, name))
        return errno = ENOENT, -1;
    struct pending_name p = {.kind = NAME_RENAME};
    strcpy(p.name, name);
    strcpy(p.to, new_name);
    add_name(&sim->inodes[directory], p);
    changed(sim);
    return 0;
}

static int sim_unlink(void *state, const char *path)
{
    struct simfs *sim = state;
    unsigned directory;
    const char *name;
    if (fails(sim))
        return -1;
    if (!resolve(sim, path, &directory, &name) || !names_find(&sim->inodes[directory].names_now, name))
        return errno = ENOENT, -1;
    struct pending_name p = {.kind = NAME_REMOVE};
    strcpy(p.name, name);
    add_name(&sim->inodes[directory], p);
    changed(sim);
    return 0;
}

static int sim_mkdir(void *state, const char *path, mode_t mode)
{
    struct simfs *sim = state;
    unsigned directory, inode;
    const char *name;
    if (fails(sim))
        return -1;
    if (lookup(sim, path, &inode))
        return errno = EEXIST, -1;
    if (!resolve(sim, path, &directory, &name))
        return errno = ENOENT, -1;
    inode = add_inode(sim, true, mode);
    struct pending_name p = {.kind = NAME_ADD, .inode = inode};
    strcpy(p.name, name);
    add_name(&sim->inodes[directory], p);
    changed(sim);
    return 0;
}

static int sim_rmdir(void *state, const char *path)
{
    (void)state;
    (void)path;
    return errno = ENOSYS, -1;
}

static void fill_stat(const struct simfs *sim, unsigned inode, struct stat *out)
{
    const struct inode *i = &sim->inodes[inode];
    *out = (struct stat){.st_dev = 1, .st_ino = inode + 1, .st_nlink = 1, .st_size = (off_t)i->now.size};
    out->st_mode = (i->is_directory ? S_IFDIR : S_IFREG) | (i->mode & 0777);
}

static int sim_stat(void *state, const char *path, struct stat *out)
{
    struct simfs *sim = state;
    unsigned inode;
    if (fails(sim))
        return -1;
    if (!lookup(sim, path, &inode))
        return errno = ENOENT, -1;
    fill_stat(sim, inode, out);
    return 0;
}

static int sim_fstat(void *state, int fd, struct stat *out)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    fill_stat(sim, description(sim, fd)->inode, out);
    return 0;
}

static int sim_lock(void *state, int fd, int operation)
{
    struct simfs *sim = state;
    if (fails(sim))
        return -1;
    struct description *own = description(sim, fd);
    int kind = operation & ~LOCK_NB;
    for (int i = 0; i < MOST_OPEN; i++) {
        const struct description *d = &sim->open[i];
        if (d != own && d->used && d->inode == own->inode && d->lock &&
            (d->lock == LOCK_EX || kind == LOCK_EX))
            return errno = EWOULDBLOCK, -1;
    }
    own->lock = kind == LOCK_UN ? 0 : kind;
    return 0;
}

static int sim_lease(void *state, int fd)
{
    struct simfs *sim = state;
    (void)fd;
    return fails(sim) ? -1 : 0;
}

static int sim_free_bytes(void *state, int fd, uint64_t *out)
{
    struct simfs *sim = state;
    (void)fd;
    if (fails(sim))
        return -1;
    *out = sim->free_bytes;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int sim_list(void *state, const char *path, char **out)
{
    struct simfs *sim = state;
    unsigned inode;
    if (fails(sim))
        return -1;
    if (!lookup(sim, path, &inode))
        return errno = ENOENT, -1;
    if (sim->no_listing)
        return errno = EACCES, -1;
    struct names sorted = {0};
    names_set(&sorted, &sim->inodes[inode].names_now);
    qsort(sorted.items, sorted.n, sizeof *sorted.items, by_name);
    char *block = need(calloc(sorted.n + 1, MOST_NAME)), *p = block;
    for (size_t i = 0; i < sorted.n; i++) {
        strcpy(p, sorted.items[i].name);
        p += strlen(p) + 1;
    }
    free(sorted.items);
    simfs_handed_over++;
    *out = block;
    return 0;
}

static void *sim_map(void *state, int fd, size_t n)
{
    struct simfs *sim = state;
    (void)n;
    if (fails(sim))
        return NULL;
    sim->n_maps++;
    return inode_of(sim, fd)->now.data;
}

static int sim_unmap(void *state, void *address, size_t n)
{
    struct simfs *sim = state;
    (void)address;
    (void)n;
    sim->n_maps--;
    return 0;
}

/* Every member again, counting the depth. */
#define INSIDE(type, call)                                                                                   \
    simfs_depth++;                                                                                           \
    type result = call;                                                                                      \
    simfs_depth--;                                                                                           \
    return result

static int in_open(void *s, const char *path, int flags, mode_t mode)
{
    INSIDE(int, sim_open(s, path, flags, mode));
}

static ssize_t in_pwrite(void *s, int fd, const void *buffer, size_t n, off_t offset)
{
    INSIDE(ssize_t, sim_pwrite(s, fd, buffer, n, offset));
}

static int in_sync(void *s, int fd)
{
    INSIDE(int, sim_sync(s, fd));
}

static int in_truncate(void *s, int fd, off_t size)
{
    INSIDE(int, sim_truncate(s, fd, size));
}

static int in_reserve(void *s, int fd, off_t offset, off_t n)
{
    INSIDE(int, sim_reserve(s, fd, offset, n));
}

static int in_rename(void *s, const char *from, const char *to)
{
    INSIDE(int, sim_rename(s, from, to));
}

static int in_unlink(void *s, const char *path)
{
    INSIDE(int, sim_unlink(s, path));
}

static int in_mkdir(void *s, const char *path, mode_t mode)
{
    INSIDE(int, sim_mkdir(s, path, mode));
}

static int in_list(void *s, const char *path, char **out)
{
    INSIDE(int, sim_list(s, path, out));
}

const struct fs *simfs_fs(struct simfs *sim)
{
    sim->table = (struct fs){
        .open = in_open,
        .close = sim_close,
        .pread = sim_pread,
        .pwrite = in_pwrite,
        .sync = in_sync,
        .truncate = in_truncate,
        .reserve = in_reserve,
        .rename = in_rename,
        .unlink = in_unlink,
        .mkdir = in_mkdir,
        .rmdir = sim_rmdir,
        .stat = sim_stat,
        .lstat = sim_stat,
        .fstat = sim_fstat,
        .lock = sim_lock,
        .lease = sim_lease,
        .free_bytes = sim_free_bytes,
        .list = in_list,
        .map = sim_map,
        .unmap = sim_unmap,
        .state = sim,
    };
    return &sim->table;
}

/* ---- making, copying, looking ---- */

struct simfs *simfs_new(void)
{
    struct simfs *sim = need(calloc(1, sizeof *sim));
    sim->free_bytes = UINT64_MAX;
    add_inode(sim, true, 0755);
    return sim;
}

struct simfs *simfs_clone(const struct simfs *from)
{
    simfs_depth++;
    struct simfs *sim = need(calloc(1, sizeof *sim));
    sim->no_reserve = from->no_reserve;
    sim->free_bytes = from->free_bytes;
    for (size_t i = 0; i < from->n_inodes; i++) {
        const struct inode *f = &from->inodes[i];
        unsigned copy = add_inode(sim, f->is_directory, f->mode);
        struct inode *t = &sim->inodes[copy];
        bytes_set(&t->now, &f->now);
        bytes_set(&t->synced, &f->synced);
        names_set(&t->names_now, &f->names_now);
        names_set(&t->names_synced, &f->names_synced);
        t->writes = copy_of(f->writes, f->n_writes * sizeof *f->writes);
        t->n_writes = f->n_writes;
        for (size_t k = 0; k < f->n_writes; k++)
            if (f->writes[k].bytes)
                t->writes[k].bytes = copy_of(f->writes[k].bytes, f->writes[k].n);
        t->name_changes = copy_of(f->name_changes, f->n_name_changes * sizeof *f->name_changes);
        t->n_name_changes = f->n_name_changes;
    }
    simfs_depth--;
    return sim;
}

void simfs_free(struct simfs *sim)
{
    for (size_t i = 0; i < sim->n_inodes; i++) {
        struct inode *inode = &sim->inodes[i];
        forget_pending(inode);
        free(inode->now.data);
        free(inode->synced.data);
        free(inode->names_now.items);
        free(inode->names_synced.items);
    }
    free(sim->inodes);
    free(sim);
}

unsigned simfs_open_count(const struct simfs *sim)
{
    unsigned n = sim->n_maps;
    for (int i = 0; i < MOST_OPEN; i++)
        n += sim->open[i].used;
    return n;
}

static bool same_tree(const struct simfs *a, unsigned x, const struct simfs *b, unsigned y)
{
    const struct inode *f = &a->inodes[x], *g = &b->inodes[y];
    if (f->is_directory != g->is_directory || f->now.size != g->now.size || f->names_now.n != g->names_now.n)
        return false;
    if (f->now.size && memcmp(f->now.data, g->now.data, f->now.size) != 0)
        return false;
    for (size_t i = 0; i < f->names_now.n; i++) {
        const struct entry *e = names_find(&g->names_now, f->names_now.items[i].name);
        if (!e || !same_tree(a, f->names_now.items[i].inode, b, e->inode))
            return false;
    }
    return true;
}

bool simfs_same(const struct simfs *a, const struct simfs *b)
{
    return same_tree(a, 0, b, 0);
}

void simfs_make_directory(struct simfs *sim, const char *path)
{
    unsigned directory;
    const char *name;
    if (sim_mkdir(sim, path, 0755) < 0 || !resolve(sim, path, &directory, &name))
        abort();
    inode_sync(&sim->inodes[directory]);
}

void simfs_put(struct simfs *sim, const char *path, const void *bytes, size_t n)
{
    unsigned inode, directory;
    const char *name;
    int fd = sim_open(sim, path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || !lookup(sim, path, &inode) || !resolve(sim, path, &directory, &name))
        abort();
    sim_close(sim, fd);
    add_write(&sim->inodes[inode], WRITE_SIZE, 0, NULL, n);
    add_write(&sim->inodes[inode], WRITE_BYTES, 0, bytes, n);
    inode_sync(&sim->inodes[inode]);
    inode_sync(&sim->inodes[directory]);
}

void simfs_remove(struct simfs *sim, const char *path)
{
    unsigned directory;
    const char *name;
    if (sim_unlink(sim, path) < 0 || !resolve(sim, path, &directory, &name))
        abort();
    inode_sync(&sim->inodes[directory]);
}

const uint8_t *simfs_get(const struct simfs *sim, const char *path, size_t *n)
{
    unsigned inode;
    if (!lookup(sim, path, &inode) || sim->inodes[inode].is_directory)
        return NULL;
    if (n)
        *n = sim->inodes[inode].now.size;
    return sim->inodes[inode].now.data;
}

void simfs_space(struct simfs *sim, bool can_reserve, uint64_t free_bytes)
{
    sim->no_reserve = !can_reserve;
    sim->free_bytes = free_bytes;
}

void simfs_forbid_listing(struct simfs *sim)
{
    sim->no_listing = true;
}
