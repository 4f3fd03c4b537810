#include "charsmap.h"

#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "utf8.h"

struct charsmap {
    uint32_t *units; /* [n_units] */
    size_t n_units;
    char *strings; /* [n_strings + 1], ended by a NUL */
    size_t n_strings;
};

void charsmap_free(struct charsmap *map)
{
    if (!map)
        return;
    free(map->units);
    free(map->strings);
    free(map);
}

static uint32_t little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool check_text(const char *text, size_t n, struct error *err)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(text + i, n - i, &code);
        if (code == UTF8_BAD)
            return error_set(err, ERROR_FORMAT, "the precompiled charsmap holds text that is not UTF-8");
    }
    return true;
}

bool charsmap_new(const unsigned char *bytes, size_t n, struct charsmap **out, struct error *err)
{
    uint32_t size = n >= 4 ? little_endian(bytes) : 0;
    if (n < 4 || size > n - 4 || size % 4 || size == 0)
        return error_set(err, ERROR_FORMAT,
                         "the precompiled charsmap has %zu bytes and says that its trie has %u", n, size);
    struct charsmap *map = memory_zeroed(1, sizeof *map);
    bool fine = false;
    if (!map)
        return error_memory(err, "reading a tokenizer");
    map->n_units = size / 4;
    map->n_strings = n - 4 - size;
    map->units = memory_array(map->n_units, sizeof *map->units);
    map->strings = memory_copy(bytes + 4 + size, map->n_strings);
    if (map->units && map->strings) {
        for (size_t i = 0; i < map->n_units; i++)
            map->units[i] = little_endian(bytes + 4 + 4 * i);
        fine = check_text(map->strings, map->n_strings, err);
    } else {
        error_memory(err, "reading a tokenizer");
    }
    if (fine)
        *out = map;
    else
        charsmap_free(map);
    return fine;
}

static uint32_t unit_at(const struct charsmap *map, uint32_t index)
{
    return index < map->n_units ? map->units[index] : 0;
}

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* A string may end here: not inside a character. */
static bool at_boundary(const char *text, size_t n, size_t i)
{
    return i == n || ((unsigned char)text[i] & 0xc0) != 0x80;
}

size_t charsmap_match(const struct charsmap *map, const char *text, size_t n, bool longest, const char **out,
                      size_t *n_out)
{
    size_t found = 0;
    uint32_t value = 0, at = offset_of(unit_at(map, 0));
    for (size_t i = 0; i < n && text[i] && (longest || !found); i++) {
        unsigned char byte = (unsigned char)text[i];
        at ^= byte;
        uint32_t unit = unit_at(map, at);
        if ((unit & (1u << 31 | 0xff)) != byte)
            break;
        at ^= offset_of(unit);
        uint32_t leaf = unit_at(map, at) & ~(1u << 31);
        if ((unit >> 8 & 1) && leaf < map->n_strings && at_boundary(text, n, i + 1) &&
            at_boundary(map->strings, map->n_strings, leaf)) {
            found = i + 1;
            value = leaf;
        }
    }
    *out = map->strings + value;
    *n_out = found ? strlen(*out) : 0;
    return found;
}
