#include "config.h"

#include <math.h>
#include <string.h>

#include "quote.h"

const cJSON *config_member(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

    return item && !cJSON_IsNull(item) ? item : NULL;
}

/* ---- single keys ---- */

/* The first name of a key. */
static int first_name(const char *key)
{
    return (int)strcspn(key, "|");
}

static bool is_named(const char *name, const char *key)
{
    size_t n = strlen(name);

    for (; key; key = strchr(key, '|') ? strchr(key, '|') + 1 : NULL)
        if (strncmp(key, name, n) == 0 && (key[n] == '|' || key[n] == '\0'))
            return true;
    return false;
}

const cJSON *config_find(struct config_reader *r, const char *key)
{
    const cJSON *found = NULL, *item;
    size_t place = 0;

    cJSON_ArrayForEach(item, r->json)
    {
        if (item->string && is_named(item->string, key)) {
            if (place / 64 < sizeof r->asked / sizeof *r->asked)
                r->asked[place / 64] |= (uint64_t)1 << place % 64;
            if (!found && !cJSON_IsNull(item))
                found = item;
        }
        place++;
    }
    return found;
}

static bool read_size(struct config_reader *r, const char *key, size_t min, size_t max, size_t fallback,
                      size_t *out)
{
    const cJSON *item = config_find(r, key);

    if (!item) {
        *out = fallback;
        return true;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)min && item->valuedouble <= (double)max) ||
        item->valuedouble != floor(item->valuedouble))
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s must be a whole number from %zu to %zu", r->name,
                         first_name(key), key, min, max);
    *out = (size_t)item->valuedouble;
    return true;
}

bool config_size_or(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t *out)
{
    return read_size(r, key, 1, max, fallback, out);
}

bool config_count_or(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t *out)
{
    return read_size(r, key, 0, max, fallback, out);
}

bool config_size(struct config_reader *r, const char *key, size_t max, size_t *out)
{
    if (!config_find(r, key))
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s is missing", r->name, first_name(key), key);
    return config_size_or(r, key, max, 0, out);
}

bool config_number_or(struct config_reader *r, const char *key, double fallback, double *out)
{
    const cJSON *item = config_find(r, key);

    if (!item) {
        *out = fallback;
        return true;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble < 1e30))
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s must be a positive number", r->name, first_name(key),
                         key);
    *out = item->valuedouble;
    return true;
}

bool config_bool_or(struct config_reader *r, const char *key, bool fallback, bool *out)
{
    const cJSON *item = config_find(r, key);

    if (item && !cJSON_IsBool(item))
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s must be true or false", r->name, first_name(key),
                         key);
    *out = item ? cJSON_IsTrue(item) : fallback;
    return true;
}

bool config_feature_or(struct config_reader *r, const char *key, bool fallback, unsigned features,
                       struct model_config *out)
{
    bool on;

    if (!config_bool_or(r, key, fallback, &on))
        return false;
    out->features = on ? out->features | features : out->features & ~features;
    return true;
}

bool config_activation(struct config_reader *r, const char *key, const char *fallback, enum activation *out)
{
    const cJSON *item = config_find(r, key);

    if (item && !cJSON_IsString(item))
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s must be a string", r->name, first_name(key), key);
    if (!activation_parse(item ? item->valuestring : fallback, out))
        return error_set(r->err, ERROR_UNSUPPORTED, "%s: %.*s %s is an activation that lancet does not know",
                         r->name, first_name(key), key, quote(item ? item->valuestring : fallback).text);
    return true;
}

bool config_refuse(struct config_reader *r, const char *const *keys)
{
    for (; *keys; keys++) {
        const cJSON *item = config_find(r, *keys);

        if (item && !cJSON_IsFalse(item))
            return error_set(r->err, ERROR_UNSUPPORTED, "%s: %s is set, which lancet does not compute",
                             r->name, *keys);
    }
    return true;
}

/* ---- what many architectures read alike ---- */

static bool needed_size(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t *out)
{
    return fallback ? config_size_or(r, key, max, fallback, out) : config_size(r, key, max, out);
}

static bool open_size(struct config_reader *r, const char *key, size_t max, size_t fallback, size_t usual,
                      size_t *out)
{
    *out = usual;
    return !key || config_size_or(r, key, max, fallback ? fallback : usual, out);
}

static void usual_values(struct model_config *out)
{
    out->embedding_width = out->width;
    out->attention_scale = 1 / sqrt((double)out->head_dim);
    out->embedding_scale = out->residual_scale = out->logit_scale = out->alibi_scale = 1;
    for (size_t i = 0; i < out->n_layers; i++)
        out->rope_of[i] = CONFIG_NO_ROPE;
}

bool config_sizes(struct config_reader *r, const struct size_keys *keys, const struct size_defaults *defaults,
                  struct model_config *out)
{
    const struct size_defaults *d = defaults;

