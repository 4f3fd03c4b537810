#include "inspect_commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"
#include "nearest.h"
#include "quote.h"
#include "table.h"

enum { BAR_COLUMNS = 20, KIND_HEADS = 3 };

static const struct option_row options[] = {
    {.name = "find",
     .kind = OPTION_STRING,
     .value = "A->B",
     .help = "rank the heads by what the word A sends to the word B before it"},
    {.name = "sort",
     .kind = OPTION_STRING,
     .value = "STATISTIC",
     .help = "rank the heads by a statistic, see below"},
    {.name = "top",
     .short_name = 'k',
     .kind = OPTION_U64,
     .value = "N",
     .standard = "10",
     .help = "show the first N heads of a ranking"},
    {.name = "layers", .kind = OPTION_STRING, .value = "0,3-5", .help = "these layers only"},
    {.name = "heads", .kind = OPTION_STRING, .value = "0,3-5", .help = "these heads of each layer only"},
    {.name = "ids", PROMPT_IDS_ROW},
    {0}};

#define FOUND_DEFINITION "A[last token of the word that looks][j], summed over all tokens j of the other word"

struct question { /* what is asked */
    const struct attention_shown *shown;
    const struct word_pair *pair; /* NULL: no --find */
    size_t statistic;             /* ranked by this; HEAD_STATISTICS: by what is sent */
    bool ranked;
};

/* ---- for people ---- */

static bool add_word(const struct question *q, const struct word *word, struct str *s, struct error *err)
{
    bool ok = true;
    for (size_t i = word->first; ok && i <= word->last; i++) {
        str_append(s, i > word->first ? " " : "");
        ok = token_show(q->shown->opened, q->shown->prompt->ids[i], s, err);
    }
    str_printf(s, word->first == word->last ? " (token %zu)" : " (tokens %zu-%zu)", word->first, word->last);
    return ok;
}

static bool show_pair(const struct command_call *call, const struct question *q, struct error *err)
{
    struct str s = {0};
    bool ok = add_word(q, &q->pair->from, &s, err);
    str_append(&s, " looks at ");
    ok = ok && add_word(q, &q->pair->to, &s, err);
    if (ok && s.failed)
        ok = error_memory(err, "showing words");
    if (ok)
        fprintf(call->out, "%s%s%s\n", terminal_style(&call->terminal, STYLE_DIM), s.data,
                terminal_style(&call->terminal, STYLE_PLAIN));
    str_release(&s);
    return ok;
}

static double ranked_value(const struct question *q, const struct head_report *report)
{
    return q->statistic < HEAD_STATISTICS ? report->values[q->statistic] : report->sent;
}

