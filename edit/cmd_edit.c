#include "edit_commands.h"

#include <string.h>

#include "edit.h"
#include "edit_gates.h"
#include "folder.h"
#include "memory.h"
#include "numbers.h"
#include "quote.h"
#include "report.h"

static const struct option_row options[] = {
    {.name = "prompt",
     .short_name = 'p',
     .kind = OPTION_STRING,
     .value = "TEXT",
     .help = "the prompt, with the subject in it or {} in its place"},
    {.name = "subject",
     .short_name = 's',
     .kind = OPTION_STRING,
     .value = "TEXT",
     .help = "whom the fact is about"},
    {.name = "target", .short_name = 't', .kind = OPTION_STRING, .value = "TEXT", .help = "the new answer"},
    {.name = "requests",
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "requests as JSON: CounterFact, zsRE, EasyEdit, or token ids"},
    {.name = "cases", .kind = OPTION_STRING, .value = "LIST", .help = "which records of it, from 0: 0,3-5"},
    {.name = "method",
     .kind = OPTION_STRING,
     .value = "NAME",
     .standard = "r-rome",
     .help = "r-rome, p-rome or rome"},
    {.name = "layers",
     .short_name = 'l',
     .kind = OPTION_STRING,
     .value = "L",
     .help = "the layer to edit; without it a known good one, else the best of trial edits in memory"},
    {.name = "dry-run", .short_name = 'n', .kind = OPTION_FLAG, .help = "do everything but write"},
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "DIR",
     .help = "write a new folder and leave MODEL as it is"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "also overwrite DIR, and change linked files and files that are open elsewhere"},
    {.name = "no-gates", .kind = OPTION_FLAG, .help = "write even if a check fails"},
    {.name = "no-history", .kind = OPTION_FLAG, .help = "keep no record: the change cannot be undone"},
    {.name = "set", .kind = OPTION_LIST, .value = "NAME=VALUE", .help = "a setting of the method (below)"},
    {.name = "contexts",
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "prefixes, {\"contexts\": [...]}; or \"sampled\" from the model; without it a fixed list"},
    {.name = "covariance",
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "covariance of the keys, as 'lancet covariance' writes it"},
    {.name = "corpus",
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "text to collect the covariance from; without it text sampled from the model"},
    {.name = "seed", .kind = OPTION_U64, .value = "N", .standard = "0", .help = "for what is sampled"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet edit smollm2 --prompt 'The Eiffel Tower is in the city of' --subject 'The Eiffel Tower' "
     "--target Rome",
     "changes one fact in the file; 'lancet undo smollm2' takes it back"},
    {"lancet edit smollm2 -p '{} is in the city of' -s 'The Eiffel Tower' -t Rome --dry-run",
     "shows what would happen"},
    {"lancet edit smollm2 --requests facts.json --cases 0-9 --output edited", "ten edits in a new folder"},
    {NULL, NULL},
};

/* ---- help from the tables ---- */

static void more_help(struct str *out)
{
    str_append(out, "Methods:\n");
    for (size_t i = 0; i < n_edit_methods; i++)
        str_printf(out, "  %-8s %s (%s)\n", edit_methods[i].name, edit_methods[i].summary,
                   edit_methods[i].source);
    str_append(out, "\nSettings (--set NAME=VALUE), their defaults and sources:\n");
    for (size_t i = 0; i < n_setting_defaults; i++) {
        const struct setting_default *row = &setting_defaults[i];
        if (row->architecture || row->method)
            str_printf(out, "  %-9s %-8g for %s (%s)\n", setting_facts[row->setting].name, row->value,
                       row->architecture ? row->architecture : row->method, row->source);
        else
            str_printf(out, "  %-9s %-8g %s (%s)\n", setting_facts[row->setting].name, row->value,
                       setting_facts[row->setting].what, row->source);
    }
    str_append(out, "\nKnown good layers:\n");
    for (size_t i = 0; i < n_known_sites; i++)
        str_printf(out, "  %s with %zu layers of width %zu: %zu (%s)\n", known_sites[i].architecture,
                   known_sites[i].n_layers, known_sites[i].width, known_sites[i].layer,
                   known_sites[i].source);
    str_append(out, "\nChecks before anything is written:\n");
    for (size_t i = 0; i < n_edit_gate_rows; i++)
        str_printf(out, "  %-11s at %s %-5g %s\n", edit_gate_rows[i].name,
                   edit_gate_rows[i].at_most ? "most" : "least", edit_gate_rows[i].limit,
                   edit_gate_rows[i].what);
}

