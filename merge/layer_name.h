/* Layers in tensor names, as checkpoints have them: the first number between two dots
 * ("model.layers.12.mlp.up_proj.weight", "transformer.h.3.ln_1.weight", "h.0.attn.c_attn.bias"). No list of
 * architectures: what a checkpoint calls a layer is one. */
#ifndef LANCET_LAYER_NAME_H
#define LANCET_LAYER_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

struct layer_name {
    size_t prefix; /* bytes before the number: "model.layers." */
    size_t layer;
    const char *rest; /* behind it: ".mlp.up_proj.weight" */
};

/* false: the tensor is in no layer. */
bool layer_name_parse(const char *name, struct layer_name *out);
/* The name with another number in its place; NULL when memory is out. */
char *layer_name_with(const char *name, const struct layer_name *parts, size_t layer, struct arena *arena);

#endif
