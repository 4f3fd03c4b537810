#include "inspect_commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loss.h"
#include "memory.h"
#include "prompt.h"
#include "size.h"
#include "table.h"

enum { LONGEST_TEXT = 1 << 30, STANDARD_WINDOW = 1024 };

static const char *const prefixes[] = {"every", "first", NULL};

static const struct option_row options[] = {
    {.name = "window",
     .kind = OPTION_U64,
     .value = "N",
     .help = "tokens that the model sees at once (default: its context, at most 1024)"},
    {.name = "stride",
     .kind = OPTION_U64,
     .value = "N",
     .help = "tokens from one window to the next (default: half a window)"},
    {.name = "prefix",
     .kind = OPTION_STRING,
     .value = "WHERE",
     .standard = "every",
     .choices = prefixes,
     .help =
         "which windows begin with what the tokenizer puts in front of a text (such as a beginning of text): "
         "every one, or the first only, as in Hugging Face's recipe"},
    {0}};

struct score { /* of one file, or of all */
    struct perplexity perplexity;
    uint64_t bytes; /* that the scored tokens cover */
};

static double per_token(const struct score *score)
{
    return score->perplexity.nll / (double)score->perplexity.tokens;
}

static double per_byte(const struct score *score)
{
    return score->perplexity.nll / (double)score->bytes;
}

static bool choose_windows(const struct command_call *call, const struct model *model, size_t *window,
                           size_t *stride, struct error *err)
{
    size_t context = model->config.context;
    *window = context < STANDARD_WINDOW ? context : STANDARD_WINDOW;
    if (option_given(call, "window"))
        *window = (size_t)option_u64(call, "window");
    if (*window < 2 || *window > context)
        return command_usage(call, err, "--window is %zu, expected 2 to %zu, the context of the model",
                             *window, context);
    *stride = *window / 2;
    if (option_given(call, "stride"))
        *stride = (size_t)option_u64(call, "stride");
    if (*stride < 1 || *stride > *window)
        return command_usage(call, err, "--stride is %zu, expected 1 to %zu, the window", *stride, *window);
    return true;
}

/* Scores a text whose prefix stands in front of every window, or of the text only: then it is a part of it.
 */
static bool score_prompt(const struct command_call *call, const struct opened *opened,
                         const struct prompt *prompt, size_t window, size_t stride, struct perplexity *out,
                         struct error *err)
{
    size_t n_prefix, n = prompt->tokens.n, whole;
    const uint32_t *prefix = tokenizer_prefix(opened->tokenizer, &n_prefix);
    bool every = strcmp(option_string(call, "prefix"), "every") == 0;
    if (every || !n_prefix)
        return loss_perplexity(&call->context, opened->model, prefix, n_prefix, prompt->ids, n, window,
                               stride, out, err);
    uint32_t *ids = size_add(n, n_prefix, &whole) ? memory_array(whole, sizeof *ids) : NULL;
    if (!ids)
        return error_memory(err, "scoring a text");
    memcpy(ids, prefix, n_prefix * sizeof *ids);
    memcpy(ids + n_prefix, prompt->ids, n * sizeof *ids);
    bool ok = loss_perplexity(&call->context, opened->model, NULL, 0, ids, whole, window, stride, out, err);
    free(ids);
    return ok;
}

static bool score_file(struct command_call *call, const struct opened *opened, const char *path,
                       size_t window, size_t stride, struct score *out, struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    struct prompt prompt = {0};
    bool ok = strcmp(path, "-") == 0 ? standard_input(call, &text, &n, err)
                                     : fs_read_file(call->context.fs, path, LONGEST_TEXT, &text, &n, err);
    ok = ok && prompt_of_text(opened, text, n, false, &prompt, err);
    if (ok && prompt.tokens.n < 2)
        ok = error_set(err, ERROR_USAGE, "%s: has %zu token%s, expected at least 2", path, prompt.tokens.n,
                       prompt.tokens.n == 1 ? "" : "s");
    ok = ok && score_prompt(call, opened, &prompt, window, stride, &out->perplexity, err);
    size_t n_prefix;
    tokenizer_prefix(opened->tokenizer, &n_prefix);
    if (ok) /* nothing predicts the first token, unless a prefix does */
        out->bytes += n - (n_prefix ? 0 : prompt.tokens.items[0].end);
    prompt_release(&prompt);
    free(text);
    return ok;
}

