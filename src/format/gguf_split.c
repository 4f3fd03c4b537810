/* A model in several files, as llama.cpp's gguf-split makes them: NAME-%05d-of-%05d.gguf, from 1 on. Each is
 * a GGUF file of its own with split.no (from 0 on), split.count and split.tensors.count (of all of them); the
 * first has all other metadata. */
#include <inttypes.h>
#include <string.h>

#include "gguf.h"

static const char pattern[] = "-00000-of-00000.gguf";
enum { INDEX_AT = 1, COUNT_AT = 10, DIGITS = 5, SUFFIX = sizeof pattern - 1 };

static unsigned number(const char *digits)
{
    unsigned value = 0;
    for (unsigned i = 0; i < DIGITS; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

bool gguf_split_parse(const char *name, unsigned *index, unsigned *count)
{
    size_t n = strlen(name);
    if (n <= SUFFIX)
        return false;
    const char *end = name + n - SUFFIX;
    for (unsigned i = 0; i < SUFFIX; i++)
        if (pattern[i] == '0' ? end[i] < '0' || end[i] > '9' : end[i] != pattern[i])
            return false;
    unsigned at = number(end + INDEX_AT), of = number(end + COUNT_AT);
    if (at == 0 || at > of)
        return false;
    *index = at - 1;
    *count = of;
    return true;
}

void gguf_split_rename(char *name, unsigned index)
{
    char *digits = name + strlen(name) - SUFFIX + INDEX_AT;
    for (unsigned i = DIGITS, value = index + 1; i-- > 0; value /= 10)
        digits[i] = (char)('0' + value % 10);
}

bool gguf_split_check(const struct checkpoint *checkpoint, size_t file, size_t n_tensors, struct error *err)
{
    const struct checkpoint_file *f = &checkpoint->files[file];
    uint64_t no = 0, count = 1, tensors;
    gguf_u64(gguf_find(f->gguf, "split.no"), 0, &no);
    gguf_u64(gguf_find(f->gguf, "split.count"), 0, &count);
    if (no != file || count != checkpoint->n_files)
        return error_set(err, ERROR_FORMAT,
                         "%s: says that it is file %" PRIu64 " of %" PRIu64
                         ", but its name makes it file %zu of %zu",
                         f->shown, no + 1, count, file + 1, checkpoint->n_files);
    if (file + 1 == checkpoint->n_files &&
        gguf_u64(gguf_find(checkpoint->files[0].gguf, "split.tensors.count"), 0, &tensors) &&
        tensors != n_tensors)
        return error_set(err, ERROR_FORMAT,
                         "%s: says that there are %" PRIu64 " tensors in all files, found %zu",
                         checkpoint->files[0].shown, tensors, n_tensors);
    return true;
}
