#include "architecture.h"

#include <stdio.h>
#include <string.h>

/* One row a line, sorted. */
#define ARCHITECTURES(ROW)                                                                                   \
    ROW(bert)                                                                                                \
    ROW(bloom)                                                                                               \
    ROW(cohere)                                                                                              \
    ROW(distilbert)                                                                                          \
    ROW(falcon)                                                                                              \
    ROW(gemma)                                                                                               \
    ROW(gemma2)                                                                                              \
    ROW(gemma3)                                                                                              \
    ROW(glm4)                                                                                                \
    ROW(gpt2)                                                                                                \
    ROW(gpt_neo)                                                                                             \
    ROW(gpt_neox)                                                                                            \
    ROW(gptj)                                                                                                \
    ROW(granite)                                                                                             \
    ROW(llama)                                                                                               \
    ROW(mamba)                                                                                               \
    ROW(mistral)                                                                                             \
    ROW(mixtral)                                                                                             \
    ROW(olmo2)                                                                                               \
    ROW(opt)                                                                                                 \
    ROW(phi)                                                                                                 \
    ROW(phi3)                                                                                                \
    ROW(qwen2)                                                                                               \
    ROW(qwen2_moe)                                                                                           \
    ROW(qwen3)                                                                                               \
    ROW(qwen3_moe)                                                                                           \
    ROW(roberta)                                                                                             \
    ROW(smollm3)                                                                                             \
    ROW(stablelm)                                                                                            \
    ROW(starcoder2)

#define DECLARE(NAME) extern const struct architecture architecture_##NAME;
ARCHITECTURES(DECLARE)

#define LIST(NAME) &architecture_##NAME,
const struct architecture *const architectures[] = {ARCHITECTURES(LIST) NULL};

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_EMBEDDING] = "embedding",
    [ROLE_POSITION] = "position embedding",
    [ROLE_TOKEN_TYPE] = "token type embedding",
    [ROLE_EMBEDDING_IN] = "projection of the embedding",
    [ROLE_EMBEDDING_IN_BIAS] = "bias of the projection of the embedding",
    [ROLE_EMBEDDING_NORM] = "norm of the embedding",
    [ROLE_EMBEDDING_NORM_BIAS] = "bias of the norm of the embedding",
    [ROLE_FINAL_NORM] = "final norm",
    [ROLE_FINAL_NORM_BIAS] = "bias of the final norm",
    [ROLE_HEAD_IN] = "projection before the head",
    [ROLE_HEAD_IN_BIAS] = "bias of the projection before the head",
    [ROLE_HEAD_NORM] = "norm before the head",
    [ROLE_HEAD_NORM_BIAS] = "bias of the norm before the head",
    [ROLE_HEAD] = "head",
    [ROLE_HEAD_BIAS] = "bias of the head",
    [ROLE_ATTENTION_NORM] = "norm before attention",
    [ROLE_ATTENTION_NORM_BIAS] = "bias of the norm before attention",
    [ROLE_QUERY] = "query projection",
    [ROLE_QUERY_BIAS] = "query bias",
    [ROLE_KEY] = "key projection",
    [ROLE_KEY_BIAS] = "key bias",
    [ROLE_VALUE] = "value projection",
    [ROLE_VALUE_BIAS] = "value bias",
    [ROLE_QUERY_NORM] = "query norm",
    [ROLE_QUERY_NORM_BIAS] = "bias of the query norm",
    [ROLE_KEY_NORM] = "key norm",
    [ROLE_KEY_NORM_BIAS] = "bias of the key norm",
    [ROLE_ATTENTION_OUT] = "attention output projection",
    [ROLE_ATTENTION_OUT_BIAS] = "attention output bias",
    [ROLE_ATTENTION_POST_NORM] = "norm after attention",
    [ROLE_ATTENTION_POST_NORM_BIAS] = "bias of the norm after attention",
    [ROLE_MID_NORM] = "norm of the stream after attention",
    [ROLE_MID_NORM_BIAS] = "bias of the norm of the stream after attention",
    [ROLE_MLP_NORM] = "norm before the MLP",
    [ROLE_MLP_NORM_BIAS] = "bias of the norm before the MLP",
    [ROLE_ROUTER] = "router",
    [ROLE_ROUTER_BIAS] = "bias of the router",
    [ROLE_SCAN_IN] = "input projection of the mixer",
    [ROLE_SCAN_IN_BIAS] = "bias of the input projection of the mixer",
    [ROLE_SCAN_CONV] = "convolution",
    [ROLE_SCAN_CONV_BIAS] = "bias of the convolution",
    [ROLE_SCAN_PARAMETERS] = "projection to step, input and output of the scan",
    [ROLE_SCAN_PARAMETERS_BIAS] = "bias of the projection to step, input and output of the scan",
    [ROLE_SCAN_STEP] = "projection of the step",
    [ROLE_SCAN_STEP_BIAS] = "bias of the projection of the step",
    [ROLE_SCAN_DECAY] = "decay of the scan",
    [ROLE_SCAN_SKIP] = "skip of the scan",
    [ROLE_GATE] = "gate projection",
    [ROLE_GATE_BIAS] = "gate bias",
    [ROLE_UP] = "up projection",
    [ROLE_UP_BIAS] = "up bias",
    [ROLE_DOWN] = "down projection",
    [ROLE_DOWN_BIAS] = "down bias",
    [ROLE_SHARED_ROUTER] = "gate of the shared expert",
    [ROLE_SHARED_ROUTER_BIAS] = "bias of the gate of the shared expert",
    [ROLE_SHARED_GATE] = "gate projection of the shared expert",
    [ROLE_SHARED_GATE_BIAS] = "gate bias of the shared expert",
    [ROLE_SHARED_UP] = "up projection of the shared expert",
    [ROLE_SHARED_UP_BIAS] = "up bias of the shared expert",
    [ROLE_SHARED_DOWN] = "down projection of the shared expert",
    [ROLE_SHARED_DOWN_BIAS] = "down bias of the shared expert",
    [ROLE_MLP_POST_NORM] = "norm after the MLP",
    [ROLE_MLP_POST_NORM_BIAS] = "bias of the norm after the MLP",
    [ROLE_STATE_NORM] = "norm of the stream after the MLP",
    [ROLE_STATE_NORM_BIAS] = "bias of the norm of the stream after the MLP",
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

