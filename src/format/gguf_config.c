/* config.json of a model in GGUF, made from metadata and tensors. Sizes that a file gives by layer are taken
 * when all layers agree. Rope scaling is in keys (linear, yarn) or in tensors: rope_factors_long and _short
 * (longrope), or rope_freqs, by which frequencies are divided. These are Llama 3's, if its formula gives the
 * same, else longrope with the same factors for all lengths. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf_architecture.h"
#include "memory.h"
#include "quote.h"

enum { FACTORS_MAX = 256 };

/* ---- members ---- */

/* A string value that is a plain word, else ERROR_FORMAT. */
static bool read_word(const struct gguf *gguf, const struct gguf_value *value, const char **out, size_t *n,
                      struct error *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t i = 0;
    if (gguf_text(value, out, n))
        while (i < *n && (*out)[i] && strchr(plain, (*out)[i]))
            i++;
    return (i && i == *n) ||
           error_set(err, ERROR_FORMAT, "%s: %s is not a word", gguf->name, quote(value->key).text);
}

static bool all_equal(const struct gguf_value *value)
{
    size_t size = value->n ? value->n_bytes / (size_t)value->n : 0;
    for (uint64_t i = 1; i < value->n; i++)
        if (memcmp(value->bytes, value->bytes + i * size, size) != 0)
            return false;
    return value->n != 0;
}

static bool write_key(const struct gguf *gguf, const struct gguf_key *key, struct json_write *w,
                      struct error *err)
{
    const struct gguf_value *value = gguf_own(gguf, key->key);
    uint64_t integer;
    double number;
    bool flag;
    if (!value)
        return true;
    if (value->type == GGUF_STRING || (value->is_array && !all_equal(value)))
        return error_set(err, ERROR_UNSUPPORTED, "%s: %s differs from layer to layer, or is a string",
                         gguf->name, quote(value->key).text);
    json_write_key(w, key->json);
    if (gguf_bool(value, 0, &flag))
        json_write_bool(w, flag);
    else if (gguf_u64(value, 0, &integer))
        json_write_u64(w, integer);
    else if (gguf_f64(value, 0, &number) && value->type == GGUF_F32)
        json_write_float_point(w, (float)number);
    else
        json_write_double(w, number);
    return true;
}

static void write_real(struct json_write *w, const char *key, double value)
{
    json_write_key(w, key);
    json_write_float_point(w, (float)value);
}

static void write_fact(const struct checkpoint *checkpoint, const struct gguf_fact *fact,
                       struct json_write *w)
{
    if (fact->tensor)
        json_write_member_bool(w, fact->json, checkpoint_find(checkpoint, fact->tensor));
    else if (strcmp(fact->text, "true") == 0 || strcmp(fact->text, "false") == 0)
        json_write_member_bool(w, fact->json, fact->text[0] == 't');
    else
        json_write_member_string(w, fact->json, fact->text);
}

/* ---- rope ---- */

/* A tensor of numbers by frequency, or false. */
static bool read_factors(const struct checkpoint *checkpoint, const char *name, float *out, size_t *n)
{
    const struct tensor *t = checkpoint_find(checkpoint, name);
    if (!t || t->dtype != DTYPE_F32 || t->elements == 0 || t->elements > FACTORS_MAX)
        return false;
    memcpy(out, t->data, (size_t)t->bytes);
    *n = (size_t)t->elements;
    return true;
}

static void write_factors(struct json_write *w, const char *key, const float *factors, size_t n)
{
    json_write_key(w, key);
    json_write_array_begin(w);
    for (size_t i = 0; i < n; i++)
        json_write_float(w, factors[i]);
    json_write_array_end(w);
}

/* Whether Llama 3's formula with its usual parameters gives these divisors; *factor is the largest. */
static bool is_llama3(const float *divisors, size_t n, double theta, double original, double *factor)
{
    const double pi = 3.14159265358979323846, low = 1, high = 4;
    *factor = 1;
    for (size_t i = 0; i < n; i++)
        *factor = (double)divisors[i] > *factor ? (double)divisors[i] : *factor;
    for (size_t i = 0; i < n; i++) {
        double wavelength = 2 * pi * pow(theta, (double)i / (double)n), expected = 1;
        if (wavelength > original / low)
            expected = *factor;
        else if (wavelength > original / high) {
            double smooth = (original / wavelength - low) / (high - low);
            expected = 1 / ((1 - smooth) / *factor + smooth);
        }
        if (!(fabs((double)divisors[i] - expected) <= 1e-4 * expected))
            return false;
    }
    return *factor > 1;
}

