#include "yaml_tree.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "memory.h"
#include "quote.h"

struct anchor {
    struct anchor *next;
    const char *name;
    struct yaml_node *node;
    bool complete; /* an alias inside its own anchor would make a loop */
};

struct item {
    struct item *next;
    struct yaml_node *node;
};

struct builder {
    const char *name, *text;
    size_t n;
    struct arena *arena;
    yaml_parser_t parser;
    struct anchor *anchors; /* newest first: a name may be anchored anew */
    size_t n_nodes, n_anchors;
    unsigned depth;
    struct error *err;
};

bool yaml_error(const char *name, struct yaml_place place, enum error_kind kind, struct error *err,
                const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, kind, "%s:%zu:%zu: %s", name, place.line, place.column, text);
}

static struct yaml_place place_of(yaml_mark_t mark)
{
    return (struct yaml_place){mark.line + 1, mark.column + 1};
}

static bool refuse(struct builder *b, yaml_mark_t mark, const char *sentence)
{
    return yaml_error(b->name, place_of(mark), ERROR_FORMAT, b->err, "%s", sentence);
}

static bool no_memory(struct builder *b)
{
    return error_memory(b->err, "reading YAML");
}

static struct yaml_place place_of_byte(const struct builder *b, size_t offset)
{
    struct yaml_place place = {1, 1};
    for (size_t i = 0; i < offset && i < b->n; i++) {
        place.line += b->text[i] == '\n';
        place.column = b->text[i] == '\n' ? 1 : place.column + 1;
    }
    return place;
}

/* The scanner's sentence, and where it says it. */
static bool next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event))
        return true;
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(b);
    if (p->error == YAML_READER_ERROR)
        return yaml_error(b->name, place_of_byte(b, p->problem_offset), ERROR_FORMAT, b->err, "%s",
                          p->problem ? p->problem : "unreadable");
    return yaml_error(b->name, place_of(p->problem_mark), ERROR_FORMAT, b->err, "%s%s%s",
                      p->problem ? p->problem : "not YAML", p->context ? " " : "",
                      p->context ? p->context : "");
}

static bool add_anchor(struct builder *b, const yaml_event_t *event, const yaml_char_t *name,
                       struct yaml_node *node, struct anchor **out)
{
    struct anchor *anchor = arena_array(b->arena, 1, sizeof *anchor);
    const char *copy = arena_copy(b->arena, name, strlen((const char *)name));
    if (!anchor || !copy)
        return no_memory(b);
    if (++b->n_anchors > YAML_MAX_ANCHORS)
        return refuse(b, event->start_mark, "more anchors than a recipe can have");
    *anchor = (struct anchor){.next = b->anchors, .name = copy, .node = node};
    *out = b->anchors = anchor;
    return true;
}

/* *anchor: NULL when it has none. */
static bool new_node(struct builder *b, const yaml_event_t *event, enum yaml_node_kind kind,
                     const yaml_char_t *name, const yaml_char_t *tag, struct yaml_node **out,
                     struct anchor **anchor)
{
    if (tag)
        return refuse(b, event->start_mark, "tags (!...) have no place in a recipe");
    if (++b->n_nodes > YAML_MAX_NODES)
        return refuse(b, event->start_mark, "more entries than a recipe can have");
    struct yaml_node *node = arena_array(b->arena, 1, sizeof *node);
    if (!node)
        return no_memory(b);
    *node = (struct yaml_node){.place = place_of(event->start_mark), .kind = kind, .weight = 1};
    *anchor = NULL;
    *out = node;
    return !name || add_anchor(b, event, name, node, anchor);
}

static bool read_scalar(struct builder *b, const yaml_event_t *event, struct yaml_node **out)
{
    struct yaml_node *node;
    const char *text = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    struct anchor *anchor;
    if (!new_node(b, event, YAML_SCALAR, event->data.scalar.anchor, event->data.scalar.tag, &node, &anchor))
        return false;
    if (memchr(text, '\0', n))
        return refuse(b, event->start_mark, "a NUL character inside a text");
    node->text = arena_copy(b->arena, text, n);
    if (!node->text)
        return no_memory(b);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (anchor)
        anchor->complete = true;
    *out = node;
    return true;
}