/* Weights as bars; what is no share of anything has none. */
static bool show_ranking(const struct command_call *call, const struct question *q,
                         const struct head_reports *reports, const size_t *order, size_t n, struct error *err)
{
    struct table table;
    bool found = q->statistic == HEAD_STATISTICS, bars = found;
    table_init(&table, "rrrl");
    table_cell(&table, "layer");
    table_cell(&table, "head");
    table_cell(&table, "%s", found ? "weight" : head_statistics[q->statistic].name);
    table_cell(&table, " ");
    for (size_t i = 0; i < n; i++) {
        const struct head_report *report = &reports->items[order[i]];
        double value = ranked_value(q, report);
        struct str bar = {0};
        if (bars)
            text_bar(&bar, &call->terminal, value, BAR_COLUMNS);
        table_cell(&table, "%zu", report->layer);
        table_cell(&table, "%zu", report->head);
        if (isnan(value))
            table_cell(&table, "-");
        else
            table_cell(&table, "%.4f", value);
        table_cell(&table, "%s", bar.data && !bar.failed ? bar.data : " ");
        table.text.failed |= bar.failed;
        str_release(&bar);
    }
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

/* The heads that have most of each kind. */
static bool show_kinds(const struct command_call *call, const struct head_reports *reports, struct error *err)
{
    struct table table;
    bool ok = true;
    table_init(&table, "lllll");
    table_cell(&table, "looks at");
    table_cell(&table, "statistic");
    table_cell(&table, "heads with most of it");
    table_cell(&table, " ");
    table_cell(&table, " ");
    for (size_t k = 0; ok && k < HEAD_STATISTICS; k++) {
        size_t *order = NULL;
        if (!head_statistics[k].kind)
            continue;
        ok = heads_rank(reports, k, &order, err);
        table_cell(&table, "%s", head_statistics[k].kind);
        table_cell(&table, "%s", head_statistics[k].name);
        for (size_t i = 0; ok && i < KIND_HEADS; i++) {
            const struct head_report *report = i < reports->n ? &reports->items[order[i]] : NULL;
            if (report && report->values[k] > 0)
                table_cell(&table, "%zu.%zu  %.3g", report->layer, report->head, report->values[k]);
            else
                table_cell(&table, " ");
        }
        free(order);
    }
    ok = ok && table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

/* ---- for programs ---- */

static void write_word(struct json_write *w, const char *key, const struct prompt *prompt,
                       const struct word *word)
{
    json_write_key(w, key);
    json_write_object_begin(w);
    json_write_key(w, "text");
    json_write_string_n(w, prompt->text + word->start, word->end - word->start);
    json_write_member_u64(w, "start", word->start);
    json_write_member_u64(w, "end", word->end);
    json_write_member_u64(w, "first_token", word->first);
    json_write_member_u64(w, "last_token", word->last);
    json_write_object_end(w);
}

static void write_pair(struct json_write *w, const struct question *q)
{
    json_write_key(w, "find");
    json_write_object_begin(w);
    write_word(w, "from", q->shown->prompt, &q->pair->from);
    write_word(w, "to", q->shown->prompt, &q->pair->to);
    json_write_member_string(w, "weight", FOUND_DEFINITION);
    json_write_object_end(w);
}

static void write_formulas(struct json_write *w)
{
    json_write_key(w, "formulas");
    json_write_object_begin(w);
    for (size_t k = 0; k < HEAD_STATISTICS; k++) {
        json_write_key(w, head_statistics[k].name);
        json_write_object_begin(w);
        json_write_member_string(w, "formula", head_statistics[k].formula);
        json_write_member_string(w, "rows", head_statistics[k].rows);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static void write_report(struct json_write *w, const struct question *q, const struct head_report *report)
{
    const struct model_config *c = &q->shown->opened->model->config;
    json_write_object_begin(w);
    json_write_member_u64(w, "layer", report->layer);
    json_write_member_u64(w, "head", report->head);
    json_write_member_u64(w, "kv_head", report->head / (c->n_heads / c->n_kv_heads));
    if (q->pair)
        json_write_member_double(w, "weight", report->sent);
    for (size_t k = 0; k < HEAD_STATISTICS; k++)
        json_write_member_double(w, head_statistics[k].name, report->values[k]);
    json_write_object_end(w);
}

static bool write_json(struct command_call *call, const struct question *q,
                       const struct head_reports *reports, const size_t *order, struct error *err)
{
    struct json_write w;
    const struct prompt *prompt = q->shown->prompt;
    command_json_begin(call, &w);
    opened_write(q->shown->opened, &w);
    json_write_key(&w, "text");
    if (prompt->text)
        json_write_string_n(&w, prompt->text, prompt->n_text);
    else
        json_write_null(&w);
    if (!prompt_write(q->shown->opened, prompt, &w, err))
        return false;
    json_write_member_string(
        &w, "notation",
        "A[i][j]: weight from query i to key j; H[i]: entropy of row i in nats; t: token ids; "
        "means are over the queries that \"rows\" names");
    write_formulas(&w);
    if (q->pair)
        write_pair(&w, q);
    json_write_key(&w, "sorted_by");
    json_write_string(&w, !q->ranked                       ? NULL
                          : q->statistic < HEAD_STATISTICS ? head_statistics[q->statistic].name
                                                           : "weight");
    json_write_key(&w, "heads");
    json_write_array_begin(&w);
    for (size_t i = 0; i < reports->n; i++)
        write_report(&w, q, &reports->items[order ? order[i] : i]);
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

/* ---- */

static bool answer(struct command_call *call, const struct question *q, struct error *err)
{
    struct head_reports reports = {0};
    size_t *order = NULL;
    bool ok = heads_run(&call->context, q->shown, q->pair, &reports, err);
    command_quiet_progress(call);
    if (ok && q->ranked)
        ok = heads_rank(&reports, q->statistic, &order, err);
    if (ok && call->json) {
        ok = write_json(call, q, &reports, order, err);
    } else if (ok && q->ranked) {
        uint64_t top = option_u64(call, "top");
        ok = (!q->pair || show_pair(call, q, err)) &&
             show_ranking(call, q, &reports, order, top < reports.n ? (size_t)top : reports.n, err);
    } else if (ok) {
        ok = show_kinds(call, &reports, err);
    }
    free(order);
    head_reports_release(&reports);
    return ok;
}

static bool no_statistic(const struct command_call *call, const char *name, struct error *err)
{
    struct nearest nearest = {.word = name};
    struct str names = {0};
    for (size_t k = 0; k < HEAD_STATISTICS; k++) {
        nearest_consider(&nearest, head_statistics[k].name);
        str_printf(&names, "%s%s", k ? ", " : "", head_statistics[k].name);
    }
    const char *known = names.failed || !names.data ? "" : names.data;
    if (nearest.best)
        command_usage(call, err, "--sort: there is no statistic %s, did you mean %s? Expected one of %s",
                      quote(name).text, nearest.best, known);
    else
        command_usage(call, err, "--sort: there is no statistic %s, expected one of %s", quote(name).text,
                      known);
    str_release(&names);
    return false;
}

/* Most statistics leave the first token out: it has nobody but itself to look at. */
static bool check_length(const struct prompt *prompt, struct error *err)
{
    return prompt->tokens.n > 1 ||
           error_set(err, ERROR_USAGE, "the prompt has one token, and statistics of heads need at least two");
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct prompt prompt = {0};
    struct attention_shown shown = {0};
    struct word_pair pair;
    const char *find = option_string(call, "find"), *sort = option_string(call, "sort");
    struct question q = {.shown = &shown, .statistic = HEAD_STATISTICS, .ranked = find || sort};
    const struct attention_wish wish = {.layers = option_string(call, "layers"),
                                        .heads = option_string(call, "heads")};
    if (find && sort)
        return command_usage(call, err,
                             "--find ranks by the weight, --sort by a statistic: give one of them");
    if (sort && (q.statistic = head_statistic_named(sort)) == HEAD_STATISTICS)
        return no_statistic(call, sort, err);
    if (option_u64(call, "top") == 0)
        return command_usage(call, err, "--top: 0 shows nothing, expected at least 1");
    bool ok = opened_open(call, call->args[0], true, &opened, err) &&
              model_can(opened.model, ABLE_ATTENTION, err) && prompt_read(call, &opened, 1, &prompt, err) &&
              check_length(&prompt, err) && attention_choose(&opened, &prompt, &wish, &shown, err) &&
              (!find || word_pair_find(&prompt, find, &pair, err));
    q.pair = ok && find ? &pair : NULL;
    ok = ok && answer(call, &q, err);
    attention_shown_release(&shown);
    prompt_release(&prompt);
    opened_release(&opened);
    return ok;
}

static void list_statistics(struct str *out)
{
    str_append(
        out,
        "Statistics of a head, with A[i][j] the weight from query i to key j, H[i] the entropy of row i in "
        "nats, t the token ids; means are over the rows named:\n");
    for (size_t k = 0; k < HEAD_STATISTICS; k++)
        str_printf(out, "  %-28s %s (rows: %s)\n", head_statistics[k].name, head_statistics[k].formula,
                   head_statistics[k].rows);
}

static const struct command_example examples[] = {
    {"lancet heads smollm2 'The boy took the book because it was heavy' --find 'it->book'",
     "the heads that look from the pronoun to its noun"},
    {"lancet heads smollm2 --json 'one two three one two three'", "every statistic of every head"},
    {NULL, NULL},
};

const struct command command_heads = {
    .name = "heads",
    .summary = "describe what each head of a model looks at",
    .synopsis = "MODEL PROMPT",
    .help = "Without --find and --sort the heads that have most of each kind are shown, as LAYER.HEAD. With "
            "--json all "
            "statistics of all heads are written.\n\n"
            "--find 'it->book' ranks heads by the weight from the last token of \"it\" to the tokens of "
            "\"book\", "
            "summed. Where a word stands several times in the prompt, the last \"it\" is taken and the last "
            "\"book\" "
            "before it; whole words come before parts of words.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .more_help = list_statistics,
    .run = run,
};
