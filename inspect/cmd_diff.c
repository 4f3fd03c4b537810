#include "inspect_commands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "diff.h"
#include "globs.h"
#include "memory.h"
#include "table.h"

enum { ROWS = 20 }; /* of the table, without --all */

static const struct option_row options[] = {
    {.name = "rank",
     .kind = OPTION_FLAG,
     .help = "find the rank of each change (reads both models five times)"},
    {.name = "all", .kind = OPTION_FLAG, .help = "list every tensor that differs, not only the first 20"},
    {0}};

static bool is_wanted(void *user, const char *name)
{
    const struct command_call *call = user;
    return globs_match(call->args + 2, call->n_args - 2, name);
}

/* ---- the table: what differs most first ---- */

/* Tensors without figures (missing, of another shape, of a dtype that is not read) before all others, then
 * those with NaN or infinities. */
static int by_change(const void *x, const void *y)
{
    const struct diff_tensor *a = *(const struct diff_tensor *const *)x;
    const struct diff_tensor *b = *(const struct diff_tensor *const *)y;
    if (a->has_figures != b->has_figures)
        return a->has_figures ? 1 : -1;
    if (!a->figures.nonfinite != !b->figures.nonfinite)
        return a->figures.nonfinite ? -1 : 1;
    if (a->figures.relative_norm != b->figures.relative_norm)
        return a->figures.relative_norm > b->figures.relative_norm ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void place_text(const struct tensor *tensor, uint64_t element, struct str *out)
{
    uint64_t place[TENSOR_MAX_RANK];
    for (unsigned d = tensor->rank; d-- > 0;) {
        place[d] = element % tensor->shape[d];
        element /= tensor->shape[d];
    }
    str_append(out, "[");
    for (unsigned d = 0; d < tensor->rank; d++)
        str_printf(out, "%s%" PRIu64, d ? ", " : "", place[d]);
    str_append(out, "]");
}

struct layout {
    const char *align;
    const char *const *headings;
    bool dtypes, ranks; /* columns of rows with figures */
    void (*add)(struct table *table, const struct layout *layout, const struct diff_tensor *t);
};

static void add_side(struct table *table, const struct tensor *tensor)
{
    char text[128] = "";
    if (tensor)
        tensor_describe(tensor, text, sizeof text);
    table_cell(table, "%s", tensor ? text : "not there");
}

/* A tensor that has no figures: missing, of another shape, or of a dtype that is not read. */
static void add_form(struct table *table, const struct layout *layout, const struct diff_tensor *t)
{
    (void)layout;
    table_cell_text(table, t->name, strlen(t->name));
    add_side(table, t->a);
    add_side(table, t->b);
}

/* The change in norm, and what the norm leaves out: "89 %, NaN in B". */
static void add_change(struct table *table, const struct tensor_comparison *f)
{
    const char *left_out = diff_nonfinite_name(f);
    struct figure change = percent_figure(isfinite(f->relative_norm) ? f->relative_norm : 0);
    const char *text = isfinite(f->relative_norm) ? change.text : "from 0";
    if (left_out && f->norm_change == 0)
        table_cell(table, "%s", left_out);
    else
        table_cell(table, "%s%s%s", text, left_out ? ", " : "", left_out ? left_out : "");
}

static void add_dtypes(struct table *table, const struct diff_tensor *t)
{
    const char *a = dtype_facts(t->a->dtype)->name, *b = dtype_facts(t->b->dtype)->name;
    if (t->a->dtype == t->b->dtype)
        table_cell(table, "%s", a);
    else
        table_cell(table, "%s, %s", a, b);
}

static void add_rank(struct table *table, const struct diff_tensor *t)
{
    const struct change_rank *r = &t->rank;
    if (!t->has_rank)
        table_cell(table, "%s", "");
    else if (r->kind == CHANGE_RANK_FULL)
        table_cell(table, "full (%" PRIu64 ")", r->rank);
    else
        table_cell(table, "%" PRIu64 "%s", r->rank, r->kind == CHANGE_RANK_ROUNDED ? " + rounding" : "");
}

static void add_figures(struct table *table, const struct layout *layout, const struct diff_tensor *t)
{
    const struct tensor_comparison *f = &t->figures;
    struct str place = {0};
    place_text(t->a, f->max_at, &place);
    table_cell_text(table, t->name, strlen(t->name));
    if (layout->dtypes)
        add_dtypes(table, t);
    add_change(table, f);
    if (isnan(f->cosine))
        table_cell(table, "%s", "");
    else
        table_cell(table, "%.6f", f->cosine);
    table_cell(table, "%.3g", f->max_abs);
    table_cell_text(table, place.data ? place.data : "", place.length);
    table_cell(table, "%s", percent_figure((double)f->changed / (double)t->a->elements).text);
    table_cell(table, "%" PRIu64, f->flips);
    if (layout->ranks)
        add_rank(table, t);
    table->text.failed |= place.failed;
    str_release(&place);
}

static bool print_rows(const struct command_call *call, const struct layout *layout,
                       const struct diff_tensor *const *rows, size_t n, struct error *err)
{
    struct table table;
    bool ok;
    if (n == 0)
        return true;
    table_init(&table, layout->align);
    for (size_t i = 0; layout->align[i]; i++)
        table_cell(&table, "%s", layout->headings[i]);
    for (size_t i = 0; i < n; i++)
        layout->add(&table, layout, rows[i]);
    ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static bool print_tables(const struct command_call *call, const struct diff *diff, struct error *err)
{
    static const char *const form_headings[] = {"tensor", "in A", "in B"};
    static const char *const plain[] = {"tensor", "change",   "cosine", "largest",
                                        "at",     "elements", "flips",  "rank"};
    static const char *const typed[] = {"tensor", "A, B",     "change", "cosine", "largest",
                                        "at",     "elements", "flips",  "rank"};
    static const struct layout form = {"pll", form_headings, false, false, add_form};
    static const struct layout figures[2][2] = {
        {{"prrrlrr", plain, false, false, add_figures}, {"prrrlrrl", plain, false, true, add_figures}},
        {{"plrrrlrr", typed, true, false, add_figures}, {"plrrrlrrl", typed, true, true, add_figures}}};
    bool dtypes = false;
    size_t n = 0, n_forms = 0, shown;
    const struct diff_tensor **rows = memory_array(diff->n, sizeof *rows);
    if (!rows)
        return error_memory(err, "comparing models");
    for (size_t i = 0; i < diff->n; i++)
        if (diff->tensors[i].status != DIFF_SAME_BYTES && diff->tensors[i].status != DIFF_SAME_VALUES)
            rows[n++] = &diff->tensors[i];
    qsort(rows, n, sizeof *rows, by_change);
    shown = n <= ROWS || option_given(call, "all") ? n : ROWS;
    while (n_forms < shown && !rows[n_forms]->has_figures)
        n_forms++;
    for (size_t i = n_forms; i < shown; i++)
        dtypes |= rows[i]->a->dtype != rows[i]->b->dtype;
    bool ok =
        print_rows(call, &form, rows, n_forms, err) &&
        print_rows(call, &figures[dtypes][option_given(call, "rank")], rows + n_forms, shown - n_forms, err);
    if (ok && shown < n)
        fprintf(call->out, "and %zu more (--all lists them)\n", n - shown);
    free(rows);
    return ok;
}

/* NaN is never passed over in silence. */
static void note_nans(const struct command_call *call, const struct diff *diff)
{
    uint64_t both = 0, nonfinite = 0;
    for (size_t i = 0; i < diff->n; i++) {
        both += diff->tensors[i].figures.both_nan;
        nonfinite += diff->tensors[i].figures.nonfinite;
    }
    if (both)
        command_note(call, "elements that are NaN in both models, and count as the same: %" PRIu64, both);
    if (nonfinite)
        command_note(call,
                     "elements that are NaN or infinite in one model only: %" PRIu64
                     "; they count as changed, "
                     "and are left out of norms, cosines and largest changes",
                     nonfinite);
}

static bool print_text(const struct command_call *call, const struct diff *diff, const char *verdict,
                       struct error *err)
{
    fprintf(call->out, "%s%s%s\n", terminal_style(&call->terminal, STYLE_BOLD), verdict,
            terminal_style(&call->terminal, STYLE_PLAIN));
    note_nans(call, diff);
    return print_tables(call, diff, err);
}

/* ---- JSON ---- */

static void write_side(struct json_write *w, const char *key, const struct checkpoint *c)
{
    json_write_key(w, key);
    json_write_object_begin(w);
    json_write_member_string(w, "path", c->path);
    json_write_member_u64(w, "files", c->n_files);
    json_write_member_u64(w, "tensors", c->n_tensors);
    json_write_object_end(w);
}

static void write_tensor(struct json_write *w, const char *key, const struct tensor *tensor)
{
    json_write_key(w, key);
    if (!tensor) {
        json_write_null(w);
        return;
    }
    json_write_object_begin(w);
    json_write_member_string(w, "dtype", dtype_facts(tensor->dtype)->name);
    json_write_key(w, "shape");
    json_write_array_begin(w);
    for (unsigned d = 0; d < tensor->rank; d++)
        json_write_u64(w, tensor->shape[d]);
    json_write_array_end(w);
    json_write_object_end(w);
}

static void write_figures(struct json_write *w, const struct tensor_comparison *f)
{
    json_write_member_double(w, "relative_norm", f->relative_norm);
    json_write_member_double(w, "cosine", f->cosine);
    json_write_member_double(w, "max_abs", f->max_abs);
    json_write_member_u64(w, "max_at", f->max_at);
    json_write_member_double(w, "norm", f->norm_change);
    json_write_member_double(w, "norm_a", f->norm_a);
    json_write_member_double(w, "norm_b", f->norm_b);
    json_write_member_u64(w, "changed", f->changed);
    json_write_member_u64(w, "sign_flips", f->flips);
    json_write_member_u64(w, "nonfinite", f->nonfinite);
    json_write_member_u64(w, "nan_a", f->nan_a);
    json_write_member_u64(w, "nan_b", f->nan_b);
}

static void write_rank(struct json_write *w, const struct change_rank *r)
{
    static const char *const kinds[] = {
        [CHANGE_RANK_EXACT] = "exact", [CHANGE_RANK_ROUNDED] = "rounded", [CHANGE_RANK_FULL] = "full"};
    json_write_member_u64(w, "rank", r->rank);
    json_write_member_string(w, "rank_kind", kinds[r->kind]);
    json_write_member_double(w, "rank_share", r->share);
    json_write_member_double(w, "rank_noise", r->noise);
    json_write_member_double(w, "stable_rank", r->stable);
    json_write_member_u64(w, "rows", r->rows);
    json_write_member_u64(w, "columns", r->columns);
    json_write_key(w, "singular_values");
    json_write_array_begin(w);
    for (size_t i = 0; i < r->n_values; i++)
        json_write_double(w, r->values[i]);
    json_write_array_end(w);
}

static bool print_json(const struct command_call *call, const struct diff *diff, const char *verdict,
                       struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_member_bool(&w, "identical", diff_identical(diff));
    json_write_member_string(&w, "verdict", verdict);
    write_side(&w, "a", diff->a);
    write_side(&w, "b", diff->b);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < diff->n; i++) {
        const struct diff_tensor *t = &diff->tensors[i];
        json_write_object_begin(&w);
        json_write_member_string(&w, "name", t->name);
        json_write_member_string(&w, "status", diff_status_name(t->status));
        write_tensor(&w, "a", t->a);
        write_tensor(&w, "b", t->b);
        if (t->has_figures)
            write_figures(&w, &t->figures);
        if (t->has_rank)
            write_rank(&w, &t->rank);
        if (t->figures.both_nan)
            json_write_member_u64(&w, "both_nan", t->figures.both_nan);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

/* ---- the command ---- */

static bool report(struct command_call *call, const struct diff *diff, struct error *err)
{
    struct str verdict = {0};
    bool ok;
    diff_verdict(diff, &verdict);
    command_quiet_progress(call);
    if (diff->n == 0)
        ok = error_set(err, ERROR_USAGE, "no tensor of %s or %s has a name like the patterns", call->args[0],
                       call->args[1]);
    else if (verdict.failed)
        ok = error_memory(err, "comparing models");
    else if (call->json)
        ok = print_json(call, diff, verdict.data, err);
    else
        ok = print_text(call, diff, verdict.data, err);
    if (ok && !diff_identical(diff))
        ok = error_set(err, ERROR_ANSWER_NO, "%s", ""); /* the verdict has said it */
    str_release(&verdict);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *a = NULL, *b = NULL;
    struct diff diff = {0};
    struct diff_options what = {.wanted = is_wanted, .user = call, .rank = option_given(call, "rank")};
    bool ok = checkpoint_open(&call->context, call->args[0], &how, &a, err) &&
              checkpoint_open(&call->context, call->args[1], &how, &b, err) &&
              diff_run(&call->context, a, b, &what, &diff, err) && report(call, &diff, err);
    diff_release(&diff);
    checkpoint_close(b);
    checkpoint_close(a);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet diff smollm2 edited", "what an edit, a fine-tune or a merge changed"},
    {"lancet diff smollm2 edited --rank", "rank 1: an edit; 8 or 64: a LoRA; full: a fine-tune"},
    {"lancet diff smollm2 edited '*.mlp.*'", "the same for some tensors"},
    {NULL, NULL},
};

const struct command command_diff = {
    .name = "diff",
    .summary = "compare two models tensor by tensor",
    .synopsis = "A B [GLOB...]",
    .help =
        "Says in one line what differs between two models, then lists the tensors that do, largest change "
        "first: the norm of the change relative to A, the cosine between the two, the largest change of one "
        "element and where, the share of elements that changed, and how many changed sign. Files, their "
        "number and the order in them do not matter; tensors in two dtypes are compared by value.\n\n"
        "With --rank it also finds the rank of each change, apart from the noise that rounding to the dtype "
        "of "
        "the file leaves: 1 for an edit, the rank of a LoRA that was merged, full for a fine-tune.\n\n"
        "Exit status 0: every tensor holds the same values in both. 1: something differs.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = COMMAND_ANY_ARGS,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
