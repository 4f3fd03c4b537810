/* Precompiled of the tokenizers library: a charsmap of SentencePiece, applied in a way of its own. The text
 * is cut into grapheme clusters; one of at most five bytes that begins with a string of the map becomes,
 * whole, what the shortest such string becomes; else the same is tried for each of its characters. */
#include <utf8proc.h>

#include "base64.h"
#include "charsmap.h"
#include "memory.h"
#include "normalizers.h"
#include "utf8.h"

enum { SHORT_CLUSTER = 5 };

bool precompiled_prepare(struct stage *stage, struct error *err)
{
    size_t n;
    unsigned char *bytes = memory_array(stage->content.length, 1);
    if (!bytes)
        return error_memory(err, "reading a tokenizer");
    bool fine = base64_decode(stage->content.data, stage->content.length, bytes, &n)
                    ? charsmap_new(bytes, n, &stage->charsmap, err)
                    : error_set(err, ERROR_FORMAT, "the precompiled charsmap is not in base64");
    free(bytes);
    return fine;
}

static size_t cluster_length(const char *text, size_t n)
{
    uint32_t code, next;
    utf8proc_int32_t state = 0;
    size_t length = utf8_decode(text, n, &code);
    while (length < n) {
        size_t more = utf8_decode(text + length, n - length, &next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)code, (utf8proc_int32_t)next, &state))
            break;
        length += more;
        code = next;
    }
    return length;
}

/* Puts what a stretch of text becomes; *found tells whether the map has it. */
static bool put(const struct charsmap *map, const struct aligned *from, size_t start, size_t end,
                struct aligned *to, bool *found, struct error *err)
{
    const char *text;
    size_t n;
    *found = charsmap_match(map, from->data + start, end - start, false, &text, &n) > 0;
    return !*found || aligned_put(to, text, n, from, start, end, err);
}

REWRITE(precompiled_rewrite)
{
    for (size_t i = start, cluster; i < end; i += cluster) {
        bool found = false;
        cluster = cluster_length(from->data + i, end - i);
        if (cluster <= SHORT_CLUSTER && !put(stage->charsmap, from, i, i + cluster, to, &found, err))
            return false;
        for (size_t k = i, length; !found && k < i + cluster; k += length) {
            uint32_t code;
            bool has = false;
            length = utf8_decode(from->data + k, i + cluster - k, &code);
            if (!put(stage->charsmap, from, k, k + length, to, &has, err) ||
                (!has && !aligned_copy(to, from, k, k + length, err)))
                return false;
        }
    }
    return true;
}
