#include "architecture.h"

#include <stdio.h>
#include <string.h>

extern const struct architecture architecture_gpt2, architecture_llama, architecture_gemma3;

const struct architecture *const architectures[] = {
    &architecture_gpt2,
    &architecture_llama,
    &architecture_gemma3,
    NULL,
};

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_EMBEDDING] = "embedding",
    [ROLE_POSITION] = "position embedding",
    [ROLE_FINAL_NORM] = "final norm",
    [ROLE_FINAL_NORM_BIAS] = "bias of the final norm",
    [ROLE_HEAD] = "head",
    [ROLE_ATTENTION_NORM] = "norm before attention",
    [ROLE_ATTENTION_NORM_BIAS] = "bias of the norm before attention",
    [ROLE_QUERY] = "query projection",
    [ROLE_KEY] = "key projection",
    [ROLE_VALUE] = "value projection",
    [ROLE_QUERY_BIAS] = "query bias",
    [ROLE_KEY_BIAS] = "key bias",
    [ROLE_VALUE_BIAS] = "value bias",
    [ROLE_QUERY_NORM] = "query norm",
    [ROLE_KEY_NORM] = "key norm",
    [ROLE_ATTENTION_OUT] = "attention output projection",
    [ROLE_ATTENTION_OUT_BIAS] = "attention output bias",
    [ROLE_ATTENTION_POST_NORM] = "norm after attention",
    [ROLE_MLP_NORM] = "norm before the MLP",
    [ROLE_MLP_NORM_BIAS] = "bias of the norm before the MLP",
    [ROLE_GATE] = "gate projection",
    [ROLE_GATE_BIAS] = "gate bias",
    [ROLE_UP] = "up projection",
    [ROLE_UP_BIAS] = "up bias",
    [ROLE_DOWN] = "down projection",
    [ROLE_DOWN_BIAS] = "down bias",
    [ROLE_MLP_POST_NORM] = "norm after the MLP",
};

const char *role_name(enum role role)
{
    return role_names[role];
}

const struct architecture *architecture_find(const char *model_type)
{
    for (size_t i = 0; architectures[i]; i++)
        if (strcmp(architectures[i]->model_type, model_type) == 0)
            return architectures[i];
    return NULL;
}

bool architecture_tensor_name(const struct tensor_role *row, const char *prefix, size_t layer, char *out,
                              size_t size)
{
    const char *hole = strstr(row->name, "{}");
    int n;

    if (hole)
        n = snprintf(out, size, "%s%.*s%zu%s", prefix, (int)(hole - row->name), row->name, layer, hole + 2);
    else
        n = snprintf(out, size, "%s%s", row->role == ROLE_HEAD ? "" : prefix, row->name);
    return n >= 0 && (size_t)n < size;
}

const char *architecture_prefix(const struct architecture *architecture, const struct checkpoint *checkpoint)
{
    char name[256];

    for (size_t i = 0; i < architecture->n_tensors; i++) {
        if (architecture->tensors[i].role != ROLE_FINAL_NORM)
            continue;
        for (const char *const *prefix = architecture->prefixes; *prefix; prefix++)
            if (architecture_tensor_name(&architecture->tensors[i], *prefix, 0, name, sizeof name) &&
                checkpoint_find(checkpoint, name))
                return *prefix;
    }
    return NULL;
}

/* Levenshtein distance, of the first LONGEST characters. */
static size_t name_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    size_t row[LONGEST + 1], n = strnlen(b, LONGEST);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; i < LONGEST && a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t substitute = diagonal + (a[i] != b[j - 1]),
                   edge = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = substitute < edge ? substitute : edge;
        }
    }
    return row[n];
}

static size_t shared_names(const struct architecture *architecture, const struct checkpoint *checkpoint)
{
    const char *prefix = architecture_prefix(architecture, checkpoint);
    size_t n = 0;
    char name[256];

    for (size_t i = 0; prefix && i < architecture->n_tensors; i++)
        n += architecture_tensor_name(&architecture->tensors[i], prefix, 0, name, sizeof name) &&
             checkpoint_find(checkpoint, name);
    return n;
}

const struct architecture *architecture_nearest(const char *model_type, const struct checkpoint *checkpoint)
{
    const struct architecture *best = architectures[0];
    size_t shared = shared_names(best, checkpoint), distance = name_distance(model_type, best->model_type);

    for (size_t i = 1; architectures[i]; i++) {
        size_t n = shared_names(architectures[i], checkpoint),
               d = name_distance(model_type, architectures[i]->model_type);

        if (n > shared || (n == shared && d < distance)) {
            best = architectures[i];
            shared = n;
            distance = d;
        }
    }
    return best;
}