static void write_score(struct json_write *w, const char *path, const struct score *score)
{
    json_write_object_begin(w);
    if (path)
        json_write_member_string(w, "path", path);
    json_write_member_u64(w, "tokens", score->perplexity.tokens);
    json_write_member_u64(w, "bytes", score->bytes);
    json_write_member_double(w, "nll_per_token", per_token(score));
    json_write_member_double(w, "nll_per_byte", per_byte(score));
    json_write_member_double(w, "perplexity", exp(per_token(score)));
    json_write_object_end(w);
}

static bool write_json(const struct command_call *call, const struct opened *opened,
                       const struct score *scores, const struct score *total, size_t window, size_t stride,
                       struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    opened_write(opened, &w);
    json_write_member_u64(&w, "window", window);
    json_write_member_u64(&w, "stride", stride);
    json_write_member_string(&w, "prefix", option_string(call, "prefix"));
    json_write_key(&w, "files");
    json_write_array_begin(&w);
    for (unsigned i = 1; i < call->n_args; i++)
        write_score(&w, call->args[i], &scores[i - 1]);
    json_write_array_end(&w);
    json_write_key(&w, "total");
    write_score(&w, NULL, total);
    return command_json_end(call, &w, err);
}

static void add_row(struct table *table, const char *name, const struct score *score)
{
    table_cell_text(table, name, strlen(name));
    table_cell(table, "%llu", (unsigned long long)score->perplexity.tokens);
    table_cell(table, "%.4f", per_token(score));
    table_cell(table, "%.4f", per_byte(score));
    table_cell(table, "%.3f", exp(per_token(score)));
}

static bool print_table(const struct command_call *call, const struct score *scores,
                        const struct score *total, struct error *err)
{
    struct table table;
    table_init(&table, "lrrrr");
    static const char *const headings[] = {"file", "tokens", "nll/token", "nll/byte", "perplexity"};
    for (size_t i = 0; i < 5; i++)
        table_cell(&table, "%s", headings[i]);
    for (unsigned i = 1; i < call->n_args; i++)
        add_row(&table, call->args[i], &scores[i - 1]);
    if (call->n_args > 2)
        add_row(&table, "all", total);
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct score total = {0}, *scores = NULL;
    size_t window = 0, stride = 0;
    bool ok = opened_open(call, call->args[0], true, &opened, err) &&
              model_can(opened.model, ABLE_NEXT, err) && opened_need_tokenizer(&opened, err) &&
              choose_windows(call, opened.model, &window, &stride, err);
    if (!ok)
        goto out;
    scores = memory_zeroed(call->n_args, sizeof *scores);
    ok = scores || error_memory(err, "scoring texts");
    for (unsigned i = 1; ok && i < call->n_args; i++) {
        struct score *score = &scores[i - 1];
        ok = score_file(call, &opened, call->args[i], window, stride, score, err);
        total.perplexity.nll += score->perplexity.nll;
        total.perplexity.tokens += score->perplexity.tokens;
        total.bytes += score->bytes;
    }
    if (ok)
        ok = call->json ? write_json(call, &opened, scores, &total, window, stride, err)
                        : print_table(call, scores, &total, err);
out:
    free(scores);
    opened_release(&opened);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet perplexity gemma3 book.txt", "how well the model predicts a text; lower is better"},
    {NULL, NULL},
};

const struct command command_perplexity = {
    .name = "perplexity",
    .summary = "measure how well a model predicts texts",
    .synopsis = "MODEL FILE...",
    .help = "Scores every token of each text once (the first one only where the tokenizer puts something in "
            "front of "
            "it), in windows that overlap, with the longest context that the windows give it. The loss is "
            "the mean of "
            "-log p (natural logarithm), per token and per byte of the text; perplexity is its exponential "
            "per token. "
            "FILE may be - for standard input. Losses per byte can be compared between tokenizers.\n\n"
            "What a tokenizer puts in front of a text, such as a beginning of text, stands in front of every "
            "window: "
            "many models say nothing useful without. --prefix first gives the figures of the recipe in "
            "Hugging Face's "
            "documentation, where later windows lack it.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = COMMAND_ANY_ARGS,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