static void write_llama3(struct json_write *w, double factor, double original)
{
    json_write_member_string(w, "rope_type", "llama3");
    write_real(w, "factor", factor);
    write_real(w, "low_freq_factor", 1);
    write_real(w, "high_freq_factor", 4);
    json_write_member_u64(w, "original_max_position_embeddings", (uint64_t)original);
}

static void write_longrope(struct json_write *w, const float *shorter, const float *longer, size_t n,
                           double attention, uint64_t original)
{
    json_write_member_string(w, "rope_type", "longrope");
    write_factors(w, "short_factor", shorter, n);
    write_factors(w, "long_factor", longer, n);
    if (attention > 0)
        write_real(w, "attention_factor", attention);
    if (original)
        json_write_member_u64(w, "original_max_position_embeddings", original);
}

static bool write_scaling_members(const struct checkpoint *checkpoint, const struct gguf_value *type,
                                  struct json_write *w, struct error *err)
{
    const struct gguf *gguf = checkpoint_gguf(checkpoint);
    float shorter[FACTORS_MAX], longer[FACTORS_MAX];
    double theta = 10000, attention = 0, number, factor;
    uint64_t original = 0, context = 0;
    size_t n, m;
    gguf_f64(gguf_own(gguf, "rope.freq_base"), 0, &theta);
    gguf_u64(gguf_own(gguf, "rope.scaling.original_context_length"), 0, &original);
    gguf_u64(gguf_own(gguf, "context_length"), 0, &context);
    gguf_f64(gguf_own(gguf, "rope.scaling.attn_factor"), 0, &attention);
    if (read_factors(checkpoint, "rope_factors_short.weight", shorter, &n) &&
        read_factors(checkpoint, "rope_factors_long.weight", longer, &m) && n == m)
        write_longrope(w, shorter, longer, n, attention, original);
    else if (read_factors(checkpoint, "rope_freqs.weight", longer, &n)) {
        if (is_llama3(longer, n, theta, original ? (double)original : 8192, &factor))
            write_llama3(w, factor, original ? (double)original : 8192);
        else
            write_longrope(w, longer, longer, n, 1, context);
    } else {
        const char *text;
        size_t length;
        if (!type)
            return error_set(err, ERROR_FORMAT, "%s: the tensors of rope's factors are not F32, or not alike",
                             gguf->name);
        if (!read_word(gguf, type, &text, &length, err))
            return false;
        json_write_key(w, "rope_type");
        json_write_string_n(w, text, length);
        static const struct gguf_key keys[] = {{"factor", "rope.scaling.factor", GGUF_F32},
                                               {"beta_fast", "rope.scaling.yarn_beta_fast", GGUF_F32},
                                               {"beta_slow", "rope.scaling.yarn_beta_slow", GGUF_F32}};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (gguf_f64(gguf_own(gguf, keys[i].key), 0, &number))
                write_real(w, keys[i].json, number);
        if (original)
            json_write_member_u64(w, "original_max_position_embeddings", original);
    }
    return true;
}

static bool write_scaling(const struct checkpoint *checkpoint, struct json_write *w, struct error *err)
{
    const struct gguf_value *type = gguf_own(checkpoint_gguf(checkpoint), "rope.scaling.type");
    bool by_tensors = checkpoint_find(checkpoint, "rope_freqs.weight") ||
                      checkpoint_find(checkpoint, "rope_factors_long.weight");
    uint64_t original;
    if ((!type || gguf_text_is(type, "none")) && !by_tensors)
        return true;
    json_write_key(w, "rope_scaling");
    json_write_object_begin(w);
    if (!write_scaling_members(checkpoint, type, w, err))
        return false;
    json_write_object_end(w);
    if (gguf_u64(gguf_own(checkpoint_gguf(checkpoint), "rope.scaling.original_context_length"), 0, &original))
        json_write_member_u64(w, "original_max_position_embeddings", original);
    return true;
}

