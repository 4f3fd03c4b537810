#include "merge_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "chunk.h"
#include "table.h"

static size_t count_written(const struct merge_outcome *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->plan->n_tensors; i++)
        n += !o->done || o->done->tensors[i].written;
    return n;
}

/* ---- parameters ---- */

/* The value of a parameter of one model in all tensors, or that it differs. */
static bool common_value(const struct merge_plan *plan, size_t model, size_t parameter, double *out,
                         bool *same)
{
    bool found = false;

    *same = true;
    for (size_t i = 0; i < plan->n_tensors; i++)
        for (size_t j = 0; j < plan->tensors[i].n_sources; j++) {
            const struct merge_source *s = &plan->tensors[i].sources[j];
            double value = s->values[parameter];
            if (s->model != model || (j == 0 && plan->method->base == BASE_REQUIRED))
                continue;
            *same = *same && (!found || value == *out);
            *out = found && *out < value ? *out : value;
            found = true;
        }
    return found;
}

static bool common_whole(const struct merge_plan *plan, size_t parameter, double *out)
{
    bool same = true;

    for (size_t i = 0; i < plan->n_tensors; i++) {
        same = same && (i == 0 || plan->tensors[i].values[parameter] == *out);
        *out = plan->tensors[i].values[parameter];
    }
    return same;
}

static void print_parameters(const struct merge_plan *plan, FILE *out)
{
    for (size_t p = 0; p < plan->method->n_parameters; p++) {
        const struct merge_parameter *row = &plan->method->parameters[p];
        double value = 0;
        if (row->scope != PARAMETER_WHOLE)
            continue;
        if (!common_whole(plan, p, &value))
            fprintf(out, ", %s by tensor", row->name);
        else if (row->kind == PARAMETER_BOOL)
            fprintf(out, "%s",
                    value == row->standard ? ""
                    : value != 0           ? ", normalised"
                                           : ", not normalised");
        else
            fprintf(out, ", %s %g", row->name, value);
    }
}

/* ---- for people ---- */

static void model_row(const struct merge_outcome *o, size_t model, struct table *table)
{
    const struct merge_plan *plan = o->plan;
    const struct merge_model_done *m = o->done ? &o->done->models[model] : NULL;
    size_t n_tensors = 0;

    for (size_t i = 0; i < plan->n_tensors; i++)
        for (size_t j = 0; j < plan->tensors[i].n_sources; j++)
            n_tensors += plan->tensors[i].sources[j].model == model;
    table_cell_text(table, plan->models[model].path, strlen(plan->models[model].path));
    for (size_t p = 0; p < plan->method->n_parameters; p++) {
        double value = 0;
        bool same;
        if (plan->method->parameters[p].scope != PARAMETER_MODEL)
            continue;
        if (!common_value(plan, model, p, &value, &same))
            table_cell(table, n_tensors ? "base" : "");
        else if (same)
            table_cell(table, "%g", value);
        else
            table_cell(table, "varies");
    }
    table_cell(table, "%zu", n_tensors);
    if (m)
        table_cell(table, "%s", m->squares > 0 ? percent_figure(sqrt(m->distance / m->squares)).text : "");
}

static bool print_models(const struct merge_outcome *o, FILE *out, const struct terminal *terminal,
                         struct error *err)
{
    const struct merge_method *method = o->plan->method;
    char align[MERGE_MOST_PARAMETERS + 4] = "l";
    struct table table;
    size_t n = 1;

    for (size_t p = 0; p < method->n_parameters; p++)
        if (method->parameters[p].scope == PARAMETER_MODEL)
            align[n++] = 'r';
    align[n++] = 'r';
    if (o->done)
        align[n++] = 'r';
    align[n] = '\0';
    table_init(&table, align);
    table_cell(&table, "model");
    for (size_t p = 0; p < method->n_parameters; p++)
        if (method->parameters[p].scope == PARAMETER_MODEL)
            table_cell(&table, "%s", method->parameters[p].name);
    table_cell(&table, "tensors");
    if (o->done)
        table_cell(&table, "result differs by");
    for (size_t i = 0; i < o->plan->n_models; i++)
        model_row(o, i, &table);
    bool ok = table_print(&table, out, terminal, err);
    table_release(&table);
    return ok;
}

