#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quote.h"

const struct setting_facts setting_facts[SETTING_COUNT] = {
    [SETTING_LR] = {"lr", "step size of Adam on the target vector", 1e-6, 100, false},
    [SETTING_STEPS] = {"steps", "evaluations at most; one update fewer", 1, 10000, true},
    [SETTING_ENOUGH] = {"enough", "after so many evaluations an nll below 0.1 will do", 1, 10000, true},
    [SETTING_STOP] = {"stop", "stop once nll + kl falls below", 0, 1e6, false},
    [SETTING_CLAMP] = {"clamp", "longest delta, in lengths of the value that it is added to", 0, 1e6, false},
    [SETTING_KL] = {"kl", "weight of the divergence at \"SUBJECT is a\"", 0, 1e6, false},
    [SETTING_DECAY] = {"decay", "weight of |delta| / |value|^2", 0, 1e6, false},
    [SETTING_RIDGE] = {"ridge", "added to the covariance, times its mean diagonal", 0, 1e6, false},
    [SETTING_IDENTITY] = {"identity", "1: the identity in place of the covariance", 0, 1, true},
    [SETTING_CONTEXTS] = {"contexts", "prefixes used, the bare prompt included", 1, 64, true},
    [SETTING_TOKENS] = {"tokens", "tokens of text for the covariance; 0: ten times its size", 0, 1e9, true},
    [SETTING_WINDOW] = {"window", "longest row of text for the covariance; 0: 256 tokens", 0, 1e6, true},
};

#define ROME_FILES "hparams of kmeng01/rome: gpt2-xl, gpt2-large, gpt-j"

const struct setting_default setting_defaults[] = {
    {NULL, NULL, SETTING_LR, 0.5, ROME_FILES},
    {NULL, NULL, SETTING_STEPS, 60, "ours: a target of -log p = 20 needs 40 and more on the fact models"},
    {NULL, NULL, SETTING_ENOUGH, 25, "steps of EasyEdit's ROME: llama, mistral, qwen2"},
    {NULL, NULL, SETTING_STOP, 0.05, "kmeng01/rome compute_v.py, without the decay term"},
    {NULL, NULL, SETTING_CLAMP, 4, ROME_FILES},
    {NULL, NULL, SETTING_KL, 0.0625, ROME_FILES},
    {NULL, NULL, SETTING_DECAY, 0.5, ROME_FILES},
    {NULL, NULL, SETTING_RIDGE, 1e-3, "ours: bounds the condition number by 1 + 1000 n"},
    {NULL, NULL, SETTING_IDENTITY, 0, ROME_FILES},
    {NULL, NULL, SETTING_CONTEXTS, 6, "MEMIT's number; ROME's 21 cost three times as much"},
    {NULL, NULL, SETTING_TOKENS, 0, "FastMEMIT (arXiv 2506.04226): 10 n tokens suffice"},
    {NULL, NULL, SETTING_WINDOW, 0, "measured on SmolLM2 and Gemma 3"},
    /* Positions are learned, and the prompts of edits are short: keys at early positions are what an edit
       meets. */
    {NULL, "gpt2", SETTING_WINDOW, 16,
     "measured on a GPT-2 with 792 known facts, 40 edits: 16 before 32 and 128"},
    /* A norm follows the MLP: beyond the length of the value only the direction of delta counts. */
    {NULL, "gemma3_text", SETTING_LR, 0.1, "measured on Gemma 3 270M, 24 CounterFact edits"},
    {NULL, "gemma3_text", SETTING_CLAMP, 1, "measured on Gemma 3 270M, 24 CounterFact edits"},
};
const size_t n_setting_defaults = sizeof(setting_defaults) / sizeof(*setting_defaults);

const struct known_site known_sites[] = {
    {"gpt2", 4, 64, 1, "the embedded model: where its training put the facts"},
    {"gemma3_text", 18, 640, 5, "Gemma 3 270M: best of layers 4, 5, 6, 11 on 24 CounterFact edits"},
    {"llama", 30, 576, 3, "SmolLM2 135M: best of layers 3, 6, 9, 12 on 24 CounterFact edits"},
};
const size_t n_known_sites = sizeof(known_sites) / sizeof(*known_sites);

static bool fits(const char *pattern, const char *name)
{
    return !pattern || strcmp(pattern, name) == 0;
}

const struct setting_default *settings_row(const char *method, const char *architecture, enum setting setting)
{
    const struct setting_default *found = NULL;
    for (size_t i = 0; i < n_setting_defaults; i++) {
        const struct setting_default *row = &setting_defaults[i];
        if (row->setting == setting && fits(row->method, method) && fits(row->architecture, architecture))
            found = row;
    }
    return found;
}

void settings_default(const char *method, const char *architecture, struct settings *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        out->value[i] = settings_row(method, architecture, (enum setting)i)->value;
}

static bool find(const char *name, size_t n, enum setting *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strlen(setting_facts[i].name) == n && memcmp(setting_facts[i].name, name, n) == 0) {
            *out = (enum setting)i;
            return true;
        }
    return false;
}

static bool parse_value(const char *text, double *out)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *out = *text == 't';
        return true;
    }
    char *end;
    *out = strtod(text, &end);
    return *text && !*end && isfinite(*out) && !strpbrk(text, " \t\n\r\v\fxXpP");
}

bool settings_set(struct settings *settings, const char *assignment, struct error *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return error_set(err, ERROR_USAGE, "--set %s: expected NAME=VALUE", quote(assignment).text);
    enum setting setting;
    if (!find(assignment, (size_t)(equals - assignment), &setting)) {
        char names[256] = "";
        for (size_t i = 0; i < SETTING_COUNT; i++) {
            strcat(names, i ? ", " : "");
            strcat(names, setting_facts[i].name);
        }
        return error_set(err, ERROR_USAGE, "--set %s: no such setting; there are %s", quote(assignment).text,
                         names);
    }
    const struct setting_facts *facts = &setting_facts[setting];
    double value;
    if (!parse_value(equals + 1, &value) || value < facts->minimum || value > facts->maximum ||
        (facts->whole && value != floor(value)))
        return error_set(err, ERROR_USAGE, "--set %s: expected %s from %g to %g", quote(assignment).text,
                         facts->whole ? "a whole number" : "a number", facts->minimum, facts->maximum);
    settings->value[setting] = value;
    return true;
}

const struct known_site *known_site_find(const char *architecture, size_t n_layers, size_t width)
{
    for (size_t i = 0; i < n_known_sites; i++) {
        const struct known_site *site = &known_sites[i];
        if (strcmp(site->architecture, architecture) == 0 && site->n_layers == n_layers &&
            site->width == width)
            return site;
    }
    return NULL;
}
