#include "commands.h"

#include <fnmatch.h>
#include <string.h>

#include "checkpoint.h"
#include "table.h"

static const struct option_row options[] = {
    {.name = "names", .kind = OPTION_FLAG, .help = "print names only, one a line"}, {0}};

static bool is_wanted(const struct command_call *call, const struct tensor *tensor)
{
    if (call->n_args == 1)
        return true;
    for (unsigned i = 1; i < call->n_args; i++)
        if (fnmatch(call->args[i], tensor->name, 0) == 0)
            return true;
    return false;
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
                        struct error *err)
{
    bool many = checkpoint->n_files > 1;
    struct table table;
    table_init(&table, many ? "lllrl" : "lllr");
    static const char *const headings[] = {"tensor", "dtype", "shape", "size", "file"};
    for (size_t i = 0; i < (many ? 5 : 4); i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        if (is_wanted(call, &checkpoint->tensors[i]))
            add_row(&table, checkpoint, &checkpoint->tensors[i]);
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static bool print_names(const struct command_call *call, const struct checkpoint *checkpoint,
                        struct error *err)
{
    struct str s = {0};
    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        if (is_wanted(call, &checkpoint->tensors[i])) {
            str_append_escaped(&s, checkpoint->tensors[i].name, strlen(checkpoint->tensors[i].name));
            str_append(&s, "\n");
        }
    bool ok = !s.failed;
    if (ok)
        fputs(s.data, call->out);
    else
        error_memory(err, "listing tensors");
    str_release(&s);
    return ok;
}

static bool print_json(const struct command_call *call, const struct checkpoint *checkpoint,
                       struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const struct tensor *tensor = &checkpoint->tensors[i];
        if (!is_wanted(call, tensor))
            continue;
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
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool any_wanted(const struct command_call *call, const struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        if (is_wanted(call, &checkpoint->tensors[i]))
            return true;
    return call->n_args == 1;
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    if (!checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err))
        return false;
    bool ok;
    if (!any_wanted(call, checkpoint))
        ok = error_set(err, ERROR_ANSWER_NO, "%s: none of %zu tensors has a name like \"%s\"%s",
                       checkpoint->path, checkpoint->n_tensors, call->args[1],
                       call->n_args > 2 ? " or the others" : "");
    else if (call->json)
        ok = print_json(call, checkpoint, err);
    else if (option_given(call, "names"))
        ok = print_names(call, checkpoint, err);
    else
        ok = print_table(call, checkpoint, err);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet tensors gemma3 '*.mlp.down_proj.weight'", "the tensors that an edit may write"},
    {NULL, NULL},
};

const struct command command_tensors = {
    .name = "tensors",
    .summary = "list the tensors of a model",
    .synopsis = "MODEL [GLOB...]",
    .help = "Lists name, dtype, shape and size of every tensor, sorted by name, or of those whose name is "
            "like one of "
            "the GLOBs (*, ? and [...] as in a shell; quote them). No tensor like them: exit status 1.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = COMMAND_ANY_ARGS,
    .run = run,
};
