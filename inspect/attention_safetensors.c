/* One tensor a layer, by TransformerLens's names, F32 [1, heads, tokens, tokens]:
 *
 *     blocks.{l}.attn.hook_pattern       masked 0
 *     blocks.{l}.attn.hook_attn_scores   of scores, masked -inf
 *
 * __metadata__ has "tokens", a JSON list of their texts, and "attention", the JSON object that the JSON
 * format begins with.
 */
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "memory.h"
#include "size.h"

struct safetensors_state {
    const struct attention_shown *shown;
    struct out_file *out;
};

static double estimate(const struct attention_shown *shown)
{
    return attention_binary_bytes(shown);
}

static bool write_texts(const struct attention_shown *shown, struct str *out, struct error *err)
{
    struct json_write w;
    struct str text = {0};
    bool ok = true;
    json_write_to_str(&w, out, false);
    json_write_array_begin(&w);
    for (size_t i = 0; ok && i < shown->n_tokens; i++) {
        str_clear(&text);
        ok = attention_token_text(shown, i, &text, err);
        json_write_string_n(&w, text.length ? text.data : "", text.length);
    }
    json_write_array_end(&w);
    str_release(&text);
    return ok && (!out->failed || error_memory(err, "writing attention"));
}

static bool write_metadata(const struct attention_shown *shown, struct json_write *w, struct error *err)
{
    struct str tokens = {0}, head = {0};
    bool ok = write_texts(shown, &tokens, err) && attention_head_text(shown, &head, err);
    if (ok) {
        json_write_key(w, "__metadata__");
        json_write_object_begin(w);
        json_write_member_string(w, "tokens", tokens.data);
        json_write_member_string(w, "attention", head.data);
        json_write_object_end(w);
    }
    str_release(&tokens);
    str_release(&head);
    return ok;
}

static void write_tensor(const struct attention_shown *shown, size_t layer, uint64_t bytes,
                         struct json_write *w)
{
    char name[ATTENTION_NAME];
    const uint64_t shape[] = {1, shown->n_maps, shown->n_tokens, shown->n_tokens};
    attention_name(shown, shown->layers[layer], name);
    json_write_key(w, name);
    json_write_object_begin(w);
    json_write_member_string(w, "dtype", "F32");
    json_write_key(w, "shape");
    json_write_array_begin(w);
    for (size_t i = 0; i < 4; i++)
        json_write_u64(w, shape[i]);
    json_write_array_end(w);
    json_write_key(w, "data_offsets");
    json_write_array_begin(w);
    json_write_u64(w, layer * bytes);
    json_write_u64(w, (layer + 1) * bytes);
    json_write_array_end(w);
    json_write_object_end(w);
}

static bool write_header(const struct attention_shown *shown, struct str *out, struct error *err)
{
    uint64_t bytes, all, n = shown->n_tokens;
    struct json_write w;
    if (!u64_mul(n * sizeof(float), n, &bytes) || !u64_mul(bytes, shown->n_maps, &bytes) ||
        !u64_mul(bytes, shown->n_groups, &all))
        return error_set(err, ERROR_USAGE, "%zu tokens are too many for one file of attention maps",
                         shown->n_tokens);
    json_write_to_str(&w, out, false);
    json_write_object_begin(&w);
    if (!write_metadata(shown, &w, err))
        return false;
    for (size_t layer = 0; layer < shown->n_groups; layer++)
        write_tensor(shown, layer, bytes, &w);
    json_write_object_end(&w);
    while (out->length % 8 && !out->failed)
        str_append(out, " ");
    return !out->failed || error_memory(err, "writing attention");
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    struct safetensors_state *s = memory_zeroed(1, sizeof *s);
    struct str header = {0};
    if (!s)
        return error_memory(err, "writing attention");
    *state = s;
    *s = (struct safetensors_state){.shown = shown, .out = out};
    bool ok = write_header(shown, &header, err);
    uint64_t n = header.length;
    ok = ok && out_file_put(out, &n, sizeof n, err) && out_file_put(out, header.data, header.length, err);
    str_release(&header);
    return ok;
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct safetensors_state *s = state;
    return out_file_put(s->out, row->weights, s->shown->n_tokens * sizeof *row->weights, err);
}

static bool end(void *state, struct error *err)
{
    (void)state;
    (void)err;
    return true;
}

const struct attention_writer attention_safetensors = {
    .name = "safetensors",
    .extension = ".safetensors",
    .summary =
        "tensors blocks.L.attn.hook_pattern, F32 [1, heads, tokens, tokens], as TransformerLens, BertViz "
        "and CircuitsVis take them",
    .binary = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = free,
};
