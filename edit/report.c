#include "report.h"

#include <math.h>
#include <string.h>

#include "edit_gates.h"
#include "str.h"

enum { BAR_COLUMNS = 24, PIECE_COLUMNS = 18, TOP_SHOWN = 3 };

/* ---- for people ---- */

struct page {
    const struct edit *edit;
    FILE *out;
    const struct terminal *terminal;
    bool failed; /* out of memory: something is missing */
};

/* The text of a string, whose memory may have run out. */
static const char *text_of(struct page *p, const struct str *s)
{
    p->failed = p->failed || s->failed;
    return s->data ? s->data : "";
}

static void put(struct page *p, enum style style, const char *text)
{
    fprintf(p->out, "%s%s%s", terminal_style(p->terminal, style), text,
            terminal_style(p->terminal, STYLE_PLAIN));
}

/* The text of a token, or its id, made safe for the terminal. */
static void append_piece(struct page *p, uint32_t id, struct str *out)
{
    struct error err = {0};
    struct str piece = {0};
    if (p->edit->tokenizer && !p->edit->requests->ids &&
        tokenizer_decode(p->edit->tokenizer, &id, 1, false, &piece, &err) && piece.length)
        str_append_escaped(out, piece.data, piece.length);
    else
        str_printf(out, "token %u", id);
    p->failed = p->failed || piece.failed || err.kind == ERROR_MEMORY;
    str_release(&piece);
}

static void append_target(const struct edit_item *item, struct str *out)
{
    if (item->request->target)
        str_append_escaped(out, item->request->target, strlen(item->request->target));
    else
        for (size_t i = 0; i < item->rows.n_target; i++)
            str_printf(out, "%stoken %u", i ? " " : "", item->rows.target[i]);
}

static void print_bar(struct page *p, const char *label, double probability, enum style style)
{
    struct str bar = {0};
    size_t n = text_fit(label, strlen(label), PIECE_COLUMNS), columns = text_columns(label, n);
    text_bar(&bar, p->terminal, probability, BAR_COLUMNS);
    fprintf(p->out, "    %.*s%*s ", (int)n, label, (int)(PIECE_COLUMNS - columns), "");
    put(p, style, text_of(p, &bar));
    fprintf(p->out, " %5.1f %%\n", 100 * probability);
    str_release(&bar);
}

/* The most probable next tokens, and the target's first one if it is not among them. */
static void print_answers(struct page *p, const struct edit_item *item, const char *when,
                          const struct probe_result *r, const struct str *says)
{
    bool shown = false;
    fprintf(p->out, "  %-7s", when);
    if (says->length) {
        struct str text = {0};
        str_append_escaped(&text, says->data, says->length);
        fprintf(p->out, " ...%s", text_of(p, &text));
        str_release(&text);
    }
    fputc('\n', p->out);
    for (size_t i = 0; i < r->n_top && i < TOP_SHOWN; i++) {
        struct str label = {0};
        bool target = r->top[i].id == item->rows.target[0];
        shown = shown || target;
        append_piece(p, r->top[i].id, &label);
        print_bar(p, text_of(p, &label), r->top[i].probability, target ? STYLE_GREEN : STYLE_BLUE);
        str_release(&label);
    }
    if (!shown) {
        struct str label = {0};
        append_piece(p, item->rows.target[0], &label);
        print_bar(p, text_of(p, &label), exp(r->first_log), STYLE_GREEN);
        str_release(&label);
    }
}

static void print_layer(struct page *p, const struct edit_item *item)
{
    fprintf(p->out, "  layer   %zu, ", item->layer);
    if (item->reason == LAYER_GIVEN)
        fputs("as asked for\n", p->out);
    else if (item->reason == LAYER_KNOWN)
        fprintf(p->out, "known to be good (%s)\n", item->known_source);
    else
        fprintf(p->out, "the best of %zu trial edits in memory\n", item->n_scores);
}

static void print_stayed(struct page *p, const struct edit_item *item)
{
    if (item->n_asked == 0)
        return;
    fprintf(p->out, "  stayed  %zu of %zu other subjects keep their answer", item->n_kept, item->n_asked);
    for (size_t i = 0, shown = 0; i < item->probe.n_neighbours && shown < 3; i++) {
        const struct probe_neighbour *after = &item->after.neighbours[i];
        struct str piece = {0};
        if (after->answer_log <= after->target_log || after->answer == item->rows.target[0])
            continue;
        append_piece(p, after->answer, &piece);
        fprintf(p->out, "%s%s:%s%s", shown ? ", " : " (", item->probe.neighbours[i],
                *text_of(p, &piece) == ' ' ? "" : " ", text_of(p, &piece));
        str_release(&piece);
        shown++;
    }
    fputs(item->n_kept ? ")\n" : "\n", p->out);
}