static void print_branches(const struct merge_outcome *o, FILE *out)
{
    size_t n = 0, lerp = 0;

    for (size_t i = 0; o->done && i < o->plan->n_tensors; i++) {
        const char *branch = o->done->tensors[i].branch;
        n += branch != NULL;
        lerp += branch && strcmp(branch, o->plan->method->name) != 0;
    }
    if (lerp)
        fprintf(out, "%zu of %zu tensors were nearly parallel and were taken along the straight line\n", lerp,
                n);
}

static void print_plan(const struct merge_outcome *o, FILE *out)
{
    const struct merge_estimate *e = o->estimate;

    fprintf(out, "Would read %s and write %s", bytes_figure(e->read).text, bytes_figure(e->written).text);
    fprintf(out, ", with at most %s of memory", bytes_figure(e->memory).text);
    fprintf(out, " and %s more on the disk\n", bytes_figure(e->disk).text);
    if (e->undo_disk)
        fprintf(out, "An undo would need another %s on the disk\n", bytes_figure(e->undo_disk).text);
}

static void print_done(const struct merge_outcome *o, FILE *out)
{
    struct figure bytes = bytes_figure(merge_report_bytes(o));

    const char *path = o->output ? o->output : o->into;

    fprintf(out, "Every value is finite. Written %s", o->output ? "to " : "in place");
    if (o->output)
        text_print(out, path, strlen(path));
    fprintf(out, ", %s", bytes.text);
    if (o->into && o->done->number) {
        fprintf(out, ", as change %" PRIu32 ". To take it back: lancet undo ", o->done->number);
        text_print(out, path, strlen(path));
    }
    fprintf(out, "\n");
}

uint64_t merge_report_bytes(const struct merge_outcome *outcome)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < outcome->plan->n_tensors; i++)
        if (!outcome->done || outcome->done->tensors[i].written)
            bytes += chunk_units(&outcome->plan->tensors[i]) * chunk_unit(&outcome->plan->tensors[i]);
    return bytes;
}

bool merge_report_print(const struct merge_outcome *outcome, FILE *out, const struct terminal *terminal,
                        struct error *err)
{
    const struct merge_plan *plan = outcome->plan;

    fprintf(out, "%s%s%s of %zu model%s, %zu tensor%s", terminal_style(terminal, STYLE_BOLD),
            plan->method->name, terminal_style(terminal, STYLE_PLAIN), plan->n_models,
            plan->n_models == 1 ? "" : "s", plan->n_tensors, plan->n_tensors == 1 ? "" : "s");
    if (count_written(outcome) < plan->n_tensors)
        fprintf(out, ", %zu of them changed", count_written(outcome));
    print_parameters(plan, out);
    if (plan->semantics == MERGE_MERGEKIT)
        fprintf(out, ", rounded as mergekit does");
    fprintf(out, "\n\n");
    if (!print_models(outcome, out, terminal, err))
        return false;
    fprintf(out, "\n");
    print_branches(outcome, out);
    if (outcome->done)
        print_done(outcome, out);
    else
        print_plan(outcome, out);
    return true;
}

/* ---- JSON ---- */

static void json_value(struct json_write *w, const struct merge_parameter *row, double value)
{
    if (row->kind == PARAMETER_BOOL)
        json_write_member_bool(w, row->name, value != 0);
    else
        json_write_member_double(w, row->name, value);
}

static void json_parameters(struct json_write *w, const struct merge_method *method,
                            enum parameter_scope scope, const double *values)
{
    json_write_key(w, "parameters");
    json_write_object_begin(w);
    for (size_t p = 0; p < method->n_parameters; p++)
        if (method->parameters[p].scope == scope)
            json_value(w, &method->parameters[p], values[p]);
    json_write_object_end(w);
}

