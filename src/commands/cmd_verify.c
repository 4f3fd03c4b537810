#include "commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "checkpoint.h"
#include "finite.h"
#include "history.h"
#include "memory.h"
#include "model.h"
#include "quote.h"

static const struct option_row options[] = {
    {.name = "full",
     .kind = OPTION_FLAG,
     .help = "also unpack every record, and print the SHA-256 of whole files"},
    {.name = "recover", .kind = OPTION_FLAG, .help = "take back a change that was cut short, first"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "with --recover: also a change that was begun on another host"},
    {0}};

struct verify {
    struct command_call *call;
    struct checkpoint *checkpoint;
    bool recovered;
    char **findings; /* sentences, each malloc'ed */
    size_t n_findings;
    bool out_of_memory;
    uint64_t scanned; /* tensors that were looked at for NaN */
    size_t records;
    bool open;                /* a change was cut, or is under way */
    char why_no_shapes[1536]; /* empty: shapes were compared with the config */
    char (*digests)[65];      /* of whole files, with --full */
};

static void found(void *user, const char *sentence)
{
    struct verify *v = user;
    char **grown = memory_resize(v->findings, v->n_findings + 1, sizeof *grown);
    char *copy = memory_string(sentence);
    if (grown)
        v->findings = grown;
    if (grown && copy) {
        v->findings[v->n_findings++] = copy;
        return;
    }
    free(copy);
    v->out_of_memory = true;
}

/* ---- the checks ---- */

/* Shapes against the config, where lancet knows the architecture. */
static bool check_shapes(struct verify *v, struct error *err)
{
    struct model *model = NULL;
    bool ok = model_open(&v->call->context, v->checkpoint, &model, err);
    model_close(model);
    if (ok)
        return true;
    switch (err->kind) {
    case ERROR_MEMORY:
    case ERROR_CANCELLED:
        return false;
    case ERROR_UNSUPPORTED:
    case ERROR_IO:
        snprintf(v->why_no_shapes, sizeof v->why_no_shapes, "%s", err->text);
        return true;
    default:
        found(v, err->text);
        return true;
    }
}

static bool check_numbers(struct verify *v, struct error *err)
{
    const struct checkpoint *c = v->checkpoint;
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < c->n_tensors; i++)
        total += c->tensors[i].bytes;
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct tensor *t = &c->tensors[i];
        struct finite_count count;
        if (!context_continue(&v->call->context, err) || !finite_count(&v->call->context, t, &count, err))
            return false;
        done += t->bytes;
        context_progress(&v->call->context, "looking for NaN", done, total);
        v->scanned++;
        if (count.nans == 0 && count.infinities == 0)
            continue;
        char sentence[1024];
        snprintf(sentence, sizeof sentence,
                 "%s: tensor %s holds %" PRIu64 " NaN and %" PRIu64
                 " infinities, the first at element %" PRIu64,
                 c->files[t->file].shown, quote(t->name).text, count.nans, count.infinities, count.first);
        found(v, sentence);
    }
    return true;
}

static bool check_records(struct verify *v, struct error *err)
{
    struct history history = {0};
    bool clean;
    if (!history_verify(&v->call->context, v->checkpoint, option_given(v->call, "full"), found, v, &clean,
                        err))
        return false;
    struct error ignored; /* what is wrong with the records is among the findings already */
    if (history_of(&v->call->context, v->checkpoint, &history, &ignored)) {
        v->records = history.n_records;
        v->open = history.open != 0;
    }
    history_release(&history);
    return true;
}

static bool hash_files(struct verify *v, struct error *err)
{
    if (!option_given(v->call, "full"))
        return true;
    v->digests = memory_zeroed(v->checkpoint->n_files, sizeof *v->digests);
    if (!v->digests)
        return error_memory(err, "hashing files");
    for (size_t i = 0; i < v->checkpoint->n_files; i++) {
        struct digest digest;
        if (!checkpoint_file_digest(v->checkpoint, i, &digest, err))
            return false;
        digest_hex(&digest, v->digests[i]);
    }
    return true;
}

/* ---- the report ---- */