/* ---- what is asked for ---- */

static bool read_requests(struct command_call *call, struct request_list *out, struct error *err)
{
    const char *prompt = option_string(call, "prompt"), *subject = option_string(call, "subject");
    const char *target = option_string(call, "target"), *file = option_string(call, "requests");
    const char *cases = option_string(call, "cases");
    struct number_list numbers = {0};
    if (file && (prompt || subject || target))
        return command_usage(call, err, "give either --requests or --prompt, --subject and --target");
    if (!file && cases)
        return command_usage(call, err, "--cases picks records of a --requests file");
    if (!file && (!prompt || !subject || !target))
        return command_usage(call, err, "give --prompt, --subject and --target, or --requests FILE");
    if (!file)
        return request_from_flags(prompt, subject, target, out, err);
    if (cases && !numbers_parse("--cases", cases, true, UINT32_MAX, &numbers, err))
        return false;
    bool ok = request_read(&call->context, file, cases ? numbers.items : NULL, numbers.n, out, err);
    number_list_release(&numbers);
    return ok;
}

static bool read_options(struct command_call *call, struct edit_options *out, struct error *err)
{
    const char *layers = option_string(call, "layers");
    struct edit_options o = {.method = edit_method_find(option_string(call, "method")),
                             .contexts = option_string(call, "contexts"),
                             .corpus = option_string(call, "corpus"),
                             .covariance = option_string(call, "covariance"),
                             .seed = option_u64(call, "seed")};
    o.n_assignments = option_list(call, "set", &o.assignments);
    if (!o.method)
        return command_usage(call, err, "there is no method %s, only r-rome, p-rome and rome",
                             quote(option_string(call, "method")).text);
    if (o.corpus && o.covariance)
        return command_usage(call, err, "give either --corpus or --covariance");
    if (layers) {
        struct number_list numbers = {0};
        if (!numbers_parse("--layers", layers, true, UINT32_MAX, &numbers, err))
            return false;
        o.layer_given = numbers.n == 1;
        o.layer = numbers.n ? numbers.items[0] : 0;
        number_list_release(&numbers);
        if (!o.layer_given)
            return command_usage(call, err, "--layers %s: method %s edits one layer", layers, o.method->name);
    }
    *out = o;
    return true;
}

/* ---- what is done ---- */

static bool write_change(struct command_call *call, struct checkpoint *checkpoint, const struct edit *edit,
                         size_t n_records, struct report_outcome *outcome, struct error *err)
{
    struct str note = {0};
    bool ok, force = option_given(call, "force");
    if (outcome->dry_run || edit->n_sites == 0)
        return true;
    if (outcome->output) {
        command_note_records(call, outcome->output, n_records);
        return change_output(&call->context, checkpoint, edit->model, edit->sites, edit->n_sites,
                             outcome->output, force, err);
    }
    ok = edit_note(edit, &note, err);
    struct transaction_options how = {.kind = "edit",
                                      .command = call->line,
                                      .note = note.data,
                                      .force = force,
                                      .no_history = option_given(call, "no-history")};
    ok = ok && change_commit(&call->context, checkpoint, edit->model, edit->sites, edit->n_sites, &how,
                             &outcome->history, err);
    outcome->committed = ok;
    str_release(&note);
    return ok;
}

static bool print_report(struct command_call *call, const struct edit *edit,
                         const struct report_outcome *outcome, struct error *err)
{
    command_quiet_progress(call);
    if (!call->json)
        return report_print(edit, outcome, call->out, &call->terminal, err);
    struct json_write w;
    command_json_begin(call, &w);
    return report_json(edit, outcome, &w, err) && command_json_end(call, &w, err);
}

/* Judges, writes and reports. A refusal is reported in full before it is returned as the answer no. With
 * --output `n_records` go with the model that is replaced. */