static void print_gates(struct page *p, const struct edit_item *item)
{
    fputs("  checks ", p->out);
    for (size_t i = 0; i < item->gates.n; i++) {
        const struct gate *g = &item->gates.items[i];
        fputc(' ', p->out);
        put(p, g->passed ? STYLE_GREEN : STYLE_RED, g->name);
        if (!g->passed)
            fprintf(p->out, " %.3g (at %s %.3g)", g->value, g->at_most ? "most" : "least", g->limit);
    }
    fputc('\n', p->out);
}

static void print_change(struct page *p, const struct edit_item *item)
{
    const struct tensor *tensor = model_site(p->edit->model, item->layer)->tensor;
    struct str line = {0};
    str_append(&line, "  changed ");
    str_append_escaped(&line, tensor->name, strlen(tensor->name));
    fprintf(p->out, "%s by a rank-one update of %.2g %% of its norm, %.1f %% of it kept by rounding to %s\n",
            text_of(p, &line), 100 * item->relative_norm, 100 * item->realised,
            dtype_facts(tensor->dtype)->name);
    str_release(&line);
}

static void print_item(struct page *p, const struct edit_item *item)
{
    struct str name = {0}, target = {0};
    edit_item_name(item, &name);
    append_target(item, &target);
    put(p, STYLE_BOLD, text_of(p, &name));
    fprintf(p->out, "  ->  %s\n", text_of(p, &target));
    str_release(&name);
    str_release(&target);
    if (item->request->note)
        fprintf(p->out, "  note    %s\n", item->request->note);
    if (item->rows.note)
        fprintf(p->out, "  note    %s\n", item->rows.note);
    print_answers(p, item, "before", &item->before, &item->says_before);
    if (item->nothing_to_do) {
        fputs("  This is the model's answer already: nothing to do.\n", p->out);
        return;
    }
    print_answers(p, item, "after", &item->after, &item->says_after);
    print_stayed(p, item);
    print_layer(p, item);
    print_change(p, item);
    print_gates(p, item);
}

static void print_outcome(struct page *p, const struct report_outcome *outcome)
{
    if (p->edit->n_sites == 0)
        fputs("Nothing was changed.\n", p->out);
    else if (outcome->dry_run)
        fputs("This was a dry run: nothing was written.\n", p->out);
    else if (outcome->output)
        fprintf(p->out, "The edited model is in %s.\n", outcome->output);
    else if (outcome->committed && outcome->history)
        fprintf(p->out, "Written in place, as change %u. To take it back: lancet undo %s\n", outcome->history,
                outcome->model);
    else if (outcome->committed)
        fputs("Written in place, without a record: it cannot be taken back.\n", p->out);
    else
        fputs("Nothing was changed.\n", p->out);
}

bool report_print(const struct edit *edit, const struct report_outcome *outcome, FILE *out,
                  const struct terminal *terminal, struct error *err)
{
    struct page page = {.edit = edit, .out = out, .terminal = terminal};
    for (size_t i = 0; i < edit->n_items; i++) {
        print_item(&page, &edit->items[i]);
        fputc('\n', out);
    }
    print_outcome(&page, outcome);
    return !page.failed || error_memory(err, "reporting an edit");
}

/* ---- for programs ---- */

