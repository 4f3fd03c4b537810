#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "globs.h"
#include "memory.h"
#include "statistics.h"
#include "table.h"

static const struct option_row options[] = {
    {.name = "names", .kind = OPTION_FLAG, .help = "print names only, one a line"},
    {.name = "stats",
     .kind = OPTION_FLAG,
     .help = "read the values: min, max, mean, std, norm, and how many are zero, NaN, infinite"},
    {0}};

/* What is listed: the tensors that are asked for, with figures where those were asked for. */
struct listing {
    struct listed {
        const struct tensor *tensor;
        bool has_figures; /* with --stats, of dtypes that can be read */
        struct tensor_statistics figures;
    } * items;
    size_t n;
};

static bool find_tensors(const struct command_call *call, const struct checkpoint *checkpoint,
                         struct listing *out, struct error *err)
{
    out->items = memory_zeroed(checkpoint->n_tensors, sizeof *out->items);
    if (!out->items)
        return error_memory(err, "listing tensors");
    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        if (globs_match(call->args + 1, call->n_args - 1, checkpoint->tensors[i].name))
            out->items[out->n++].tensor = &checkpoint->tensors[i];
    if (out->n || call->n_args == 1)
        return true;
    return error_set(err, ERROR_USAGE, "%s: none of %zu tensors has a name like \"%s\"%s", checkpoint->path,
                     checkpoint->n_tensors, call->args[1], call->n_args > 2 ? " or the others" : "");
}

static bool read_values(struct command_call *call, struct listing *list, struct error *err)
{
    uint64_t done = 0, total = 0;
    bool ok = true;
    for (size_t i = 0; i < list->n; i++)
        total += list->items[i].tensor->bytes;
    for (size_t i = 0; ok && i < list->n; i++) {
        struct listed *item = &list->items[i];
        item->has_figures = tensor_statistics_apply(item->tensor);
        ok = !item->has_figures || tensor_statistics(&call->context, item->tensor, &item->figures, err);
        done += item->tensor->bytes;
        context_progress(&call->context, "reading tensors", done, total);
    }
    command_quiet_progress(call);
    return ok;
}

static void shape_text(const struct tensor *tensor, struct str *out)
{
    str_append(out, "[");
    for (unsigned i = 0; i < tensor->rank; i++)
        str_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)tensor->shape[i]);
    str_append(out, "]");
}

static void add_row(struct table *table, const struct checkpoint *checkpoint, const struct tensor *tensor)
{
    struct str shape = {0}, size = {0};
    shape_text(tensor, &shape);
    text_bytes(&size, tensor->bytes);
    table_cell_text(table, tensor->name, strlen(tensor->name));
    table_cell(table, "%s", dtype_facts(tensor->dtype)->name);
    table_cell_text(table, shape.data, shape.length);
    table_cell_text(table, size.data, size.length);
    if (checkpoint->n_files > 1) {
        const char *file = checkpoint->files[tensor->file].name;
        table_cell_text(table, file, strlen(file));
    }
    table->text.failed |= shape.failed || size.failed;
    str_release(&shape);
    str_release(&size);
}

