/* Positions. Rotary frequencies: inv_i = theta^(-2 i / d), i < d / 2. Scalings as in transformers'
 * modeling_rope_utils.py, f the factor, o the original context, n the length of the sequence:
 *
 *   linear: inv / f
 *   dynamic: for n > o with theta (f n / o - (f - 1))^(d / (d - 2)) in place of theta
 *   llama3: with wavelength w = 2 pi / inv, l and h the low and high frequency factors:
 *           w < o / h: inv;  w > o / l: inv / f;
 *           between: s = (o / w - l) / (h - l), (1 - s) inv / f + s inv
 *   yarn:   dimension(r) = d ln(o / (2 pi r)) / (2 ln theta), low = dimension(beta_fast) rounded down but at
 *           least 0, high = dimension(beta_slow) rounded up but at most d - 1 (not rounded without truncate),
 *           ramp = (i - low) / (high - low) clamped to 0 .. 1, inv / f ramp + inv (1 - ramp)
 *   longrope: inv / g_i, g the long factors for n > o, else the short ones
 *
 * Yarn and longrope multiply cosine and sine by an attention factor as well. The published definition
 * computes in float; so do we in every build, or long prompts would drift apart.
 *
 * ALiBi (Press et al. 2022): slopes 2^(-8 i / c), i = 1 .. c, of the c heads that are the largest power of 2
 * not above their number; the other heads have the odd powers 1, 3, 5, .. of the slopes for 2 c heads. */
#include <math.h>
#include <string.h>

#include "config.h"
#include "quote.h"
#include "rows.h"

static const struct {
    const char *name, *alias;
} scalings[] = {
    [ROPE_SCALE_NONE] = {"default", "none"},  [ROPE_SCALE_LINEAR] = {"linear", NULL},
    [ROPE_SCALE_DYNAMIC] = {"dynamic", NULL}, [ROPE_SCALE_LLAMA3] = {"llama3", NULL},
    [ROPE_SCALE_YARN] = {"yarn", NULL},       [ROPE_SCALE_LONG] = {"longrope", "su"},
};

const char *config_rope_scaling_name(enum rope_scaling scaling)
{
    return scaling == ROPE_SCALE_NONE ? "none" : scalings[scaling].name;
}

/* ---- reading ---- */

static bool read_scaling(struct config_reader *p, struct rope_config *rope)
{
    const cJSON *type = config_find(p, "rope_type|type");

    if (!type)
        return true;
    if (!cJSON_IsString(type))
        return error_set(p->err, ERROR_FORMAT, "%s: rope_type must be a string", p->name);
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++)
        if (strcmp(scalings[i].name, type->valuestring) == 0 ||
            (scalings[i].alias && strcmp(scalings[i].alias, type->valuestring) == 0)) {
            rope->scaling = (enum rope_scaling)i;
            return true;
        }
    return error_set(p->err, ERROR_UNSUPPORTED,
                     "%s: rope_type %s is not supported (default, linear, dynamic, llama3, yarn and longrope "
                     "are)",
                     p->name, quote(type->valuestring).text);
}

static bool read_llama3(struct config_reader *p, struct rope_config *rope)
{
    if (!config_number_or(p, "low_freq_factor", 1, &rope->low_frequency_factor) ||
        !config_number_or(p, "high_freq_factor", 4, &rope->high_frequency_factor))
        return false;
    if (!(rope->high_frequency_factor > rope->low_frequency_factor))
        return error_set(p->err, ERROR_FORMAT, "%s: high_freq_factor must be larger than low_freq_factor",
                         p->name);
    return true;
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static bool read_yarn(struct config_reader *p, struct rope_config *rope)
{
    double mscale, mscale_all;
    double usual;

    if (!config_number_or(p, "beta_fast", 32, &rope->beta_fast) ||
        !config_number_or(p, "beta_slow", 1, &rope->beta_slow) ||
        !config_bool_or(p, "truncate", true, &rope->truncate) || !config_number_or(p, "mscale", 0, &mscale) ||
        !config_number_or(p, "mscale_all_dim", 0, &mscale_all))
        return false;
    usual = mscale != 0 && mscale_all != 0
                ? yarn_scale(rope->factor, mscale) / yarn_scale(rope->factor, mscale_all)
                : yarn_scale(rope->factor, 1);
    if (!(rope->theta > 1))
        return error_set(p->err, ERROR_FORMAT, "%s: rope_theta must be above 1 for yarn", p->name);
    return config_number_or(p, "attention_factor", usual, &rope->attention_factor);
}

static bool read_factors(struct config_reader *p, const char *key, size_t n, float *out)
{
    const cJSON *list = config_find(p, key), *item;
    size_t i = 0;

    if (n > CONFIG_MAX_LONG_FACTORS)
        return error_set(p->err, ERROR_UNSUPPORTED,
                         "%s: longrope over %zu dimensions is more than lancet takes", p->name, 2 * n);
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != n)
        return error_set(p->err, ERROR_FORMAT, "%s: %s must hold %zu numbers, one for each rotated pair",
                         p->name, key, n);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble < 1e30))
            return error_set(p->err, ERROR_FORMAT, "%s: %s must hold positive numbers", p->name, key);
        out[i++] = (float)item->valuedouble;
    }
    return true;
}

