/* Rotary frequencies: inv_i = theta^(-2 i / d). Scalings as in transformers' modeling_rope_utils.py:
 *   linear: inv / factor
 *   llama3: with wavelength w = 2 pi / inv, o = original context, l and h the low and high frequency factors:
 *           w < o / h: inv;  w > o / l: inv / factor;
 *           between: s = (o / w - l) / (h - l), (1 - s) inv / factor + s inv
 * The published definition computes them in float; so do we in every build, or long prompts would drift
 * apart. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "quote.h"

const cJSON *config_member(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

    return item && !cJSON_IsNull(item) ? item : NULL;
}

bool config_size_or(const char *name, const cJSON *json, const char *key, size_t max, size_t fallback,
                    size_t *out, struct error *err)
{
    const cJSON *item = config_member(json, key);

    if (!item) {
        *out = fallback;
        return true;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= (double)max) ||
        item->valuedouble != floor(item->valuedouble))
        return error_set(err, ERROR_FORMAT, "%s: %s must be a whole number from 1 to %zu", name, key, max);
    *out = (size_t)item->valuedouble;
    return true;
}

bool config_size(const char *name, const cJSON *json, const char *key, size_t max, size_t *out,
                 struct error *err)
{
    if (!config_member(json, key))
        return error_set(err, ERROR_FORMAT, "%s: %s is missing", name, key);
    return config_size_or(name, json, key, max, 0, out, err);
}

bool config_number_or(const char *name, const cJSON *json, const char *key, double fallback, double *out,
                      struct error *err)
{
    const cJSON *item = config_member(json, key);

    if (!item) {
        *out = fallback;
        return true;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble < 1e30))
        return error_set(err, ERROR_FORMAT, "%s: %s must be a positive number", name, key);
    *out = item->valuedouble;
    return true;
}

bool config_bool_or(const char *name, const cJSON *json, const char *key, bool fallback, bool *out,
                    struct error *err)
{
    const cJSON *item = config_member(json, key);

    if (item && !cJSON_IsBool(item))
        return error_set(err, ERROR_FORMAT, "%s: %s must be true or false", name, key);
    *out = item ? cJSON_IsTrue(item) : fallback;
    return true;
}

bool config_activation(const char *name, const cJSON *json, const char *key, const char *fallback,
                       enum activation *out, struct error *err)
{
    const cJSON *item = config_member(json, key);

    if (item && !cJSON_IsString(item))
        return error_set(err, ERROR_FORMAT, "%s: %s must be a string", name, key);
    if (!activation_parse(item ? item->valuestring : fallback, out))
        return error_set(err, ERROR_UNSUPPORTED, "%s: %s %s is an activation that lancet does not know", name,
                         key, quote(item->valuestring).text);
    return true;
}

static const struct {
    const char *name;
    int scaling;
} scalings[] = {
    {"default", ROPE_SCALE_NONE},
    {"linear", ROPE_SCALE_LINEAR},
    {"llama3", ROPE_SCALE_LLAMA3},
};

static bool read_scaling(const char *name, const cJSON *parameters, struct rope_config *rope,
                         struct error *err)
{
    const cJSON *type = config_member(parameters, "rope_type");

    if (!type)
        type = config_member(parameters, "type");
    if (!type)
        return true;
    if (!cJSON_IsString(type))
        return error_set(err, ERROR_FORMAT, "%s: rope_type must be a string", name);
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++)
        if (strcmp(scalings[i].name, type->valuestring) == 0) {
            rope->scaling = scalings[i].scaling;
            return true;
        }
    return error_set(err, ERROR_UNSUPPORTED,
                     "%s: rope_type %s is not supported (default, linear and llama3 are)", name,
                     quote(type->valuestring).text);
}

bool config_rope(const char *name, const cJSON *parameters, double theta, size_t context,
                 struct rope_config *out, struct error *err)
{
    struct rope_config rope = {.scaling = ROPE_SCALE_NONE};
    double partial;

    if (parameters && !cJSON_IsObject(parameters))
        return error_set(err, ERROR_FORMAT, "%s: the rope parameters must be an object", name);
    if (!read_scaling(name, parameters, &rope, err) ||
        !config_number_or(name, parameters, "rope_theta", theta, &rope.theta, err) ||
        !config_number_or(name, parameters, "partial_rotary_factor", 1, &partial, err))
        return false;
    if (partial != 1)
        return error_set(err, ERROR_UNSUPPORTED, "%s: partial_rotary_factor %g is not supported here", name,
                         partial);
    if (rope.scaling != ROPE_SCALE_NONE) {
        if (!config_member(parameters, "factor"))
            return error_set(err, ERROR_FORMAT, "%s: the rope scaling has no factor", name);
        if (!config_number_or(name, parameters, "factor", 1, &rope.factor, err))
            return false;
    }
    if (rope.scaling == ROPE_SCALE_LLAMA3) {
        if (!config_number_or(name, parameters, "low_freq_factor", 1, &rope.low_frequency_factor, err) ||
            !config_number_or(name, parameters, "high_freq_factor", 4, &rope.high_frequency_factor, err) ||
            !config_size_or(name, parameters, "original_max_position_embeddings", CONFIG_MAX_CONTEXT, context,
                            &rope.original_context, err))
            return false;
        if (!(rope.high_frequency_factor > rope.low_frequency_factor))
            return error_set(err, ERROR_FORMAT, "%s: high_freq_factor must be larger than low_freq_factor",
                             name);
    }
    *out = rope;
    return true;
}

bool config_refuse(const char *name, const cJSON *json, const char *const *keys, struct error *err)
{
    for (; *keys; keys++) {
        const cJSON *item = config_member(json, *keys);

        if (item && !cJSON_IsFalse(item))
            return error_set(err, ERROR_UNSUPPORTED, "%s: %s is set, which lancet does not compute", name,
                             *keys);
    }
    return true;
}

bool config_check(const char *name, const struct model_config *config, struct error *err)
{
    if (config->n_heads % config->n_kv_heads != 0)
        return error_set(err, ERROR_FORMAT, "%s: %zu attention heads cannot share %zu key/value heads evenly",
                         name, config->n_heads, config->n_kv_heads);
    if (config->rope != ROPE_NONE && (config->rotary_dim % 2 != 0 || config->rotary_dim > config->head_dim))
        return error_set(err, ERROR_FORMAT,
                         "%s: %zu rotated dimensions of a head of %zu must be an even number", name,
                         config->rotary_dim, config->head_dim);
    if (config->n_heads * config->head_dim > CONFIG_MAX_WIDTH)
        return error_set(err, ERROR_FORMAT, "%s: %zu heads of %zu dimensions are more than lancet takes (%d)",
                         name, config->n_heads, config->head_dim, CONFIG_MAX_WIDTH);
    return true;
}

static float scale_llama3(const struct rope_config *rope, float inverse)
{
    const float pi2 = (float)(2 * 3.14159265358979323846), original = (float)rope->original_context;
    float low = (float)rope->low_frequency_factor, high = (float)rope->high_frequency_factor;
    float factor = (float)rope->factor, wavelength = pi2 / inverse, smooth;

    if (wavelength > (float)((double)rope->original_context / rope->low_frequency_factor))
        return inverse / factor;
    if (wavelength < (float)((double)rope->original_context / rope->high_frequency_factor))
        return inverse;
    smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) * inverse / factor + smooth * inverse;
}

void config_inverse_frequencies(const struct rope_config *rope, size_t dimensions, real *out)
{
    for (size_t i = 0; i < dimensions / 2; i++) {
        float inverse = 1 / powf((float)rope->theta, (float)(2 * i) / (float)dimensions);

        if (rope->scaling == ROPE_SCALE_LINEAR)
            inverse /= (float)rope->factor;
        else if (rope->scaling == ROPE_SCALE_LLAMA3)
            inverse = scale_llama3(rope, inverse);
        out[i] = (real)inverse;
    }
}