static bool print_table(const struct command_call *call, const struct checkpoint *checkpoint,
                        const struct listing *list, struct error *err)
{
    bool many = checkpoint->n_files > 1;
    struct table table;
    table_init(&table, many ? "pllrl" : "pllr");
    static const char *const headings[] = {"tensor", "dtype", "shape", "size", "file"};
    for (size_t i = 0; i < (many ? 5 : 4); i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; i < list->n; i++)
        add_row(&table, checkpoint, list->items[i].tensor);
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static void add_figures(struct table *table, const struct listed *item)
{
    const struct tensor_statistics *s = &item->figures;
    const double values[] = {s->min, s->max, s->mean, s->std, s->norm};
    const uint64_t counts[] = {s->zeros, s->nans, s->infinities};
    table_cell_text(table, item->tensor->name, strlen(item->tensor->name));
    table_cell(table, "%s", dtype_facts(item->tensor->dtype)->name);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (item->has_figures && s->finite)
            table_cell(table, "%.4g", values[i]);
        else
            table_cell(table, "%s", "-");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (item->has_figures)
            table_cell(table, "%" PRIu64, counts[i]);
        else
            table_cell(table, "%s", "-");
}

static bool print_figures(const struct command_call *call, const struct listing *list, struct error *err)
{
    static const char *const headings[] = {"tensor", "dtype", "min",   "max", "mean",
                                           "std",    "norm",  "zeros", "NaN", "Inf"};
    struct table table;
    table_init(&table, "plrrrrrrrr");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; i < list->n; i++)
        add_figures(&table, &list->items[i]);
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static bool print_names(const struct command_call *call, const struct listing *list, struct error *err)
{
    struct str s = {0};
    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->items[i].tensor->name;
        str_append_escaped(&s, name, strlen(name));
        str_append(&s, "\n");
    }
    bool ok = !s.failed;
    if (!ok)
        error_memory(err, "listing tensors");
    else if (s.data)
        fputs(s.data, call->out);
    str_release(&s);
    return ok;
}

static void write_figures(struct json_write *w, const struct tensor_statistics *s)
{
    json_write_key(w, "stats");
    json_write_object_begin(w);
    json_write_member_double(w, "min", s->min);
    json_write_member_double(w, "max", s->max);
    json_write_member_double(w, "mean", s->mean);
    json_write_member_double(w, "std", s->std);
    json_write_member_double(w, "norm", s->norm);
    json_write_member_u64(w, "zeros", s->zeros);
    json_write_member_u64(w, "nans", s->nans);
    json_write_member_u64(w, "infinities", s->infinities);
    json_write_object_end(w);
}

static bool print_json(const struct command_call *call, const struct checkpoint *checkpoint,
                       const struct listing *list, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < list->n; i++) {
        const struct tensor *tensor = list->items[i].tensor;
        json_write_object_begin(&w);
        json_write_member_string(&w, "name", tensor->name);
        json_write_member_string(&w, "dtype", dtype_facts(tensor->dtype)->name);
        json_write_key(&w, "shape");
        json_write_array_begin(&w);
        for (unsigned d = 0; d < tensor->rank; d++)
            json_write_u64(&w, tensor->shape[d]);
        json_write_array_end(&w);
        json_write_member_u64(&w, "elements", tensor->elements);
        json_write_member_u64(&w, "bytes", tensor->bytes);
        json_write_member_string(&w, "file", checkpoint->files[tensor->file].name);
        json_write_member_u64(&w, "offset", tensor->offset);
        if (list->items[i].has_figures)
            write_figures(&w, &list->items[i].figures);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    struct listing list = {0};
    bool stats = option_given(call, "stats");
    if (stats && option_given(call, "names"))
        return command_usage(call, err, "give either --names or --stats");
    bool ok = checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err) &&
              find_tensors(call, checkpoint, &list, err) && (!stats || read_values(call, &list, err));
    if (ok && call->json)
        ok = print_json(call, checkpoint, &list, err);
    else if (ok && option_given(call, "names"))
        ok = print_names(call, &list, err);
    else if (ok)
        ok = stats ? print_figures(call, &list, err) : print_table(call, checkpoint, &list, err);
    free(list.items);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet tensors gemma3 '*.mlp.down_proj.weight'", "the tensors that an edit may write"},
    {"lancet tensors gemma3 --stats", "look for NaN, zeros and odd scales"},
    {NULL, NULL},
};

const struct command command_tensors = {
    .name = "tensors",
    .summary = "list the tensors of a model, or measure them",
    .synopsis = "MODEL [GLOB...]",
    .help =
        "Lists name, dtype, shape and size of every tensor, sorted by name, or of those whose name is "
        "like one of "
        "the GLOBs (*, ? and [...] as in a shell; quote them). No tensor like them: exit status 2. "
        "With --stats it reads the values instead: the figures are those of the finite elements, std is that "
        "of the population, norm is the Frobenius norm.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = COMMAND_ANY_ARGS,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