static bool read_long(struct config_reader *p, const struct model_config *c, struct rope_config *rope)
{
    double usual = rope->factor <= 1 ? 1 : sqrt(1 + log(rope->factor) / log((double)rope->original_context));

    return read_factors(p, "short_factor", c->rotary_dim / 2, rope->short_factors) &&
           read_factors(p, "long_factor", c->rotary_dim / 2, rope->long_factors) &&
           config_number_or(p, "attention_factor", usual, &rope->attention_factor);
}

/* The original context may lie beside the parameters, and then counts before theirs. Yarn and longrope take
 * how much longer the context is for a factor that is absent. */
static bool read_factor(struct config_reader *r, struct config_reader *p, const struct model_config *c,
                        struct rope_config *rope)
{
    bool open = rope->scaling == ROPE_SCALE_YARN || rope->scaling == ROPE_SCALE_LONG;
    size_t inner;

    if (!config_size_or(p, "original_max_position_embeddings", CONFIG_MAX_CONTEXT, c->context, &inner) ||
        !config_size_or(r, "original_max_position_embeddings", CONFIG_MAX_CONTEXT, inner,
                        &rope->original_context))
        return false;
    if (rope->scaling == ROPE_SCALE_DYNAMIC)
        rope->original_context = c->context;
    if (!open && !config_find(p, "factor"))
        return error_set(p->err, ERROR_FORMAT, "%s: the rope scaling has no factor", p->name);
    return config_number_or(p, "factor", (double)c->context / (double)rope->original_context, &rope->factor);
}

bool config_rope(struct config_reader *r, const cJSON *parameters, double theta,
                 const struct model_config *out, struct rope_config *rope)
{
    struct config_reader p = {.name = r->name, .json = parameters, .err = r->err};
    double partial;

    if (parameters && !cJSON_IsObject(parameters))
        return error_set(r->err, ERROR_FORMAT, "%s: the rope parameters must be an object", r->name);
    *rope = (struct rope_config){.attention_factor = 1};
    if (!read_scaling(&p, rope) || !config_number_or(&p, "rope_theta", theta, &rope->theta) ||
        !config_number_or(&p, "partial_rotary_factor", 0, &partial))
        return false;
    if (partial != 0 && (size_t)((double)out->head_dim * partial) != out->rotary_dim)
        return error_set(r->err, ERROR_UNSUPPORTED, "%s: partial_rotary_factor %g is not supported here",
                         r->name, partial);
    if (rope->scaling == ROPE_SCALE_NONE)
        return true;
    if (!read_factor(r, &p, out, rope))
        return false;
    switch (rope->scaling) {
    case ROPE_SCALE_LLAMA3:
        return read_llama3(&p, rope);
    case ROPE_SCALE_YARN:
        return read_yarn(&p, rope);
    case ROPE_SCALE_LONG:
        return read_long(&p, out, rope);
    default:
        return true;
    }
}

/* The parameters' own member counts, then the one beside them. */
static bool read_partial(struct config_reader *r, const cJSON *parameters, double partial,
                         struct model_config *out)
{
    struct config_reader p = {.name = r->name, .json = parameters, .err = r->err};
    double outer, part;

    if (!config_number_or(r, "partial_rotary_factor", partial != 0 ? partial : 1, &outer) ||
        !config_number_or(&p, "partial_rotary_factor", outer, &part))
        return false;
    if (partial == 0 && part != 1)
        return error_set(r->err, ERROR_UNSUPPORTED, "%s: partial_rotary_factor %g is not supported here",
                         r->name, part);
    if (!(part <= 1))
        return error_set(r->err, ERROR_FORMAT, "%s: partial_rotary_factor must not be above 1", r->name);
    out->rotary_dim = (size_t)((double)out->head_dim * part);
    return true;
}

bool config_one_rope(struct config_reader *r, enum rope_kind kind, double theta, double partial,
                     struct model_config *out)
{
    const cJSON *parameters = config_find(r, "rope_parameters|rope_scaling"), *item;
    double outer;

