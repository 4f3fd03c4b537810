#include "attention_head.h"

#include <string.h>

#include "decimal.h"

_Static_assert((int)ATTENTION_NUMBER > (int)DECIMAL_LONGEST, "a number and its comma");

static void write_numbers(struct json_write *w, const char *key, const size_t *numbers, size_t n)
{
    json_write_key(w, key);
    json_write_array_begin(w);
    for (size_t i = 0; i < n; i++)
        json_write_u64(w, numbers[i]);
    json_write_array_end(w);
}

static void write_key_heads(struct json_write *w, const struct model_config *c)
{
    json_write_key(w, "kv_head");
    json_write_array_begin(w);
    for (size_t head = 0; head < c->n_heads; head++)
        json_write_u64(w, head / (c->n_heads / c->n_kv_heads));
    json_write_array_end(w);
}

static void write_positive(struct json_write *w, size_t value)
{
    if (value)
        json_write_u64(w, value);
    else
        json_write_null(w);
}

static void write_mask(const struct attention_shown *shown, struct json_write *w)
{
    const struct model_config *c = &shown->opened->model->config;
    size_t widest = 0;
    for (size_t i = 0; i < shown->n_layers; i++)
        if (c->window[shown->layers[i]] > widest)
            widest = c->window[shown->layers[i]];
    json_write_key(w, "mask");
    json_write_object_begin(w);
    json_write_member_string(w, "kind", c->encoder ? "full" : widest ? "sliding" : "causal");
    json_write_key(w, "window");
    write_positive(w, widest);
    json_write_key(w, "windows");
    json_write_array_begin(w);
    for (size_t i = 0; i < shown->n_layers; i++)
        write_positive(w, c->window[shown->layers[i]]);
    json_write_array_end(w);
    json_write_member_string(w, "rule",
                             c->encoder ? "query q sees every key"
                             : widest
                                 ? "query q sees key k when 0 <= q - k < window; window null: when k <= q"
                                 : "query q sees key k when k <= q");
    json_write_key(w, "masked");
    if (shown->scores)
        json_write_null(w);
    else
        json_write_u64(w, 0);
    json_write_object_end(w);
}

static const char *const formulas[] = {
    [ALIBI_NONE] = "scale * (query . key)",
    [ALIBI_PLAIN] = "scale * (query . key) + alibi * key position",
    [ALIBI_BF16] = "scale * (query . key) + alibi * key position, position and product rounded to BF16",
};

/* Of each head shown. */
static void write_alibi(const struct attention_shown *shown, struct json_write *w)
{
    const struct model_config *c = &shown->opened->model->config;
    json_write_key(w, "alibi");
    if (c->alibi == ALIBI_NONE) {
        json_write_null(w);
        return;
    }
    json_write_array_begin(w);
    for (size_t i = 0; i < shown->n_heads; i++) {
        real at[2]; /* key positions */
        config_alibi(c, shown->heads[i], 2, at);
        json_write_double(w, (double)at[1]);
    }
    json_write_array_end(w);
}

static void write_scale(const struct attention_shown *shown, struct json_write *w)
{
    json_write_key(w, "score");
    json_write_object_begin(w);
    json_write_member_string(w, "formula", formulas[shown->opened->model->config.alibi]);
    json_write_key(w, "scale");
    json_write_array_begin(w);
    for (size_t i = 0; i < shown->n_layers; i++)
        json_write_double(w, attention_scale(shown, shown->layers[i]));
    json_write_array_end(w);
    write_alibi(shown, w);
    json_write_key(w, "softcap");
    double cap = shown->opened->model->config.attention_cap;
    if (cap != 0)
        json_write_double(w, cap);
    else
        json_write_null(w);
    json_write_object_end(w);
}

/* How positions enter query and key: turned by position / theta^(2i / dimensions), or by what was added to
 * the embeddings. */
