#include "inspect_commands.h"

#include <string.h>

#include "attention_dump.h"
#include "decimal.h"
#include "quote.h"

#define LARGEST_DUMP (1ull << 30)

static const struct option_row options[] = {
    {.name = "format",
     .short_name = 'f',
     .kind = OPTION_STRING,
     .value = "FORMAT",
     .help = "how the maps are written, see below"},
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "write FILE; its name tells the format where --format does not"},
    {.name = "layers", .kind = OPTION_STRING, .value = "0,3-5", .help = "these layers only"},
    {.name = "heads", .kind = OPTION_STRING, .value = "0,3-5", .help = "these heads of each layer only"},
    {.name = "tokens",
     .kind = OPTION_STRING,
     .value = "A:B",
     .help = "rows and columns of the tokens at positions A to B - 1 only"},
    {.name = "topk",
     .kind = OPTION_U64,
     .value = "K",
     .help = "of each row the K largest weights and the sum of the rest"},
    {.name = "average-heads", .kind = OPTION_FLAG, .help = "one map a layer, the mean of its heads"},
    {.name = "scores", .kind = OPTION_FLAG, .help = "the scores before softmax"},
    {.name = "digits",
     .kind = OPTION_U64,
     .value = "N",
     .standard = "6",
     .help = "significant digits of numbers in text, 1 to 9; 9 are exact"},
    {.name = "ids", PROMPT_IDS_ROW},
    {.name = "force", .kind = OPTION_FLAG, .help = "overwrite FILE; write more than 1 GiB"},
    {0}};

static bool no_writer(const struct command_call *call, const char *name, const char *file, struct error *err)
{
    struct str names = {0};
    for (size_t i = 0; attention_writers[i]; i++)
        str_printf(&names, "%s%s", i ? ", " : "", attention_writers[i]->name);
    const char *known = names.failed || !names.data ? "" : names.data;
    if (name)
        command_usage(call, err, "--format: there is no format %s, expected one of %s", quote(name).text,
                      known);
    else
        command_usage(call, err, "the name of %s tells no format, give --format, one of %s", quote(file).text,
                      known);
    str_release(&names);
    return false;
}

/* The format asked for: by name, by the file's name, by --json. */
static bool choose_writer(const struct command_call *call, const struct attention_writer **out,
                          struct error *err)
{
    const char *name = option_string(call, "format"), *file = option_string(call, "output");
    const struct attention_writer *writer = NULL;
    if (name && call->json && strcmp(name, "json") != 0)
        return command_usage(call, err, "--json and --format %s do not go together", name);
    if (name)
        writer = attention_writer_named(name);
    else if (call->json) {
        const struct attention_writer *told = file ? attention_writer_of_file(file) : NULL;
        writer = attention_writer_named("json");
        if (told && told != writer)
            return command_usage(call, err, "--json and a file of format %s do not go together", told->name);
    } else if (file)
        writer = attention_writer_of_file(file);
    else
        writer = attention_writer_named("terminal");
    if (!writer)
        return no_writer(call, name, file, err);
    *out = writer;
    return true;
}

static bool check_options(const struct command_call *call, const struct attention_writer *writer,
                          struct error *err)
{
    uint64_t digits = option_u64(call, "digits");
    if (digits < 1 || digits > DECIMAL_DIGITS)
        return command_usage(call, err, "--digits: %llu is not between 1 and %d", (unsigned long long)digits,
                             DECIMAL_DIGITS);
    if (option_given(call, "digits") && !writer->sparse)
        return command_usage(call, err, "--digits does not go with --format %s, which has no numbers as text",
                             writer->name);
    if (option_given(call, "topk") && option_u64(call, "topk") == 0)
        return command_usage(call, err, "--topk: 0 leaves nothing, expected at least 1");
    if (option_given(call, "topk") && option_given(call, "scores"))
        return command_usage(call, err, "--topk is of weights, --scores shows none");
    if (option_given(call, "topk") && !writer->sparse)
        return command_usage(call, err, "--topk does not go with --format %s, which has full squares",
                             writer->name);
    if (writer->binary && !option_given(call, "output") && call->terminal.is_tty)
        return command_usage(call, err, "--format %s is not for a terminal, write a file by -o FILE",
                             writer->name);
    return true;
}

