/* NumPy arrays, by TransformerLens's names:
 *
 *     blocks.{l}.attn.hook_pattern      f32 [1, heads, tokens, tokens], masked 0
 *     blocks.{l}.attn.hook_attn_scores  the same of scores, masked -inf
 *     ids                               u32 [tokens]
 *     tokens                            text [tokens]
 *     metadata                          text: the JSON object that the JSON format begins with
 */
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "memory.h"
#include "npz.h"
#include "size.h"
#include "utf8.h"

struct npz_state {
    const struct attention_shown *shown;
    struct npz_writer *npz;
};

static double estimate(const struct attention_shown *shown)
{
    return attention_binary_bytes(shown);
}

/* Text of n elements as NumPy has it: UTF-32, each filled with zeros to the longest. */
static bool put_texts(struct npz_writer *npz, const char *name, const struct str *texts, size_t n,
                      unsigned rank, struct error *err)
{
    size_t longest = 1, cells;
    char type[24];
    for (size_t i = 0; i < n; i++)
        longest = texts[i].length > longest ? texts[i].length : longest; /* bytes, at least as many */
    uint32_t *wide = size_mul(n, longest, &cells) ? memory_zeroed(cells, sizeof *wide) : NULL;
    if (!wide)
        return error_memory(err, "writing attention");
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0, to = i * longest; at < texts[i].length; to++) {
            at += utf8_decode(texts[i].data + at, texts[i].length - at, &wide[to]);
            if (wide[to] == UTF8_BAD)
                wide[to] = 0xfffd;
        }
    snprintf(type, sizeof type, "<U%zu", longest);
    bool ok = npz_array(npz, name, type, &n, rank, wide, cells * sizeof *wide, err);
    free(wide);
    return ok;
}

static bool put_tokens(const struct attention_shown *shown, struct npz_writer *npz, struct error *err)
{
    bool ok = true;
    size_t n = shown->n_tokens;
    const uint32_t *ids = shown->prompt->ids + shown->first;
    struct str *texts = memory_zeroed(n, sizeof *texts);
    if (!texts)
        return error_memory(err, "writing attention");
    for (size_t i = 0; ok && i < n; i++)
        ok = attention_token_text(shown, i, &texts[i], err);
    ok = ok && npz_array(npz, "ids", "<u4", &n, 1, ids, n * sizeof *ids, err) &&
         put_texts(npz, "tokens", texts, n, 1, err);
    for (size_t i = 0; i < n; i++)
        str_release(&texts[i]);
    free(texts);
    return ok;
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    struct npz_state *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return error_memory(err, "writing attention");
    *state = s;
    s->shown = shown;
    return npz_new(out, &s->npz, err) && put_tokens(shown, s->npz, err);
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct npz_state *s = state;
    const struct attention_shown *shown = s->shown;
    size_t n = shown->n_tokens;
    char name[ATTENTION_NAME];
    attention_name(shown, shown->layers[row->group], name);
    if (!row->map && !row->query &&
        !npz_begin(s->npz, name, "<f4", (size_t[]){1, shown->n_maps, n, n}, 4, err))
        return false;
    if (!npz_put(s->npz, row->weights, n * sizeof *row->weights, err))
        return false;
    return row->map + 1 < shown->n_maps || row->query + 1 < n || npz_end(s->npz, err);
}

static bool end(void *state, struct error *err)
{
    struct npz_state *s = state;
    struct str text = {0};
    bool ok = attention_head_text(s->shown, &text, err) && put_texts(s->npz, "metadata", &text, 1, 0, err) &&
              npz_finish(s->npz, err);
    str_release(&text);
    return ok;
}

static void release(void *state)
{
    struct npz_state *s = state;
    npz_free(s->npz);
    free(s);
}

const struct attention_writer attention_npz = {
    .name = "npz",
    .extension = ".npz",
    .summary = "NumPy arrays blocks.L.attn.hook_pattern, f32 [1, heads, tokens, tokens]",
    .binary = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
