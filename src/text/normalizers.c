#include "normalizers.h"

#include <utf8proc.h>

#include "byte_map.h"
#include "utf8.h"

bool rewrite_characters(character_fn change, const struct aligned *from, size_t start, size_t end,
                        struct aligned *to, struct error *err)
{
    for (size_t i = start, length; i < end; i += length) {
        uint32_t code;
        char bytes[4];
        length = utf8_decode(from->data + i, end - i, &code);
        uint32_t now = change(code);
        if (now != CHARACTER_DROPPED &&
            !aligned_put(to, bytes, utf8_encode(now, bytes), from, i, i + length, err))
            return false;
    }
    return true;
}

uint32_t char_unless_mark(uint32_t code)
{
    int category = utf8proc_category((utf8proc_int32_t)code);
    bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                category == UTF8PROC_CATEGORY_ME;
    return mark ? CHARACTER_DROPPED : code;
}

REWRITE(rewrite_byte_level)
{
    (void)stage;
    if (!aligned_reserve(to, 2 * (end - start), err))
        return false;
    for (size_t i = start; i < end; i++) {
        size_t n = utf8_encode(byte_map_character((unsigned char)from->data[i]), to->data + to->n);
        to->origin[to->n] = from->origin[i];
        to->origin[to->n + 1] = from->origin[i + 1]; /* of a second byte, or of what follows */
        to->n += n;
        to->origin[to->n] = from->origin[i + 1];
    }
    return true;
}
