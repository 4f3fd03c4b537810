/* What reading the parts of a recipe shares: keys in tables, parameters, values. */
#ifndef LANCET_RECIPE_READ_H
#define LANCET_RECIPE_READ_H

#include "recipe.h"
#include "yaml_tree.h"

struct recipe_reader {
    struct recipe *recipe; /* path, method and arena are set */
    bool placed;           /* lines and columns mean something: it comes from a file */
    struct error *err;
};

struct recipe_key { /* of a mapping: one row a key, ended by a row without a name */
    const char *name;
    bool (*read)(struct recipe_reader *reader, const struct yaml_node *value, void *into);
};

/* Calls each key's function. `what` is for sentences: "a slice". An unknown key is an error with the nearest
 * known one, or with the word about where it belongs. */
bool recipe_read_keys(struct recipe_reader *reader, const struct yaml_node *node, const char *what,
                      const struct recipe_key *keys, void *into);
/* The value of a key, or NULL. */
const struct yaml_node *recipe_find_key(const struct yaml_node *mapping, const char *name);

/* `of_model`: those of one model, where parameters of the whole tensor have no place. */
bool recipe_read_parameters(struct recipe_reader *reader, const struct yaml_node *node, bool of_model,
                            struct recipe_parameters *out);
bool recipe_read_parameter(struct recipe_reader *reader, const char *name, struct recipe_place place,
                           const struct yaml_node *value, bool of_model, struct recipe_parameter *out);
bool recipe_read_method(struct recipe_reader *reader, const char *name, struct recipe_place place);
bool recipe_read_dtype(struct recipe_reader *reader, const char *name, struct recipe_place place,
                       enum dtype *out);
bool recipe_read_semantics(struct recipe_reader *reader, const char *name, struct recipe_place place);

/* A non-empty text. */
bool recipe_read_text(struct recipe_reader *reader, const struct yaml_node *node, const char *what,
                      const char **out);
struct recipe_place recipe_place_of(const struct recipe_reader *reader, const struct yaml_node *node);
bool recipe_refuse(struct recipe_reader *reader, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A parameter of any method, here or in mergekit. */
bool recipe_is_parameter(const char *name);

#endif