static bool check_size(const struct command_call *call, const struct attention_shown *shown,
                       const struct attention_writer *writer, struct error *err)
{
    double bytes = writer->estimate(shown);
    if (bytes <= (double)LARGEST_DUMP || option_given(call, "force"))
        return true;
    return command_usage(call, err,
                         "the dump would have about %s, more than 1 GiB: fewer --layers, --heads or "
                         "--tokens, --average-heads%s shrink it, --force writes it all",
                         bytes_figure(bytes < 1e18 ? (uint64_t)bytes : UINT64_MAX).text,
                         writer->sparse ? " or --topk" : "");
}

static bool write_maps(struct command_call *call, const struct attention_shown *shown,
                       const struct attention_writer *writer, struct error *err)
{
    struct out_file *out = NULL;
    const char *file = option_string(call, "output");
    struct context context = call->context;
    if (!file && call->terminal.is_tty) /* what is written there is progress enough */
        context.progress = NULL;
    bool ok = check_size(call, shown, writer, err) &&
              out_file_open(context.fs, file, call->out, option_given(call, "force"), &out, err) &&
              attention_run(&context, shown, writer, out, err);
    command_quiet_progress(call);
    ok = ok && out_file_commit(out, err);
    out_file_free(out);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct prompt prompt = {0};
    struct attention_shown shown = {0};
    const struct attention_writer *writer = NULL;
    const char *file = option_string(call, "output");
    if (!choose_writer(call, &writer, err) || !check_options(call, writer, err) ||
        (file && !out_file_check(call->context.fs, file, option_given(call, "force"), err)))
        return false;
    const struct attention_wish wish = {
        .layers = option_string(call, "layers"),
        .heads = option_string(call, "heads"),
        .tokens = option_string(call, "tokens"),
        .top_k = (size_t)option_u64(call, "topk"),
        .digits = (unsigned)option_u64(call, "digits"),
        .scores = option_given(call, "scores"),
        .one_map = writer->one_map,
        .average = option_given(call, "average-heads") ? AVERAGE_HEADS : AVERAGE_NONE,
    };
    bool ok = opened_open(call, call->args[0], true, &opened, err) &&
              model_can(opened.model, ABLE_ATTENTION, err) && prompt_read(call, &opened, 1, &prompt, err) &&
              attention_choose(&opened, &prompt, &wish, &shown, err);
    if (ok) {
        shown.terminal = &call->terminal;
        ok = write_maps(call, &shown, writer, err);
    }
    attention_shown_release(&shown);
    prompt_release(&prompt);
    opened_release(&opened);
    return ok;
}

static void list_formats(struct str *out)
{
    str_append(out, "Formats:\n");
    for (size_t i = 0; attention_writers[i]; i++)
        str_printf(out, "  %-12s %s\n", attention_writers[i]->name, attention_writers[i]->summary);
}

static const struct command_example examples[] = {
    {"lancet attention smollm2 'The boy took the book' -o maps.json",
     "every map, for numpy.array(j[\"attention\"])"},
    {"lancet attention smollm2 'The boy took the book' --layers 4,9-11 --topk 3 --format json",
     "the three keys that each token of some layers looks at most"},
    {NULL, NULL},
};

const struct command command_attention = {
    .name = "attention",
    .summary = "show which tokens a model's heads look at",
    .synopsis = "MODEL PROMPT",
    .help = "A map belongs to a layer and a query head. Its rows are queries, the tokens that look; its "
            "columns are keys, the tokens that are looked at. "
            "A row sums to 1; what the model's mask hides is 0 (of --scores null, or minus infinity in "
            "binary formats).\n\n"
            "PROMPT is a text, or - for standard input; with --ids token ids are taken as they are. Maps are "
            "written while the model runs, a row at a time.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .more_help = list_formats,
    .run = run,
};