static void line(const struct verify *v, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void line(const struct verify *v, const char *label, const char *format, ...)
{
    const struct command_call *call = v->call;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(call->out, "%s%-10s%s", terminal_style(&call->terminal, STYLE_CYAN), label,
            terminal_style(&call->terminal, STYLE_PLAIN));
    text_print(call->out, text, strlen(text));
    fputs("\n", call->out);
}

static void print_text(const struct verify *v)
{
    const struct checkpoint *c = v->checkpoint;
    uint64_t total = 0;
    for (size_t i = 0; i < c->n_files; i++)
        total += c->files[i].size;
    if (v->recovered)
        line(v, "recovered", "a change that was cut short was taken back");
    line(v, "structure", "%zu tensors in %zu file%s, %s", c->n_tensors, c->n_files,
         c->n_files == 1 ? "" : "s", bytes_figure(total).text);
    if (*v->why_no_shapes)
        line(v, "shapes", "not compared with a config: %s", v->why_no_shapes);
    else
        line(v, "shapes", "compared with config.json");
    line(v, "numbers", "%" PRIu64 " tensors looked through for NaN and infinities", v->scanned);
    line(v, "records", "%zu in the history", v->records);
    for (size_t i = 0; v->digests && i < c->n_files; i++)
        line(v, "SHA-256", "%s  %s", v->digests[i], c->files[i].name);
    for (size_t i = 0; i < v->n_findings; i++)
        line(v, "FOUND", "%s", v->findings[i]);
    if (v->n_findings == 0)
        fprintf(v->call->out, "%sall is well%s\n", terminal_style(&v->call->terminal, STYLE_GREEN),
                terminal_style(&v->call->terminal, STYLE_PLAIN));
}

static bool print_json(const struct verify *v, struct error *err)
{
    const struct checkpoint *c = v->checkpoint;
    struct json_write w;
    command_json_begin(v->call, &w);
    json_write_member_bool(&w, "clean", v->n_findings == 0);
    json_write_member_bool(&w, "recovered", v->recovered);
    json_write_member_u64(&w, "tensors", c->n_tensors);
    json_write_member_bool(&w, "shapes_compared", !*v->why_no_shapes);
    json_write_member_u64(&w, "records", v->records);
    json_write_key(&w, "files");
    json_write_array_begin(&w);
    for (size_t i = 0; i < c->n_files; i++) {
        json_write_object_begin(&w);
        json_write_member_string(&w, "name", c->files[i].name);
        json_write_member_u64(&w, "bytes", c->files[i].size);
        if (v->digests)
            json_write_member_string(&w, "sha256", v->digests[i]);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_key(&w, "findings");
    json_write_array_begin(&w);
    for (size_t i = 0; i < v->n_findings; i++)
        json_write_string(&w, v->findings[i]);
    json_write_array_end(&w);
    return command_json_end(v->call, &w, err);
}

/* ---- the command ---- */

static bool recover(struct verify *v, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_CHANGE, .force = option_given(v->call, "force")};
    struct checkpoint *checkpoint = NULL;
    if (!option_given(v->call, "recover"))
        return true;
    bool ok = checkpoint_open(&v->call->context, v->call->args[0], &how, &checkpoint, err);
    v->recovered = ok && checkpoint->recovered;
    checkpoint_close(checkpoint);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct verify v = {.call = call};
    struct checkpoint_options how = {.mode = CHECKPOINT_READ, .ignore_record = true};
    bool ok = recover(&v, err) && checkpoint_open(&call->context, call->args[0], &how, &v.checkpoint, err) &&
              check_shapes(&v, err) && check_records(&v, err) && check_numbers(&v, err) &&
              hash_files(&v, err);
    if (ok && v.out_of_memory)
        ok = error_memory(err, "verifying a model");
    command_quiet_progress(call);
    if (ok && call->json)
        ok = print_json(&v, err);
    else if (ok)
        print_text(&v);
    if (ok && v.n_findings)
        ok = error_set(err, v.open ? ERROR_BUSY : ERROR_ANSWER_NO, "%s: %zu finding%s", v.checkpoint->path,
                       v.n_findings, v.n_findings == 1 ? "" : "s");
    checkpoint_close(v.checkpoint);
    for (size_t i = 0; i < v.n_findings; i++)
        free(v.findings[i]);
    free(v.findings);
    free(v.digests);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet verify gemma3", "is the model whole, and as its history says?"},
    {"lancet verify gemma3 --recover", "after a crash: take back what was cut short"},
    {NULL, NULL},
};

const struct command command_verify = {
    .name = "verify",
    .summary = "check a model and its history, and recover it after a crash",
    .synopsis = "MODEL",
    .help =
        "Checks the structure of every file, tensor shapes against config.json, the numbers (NaN, "
        "infinities), "
        "and that headers, sizes and changed tensors are as the records in .lancet say. Exit status 1 when "
        "something was found, 9 when a change was cut short and --recover was not given.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
