#include "map_registry.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

/* Whether any file was locked for changing: a handler has no way to ask what the change has got to. */
static atomic_bool changes;

/* The handler may run on any thread at any time: an entry counts from the moment its address is set, and all
 * that it needs is written before. Maps beyond the table are fine, but have no name. */
enum { MOST_MAPS = 4096, EXIT_IO = 3 };

static struct {
    atomic_uintptr_t address; /* 0: free */
    size_t n;
    char *path;
} entries[MOST_MAPS];

static char *path_of(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    return n > 0 ? memory_copy(path, (size_t)n) : NULL;
}

static void *map(void *state, int fd, size_t n)
{
    void *address = fs_real()->map(state, fd, n);
    if (!address)
        return NULL;
    for (size_t i = 0; i < MOST_MAPS; i++)
        if (atomic_load(&entries[i].address) == 0) {
            free(entries[i].path);
            entries[i].path = path_of(fd);
            entries[i].n = n;
            atomic_store(&entries[i].address, (uintptr_t)address);
            break;
        }
    return address;
}

static int unmap(void *state, void *address, size_t n)
{
    for (size_t i = 0; i < MOST_MAPS; i++)
        if (atomic_load(&entries[i].address) == (uintptr_t)address) {
            atomic_store(&entries[i].address, 0);
            break;
        }
    return fs_real()->unmap(state, address, n);
}

static int lock(void *state, int fd, int operation)
{
    if (operation & LOCK_EX)
        atomic_store(&changes, true);
    return fs_real()->lock(state, fd, operation);
}

const struct fs *map_registry_fs(void)
{
    static struct fs fs;
    fs = *fs_real();
    fs.lock = lock;
    fs.map = map;
    fs.unmap = unmap;
    return &fs;
}

static void put(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    uintptr_t fault = (uintptr_t)info->si_addr;
    for (size_t i = 0; i < MOST_MAPS; i++) {
        uintptr_t address = atomic_load(&entries[i].address);
        if (!address || fault < address || fault - address >= entries[i].n)
            continue;
        put("lancet: ");
        put(entries[i].path ? entries[i].path : "a mapped file");
        put(": cut short (or unreadable) while it was in use");
        if (atomic_load(&changes))
            put("; if a model was being changed, 'lancet verify MODEL --recover' takes that back");
        put("\n");
        _exit(EXIT_IO);
    }
}

void map_registry_watch(void)
{
    /* SA_RESETHAND: a fault outside our maps comes again and ends the program as it would have without us. */
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