/* rope.dimension_count out of the width of a head; where the architecture has no member for it, only when it
 * is another, so that it is refused. */
static void write_rotary(const struct gguf *gguf, const char *json, struct json_write *w)
{
    uint64_t rotary = 0, head = 0, width = 0, heads = 0;
    gguf_u64(gguf_own(gguf, "embedding_length"), 0, &width);
    if (!gguf_u64(gguf_own(gguf, "attention.key_length"), 0, &head) &&
        gguf_u64(gguf_own(gguf, "attention.head_count"), 0, &heads) && heads)
        head = width / heads;
    if (gguf_u64(gguf_own(gguf, "rope.dimension_count"), 0, &rotary) && rotary && head &&
        (json || rotary != head))
        write_real(w, json ? json : "partial_rotary_factor", (double)rotary / (double)head);
}

/* ---- the whole ---- */

static bool write_vocabulary(const struct checkpoint *checkpoint, struct json_write *w, struct error *err)
{
    const struct gguf *gguf = checkpoint_gguf(checkpoint);
    const struct tensor *embedding = checkpoint_find(checkpoint, "token_embd.weight");
    static const struct {
        const char *json, *key;
    } ids[] = {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
               {"eos_token_id", "tokenizer.ggml.eos_token_id"},
               {"pad_token_id", "tokenizer.ggml.padding_token_id"}};
    const struct gguf_value *tokens;
    uint64_t id;
    if (!gguf_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, GGUF_ANY, &tokens, err))
        return false;
    if (embedding && embedding->rank == 2)
        json_write_member_u64(w, "vocab_size", embedding->shape[0]);
    else if (tokens)
        json_write_member_u64(w, "vocab_size", tokens->n);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        json_write_key(w, ids[i].json);
        if (gguf_u64(gguf_find(gguf, ids[i].key), 0, &id))
            json_write_u64(w, id);
        else
            json_write_null(w); /* else transformers takes an id of its own */
    }
    json_write_member_bool(w, "tie_word_embeddings", !checkpoint_find(checkpoint, "output.weight"));
    return true;
}

static bool write_config(const struct checkpoint *checkpoint, struct json_write *w, struct error *err)
{
    const struct gguf *gguf = checkpoint_gguf(checkpoint);
    const struct gguf_architecture *a = gguf_architecture_of(gguf), *usual = gguf_architecture_for("llama");
    const struct gguf_value *value = gguf_find(gguf, "general.architecture");
    const char *name;
    size_t n;
    if (value && !read_word(gguf, value, &name, &n, err))
        return false;
    if (!value)
        return error_set(err, ERROR_FORMAT, "%s: there is no general.architecture", gguf->name);
    if (a) {
        json_write_key(w, "architectures");
        json_write_array_begin(w);
        json_write_string(w, a->class_name);
        json_write_array_end(w);
    }
    json_write_key(w, "model_type");
    json_write_string_n(w, a ? a->model_type : name, a ? strlen(a->model_type) : n);
    for (const struct gguf_key *const *list = (a ? a : usual)->keys; *list; list++)
        for (const struct gguf_key *key = *list; key->json; key++)
            if (!write_key(gguf, key, w, err))
                return false;
    for (const struct gguf_fact *fact = a ? a->facts : NULL; fact && fact->json; fact++)
        write_fact(checkpoint, fact, w);
    write_rotary(gguf, a ? a->rotary : NULL, w);
    return write_scaling(checkpoint, w, err) && write_vocabulary(checkpoint, w, err) &&
           (!a || !a->more || a->more(checkpoint, w, err));
}

bool gguf_config(const struct checkpoint *checkpoint, char **out, size_t *n, struct error *err)
{
    struct str s = {0};
    struct json_write w;
    json_write_to_str(&w, &s, true);
    json_write_object_begin(&w);
    bool ok = write_config(checkpoint, &w, err);
    json_write_object_end(&w);
    if (ok && (!json_write_finish(&w, "config.json", err) || s.failed))
        ok = error_memory(err, "reading metadata");
    if (ok) {
        *n = s.length;
        *out = str_take(&s);
    }
    str_release(&s);
    return ok;
}