static void json_sources(const struct merge_plan *plan, const struct merge_tensor *t, struct json_write *w)
{
    json_write_key(w, "sources");
    json_write_array_begin(w);
    for (size_t j = 0; j < t->n_sources; j++) {
        json_write_object_begin(w);
        json_write_member_string(w, "model", plan->models[t->sources[j].model].path);
        json_write_member_string(w, "tensor", t->sources[j].tensor->name);
        if (j == 0 && plan->method->base == BASE_REQUIRED)
            json_write_member_bool(w, "base", true);
        else
            json_parameters(w, plan->method, PARAMETER_MODEL, t->sources[j].values);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void json_tensor_done(const struct merge_tensor_done *d, struct json_write *w)
{
    char hex[65];

    json_write_member_bool(w, "written", d->written);
    if (!d->written)
        return;
    digest_hex(&d->digest, hex);
    json_write_member_string(w, "digest", hex);
    if (d->measured) {
        json_write_member_double(w, "norm", d->norm);
        json_write_member_double(w, "change", d->change);
    }
    if (d->branch)
        json_write_member_string(w, "branch", d->branch);
}

static void json_tensor(const struct merge_outcome *o, size_t i, struct json_write *w)
{
    const struct merge_tensor *t = &o->plan->tensors[i];

    json_write_object_begin(w);
    json_write_member_string(w, "name", t->name);
    json_write_member_string(w, "dtype", dtype_facts(t->dtype)->name);
    json_write_key(w, "shape");
    json_write_array_begin(w);
    for (unsigned d = 0; d < t->rank; d++)
        json_write_u64(w, t->shape[d]);
    json_write_array_end(w);
    json_write_member_u64(w, "bytes", chunk_units(t) * chunk_unit(t));
    json_write_member_bool(w, "copied", t->copied);
    json_sources(o->plan, t, w);
    if (!t->copied)
        json_parameters(w, o->plan->method, PARAMETER_WHOLE, t->values);
    if (o->done)
        json_tensor_done(&o->done->tensors[i], w);
    json_write_object_end(w);
}

static void json_models(const struct merge_outcome *o, struct json_write *w)
{
    json_write_key(w, "models");
    json_write_array_begin(w);
    for (size_t i = 0; i < o->plan->n_models; i++) {
        json_write_object_begin(w);
        json_write_member_string(w, "path", o->plan->models[i].path);
        json_write_member_bool(w, "target", o->plan->models[i].is_target);
        json_write_member_bool(w, "donor", i == o->plan->donor);
        if (o->done) {
            const struct merge_model_done *m = &o->done->models[i];
            json_write_member_double(w, "norm", sqrt(m->squares));
            json_write_member_double(w, "distance", sqrt(m->distance));
        }
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void json_estimate(const struct merge_estimate *e, struct json_write *w)
{
    json_write_key(w, "estimate");
    json_write_object_begin(w);
    json_write_member_u64(w, "memory", e->memory);
    json_write_member_u64(w, "read", e->read);
    json_write_member_u64(w, "written", e->written);
    json_write_member_u64(w, "disk", e->disk);
    json_write_member_u64(w, "undo_disk", e->undo_disk);
    json_write_object_end(w);
}

void merge_report_json(const struct merge_outcome *outcome, struct json_write *w)
{
    const struct merge_plan *plan = outcome->plan;

    json_write_member_string(w, "method", plan->method->name);
    json_write_member_string(w, "semantics", plan->semantics == MERGE_MERGEKIT ? "mergekit" : "lancet");
    json_write_member_string(w, "output", outcome->output);
    json_write_member_string(w, "into", outcome->into);
    json_write_member_bool(w, "committed", outcome->done != NULL);
    json_models(outcome, w);
    json_write_key(w, "notes");
    json_write_array_begin(w);
    for (size_t i = 0; i < plan->n_notes; i++)
        json_write_string(w, plan->notes[i]);
    json_write_array_end(w);
    json_estimate(outcome->estimate, w);
    json_write_key(w, "tensors");
    json_write_array_begin(w);
    for (size_t i = 0; i < plan->n_tensors; i++)
        json_tensor(outcome, i, w);
    json_write_array_end(w);
    if (!outcome->done) {
        json_write_member_double(w, "estimated_seconds", outcome->seconds);
        return;
    }
    json_write_member_double(w, "norm", sqrt(outcome->done->squares));
    if (outcome->into)
        json_write_member_u64(w, "history", outcome->done->number);
    json_write_member_double(w, "seconds", outcome->seconds);
}
