#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "change_log.h"
#include "checkpoint.h"
#include "history.h"
#include "table.h"

static void cell(struct table *table, struct str *s)
{
    table_cell_text(table, s->failed || !s->data ? "" : s->data, s->failed ? 0 : s->length);
    str_clear(s);
}

static void add_row(struct table *table, const struct history *history, size_t i)
{
    const struct history_record *r = &history->records[i];
    struct str s = {0};
    double norm;
    table_cell(table, "%" PRIu32, r->number);
    change_log_time(r->time, &s);
    cell(table, &s);
    change_log_what(r, &s);
    cell(table, &s);
    if (r->n_tensors == 1)
        table_cell_text(table, r->tensors[0].name, strlen(r->tensors[0].name));
    else
        table_cell(table, "%zu tensors", r->n_tensors);
    if (change_log_norm(r, &norm))
        table_cell(table, "%.2g %%", norm * 100);
    else
        table_cell(table, "%s", "");
    text_bytes(&s, r->stored_bytes);
    cell(table, &s);
    uint32_t by = change_log_undone_by(history, i);
    if (by)
        table_cell(table, "%" PRIu32, by);
    else
        table_cell(table, "%s", "");
    str_release(&s);
}

static bool print_table(const struct command_call *call, const struct history *history, struct error *err)
{
    static const char *const headings[] = {"record", "when", "what", "where", "norm", "kept", "undone by"};
    struct table table;
    table_init(&table, "rlllrrr");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = history->n_records; i-- > 0;)
        add_row(&table, history, i);
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static void tensor_json(struct json_write *w, const struct history_tensor *t)
{
    char hex[65];
    json_write_object_begin(w);
    json_write_member_string(w, "file", t->file);
    json_write_member_string(w, "name", t->name);
    json_write_member_string(w, "dtype", dtype_facts(t->dtype)->name);
    json_write_member_u64(w, "bytes", t->bytes);
    digest_hex(&t->before, hex);
    json_write_member_string(w, "before", hex);
    digest_hex(&t->after, hex);
    json_write_member_string(w, "after", hex);
    json_write_object_end(w);
}

static void record_json(struct json_write *w, const struct history *history, size_t i)
{
    const struct history_record *r = &history->records[i];
    uint32_t by = change_log_undone_by(history, i);
    json_write_object_begin(w);
    json_write_member_u64(w, "number", r->number);
    json_write_member_string(w, "kind", r->kind);
    json_write_member_string(w, "command", r->command);
    json_write_member_string(w, "note", r->note);
    json_write_member_string(w, "host", r->host);
    json_write_key(w, "time");
    json_write_i64(w, r->time);
    json_write_member_u64(w, "stored_bytes", r->stored_bytes);
    json_write_key(w, "undoes");
    json_write_array_begin(w);
    for (size_t k = 0; k < r->n_undoes; k++)
        json_write_u64(w, r->undoes[k]);
    json_write_array_end(w);
    json_write_key(w, "undone_by");
    if (by)
        json_write_u64(w, by);
    else
        json_write_null(w);
    json_write_key(w, "tensors");
    json_write_array_begin(w);
    for (size_t k = 0; k < r->n_tensors; k++)
        tensor_json(w, &r->tensors[k]);
    json_write_array_end(w);
    json_write_object_end(w);
}

static bool print_json(const struct command_call *call, const struct history *history, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_key(&w, "records");
    json_write_array_begin(&w);
    for (size_t i = 0; i < history->n_records; i++)
        record_json(&w, history, i);
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    struct history history = {0};
    bool ok = checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err) &&
              history_of(&call->context, checkpoint, &history, err);
    if (ok && call->json)
        ok = print_json(call, &history, err);
    else if (ok && history.n_records)
        ok = print_table(call, &history, err);
    else if (ok)
        fprintf(call->out, "no changes in place\n");
    history_release(&history);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet log gemma3", "what was changed in gemma3, newest first"},
    {NULL, NULL},
};

const struct command command_log = {
    .name = "log",
    .summary = "list the changes made in place",
    .synopsis = "MODEL",
    .help = "Lists the records in .lancet beside the weights, newest first: when, what, where, how large the "
            "change "
            "was (its norm relative to the tensor's), the bytes kept for undoing it, and which record took "
            "it back.",
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
