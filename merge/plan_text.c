#include "plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "layer_name.h"
#include "memory.h"
#include "table.h"

bool source_is_base(const struct merge_plan *plan, size_t source)
{
    return source == 0 && plan->method->base == BASE_REQUIRED;
}

void parameter_text(struct str *out, const struct merge_parameter *parameter, double value)
{
    if (parameter->kind == PARAMETER_BOOL)
        str_append(out, value != 0 ? "true" : "false");
    else
        str_printf(out, "%.6g", value);
}

void parameter_json(struct json_write *w, const struct merge_parameter *parameter, double value)
{
    if (parameter->kind == PARAMETER_BOOL)
        json_write_bool(w, value != 0);
    else
        json_write_double(w, value);
}

/* ---- for people ---- */

static uint64_t tensor_bytes(const struct merge_tensor *tensor)
{
    uint64_t bytes;
    return dtype_bytes(tensor->dtype, tensor->elements, &bytes) ? bytes : 0;
}

static void append_path(struct str *s, const char *path)
{
    str_append_escaped(s, path, strlen(path));
}

static bool print(struct str *s, FILE *out, struct error *err)
{
    bool ok = !s->failed;
    if (ok && s->data)
        fputs(s->data, out);
    str_release(s);
    return ok ? true : error_memory(err, "showing a plan");
}

static void label(struct str *s, const struct terminal *terminal, const char *name)
{
    str_printf(s, "%s%-10s%s", terminal_style(terminal, STYLE_CYAN), name,
               terminal_style(terminal, STYLE_PLAIN));
}

bool plan_print_head(const struct merge_plan *plan, FILE *out, const struct terminal *terminal,
                     struct error *err)
{
    struct str s = {0};
    uint64_t bytes = 0, elements = 0, copied = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        bytes += tensor_bytes(&plan->tensors[i]);
        elements += plan->tensors[i].elements;
        copied += plan->tensors[i].copied;
    }
    label(&s, terminal, "method");
    str_printf(&s, "%s: %s", plan->method->name, plan->method->summary);
    str_append(&s, plan->semantics == MERGE_MERGEKIT ? "; mergekit's roundings and choices\n" : "\n");
    for (size_t i = 0; i < plan->n_models; i++) {
        label(&s, terminal, i ? "" : "models");
        str_printf(&s, "%zu  ", i + 1);
        append_path(&s, plan->models[i].path);
        str_append(&s, i == plan->donor ? " (its other files are carried)" : "");
        str_append(&s, plan->models[i].is_target ? " (the merge goes into it)\n" : "\n");
    }
    label(&s, terminal, "output");
    text_count(&s, plan->n_tensors);
    str_append(&s, " tensors, ");
    text_count(&s, elements);
    str_append(&s, " parameters, ");
    text_bytes(&s, bytes);
    if (copied) {
        str_append(&s, "; copied as they are: ");
        text_count(&s, copied);
    }
    str_append(&s, plan->config ? "; config.json is adapted\n" : "\n");
    return print(&s, out, err);
}

struct row { /* a tensor, or tensors of a layer that are treated alike, and its place in the layers */
    const struct merge_tensor *tensor;
    struct layer_name parts;
    size_t rest; /* bytes of parts.rest that its tensors share */
    bool many;   /* there are more of them: "*" stands for the rest */
    bool in_layer;
};

/* Layers in order, and the tensors of one together; those in no layer come first. */
static int by_layer(const void *a, const void *b)
{
    const struct row *l = a, *r = b;
    if (l->in_layer != r->in_layer)
        return l->in_layer ? 1 : -1;
    if (!l->in_layer)
        return strcmp(l->tensor->name, r->tensor->name);
    size_t n = l->parts.prefix < r->parts.prefix ? l->parts.prefix : r->parts.prefix;
    int order = memcmp(l->tensor->name, r->tensor->name, n);
    if (!order)
        order = (l->parts.prefix > r->parts.prefix) - (l->parts.prefix < r->parts.prefix);
    if (!order)
        order = (l->parts.layer > r->parts.layer) - (l->parts.layer < r->parts.layer);
    return order ? order : strcmp(l->parts.rest, r->parts.rest);
}

static int by_rest(const struct row *a, const struct row *b)
{
    int order = memcmp(a->parts.rest, b->parts.rest, a->rest < b->rest ? a->rest : b->rest);
    if (!order)
        order = (a->rest > b->rest) - (a->rest < b->rest);
    return order ? order : (a->many > b->many) - (a->many < b->many);
}