/* The node keeps the place of its anchor; the alias itself costs nothing but its weight. */
static bool find_alias(struct builder *b, const yaml_event_t *event, struct yaml_node **out)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (const struct anchor *a = b->anchors; a; a = a->next)
        if (strcmp(a->name, name) == 0) {
            if (!a->complete)
                return refuse(b, event->start_mark, "an alias inside its own anchor");
            *out = a->node;
            return true;
        }
    return yaml_error(b->name, place_of(event->start_mark), ERROR_FORMAT, b->err,
                      "alias of %s, which nothing before it is anchored as", quote(name).text);
}

static bool read_node(struct builder *b, const yaml_event_t *event, struct yaml_node **out);

static bool add_weight(struct builder *b, const yaml_event_t *event, struct yaml_node *node,
                       const struct yaml_node *child)
{
    node->weight += child->weight;
    return node->weight <= YAML_MAX_NODES ||
           refuse(b, event->start_mark, "aliases that come to more entries than a recipe can have");
}

/* Nodes up to the end of `node`, newest first; *n of them. */
static bool read_items(struct builder *b, struct yaml_node *node, yaml_event_type_t end, struct item **items,
                       size_t *n)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(b, &event))
            return false;
        if (event.type == end) {
            yaml_event_delete(&event);
            return true;
        }
        struct item *item = arena_array(b->arena, 1, sizeof *item);
        bool ok = item ? read_node(b, &event, &item->node) : no_memory(b);
        ok = ok && add_weight(b, &event, node, item->node);
        yaml_event_delete(&event);
        if (!ok)
            return false;
        item->next = *items;
        *items = item;
        ++*n;
    }
}

static bool fill_list(struct builder *b, struct yaml_node *node, const struct item *items, size_t n)
{
    node->values = arena_array(b->arena, n, sizeof *node->values);
    if (!node->values)
        return no_memory(b);
    node->n = n;
    for (; n; items = items->next)
        node->values[--n] = items->node;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *const *left = a, *const *right = b;
    int order = strcmp((*left)->text, (*right)->text);
    if (order)
        return order;
    const struct yaml_place *l = &(*left)->place, *r = &(*right)->place;
    return l->line != r->line ? (l->line > r->line) - (l->line < r->line)
                              : (l->column > r->column) - (l->column < r->column);
}

static bool check_keys(struct builder *b, const struct yaml_node *node)
{
    const struct yaml_node **sorted = memory_array(node->n, sizeof *sorted);
    if (!sorted)
        return no_memory(b);
    if (node->n)
        memcpy(sorted, node->keys, node->n * sizeof *sorted);
    qsort(sorted, node->n, sizeof *sorted, compare_keys);
    bool ok = true;
    for (size_t i = 1; ok && i < node->n; i++)
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
            ok = yaml_error(b->name, sorted[i]->place, ERROR_FORMAT, b->err,
                            "%s is here twice (first in line %zu)", quote(sorted[i]->text).text,
                            sorted[i - 1]->place.line);
    free(sorted);
    return ok;
}

static bool fill_mapping(struct builder *b, struct yaml_node *node, const struct item *items, size_t n)
{
    node->n = n / 2;
    node->keys = arena_array(b->arena, node->n, sizeof *node->keys);
    node->values = arena_array(b->arena, node->n, sizeof *node->values);
    if (!node->keys || !node->values)
        return no_memory(b);
    for (; n; items = items->next) {
        n--;
        (n % 2 ? node->values : node->keys)[n / 2] = items->node;
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *key = node->keys[i];
        if (key->kind != YAML_SCALAR)
            return yaml_error(b->name, key->place, ERROR_FORMAT, b->err, "a key must be a word");
        if (key->plain && strcmp(key->text, "<<") == 0)
            return yaml_error(b->name, key->place, ERROR_FORMAT, b->err,
                              "merge keys (<<) are not supported: write the entries out");
    }
    return check_keys(b, node);
}