const struct tensor_role *architecture_row(const struct architecture *architecture, size_t i)
{
    for (const struct role_list *const *list = architecture->tensors; *list; list++) {
        if (i < (*list)->n)
            return &(*list)->rows[i];
        i -= (*list)->n;
    }
    return NULL;
}

/* Appends what lies before the hole of a name, and the number that belongs into it; without that hole, all
 * that is left of the name. */
static const char *put_part(const char *name, const char *hole, size_t number, char *out, size_t size,
                            size_t *at)
{
    const char *end = strstr(name, hole);
    int n = end ? snprintf(out + *at, size - *at, "%.*s%zu", (int)(end - name), name, number) : 0;

    if (n < 0 || (size_t)n >= size - *at)
        return NULL;
    *at += (size_t)n;
    return end ? end + strlen(hole) : name;
}

bool architecture_tensor_name(const struct tensor_role *row, const char *prefix, size_t layer, size_t item,
                              char *out, size_t size)
{
    const char *left = row->name;
    size_t at = row->whole || row->role == ROLE_HEAD || row->role == ROLE_HEAD_BIAS ? 0 : strlen(prefix);

    if (at >= size)
        return false;
    memcpy(out, prefix, at);
    left = put_part(left, "{}", layer, out, size, &at);
    if (left)
        left = put_part(left, "[]", item, out, size, &at);
    if (!left || strlen(left) >= size - at)
        return false;
    memcpy(out + at, left, strlen(left) + 1);
    return true;
}

static bool has_tensor(const struct checkpoint *checkpoint, const struct tensor_role *row, const char *prefix)
{
    char name[256];

    return architecture_tensor_name(row, prefix, 0, 0, name, sizeof name) &&
           checkpoint_find(checkpoint, name);
}

static const char *prefix_of_role(const struct architecture *architecture,
                                  const struct checkpoint *checkpoint, enum role role)
{
    const struct tensor_role *row;

    for (size_t i = 0; (row = architecture_row(architecture, i)); i++)
        for (const char *const *prefix = architecture->prefixes; row->role == role && *prefix; prefix++)
            if (has_tensor(checkpoint, row, *prefix))
                return *prefix;
    return NULL;
}

const char *architecture_prefix(const struct architecture *architecture, const struct checkpoint *checkpoint)
{
    const char *prefix = prefix_of_role(architecture, checkpoint, ROLE_FINAL_NORM);

    return prefix ? prefix : prefix_of_role(architecture, checkpoint, ROLE_ATTENTION_OUT);
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

/* How many of its roles are there under one of their names. */
static size_t shared_names(const struct architecture *architecture, const struct checkpoint *checkpoint)
{
    const char *prefix = architecture_prefix(architecture, checkpoint);
    const struct tensor_role *row;
    bool there[ROLE_COUNT] = {false};
    size_t n = 0;

    for (size_t i = 0; prefix && (row = architecture_row(architecture, i)); i++)
        there[row->role] = there[row->role] || has_tensor(checkpoint, row, prefix);
    for (size_t role = 0; role < ROLE_COUNT; role++)
        n += there[role];
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
