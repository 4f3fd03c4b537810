/* A model folder of any row of the architecture table, with random weights: names and shapes are those that
 * the table gives under a config. */
#ifndef LANCET_TEST_RANDOM_MODEL_H
#define LANCET_TEST_RANDOM_MODEL_H

#include "engine.h"
#include "random.h"
#include "write_model.h"

enum { RANDOM_TENSORS = 400 };

struct random_model {
    struct written_tensor tensors[RANDOM_TENSORS];
    size_t n;
};

static inline bool random_model_has(const struct random_model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return true;
    return false;
}

/* Weights of norms lie around 1, so that no part of the model is silent; all other numbers around 0: of a
 * mixer, which multiplies thrice, larger ones. */
static inline void random_model_add(struct random_model *m, const struct model_config *c,
                                    const struct tensor_role *row, const char *name)
{
    struct weight place = {0};
    size_t out = model_place(c, row, &place), in = model_dimension(c, row->in), n = out * (in ? in : 1);
    float *data = new_array(n, sizeof *data);
    bool norm = !in && !strstr(name, "bias") && c->norm != NORM_RMS_PLUS_ONE;

    for (size_t i = 0; i < n; i++)
        data[i] =
            (float)(norm + (c->scan.state ? 0.5 : 0.2) * random_normal((struct random_key){11, m->n}, i));
    ck_assert_uint_lt(m->n, RANDOM_TENSORS);
    m->tensors[m->n] = (struct written_tensor){.data = data, .channels = row->channels};
    snprintf(m->tensors[m->n].name, sizeof m->tensors[m->n].name, "%s", name);
    m->tensors[m->n].rows = row->by_head ? out / c->head_dim : row->transposed ? in : out;
    m->tensors[m->n++].columns = row->by_head ? c->head_dim : row->transposed ? out : in;
}

/* Writes into `folder`, a template for mkdtemp. `config` is config.json; its model_type names the row. */
static inline void random_model_write(const char *config, char *folder)
{
    struct error err = {0};
    cJSON *json = cJSON_Parse(config);
    struct config_reader reader = {.name = "config.json", .json = json, .err = &err};
    const struct architecture *a =
        architecture_find(cJSON_GetObjectItemCaseSensitive(json, "model_type")->valuestring);
    struct random_model *m = new_array(1, sizeof *m);
    struct model_config *c = new_array(1, sizeof *c);
    const struct tensor_role *row;
    char name[96];

    ck_assert_msg(a && a->read_config(&reader, c), "%s: %s", config, err.text);
    for (size_t i = 0; (row = architecture_row(a, i)); i++)
        for (size_t l = 0;
             model_wants(c, row) && !row->stacked && l < (row->role < ROLE_FIRST_OF_LAYER ? 1 : c->n_layers);
             l++)
            for (size_t item = 0; item < (row->items ? model_dimension(c, row->items) : 1); item++) {
                ck_assert(architecture_tensor_name(row, a->prefixes[0], l, item, name, sizeof name));
                if (!random_model_has(m, name))
                    random_model_add(m, c, row, name);
            }
    write_model(folder, config, m->tensors, m->n);
    for (size_t i = 0; i < m->n; i++)
        free((void *)(uintptr_t)m->tensors[i].data);
    free(m);
    free(c);
    cJSON_Delete(json);
}

#endif