    if (parameters && !cJSON_IsObject(parameters))
        return error_set(r->err, ERROR_FORMAT, "%s: the rope parameters must be an object", r->name);
    cJSON_ArrayForEach(item, parameters)
    {
        if (cJSON_IsObject(item))
            return error_set(r->err, ERROR_UNSUPPORTED,
                             "%s: rope parameters of its own for each kind of layer are not supported here",
                             r->name);
    }
    out->rope = kind;
    out->n_ropes = 1;
    if (!read_partial(r, parameters, partial, out) || !config_number_or(r, "rope_theta", theta, &outer) ||
        !config_rope(r, parameters, outer, out, &out->ropes[0]))
        return false;
    for (size_t i = 0; i < out->n_layers; i++)
        out->rope_of[i] = 0;
    if (out->ropes[0].scaling == ROPE_SCALE_DYNAMIC) { /* made to go on beyond the context of training */
        double context = (double)out->context * out->ropes[0].factor;

        out->context = context < CONFIG_MAX_CONTEXT ? (size_t)context : CONFIG_MAX_CONTEXT;
    }
    return true;
}

/* ---- frequencies ---- */

bool config_rope_grows(const struct rope_config *rope)
{
    return rope->scaling == ROPE_SCALE_DYNAMIC || rope->scaling == ROPE_SCALE_LONG;
}

static float dynamic_theta(const struct rope_config *rope, size_t dimensions, size_t length)
{
    float n = (float)(length > rope->original_context ? length : rope->original_context);
    float factor = (float)rope->factor, theta = (float)rope->theta;

    return theta * powf(factor * n / (float)rope->original_context - (factor - 1),
                        (float)((double)dimensions / ((double)dimensions - 2)));
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

static double yarn_dimension(const struct rope_config *rope, size_t dimensions, double rotations)
{
    return (double)dimensions *
           log((double)rope->original_context / (rotations * 2 * 3.14159265358979323846)) /
           (2 * log(rope->theta));
}

static float scale_yarn(const struct rope_config *rope, size_t dimensions, size_t i, float power)
{
    double low = yarn_dimension(rope, dimensions, rope->beta_fast),
           high = yarn_dimension(rope, dimensions, rope->beta_slow);
    float ramp, inverse = 1 / power, divided = 1 / ((float)rope->factor * power);

    if (rope->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)dimensions - 1);
    if (low == high)
        high += 0.001;
    ramp = ((float)i - (float)low) / (float)(high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return divided * ramp + inverse * (1 - ramp);
}

void config_inverse_frequencies(const struct rope_config *rope, size_t dimensions, size_t length, real *out)
{
    float theta =
        rope->scaling == ROPE_SCALE_DYNAMIC ? dynamic_theta(rope, dimensions, length) : (float)rope->theta;
    const float *factors = length > rope->original_context ? rope->long_factors : rope->short_factors;

    for (size_t i = 0; i < dimensions / 2; i++) {
        float power = powf(theta, (float)(2 * i) / (float)dimensions), inverse = 1 / power;

        if (rope->scaling == ROPE_SCALE_LINEAR)
            inverse /= (float)rope->factor;
        else if (rope->scaling == ROPE_SCALE_LLAMA3)
            inverse = scale_llama3(rope, inverse);
        else if (rope->scaling == ROPE_SCALE_YARN)
            inverse = scale_yarn(rope, dimensions, i, power);
        else if (rope->scaling == ROPE_SCALE_LONG)
            inverse = 1 / (factors[i] * power);
        out[i] = (real)inverse;
    }
}

/* ---- ALiBi ---- */

static float alibi_slope(size_t n_heads, size_t head)
{
    size_t c = 1;

    while (2 * c <= n_heads)
        c *= 2;
    return head < c ? exp2f(-8 * (float)(head + 1) / (float)c)
                    : exp2f(-4 * (float)(2 * (head - c) + 1) / (float)c);
}

/* To the nearest BF16 and back. */
static double round_bf16(double x)
{
    uint8_t stored[2];
    double y;

    rows_from_f64(DTYPE_BF16, &x, 1, stored);
    rows_to_f64(DTYPE_BF16, stored, 1, &y);
    return y;
}

void config_alibi(const struct model_config *config, size_t head, size_t n, real *out)
{
    double slope = (double)alibi_slope(config->n_heads, head);

    if (config->alibi == ALIBI_BF16)
        slope = round_bf16(slope);
    for (size_t i = 0; i < n; i++) {
        double bias = config->alibi == ALIBI_BF16 ? round_bf16(slope * round_bf16((double)i))
                                                  : (double)((float)slope * (float)i);

        out[i] = (real)(config->alibi_scale * bias);
    }
}