static void json_answer(const struct edit *edit, const struct edit_item *item, const char *key,
                        const struct probe_result *r, const struct str *says, struct json_write *w,
                        bool *failed)
{
    json_write_key(w, key);
    json_write_object_begin(w);
    json_write_member_double(w, "probability", exp(-r->nll * (double)item->rows.n_target));
    json_write_member_double(w, "nll", r->nll);
    json_write_member_u64(w, "rank", r->rank);
    if (says->length) {
        json_write_key(w, "says");
        json_write_string_n(w, says->data, says->length);
    }
    json_write_key(w, "top");
    json_write_array_begin(w);
    for (size_t i = 0; i < r->n_top; i++) {
        struct error err = {0};
        struct str piece = {0};
        json_write_object_begin(w);
        json_write_member_u64(w, "id", r->top[i].id);
        if (edit->tokenizer && tokenizer_decode(edit->tokenizer, &r->top[i].id, 1, false, &piece, &err)) {
            json_write_key(w, "text");
            json_write_string_n(w, piece.data ? piece.data : "", piece.length);
        }
        json_write_member_double(w, "probability", r->top[i].probability);
        json_write_object_end(w);
        *failed = *failed || piece.failed || err.kind == ERROR_MEMORY;
        str_release(&piece);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static void json_gates(const struct edit_item *item, struct json_write *w)
{
    json_write_key(w, "gates");
    json_write_array_begin(w);
    for (size_t i = 0; i < item->gates.n; i++) {
        const struct gate *g = &item->gates.items[i];
        json_write_object_begin(w);
        json_write_member_string(w, "name", g->name);
        json_write_member_double(w, "value", g->value);
        json_write_member_double(w, "limit", g->limit);
        json_write_member_bool(w, "passed", g->passed);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* The course of the target vector, one [total, nll, kl, decay] an evaluation. */
static void json_target(const struct edit_item *item, struct json_write *w)
{
    const struct target *t = &item->edit.target;
    json_write_key(w, "target_vector");
    json_write_object_begin(w);
    json_write_member_u64(w, "evaluations", t->n_steps);
    json_write_member_double(w, "value_norm", item->edit.v0_norm);
    json_write_key(w, "loss");
    json_write_array_begin(w);
    for (size_t i = 0; i < t->n_steps; i++) {
        const double row[] = {t->steps[i].total, t->steps[i].nll, t->steps[i].kl, t->steps[i].decay};
        json_write_array_begin(w);
        for (size_t j = 0; j < 4; j++)
            json_write_double(w, row[j]);
        json_write_array_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static void json_update(const struct edit *edit, const struct edit_item *item, struct json_write *w)
{
    const struct update *u = &item->edit.update;
    json_write_key(w, "update");
    json_write_object_begin(w);
    json_write_member_string(w, "tensor", model_site(edit->model, item->layer)->tensor->name);
    json_write_member_double(w, "relative_norm", item->relative_norm);
    json_write_member_u64(w, "rank", 1);
    json_write_member_double(w, "realised", item->realised);
    json_write_member_double(w, "cosine_c", u->cosine_c);
    json_write_member_double(w, "cosine", u->cosine);
    json_write_object_end(w);
}

static void json_layer(const struct edit_item *item, struct json_write *w)
{
    static const char *const reasons[] = {
        [LAYER_GIVEN] = "given", [LAYER_KNOWN] = "known", [LAYER_SEARCHED] = "searched"};
    json_write_member_u64(w, "layer", item->layer);
    json_write_member_string(w, "layer_reason", reasons[item->reason]);
    if (item->n_scores == 0)
        return;
    json_write_key(w, "trials");
    json_write_array_begin(w);
    for (size_t i = 0; i < item->n_scores; i++) {
        const struct layer_score *s = &item->scores[i];
        json_write_object_begin(w);
        json_write_member_u64(w, "layer", s->layer);
        json_write_member_bool(w, "failed", s->failed);
        json_write_member_double(w, "target", s->target);
        json_write_member_double(w, "kept", s->kept);
        json_write_member_double(w, "prose", s->prose);
        json_write_member_double(w, "relative_norm", s->size);
        json_write_member_double(w, "score", s->score);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void json_item(const struct edit *edit, const struct edit_item *item, struct json_write *w,
                      bool *failed)
{
    const struct edit_request *q = item->request;
    json_write_object_begin(w);
    json_write_member_u64(w, "record", q->number);
    json_write_member_string(w, "prompt", q->prompt);
    json_write_member_string(w, "subject", q->subject);
    json_write_member_string(w, "target", q->target);
    json_write_key(w, "target_ids");
    json_write_array_begin(w);
    for (size_t i = 0; i < item->rows.n_target; i++)
        json_write_u64(w, item->rows.target[i]);
    json_write_array_end(w);
    json_write_member_string(w, "contexts", item->contexts);
    json_write_member_bool(w, "nothing_to_do", item->nothing_to_do);
    json_answer(edit, item, "before", &item->before, &item->says_before, w, failed);
    if (!item->nothing_to_do) {
        json_answer(edit, item, "after", &item->after, &item->says_after, w, failed);
        json_layer(item, w);
        json_update(edit, item, w);
        json_target(item, w);
        json_gates(item, w);
    }
    json_write_object_end(w);
}

static void json_settings(const struct edit *edit, struct json_write *w)
{
    json_write_key(w, "settings");
    json_write_object_begin(w);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        json_write_member_double(w, setting_facts[i].name, edit->settings.value[i]);
    json_write_object_end(w);
}

bool report_json(const struct edit *edit, const struct report_outcome *outcome, struct json_write *w,
                 struct error *err)
{
    bool failed = false;
    json_write_member_string(w, "method", edit->options->method->name);
    json_write_key(w, "layers");
    json_write_array_begin(w);
    for (size_t i = 0; i < edit->n_sites; i++)
        json_write_u64(w, edit->site_layers[i]);
    json_write_array_end(w);
    json_settings(edit, w);
    json_write_key(w, "edits");
    json_write_array_begin(w);
    for (size_t i = 0; i < edit->n_items; i++)
        json_item(edit, &edit->items[i], w, &failed);
    json_write_array_end(w);
    json_write_key(w, "seconds");
    json_write_object_begin(w);
    json_write_member_double(w, "covariance", edit->seconds_covariance);
    json_write_member_double(w, "layer_search", edit->seconds_search);
    json_write_member_double(w, "edit", edit->seconds_edit);
    json_write_member_double(w, "checks", edit->seconds_checks);
    json_write_object_end(w);
    json_write_member_bool(w, "passed", edit_passed(edit));
    json_write_member_bool(w, "committed", outcome->committed);
    json_write_key(w, "history");
    if (outcome->history)
        json_write_u64(w, outcome->history);
    else
        json_write_null(w);
    return !failed || error_memory(err, "reporting an edit");
}
