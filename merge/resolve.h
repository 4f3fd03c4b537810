/* Which value a parameter has for a tensor, and where it comes from. The first that gives one: the model's
 * own parameters (source), the slice's, the module's, the recipe's (global), the method's default. A list of
 * conditions none of which fits gives nothing. */
#ifndef LANCET_RESOLVE_H
#define LANCET_RESOLVE_H

#include "plan.h"

enum value_level { LEVEL_SOURCE, LEVEL_SLICE, LEVEL_MODULE, LEVEL_GLOBAL, LEVEL_DEFAULT, LEVEL_MISSING };

struct resolved {
    double number;
    enum value_level level;
    const struct recipe_value *value;         /* the number or gradient; NULL: default or missing */
    const struct recipe_condition *condition; /* that fitted, or NULL */
};

/* `input`: NULL where no model is meant, or the slice does not list it. `name`: the input tensor's for a
 * parameter of a model, else the output's. Counts into `hits` (by id; may be NULL). */
struct resolved resolve_value(const struct recipe *recipe, const struct recipe_slice *slice,
                              const struct recipe_input *input, const struct merge_parameter *parameter,
                              const char *name, double t, struct condition_hits *hits);

const char *value_level_name(enum value_level level);
/* Between its knots, at equal distances; t in [0, 1]. */
double gradient_at(const double *knots, size_t n, double t);

#endif
