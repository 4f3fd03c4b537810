/* A small YAML document as a tree of nodes that know their line and column. One document; no tags, no merge
 * keys; an alias stands for the node of its anchor (not copied), within bounds that an alias bomb exceeds. */
#ifndef LANCET_YAML_TREE_H
#define LANCET_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "error.h"

enum {
    YAML_MAX_DEPTH = 32,
    YAML_MAX_ANCHORS = 256, /* they are looked up one after the other */
    YAML_MAX_BYTES = 1 << 20,
    YAML_MAX_NODES = 1 << 17 /* also what they come to with every alias written out */
};

struct yaml_place {
    size_t line, column; /* from 1 */
};

struct yaml_node {
    struct yaml_place place;
    enum yaml_node_kind { YAML_SCALAR, YAML_LIST, YAML_MAPPING } kind;
    /* YAML_SCALAR: no NUL inside. A plain scalar may be a number, a boolean or null; a quoted one is text. */
    const char *text;
    bool plain;
    /* YAML_LIST: values only; YAML_MAPPING: keys are scalars, no two alike. */
    const struct yaml_node **keys, **values;
    size_t n;
    size_t weight; /* nodes in it, aliases written out */
};

/* ERROR_FORMAT "NAME:LINE:COLUMN: ..." for what is no YAML of this kind; the nodes live in the arena. */
bool yaml_tree_parse(const char *name, const char *text, size_t n, struct arena *arena,
                     const struct yaml_node **out, struct error *err);

/* Also for those who find fault with what a node says: sets "NAME:LINE:COLUMN: " and the sentence. */
bool yaml_error(const char *name, struct yaml_place place, enum error_kind kind, struct error *err,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A plain scalar with this meaning, as YAML 1.1 has it (yes, no, on and off are booleans). */
bool yaml_is_null(const struct yaml_node *node);
bool yaml_bool(const struct yaml_node *node, bool *out);
/* A decimal number: also 1e-5, which YAML 1.1 calls text. Not hexadecimal, octal, sexagesimal, infinite. */
bool yaml_number(const struct yaml_node *node, double *out);
bool yaml_size(const struct yaml_node *node, size_t *out); /* digits only */

#endif