/* The same tensor of one layer after the other. */
static int by_pattern(const void *a, const void *b)
{
    const struct row *l = a, *r = b;
    if (!l->in_layer || !r->in_layer || l->parts.prefix != r->parts.prefix ||
        memcmp(l->tensor->name, r->tensor->name, l->parts.prefix) != 0)
        return by_layer(a, b);
    int order = by_rest(l, r);
    return order ? order : (l->parts.layer > r->parts.layer) - (l->parts.layer < r->parts.layer);
}

static bool same_sources(const struct merge_tensor *a, const struct merge_tensor *b)
{
    if (a->n_sources != b->n_sources)
        return false;
    for (size_t i = 0; i < a->n_sources; i++)
        if (a->sources[i].model != b->sources[i].model ||
            memcmp(a->sources[i].values, b->sources[i].values, sizeof a->sources[i].values) != 0)
            return false;
    return true;
}

static bool same_stack(const struct row *a, const struct row *b)
{
    return a->in_layer && b->in_layer && a->parts.prefix == b->parts.prefix &&
           memcmp(a->tensor->name, b->tensor->name, a->parts.prefix) == 0;
}

static bool alike(const struct merge_tensor *x, const struct merge_tensor *y)
{
    return x->slice == y->slice && x->dtype == y->dtype && x->copied == y->copied &&
           memcmp(x->values, y->values, sizeof x->values) == 0 && same_sources(x, y);
}

/* Does b, the next in order, go on one line with a? */
static bool continues(const struct row *a, const struct row *b)
{
    return same_stack(a, b) && by_rest(a, b) == 0 && a->parts.layer + 1 == b->parts.layer &&
           alike(a->tensor, b->tensor);
}

static bool all_alike(const struct row *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!alike(rows[0].tensor, rows[i].tensor))
            return false;
    return n > 1;
}

/* ".self_attn." of ".self_attn.q_proj.weight". */
static size_t first_part(const char *rest)
{
    const char *dot = strchr(rest + 1, '.');
    return dot ? (size_t)(dot - rest) + 1 : strlen(rest);
}

/* Rows of one layer whose names go on alike are one if they are treated alike; returns how many are left. */
static size_t fold_parts(struct row *rows, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0, next; i < n; i = next) {
        size_t part = first_part(rows[i].parts.rest);
        for (next = i + 1; next < n && strncmp(rows[i].parts.rest, rows[next].parts.rest, part) == 0; next++)
            ;
        size_t stay = all_alike(rows + i, next - i) ? 1 : next - i;
        memmove(rows + kept, rows + i, stay * sizeof *rows);
        if (stay < next - i) {
            rows[kept].many = true;
            rows[kept].rest = part;
        }
        kept += stay;
    }
    return kept;
}

/* Layers, or parts of them, whose tensors are treated alike become one row each. Returns how many rows there
 * are then. */
static size_t fold_layers(struct row *rows, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1;
             next < n && same_stack(&rows[i], &rows[next]) && rows[i].parts.layer == rows[next].parts.layer;
             next++)
            ;
        size_t stay = next - i;
        if (all_alike(rows + i, stay)) {
            rows[i].many = true;
            rows[i].rest = 1;
            stay = 1;
        } else if (rows[i].in_layer)
            stay = fold_parts(rows + i, stay);
        memmove(rows + kept, rows + i, stay * sizeof *rows);
        kept += stay;
    }
    return kept;
}

static void name_cell(struct table *table, const struct row *first, const struct row *last)
{
    struct str s = {0};
    const char *name = first->tensor->name;
    if (!first->in_layer)
        str_append(&s, name);
    else {
        str_append_bytes(&s, name, first->parts.prefix);
        if (first == last)
            str_printf(&s, "%zu", first->parts.layer);
        else
            str_printf(&s, "{%zu-%zu}", first->parts.layer, last->parts.layer);
        str_append_bytes(&s, first->parts.rest, first->rest);
        str_append(&s, first->many ? "*" : "");
    }
    table->text.failed |= s.failed;
    table_cell_text(table, s.data ? s.data : "", s.length);
    str_release(&s);
}

/* "1, 2"; with the layers that they come from where those are others: "1 (layers 4-7), 2". */
static void models_cell(struct table *table, const struct row *first, const struct row *last)
{
    struct str s = {0};
    for (size_t i = 0; i < first->tensor->n_sources; i++) {
        struct layer_name from, to;
        const struct merge_source *source = &first->tensor->sources[i];
        str_printf(&s, "%s%zu", i ? ", " : "", source->model + 1);
        if (!first->in_layer || !layer_name_parse(source->tensor->name, &from) ||
            from.layer == first->parts.layer || !layer_name_parse(last->tensor->sources[i].tensor->name, &to))
            continue;
        if (from.layer == to.layer)
            str_printf(&s, " (layer %zu)", from.layer);
        else
            str_printf(&s, " (layers %zu-%zu)", from.layer, to.layer);
    }
    table->text.failed |= s.failed;
    table_cell_text(table, s.data ? s.data : "", s.length);
    str_release(&s);
}

