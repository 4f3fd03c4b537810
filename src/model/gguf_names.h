/* An architecture as a GGUF stores it: under other names, and with what a conversion changes in tensors. */
#ifndef LANCET_GGUF_NAMES_H
#define LANCET_GGUF_NAMES_H

#include "architecture.h"
#include "gguf_architecture.h"

/* The architecture's rows with the names that tensors have in a GGUF, none of them transposed, in the arena;
 * NULL when memory is out. `config` is that of the model as transformers has it. */
const struct architecture *gguf_names_of(const struct architecture *architecture,
                                         const struct model_config *config, struct arena *arena);
/* Changes a config to one that computes the same with tensors as a GGUF stores them: norms without the one
 * that they were given, rotation of the pairs that rows were permuted to. `name` is for sentences. */
bool gguf_names_config(const char *name, const struct gguf_architecture *stored, struct model_config *config,
                       struct error *err);

#endif
