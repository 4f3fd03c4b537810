#include "method.h"

#include <string.h>

const struct edit_method edit_methods[] = {
    {.name = "r-rome",
     .summary = "the mean key over the contexts on both sides: exact on the mean key",
     .source = "Gupta et al., arXiv 2403.07175",
     .direction = EDIT_KEY_MEAN,
     .division = EDIT_KEY_MEAN,
     .from_mean_value = true},
    {.name = "p-rome",
     .summary = "the bare prompt's key on both sides: exact on the prompt itself",
     .source = "Gupta et al., arXiv 2403.07175",
     .direction = EDIT_KEY_BARE,
     .division = EDIT_KEY_BARE},
    {.name = "rome",
     .summary = "as first published: mean key for the direction, bare key in the division; can blow up",
     .source = "Meng et al., arXiv 2202.05262",
     .direction = EDIT_KEY_MEAN,
     .division = EDIT_KEY_BARE,
     .least_cosine = 0.8},
};
const size_t n_edit_methods = sizeof(edit_methods) / sizeof(*edit_methods);

const struct edit_method *edit_method_find(const char *name)
{
    for (size_t i = 0; i < n_edit_methods; i++)
        if (strcmp(edit_methods[i].name, name) == 0)
            return &edit_methods[i];
    return NULL;
}