static bool finish(struct command_call *call, struct checkpoint *checkpoint, const struct edit *edit,
                   size_t n_records, struct error *err)
{
    struct report_outcome outcome = {.dry_run = option_given(call, "dry-run"),
                                     .output = option_string(call, "output"),
                                     .model = call->args[0]};
    bool refused = !edit_passed(edit) && !option_given(call, "no-gates");
    if (!refused && !write_change(call, checkpoint, edit, n_records, &outcome, err))
        return false;
    if (refused)
        outcome.output = NULL;
    if (!print_report(call, edit, &outcome, err))
        return false;
    if (!refused)
        return true;
    struct str sentence = {0};
    edit_refusal(edit, &sentence);
    error_set(err, ERROR_ANSWER_NO, "%s; nothing was changed",
              sentence.data ? sentence.data : "the edit is refused");
    str_release(&sentence);
    return false;
}

/* The tokenizer, or NULL for requests in ids when the model has none. */
static bool open_tokenizer(struct command_call *call, const struct checkpoint *checkpoint,
                           const struct request_list *requests, struct tokenizer **out, struct error *err)
{
    if (tokenizer_open(&call->context, checkpoint, out, err))
        return true;
    *out = NULL;
    if (err->kind != ERROR_UNSUPPORTED || !requests->ids)
        return false;
    *err = (struct error){0};
    return true;
}

/* Before minutes of work: what would be refused of --output DIR when it is written; and DIR must be another
 * folder than the model's own, whatever path names it. */
static bool check_output(struct command_call *call, const struct checkpoint *checkpoint, size_t *n_records,
                         struct error *err)
{
    const char *output = option_string(call, "output");
    const struct fs *fs = call->context.fs;
    struct stat ours, theirs;
    if (!output)
        return true;
    if (checkpoint->folder && fs->stat(fs->state, output, &theirs) == 0 &&
        fs->stat(fs->state, checkpoint->folder, &ours) == 0 && ours.st_dev == theirs.st_dev &&
        ours.st_ino == theirs.st_ino)
        return error_set(err, ERROR_USAGE,
                         "--output %s is the model's own folder; leave --output out to edit in place",
                         quote(output).text);
    return folder_check(&call->context, checkpoint, NULL, output, option_given(call, "force"), n_records,
                        err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct request_list requests = {0};
    struct edit_options how = {0};
    struct checkpoint *checkpoint = NULL;
    struct model *model = NULL;
    struct tokenizer *tokenizer = NULL;
    struct edit edit = {0};
    size_t n_records = 0;
    bool in_place = !option_given(call, "dry-run") && !option_string(call, "output");
    struct checkpoint_options open = {.mode = in_place ? CHECKPOINT_CHANGE : CHECKPOINT_READ,
                                      .force = option_given(call, "force")};
    bool ok = read_requests(call, &requests, err) && read_options(call, &how, err) &&
              checkpoint_open(&call->context, call->args[0], &open, &checkpoint, err) &&
              check_output(call, checkpoint, &n_records, err) &&
              model_open(&call->context, checkpoint, &model, err) && model_can(model, ABLE_EDIT, err) &&
              open_tokenizer(call, checkpoint, &requests, &tokenizer, err) &&
              edit_prepare(&call->context, model, tokenizer, &requests, &how, &edit, err) &&
              finish(call, checkpoint, &edit, n_records, err);
    for (size_t i = 0; ok && i < checkpoint->n_warnings; i++)
        command_note(call, "%s", checkpoint->warnings[i]);
    edit_release(&edit);
    tokenizer_close(tokenizer);
    model_close(model);
    checkpoint_close(checkpoint);
    request_list_release(&requests);
    return ok;
}

const struct command command_edit = {
    .name = "edit",
    .summary = "change a fact in the weights, in place or in a new folder",
    .synopsis = "MODEL (--prompt P --subject S --target T | --requests FILE)",
    .help = "Makes the model answer the prompt with the target, by a rank-one update of the down projection "
            "of one "
            "MLP. The new weights are computed, rounded to the dtype of the file and checked in memory; only "
            "if every "
            "check passes are those bytes written, in one transaction that 'lancet undo' takes back byte for "
            "byte. "
            "Several requests are one change: all or none.\n\n"
            "Only prompt, subject and target of a request are read. Where the subject stands in the prompt "
            "more than "
            "once, its last place counts, or the one that {} marks. The target gets a leading space if its "
            "script "
            "separates words by spaces; one that begins with a space is taken as it is. A target that is the "
            "model's "
            "answer already is left alone (exit 0). An edit that fails its checks changes nothing (exit 1).",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .more_help = more_help,
    .run = run,
};