static bool read_collection(struct builder *b, const yaml_event_t *event, bool mapping,
                            struct yaml_node **out)
{
    struct yaml_node *node;
    struct item *items = NULL;
    size_t n = 0;
    struct anchor *anchor;
    const yaml_char_t *name = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (!new_node(b, event, mapping ? YAML_MAPPING : YAML_LIST, name, tag, &node, &anchor))
        return false;
    if (b->depth == YAML_MAX_DEPTH)
        return refuse(b, event->start_mark, "nested too deeply");
    b->depth++;
    bool ok = read_items(b, node, mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, &items, &n) &&
              (mapping ? fill_mapping(b, node, items, n) : fill_list(b, node, items, n));
    b->depth--;
    if (anchor)
        anchor->complete = true;
    *out = node;
    return ok;
}

static bool read_node(struct builder *b, const yaml_event_t *event, struct yaml_node **out)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(b, event, out);
    case YAML_ALIAS_EVENT:
        return find_alias(b, event, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(b, event, false, out);
    case YAML_MAPPING_START_EVENT:
        return read_collection(b, event, true, out);
    default:
        return refuse(b, event->start_mark, "not what was expected here");
    }
}

/* The next event but for stream and document marks; its type must be freed by the caller. */
static bool read_document(struct builder *b, struct yaml_node **root)
{
    *root = NULL;
    for (;;) {
        yaml_event_t event;
        if (!next_event(b, &event))
            return false;
        yaml_event_type_t type = event.type;
        bool ok = true;
        if (type == YAML_DOCUMENT_START_EVENT)
            ok = !*root || refuse(b, event.start_mark, "a second document: a recipe is one");
        else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_END_EVENT &&
                 type != YAML_STREAM_END_EVENT)
            ok = read_node(b, &event, root);
        yaml_event_delete(&event);
        if (!ok)
            return false;
        if (type == YAML_STREAM_END_EVENT)
            return *root || error_set(b->err, ERROR_FORMAT, "%s:1:1: the recipe is empty", b->name);
    }
}

bool yaml_tree_parse(const char *name, const char *text, size_t n, struct arena *arena,
                     const struct yaml_node **out, struct error *err)
{
    struct builder b = {.name = name, .text = text, .n = n, .arena = arena, .err = err};
    struct yaml_node *root;
    if (n > YAML_MAX_BYTES)
        return error_set(err, ERROR_FORMAT, "%s: %zu bytes are more than a recipe can have", name, n);
    if (!yaml_parser_initialize(&b.parser))
        return no_memory(&b);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, n);
    bool ok = read_document(&b, &root);
    yaml_parser_delete(&b.parser);
    if (ok)
        *out = root;
    return ok;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return node->kind == YAML_SCALAR && node->plain && is_one_of(node->text, words);
}

bool yaml_bool(const struct yaml_node *node, bool *out)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    bool is_yes = is_one_of(node->text, yes);
    if (!is_yes && !is_one_of(node->text, no))
        return false;
    *out = is_yes;
    return true;
}

static const char *skip_digits(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

bool yaml_number(const struct yaml_node *node, double *out)
{
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    const char *p = node->text + (*node->text == '-' || *node->text == '+');
    const char *whole = p, *part;
    p = skip_digits(p);
    size_t digits = (size_t)(p - whole);
    if (digits > 1 && *whole == '0') /* octal to YAML 1.1, decimal to people */
        return false;
    if (*p == '.') {
        part = ++p;
        p = skip_digits(p);
        digits += (size_t)(p - part);
    }
    if (digits == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        part = p;
        p = skip_digits(p);
        if (p == part)
            return false;
    }
    double value = strtod(node->text, NULL);
    if (*p || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool yaml_size(const struct yaml_node *node, size_t *out)
{
    double value;
    if (!yaml_number(node, &value) || *skip_digits(node->text) || value > 1e9)
        return false;
    *out = (size_t)value;
    return true;
}
