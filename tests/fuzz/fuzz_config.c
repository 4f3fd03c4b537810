/* The bytes are a config.json of any architecture. */
#include "fuzz.h"

#include <string.h>

#include "json_document.h"
#include "model.h"

/* Every tensor that the config asks for has a name, a shape, and lies inside the tensor that holds it. */
static void check_tensors(const struct architecture *a, const struct model_config *c)
{
    const struct tensor_role *row;
    char name[256];

    for (size_t i = 0; (row = architecture_row(a, i)); i++) {
        struct weight w = {0};
        size_t stored, last;

        if (!model_wants(c, row))
            continue;
        stored = model_place(c, row, &w);
        FUZZ_HOLDS(architecture_tensor_name(row, a->prefixes[0], c->n_layers - 1, 0, name, sizeof name));
        FUZZ_HOLDS(w.out > 0 && (row->in == DIM_NONE || model_dimension(c, row->in) > 0));
        FUZZ_HOLDS(!row->items || model_dimension(c, row->items) > 0);
        last = w.run ? (w.out - 1) / w.run * w.step + (w.out - 1) % w.run : w.out - 1;
        FUZZ_HOLDS(w.first_out + last < stored);
    }
}

static void check_positions(const struct model_config *c)
{
    static const size_t lengths[] = {0, 1, 100000};
    real frequencies[CONFIG_MAX_HEAD_DIM / 2], bias[8];

    for (size_t r = 0; r < c->n_ropes; r++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            config_inverse_frequencies(&c->ropes[r], c->rotary_dim, lengths[i], frequencies);
    for (size_t l = 0; l < c->n_layers; l++)
        FUZZ_HOLDS(c->rope_of[l] < c->n_ropes || c->rope_of[l] == CONFIG_NO_ROPE);
    if (c->alibi)
        config_alibi(c, c->n_heads - 1, 8, bias);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    cJSON *json;
    struct config_reader reader = {.name = "fuzz", .err = &err};
    struct model_config *c = calloc(1, sizeof *c);
    const struct architecture *a = NULL;

    FUZZ_HOLDS(c);
    if (json_document_parse("fuzz", (const char *)data, size, &json, &err)) {
        const cJSON *type = config_member(json, "model_type");

        reader.json = json;
        a = cJSON_IsString(type) ? architecture_find(type->valuestring) : NULL;
        if (a && a->read_config(&reader, c) && config_check("fuzz", c, &err)) {
            check_tensors(a, c);
            check_positions(c);
        } else if (a) {
            FUZZ_HOLDS(err.kind == ERROR_FORMAT || err.kind == ERROR_UNSUPPORTED);
            FUZZ_HOLDS(strncmp(err.text, "fuzz:", 5) == 0);
        }
        cJSON_Delete(json);
    }
    free(c);
    return 0;
}