static void value_cell(struct table *table, const struct merge_plan *plan, const struct merge_tensor *tensor,
                       size_t index)
{
    const struct merge_parameter *parameter = &plan->method->parameters[index];
    struct str s = {0};
    bool whole = parameter->scope == PARAMETER_WHOLE;
    if (tensor->copied && whole)
        str_append(&s, "-");
    else if (whole)
        parameter_text(&s, parameter, tensor->values[index]);
    for (size_t i = 0; !whole && i < tensor->n_sources; i++) {
        str_append(&s, i ? ", " : "");
        if (source_is_base(plan, i))
            str_append(&s, "-");
        else
            parameter_text(&s, parameter, tensor->sources[i].values[index]);
    }
    table->text.failed |= s.failed;
    table_cell_text(table, s.data ? s.data : "", s.length);
    str_release(&s);
}

static void add_row(struct table *table, const struct merge_plan *plan, const struct row *first,
                    const struct row *last, bool copies)
{
    name_cell(table, first, last);
    table_cell(table, "%s", dtype_facts(first->tensor->dtype)->name);
    models_cell(table, first, last);
    for (size_t i = 0; i < plan->method->n_parameters; i++)
        value_cell(table, plan, first->tensor, i);
    if (copies)
        table_cell(table, "%s", first->tensor->copied ? "copied" : "computed");
}

static void add_headings(struct table *table, const struct merge_plan *plan, bool copies)
{
    table_cell(table, "tensor");
    table_cell(table, "dtype");
    table_cell(table, "models");
    for (size_t i = 0; i < plan->method->n_parameters; i++)
        table_cell(table, "%s", plan->method->parameters[i].name);
    if (copies)
        table_cell(table, "bytes");
}

bool plan_print_tensors(const struct merge_plan *plan, FILE *out, const struct terminal *terminal,
                        struct error *err)
{
    static const char align[] = "llllllllllllllll";
    struct table table;
    bool copies = false;
    struct row *rows = memory_zeroed(plan->n_tensors, sizeof *rows);
    if (!rows)
        return error_memory(err, "showing a plan");
    for (size_t i = 0; i < plan->n_tensors; i++) {
        rows[i].tensor = &plan->tensors[i];
        rows[i].in_layer = layer_name_parse(plan->tensors[i].name, &rows[i].parts);
        rows[i].rest = rows[i].in_layer ? strlen(rows[i].parts.rest) : 0;
        copies |= plan->tensors[i].copied;
    }
    qsort(rows, plan->n_tensors, sizeof *rows, by_layer);
    size_t n = fold_layers(rows, plan->n_tensors);
    qsort(rows, n, sizeof *rows, by_pattern);
    table_init(&table, align + sizeof align - 1 - (3 + plan->method->n_parameters + copies));
    add_headings(&table, plan, copies);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && continues(&rows[next - 1], &rows[next]); next++)
            ;
        add_row(&table, plan, &rows[i], &rows[next - 1], copies);
    }
    bool ok = table_print(&table, out, terminal, err);
    table_release(&table);
    free(rows);
    return ok;
}

void plan_print_notes(const struct merge_plan *plan, FILE *out)
{
    for (size_t i = 0; i < plan->n_notes; i++)
        fprintf(out, "note: %s\n", plan->notes[i]);
}

/* ---- JSON ---- */

void plan_json_head(struct json_write *w, const struct merge_plan *plan)
{
    json_write_member_string(w, "method", plan->method->name);
    json_write_member_string(w, "semantics", plan->semantics == MERGE_MERGEKIT ? "mergekit" : "lancet");
    json_write_key(w, "models");
    json_write_array_begin(w);
    for (size_t i = 0; i < plan->n_models; i++)
        json_write_string(w, plan->models[i].path);
    json_write_array_end(w);
    json_write_member_u64(w, "donor", plan->donor);
    json_write_member_bool(w, "config_adapted", plan->config != NULL);
    json_write_key(w, "notes");
    json_write_array_begin(w);
    for (size_t i = 0; i < plan->n_notes; i++)
        json_write_string(w, plan->notes[i]);
    json_write_array_end(w);
}

void plan_json_tensor(struct json_write *w, const struct merge_tensor *tensor)
{
    json_write_member_string(w, "name", tensor->name);
    json_write_member_string(w, "dtype", dtype_facts(tensor->dtype)->name);
    json_write_key(w, "shape");
    json_write_array_begin(w);
    for (unsigned d = 0; d < tensor->rank; d++)
        json_write_u64(w, tensor->shape[d]);
    json_write_array_end(w);
    json_write_member_bool(w, "copied", tensor->copied);
}
