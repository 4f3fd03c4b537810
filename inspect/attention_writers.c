#include "attention_writers.h"

#include <string.h>

#define ADDRESS(name) &name,
const struct attention_writer *const attention_writers[] = {ATTENTION_WRITERS(ADDRESS) NULL};

const struct attention_writer *attention_writer_named(const char *name)
{
    for (size_t i = 0; attention_writers[i]; i++)
        if (strcmp(attention_writers[i]->name, name) == 0)
            return attention_writers[i];
    return NULL;
}

const struct attention_writer *attention_writer_of_file(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; attention_writers[i]; i++) {
        const char *extension = attention_writers[i]->extension;
        size_t length = extension ? strlen(extension) : 0;
        if (length && n > length && strcmp(path + n - length, extension) == 0)
            return attention_writers[i];
    }
    return NULL;
}