    if (!needed_size(r, keys->width, CONFIG_MAX_WIDTH, d->width, &out->width) ||
        !needed_size(r, keys->n_layers, CONFIG_MAX_LAYERS, d->n_layers, &out->n_layers) ||
        !needed_size(r, keys->n_heads, CONFIG_MAX_HEADS, d->n_heads, &out->n_heads) ||
        !needed_size(r, "vocab_size", CONFIG_MAX_VOCABULARY, d->vocabulary, &out->vocabulary) ||
        !needed_size(r, keys->context, CONFIG_MAX_CONTEXT, d->context, &out->context) ||
        !open_size(r, keys->n_kv_heads, CONFIG_MAX_HEADS, d->n_kv_heads, out->n_heads, &out->n_kv_heads) ||
        !open_size(r, keys->head_dim, CONFIG_MAX_HEAD_DIM, d->head_dim, 0, &out->head_dim) ||
        !open_size(r, keys->ff, CONFIG_MAX_FF, d->ff, 4 * out->width, &out->ff))
        return false;
    if (out->head_dim == 0 && out->width % out->n_heads != 0)
        return error_set(r->err, ERROR_FORMAT, "%s: %.*s %zu does not divide into %zu heads", r->name,
                         first_name(keys->width), keys->width, out->width, out->n_heads);
    if (out->head_dim == 0)
        out->head_dim = out->width / out->n_heads;
    usual_values(out);
    return true;
}

bool config_layer_types(struct config_reader *r, const struct model_config *out, bool *found,
                        bool slides[CONFIG_MAX_LAYERS])
{
    const cJSON *types = config_find(r, "layer_types"), *type;
    size_t layer = 0;

    *found = types;
    if (!types)
        return true;
    if (!cJSON_IsArray(types) || (size_t)cJSON_GetArraySize(types) != out->n_layers)
        return error_set(r->err, ERROR_FORMAT, "%s: layer_types must name the kind of each of the %zu layers",
                         r->name, out->n_layers);
    cJSON_ArrayForEach(type, types)
    {
        bool local = cJSON_IsString(type) && strcmp(type->valuestring, "sliding_attention") == 0;

        if (!local && !(cJSON_IsString(type) && strcmp(type->valuestring, "full_attention") == 0))
            return error_set(
                r->err, ERROR_UNSUPPORTED,
                "%s: layer_types knows sliding_attention and full_attention only, which layer %zu is not",
                r->name, layer);
        slides[layer++] = local;
    }
    return true;
}

static bool is_null(const struct config_reader *r, const char *key)
{
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(r->json, key));
}

bool config_window_or(struct config_reader *r, const char *key, size_t fallback, size_t *out)
{
    return config_size_or(r, key, CONFIG_MAX_CONTEXT, is_null(r, key) ? 0 : fallback, out);
}

bool config_cap_or(struct config_reader *r, const char *key, double fallback, double *out)
{
    return config_number_or(r, key, is_null(r, key) ? 0 : fallback, out);
}

bool config_window(struct config_reader *r, const char *key, size_t fallback, struct model_config *out)
{
    size_t window;

    if (!config_window_or(r, key, fallback, &window))
        return false;
    for (size_t i = 0; i < out->n_layers; i++)
        out->window[i] = window;
    return true;
}

/* ---- checks ---- */

bool config_check(const char *name, const struct model_config *config, struct error *err)
{
    if (config->n_heads % config->n_kv_heads != 0)
        return error_set(err, ERROR_FORMAT, "%s: %zu attention heads cannot share %zu key/value heads evenly",
                         name, config->n_heads, config->n_kv_heads);
    if (config->rope != ROPE_NONE &&
        (config->rotary_dim % 2 != 0 || config->rotary_dim == 0 || config->rotary_dim > config->head_dim))
        return error_set(err, ERROR_FORMAT,
                         "%s: %zu rotated dimensions of a head of %zu must be an even number", name,
                         config->rotary_dim, config->head_dim);
    if (config->embedding_width != config->width &&
        (config->embedding_width > config->width || config->embedding_width > config->vocabulary))
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: embeddings of width %zu in a stream of width %zu are more than lancet takes",
                         name, config->embedding_width, config->width);
    if (config->encoder && config->width > config->vocabulary)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: a head of width %zu before %zu tokens is more than lancet takes", name,
                         config->width, config->vocabulary);
    if (config->experts.used > config->experts.n)
        return error_set(err, ERROR_FORMAT, "%s: a token cannot use %zu of %zu experts", name,
                         config->experts.used, config->experts.n);
    if (config->n_heads * config->head_dim > CONFIG_MAX_WIDTH)
        return error_set(err, ERROR_FORMAT, "%s: %zu heads of %zu dimensions are more than lancet takes (%d)",
                         name, config->n_heads, config->head_dim, CONFIG_MAX_WIDTH);
    return true;
}