static void write_rotary(const struct attention_shown *shown, struct json_write *w)
{
    const struct model_config *c = &shown->opened->model->config;
    json_write_key(w, "rotary");
    if (c->rope == ROPE_NONE) {
        json_write_null(w);
        return;
    }
    json_write_object_begin(w);
    json_write_member_u64(w, "dimensions", c->rotary_dim);
    json_write_key(w, "theta");
    json_write_array_begin(w);
    for (size_t i = 0; i < shown->n_layers; i++)
        if (c->rope_of[shown->layers[i]] == CONFIG_NO_ROPE)
            json_write_null(w);
        else
            json_write_double(w, c->ropes[c->rope_of[shown->layers[i]]].theta);
    json_write_array_end(w);
    json_write_key(w, "scaling");
    json_write_array_begin(w);
    for (size_t i = 0; i < shown->n_layers; i++)
        if (c->rope_of[shown->layers[i]] == CONFIG_NO_ROPE)
            json_write_null(w);
        else
            json_write_string(w, config_rope_scaling_name(c->ropes[c->rope_of[shown->layers[i]]].scaling));
    json_write_array_end(w);
    json_write_object_end(w);
}

static bool write_tokens(const struct attention_shown *shown, struct json_write *w, struct error *err)
{
    struct prompt part = *shown->prompt;
    part.tokens.items += shown->first;
    part.tokens.n = shown->n_tokens;
    return prompt_write(shown->opened, &part, w, err);
}

bool attention_head_write(const struct attention_shown *shown, struct json_write *w, struct error *err)
{
    const struct opened *opened = shown->opened;
    const struct model_config *c = &opened->model->config;
    const struct prompt *prompt = shown->prompt;
    const struct tensor *query = opened->model->layer[0][ROLE_QUERY].tensor;
    json_write_member_string(w, "engine", "lancet " LANCET_VERSION);
    opened_write(opened, w);
    json_write_key(w, "text");
    if (prompt->text)
        json_write_string_n(w, prompt->text, prompt->n_text);
    else
        json_write_null(w);
    unsigned flat_from = w->flat_from;
    w->flat_from = flat_from ? flat_from + 1 : 0; /* one line for each token */
    if (!write_tokens(shown, w, err))
        return false;
    w->flat_from = flat_from;
    json_write_member_u64(w, "first_token", shown->first);
    json_write_member_u64(w, "prompt_tokens", prompt->tokens.n);
    json_write_member_bool(w, "bos", c->bos >= 0 && prompt->ids[0] == (uint64_t)c->bos);
    json_write_member_string(w, "kind", shown->scores ? "scores" : "pattern");
    json_write_member_string(w, "axes", "layer, head, query, key");
    write_numbers(w, "layers", shown->layers, shown->n_layers);
    write_numbers(w, "heads", shown->heads, shown->n_heads);
    json_write_member_string(w, "average", shown->average == AVERAGE_NONE ? NULL : "heads");
    json_write_member_u64(w, "n_layer", c->n_layers);
    json_write_member_u64(w, "n_head", c->n_heads);
    json_write_member_u64(w, "n_kv_head", c->n_kv_heads);
    write_key_heads(w, c);
    write_mask(shown, w);
    write_scale(shown, w);
    write_rotary(shown, w);
    json_write_key(w, "dtype");
    json_write_object_begin(w);
    json_write_member_string(w, "weights", query ? dtype_facts(query->dtype)->name : NULL);
    json_write_member_string(w, "softmax", "F32");
    json_write_object_end(w);
    json_write_member_u64(w, "digits", shown->digits);
    return true;
}

bool attention_head_text(const struct attention_shown *shown, struct str *out, struct error *err)
{
    struct json_write w;
    json_write_to_str(&w, out, false);
    json_write_object_begin(&w);
    json_write_member_string(&w, "schema", "lancet.attention/1");
    if (!attention_head_write(shown, &w, err))
        return false;
    json_write_object_end(&w);
    return !out->failed || error_memory(err, "writing attention");
}

