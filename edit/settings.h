/* The hyper-parameters of the edit methods: ONE table of default settings by method and architecture, each
 * row with its source, and one of layers that are known to be good sites. `--set NAME=VALUE` overrides. */
#ifndef LANCET_SETTINGS_H
#define LANCET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum setting {
    SETTING_LR,
    SETTING_STEPS,
    SETTING_ENOUGH,
    SETTING_STOP,
    SETTING_CLAMP,
    SETTING_KL,
    SETTING_DECAY,
    SETTING_RIDGE,
    SETTING_IDENTITY,
    SETTING_CONTEXTS,
    SETTING_TOKENS,
    SETTING_WINDOW,
    SETTING_COUNT
};

struct setting_facts {
    const char *name; /* as in --set */
    const char *what; /* one phrase */
    double minimum, maximum;
    bool whole; /* a whole number */
};
extern const struct setting_facts setting_facts[SETTING_COUNT];

struct setting_default {      /* the last row that fits wins */
    const char *method;       /* NULL: every method */
    const char *architecture; /* model_type; NULL: every architecture */
    enum setting setting;
    double value;
    const char *source;
};
extern const struct setting_default setting_defaults[];
extern const size_t n_setting_defaults;

struct settings {
    double value[SETTING_COUNT];
};

/* The defaults of a method on an architecture. */
void settings_default(const char *method, const char *architecture, struct settings *out);
/* The row that decides one setting. */
const struct setting_default *settings_row(const char *method, const char *architecture,
                                           enum setting setting);
/* One "NAME=VALUE"; booleans also as true/false. ERROR_USAGE names what is wrong and what is allowed. */
bool settings_set(struct settings *settings, const char *assignment, struct error *err);

struct known_site { /* a layer that was measured to be a good site */
    const char *architecture;
    size_t n_layers, width;
    size_t layer;
    const char *source;
};
extern const struct known_site known_sites[];
extern const size_t n_known_sites;
/* NULL when none is known. */
const struct known_site *known_site_find(const char *architecture, size_t n_layers, size_t width);

#endif
