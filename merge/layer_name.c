#include "layer_name.h"

#include <ctype.h>
#include <string.h>

#include "str.h"

enum { MOST_DIGITS = 6 };

bool layer_name_parse(const char *name, struct layer_name *out)
{
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        const char *p = dot + 1;
        size_t layer = 0, n = 0;
        for (; isdigit((unsigned char)p[n]) && n <= MOST_DIGITS; n++)
            layer = 10 * layer + (size_t)(p[n] - '0');
        if (n == 0 || n > MOST_DIGITS || p[n] != '.' || (n > 1 && *p == '0'))
            continue;
        *out = (struct layer_name){.prefix = (size_t)(p - name), .layer = layer, .rest = p + n};
        return true;
    }
    return false;
}

char *layer_name_with(const char *name, const struct layer_name *parts, size_t layer, struct arena *arena)
{
    struct str s = {0};
    str_append_bytes(&s, name, parts->prefix);
    str_printf(&s, "%zu%s", layer, parts->rest);
    char *made = s.failed ? NULL : arena_copy(arena, s.data, s.length);
    str_release(&s);
    return made;
}