bool attention_token_text(const struct attention_shown *shown, size_t i, struct str *out, struct error *err)
{
    uint32_t id = shown->prompt->ids[shown->first + i];
    bool ok = token_bytes(shown->opened, id, out, err);
    if (!shown->opened->tokenizer)
        str_printf(out, "#%u", (unsigned)id);
    return ok && (!out->failed || error_memory(err, "writing attention"));
}

void attention_name(const struct attention_shown *shown, size_t layer, char out[ATTENTION_NAME])
{
    snprintf(out, ATTENTION_NAME, "blocks.%zu.attn.%s", layer,
             shown->scores ? "hook_attn_scores" : "hook_pattern");
}

void attention_title(const struct attention_shown *shown, size_t group, size_t map, struct str *out)
{
    size_t n_heads = shown->n_heads;
    if (shown->average == AVERAGE_NONE)
        str_printf(out, "layer %zu, head %zu", shown->layers[group], shown->heads[map]);
    else if (shown->average == AVERAGE_ALL && shown->n_layers > 1)
        str_printf(out, "mean of %zu heads in %zu layers", shown->n_layers * n_heads, shown->n_layers);
    else if (n_heads > 1)
        str_printf(out, "layer %zu, mean of %zu heads", shown->layers[group], n_heads);
    else
        str_printf(out, "layer %zu, head %zu", shown->layers[group], shown->heads[0]);
}

/* ---- numbers ---- */

/* n times "0," or "null,". */
static char *put_masked(bool scores, size_t n, char *to)
{
    size_t width = scores ? 5 : 2;
    for (size_t i = 0; i < n; i++, to += width)
        memcpy(to, scores ? "null," : "0,", width);
    return to;
}

size_t attention_numbers(const struct attention_shown *shown, const struct attention_row *row, char *out)
{
    char *to = put_masked(shown->scores, row->begin, out);
    for (size_t key = row->begin; key < row->end; key++) {
        to += decimal_write(row->weights[key], shown->digits, to);
        *to++ = ',';
    }
    to = put_masked(shown->scores, shown->n_tokens - row->end, to);
    return (size_t)(to - out) - 1;
}

static char *put_text(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return to + n;
}

size_t attention_top_members(const struct attention_shown *shown, const struct attention_row *row, char *out)
{
    char *to = put_text(out, "\"keys\":[");
    for (size_t i = 0; i < row->n_top; i++) {
        to += decimal_write((float)row->top[i].key, DECIMAL_DIGITS, to);
        *to++ = ',';
    }
    to = put_text(to - (row->n_top > 0), "],\"weights\":[");
    for (size_t i = 0; i < row->n_top; i++) {
        to += decimal_write(row->top[i].weight, shown->digits, to);
        *to++ = ',';
    }
    to = put_text(to - (row->n_top > 0), "],\"rest\":");
    to += decimal_write((float)row->rest, shown->digits, to);
    return (size_t)(to - out);
}

double attention_number_bytes(const struct attention_shown *shown)
{
    return shown->digits + 4.8; /* "0.000123456," and its like, measured */
}

double attention_text_bytes(const struct attention_shown *shown)
{
    double seen, hidden, rows = (double)shown->n_groups * (double)shown->n_maps * (double)shown->n_tokens;
    attention_cells(shown, &seen, &hidden);
    if (!shown->top_k)
        return seen * attention_number_bytes(shown) + hidden * (shown->scores ? 5 : 2) + rows * 8;
    double each = shown->top_k < shown->n_tokens ? (double)shown->top_k : (double)shown->n_tokens / 2;
    return rows * (each * (attention_number_bytes(shown) + 4) + 48);
}

double attention_binary_bytes(const struct attention_shown *shown)
{
    double seen, hidden;
    attention_cells(shown, &seen, &hidden);
    return (seen + hidden) * sizeof(float);
}
