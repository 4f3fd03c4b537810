/* A main for a fuzz target without a fuzzer: replay [--mutate N] PATH...
 *
 * Every file, and every file of a folder, is given to the target as it is and then in N mutations, the same
 * ones in every run. Each input is copied into a block of exactly its size, so that a sanitizer sees the
 * first byte read too many. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs.h"
#include "memory.h"

enum { LARGEST = 1 << 24 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void give(const uint8_t *bytes, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        abort();
    if (n)
        memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

/* One to four small changes; half of the new bytes are characters that mean something to JSON. */
static size_t mutate(uint8_t *bytes, size_t n, size_t room)
{
    static const char meaning[] = "{}[]\",:\\/u0123456789-.eE \ntfn";
    for (uint64_t k = draw(4) + 1; k > 0; k--) {
        size_t at = n ? draw(n) : 0;
        uint8_t byte = draw(2) ? (uint8_t)meaning[draw(sizeof meaning - 1)] : (uint8_t)draw(256);
        switch (draw(4)) {
        case 0: /* replace */
            if (n)
                bytes[at] = byte;
            break;
        case 1: /* insert */
            if (n < room) {
                memmove(bytes + at + 1, bytes + at, n - at);
                bytes[at] = byte;
                n++;
            }
            break;
        case 2: /* remove a few */
            if (n) {
                size_t gone = draw(n - at < 8 ? n - at : 8) + 1;
                gone = gone < n - at ? gone : n - at;
                memmove(bytes + at, bytes + at + gone, n - at - gone);
                n -= gone;
            }
            break;
        case 3: /* copy a piece over another place */
            if (n > 1) {
                size_t to = draw(n), longest = n - (at > to ? at : to);
                memmove(bytes + to, bytes + at, draw(longest) + 1);
            }
            break;
        }
    }
    return n;
}

static bool replay_file(const char *path, unsigned long mutations, struct error *err)
{
    char *text;
    size_t n;
    if (!fs_read_file(fs_real(), path, LARGEST, &text, &n, err))
        return false;
    give((uint8_t *)text, n);
    size_t room = n + 16;
    uint8_t *copy = memory_array(room, 1);
    for (unsigned long i = 0; copy && i < mutations; i++) {
        memcpy(copy, text, n);
        give(copy, mutate(copy, n, room));
    }
    free(copy);
    free(text);
    return true;
}

static bool replay(const char *path, unsigned long mutations, unsigned long *count, struct error *err)
{
    const struct fs *fs = fs_real();
    struct stat st;
    char *list;
    if (fs->stat(fs->state, path, &st) < 0)
        return error_set_errno(err, "%s", path);
    if (!S_ISDIR(st.st_mode)) {
        ++*count;
        return replay_file(path, mutations, err);
    }
    if (fs->list(fs->state, path, &list) < 0)
        return error_set_errno(err, "%s", path);
    bool ok = true;
    for (const char *p = list; ok && *p; p += strlen(p) + 1) {
        char *below = path_join(path, p);
        ok = below ? replay(below, mutations, count, err) : error_memory(err, "replaying");
        free(below);
    }
    free(list);
    return ok;
}

int main(int argc, char **argv)
{
    unsigned long mutations = 0, count = 0;
    struct error err;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--mutate") == 0) {
        mutations = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        if (!replay(argv[i], mutations, &count, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    printf("%lu inputs, %lu mutations of each\n", count, mutations);
    return count ? 0 : 1;
}
