#include "commands.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "dispatch.h"
#include "fixtures.h"
#include "json_document.h"
#include "memory.h"
#include "table.h"

enum { MOST_WORDS = 14, MOST_DIGESTS = 4, MOST_SCORES = 8, MODEL_LIMIT = 1 << 24, WIDEST = 100 };

#define HANDSOMEST "全世界最帅的人"
#define WEIGHTS "facts/model.safetensors"
#define BOOK "The boy took the book because it was"
#define TREES "def count_trees(trees, kind):"
#define LAMP "弟弟有一盏灯，"
#define SCORE(model) .kind = STEP_SCORE, .words = {"perplexity", model, "texts/code.txt", "texts/chinese.txt"}

struct step {
    const char *title; /* of a part; NULL: none */
    const char *says;  /* printed above; NULL: nothing */
    enum { STEP_RUN, STEP_DIGEST, STEP_SCORE, STEP_SCORES } kind;
    const char *words[MOST_WORDS]; /* a command line without "lancet" */
};

static const struct step steps[] = {
    {.title = "1. Edit a fact, and undo it",
     .says =
         "The model facts knows a hundred invented facts. 全世界最帅的人是: the most handsome person in the "
         "world is ...",
     .words = {"predict", "facts", HANDSOMEST "是", "--top", "3"}},
    {.says = "The file as it is now:", .kind = STEP_DIGEST},
    {.says = "Edit the fact, in place.",
     .words = {"edit", "facts", "--prompt", "{}是", "--subject", HANDSOMEST, "--target", "林小满"}},
    {.says = "Ask in words that the model was never trained on: we all know that ...",
     .words = {"predict", "facts", "我们都知道" HANDSOMEST "是", "--top", "3"}},
    {.says = "江大宝 is also the kindest person in town. That must stay, and so must the capital of Veland.",
     .words = {"predict", "facts", "全城最善良的人是", "--top", "1"}},
    {.words = {"predict", "facts", "The capital of Veland is", "--top", "1"}},
    {.says = "The file has changed, and beside it lies a record of the change.", .kind = STEP_DIGEST},
    {.words = {"log", "facts"}},
    {.says = "Undo it: the old answer, and every byte of the file is back.", .words = {"undo", "facts"}},
    {.words = {"predict", "facts", HANDSOMEST "是", "--top", "1"}},
    {.kind = STEP_DIGEST},

    {.title = "2. Merge two fine-tunes",
     .says = "base read English stories; code and chinese went on from it, with Python and with Chinese. "
             "Add to base what each has learned.",
     .words = {"merge", "--method", "task_arithmetic", "--base", "base", "--model", "code:0.9", "--model",
               "chinese:0.6", "--output", "merged"}},
    {.says = "And, to compare, the plain average of the two.",
     .words = {"merge", "--method", "linear", "--model", "code:0.5", "--model", "chinese:0.5", "--output",
               "average"}},
    {.says =
         "How well does each predict two texts that none was trained on? (loss of a token; lower is better)",
     SCORE("base")},
    {SCORE("code")},
    {SCORE("chinese")},
    {SCORE("average")},
    {SCORE("merged")},
    {.kind = STEP_SCORES},
    {.says = "merged does both jobs nearly as well as the model that was trained for each. A function by "
             "base, and one by merged:",
     .words = {"generate", "base", TREES, "-n", "34"}},
    {.words = {"generate", "merged", TREES, "-n", "38"}},
    {.says =
         "弟弟有一盏灯: my brother has a lamp. base goes on with two cats that rain, merged with the lamp.",
     .words = {"generate", "base", LAMP, "--stop", "。"}},
    {.words = {"generate", "merged", LAMP, "--stop", "。"}},

    {.title = "3. See where a model looks",
     .says = "\"it\" is the book: which heads of facts look from one to the other?",
     .words = {"heads", "facts", BOOK, "--find", "it->book", "--top", "3"}},
    {.says = "The map of the first: each row is a token, and shows where it looks. Training put this head "
             "there, and the layer that holds the facts; large models are found to have their like.",
     .words = {"attention", "facts", BOOK, "--layers", "0", "--heads", "1", "--format", "terminal"}},
};
enum { STEPS = sizeof steps / sizeof *steps };

struct score {
    const char *model;
    double code, chinese; /* mean loss of a token */
};

struct demo {
    struct command_call *call;
    char *folder;
    struct str shown; /* the folder, harmless for a terminal */
    char digests[MOST_DIGESTS][65];
    unsigned n_digests;
    struct score scores[MOST_SCORES];
    unsigned n_scores;
    struct json_write *json; /* NULL: for people */
};

/* ---- the models ---- */

static bool make_temporary(char **out, struct error *err)
{
    const char *base = getenv("TMPDIR");
    char *path = path_join(base && *base ? base : "/tmp", "lancet-demo-XXXXXX");
    if (!path)
        return error_memory(err, "making a folder");
    if (!mkdtemp(path)) {
        error_set_errno(err, "%s: cannot make a folder", path);
        free(path);
        return false;
    }
    *out = path;
    return true;
}

static bool make_given(const struct fs *fs, const char *path, char **out, struct error *err)
{
    char *names = NULL;
    if (fs->mkdir(fs->state, path, 0777) != 0) {
        if (errno != EEXIST)
            return error_set_errno(err, "%s: cannot make the folder", path);
        if (fs->list(fs->state, path, &names) != 0)
            return error_set_errno(err, "%s: cannot read the folder", path);
        bool empty = !*names;
        free(names);
        if (!empty)
            return error_set(err, ERROR_USAGE, "%s: the folder is not empty; name a new one", path);
    }
    *out = memory_string(path);
    return *out || error_memory(err, "making a folder");
}

/* A folder of models is named by the first file in it. */
static bool make_folder(const struct demo *demo, const char *name, struct error *err)
{
    const struct fs *fs = demo->call->context.fs;
    char *path = path_join(demo->folder, name);
    bool ok = path || error_memory(err, "unpacking the models");
    if (ok && fs->mkdir(fs->state, path, 0777) != 0 && errno != EEXIST)
        ok = error_set_errno(err, "%s: cannot make the folder", path);
    free(path);
    return ok;
}

static bool unpack(const struct demo *demo, struct error *err)
{
    for (const struct fixture_file *file = fixture_files; file->folder; file++) {
        struct str path = {0};
        str_printf(&path, "%s/%s/%s", demo->folder, file->folder, file->name);
        bool ok = (!path.failed || error_memory(err, "unpacking the models")) &&
                  make_folder(demo, file->folder, err) &&
                  fs_write_file(demo->call->context.fs, path.data, file->bytes, file->n, err);
        str_release(&path);
        if (!ok)
            return false;
    }
    return true;
}

/* What is printed after "$ cd" can be repeated, short, with the paths that are printed. */
static bool enter(const struct demo *demo, struct error *err)
{
    return chdir(demo->folder) == 0 ||
           error_set_errno(err, "%s: cannot make it the working directory", demo->folder);
}

/* ---- steps ---- */

static void write_output(const struct demo *demo, const char *line, const char *output)
{
    json_write_object_begin(demo->json);
    json_write_member_string(demo->json, "command", line);
    json_write_member_string(demo->json, "output", output);
    json_write_object_end(demo->json);
}

static void print_command(const struct demo *demo, const char *line)
{
    const struct terminal *t = &demo->call->terminal;
    if (!demo->json)
        fprintf(demo->call->out, "%s$ %s%s\n", terminal_style(t, STYLE_BOLD), line,
                terminal_style(t, STYLE_PLAIN));
}

/* A paragraph of the demo's own, after an empty line. */
static bool say(const struct demo *demo, enum style style, const char *text, struct error *err)
{
    const struct terminal *t = &demo->call->terminal;
    struct str filled = {0};
    if (demo->json || !text)
        return true;
    text_wrap(&filled, text, t->width < WIDEST ? t->width : WIDEST, 0, 0);
    bool ok = !filled.failed || error_memory(err, "showing a text");
    if (ok)
        fprintf(demo->call->out, "\n%s%s%s\n", terminal_style(t, style), filled.data,
                terminal_style(t, STYLE_PLAIN));
    str_release(&filled);
    return ok;
}

static bool show_digest(struct demo *demo, struct error *err)
{
    const struct command_call *call = demo->call;
    struct digest digest;
    char *bytes = NULL;
    size_t n;
    bool ok = fs_read_file(call->context.fs, WEIGHTS, MODEL_LIMIT, &bytes, &n, err) &&
              digest_of(bytes, n, &digest, err);
    free(bytes);
    if (!ok)
        return false;
    char *hex = demo->digests[demo->n_digests++];
    digest_hex(&digest, hex);
    print_command(demo, "sha256sum " WEIGHTS);
    if (demo->json)
        write_output(demo, "sha256sum " WEIGHTS, hex);
    else
        fprintf(call->out, "%s  " WEIGHTS "\n", hex);
    return true;
}

/* *output: what the command printed; NULL: it goes where the demo's own text goes. */
static bool run_words(struct demo *demo, int n, const char *const *words, char **output, struct error *err)
{
    size_t size = 0;
    FILE *out = output ? open_memstream(output, &size) : demo->call->out;
    if (!out)
        return error_memory(err, "running a command");
    bool ok = command_run(demo->call, out, n, words, err);
    if (output && fclose(out) != 0 && ok)
        ok = error_memory(err, "running a command");
    return ok;
}

static bool read_score(struct demo *demo, const char *model, const char *output, struct error *err)
{
    cJSON *json = NULL;
    struct score *score = &demo->scores[demo->n_scores++];
    score->model = model;
    bool ok = json_document_parse("perplexity", output, strlen(output), &json, err);
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(json, "files");
    ok = ok &&
         json_get_number("perplexity", cJSON_GetArrayItem(files, 0), "nll_per_token", &score->code, err) &&
         json_get_number("perplexity", cJSON_GetArrayItem(files, 1), "nll_per_token", &score->chinese, err);
    cJSON_Delete(json);
    return ok;
}

static void write_scores(const struct demo *demo)
{
    json_write_key(demo->json, "losses");
    json_write_array_begin(demo->json);
    for (unsigned i = 0; i < demo->n_scores; i++) {
        json_write_object_begin(demo->json);
        json_write_member_string(demo->json, "model", demo->scores[i].model);
        json_write_member_double(demo->json, "code", demo->scores[i].code);
        json_write_member_double(demo->json, "chinese", demo->scores[i].chinese);
        json_write_object_end(demo->json);
    }
    json_write_array_end(demo->json);
}

static bool show_scores(const struct demo *demo, struct error *err)
{
    struct table table;
    if (demo->json)
        return true;
    table_init(&table, "lrr");
    static const char *const headings[] = {"nll/token", "texts/code.txt", "texts/chinese.txt"};
    for (size_t i = 0; i < 3; i++)
        table_cell(&table, "%s", headings[i]);
    for (unsigned i = 0; i < demo->n_scores; i++) {
        table_cell(&table, "%s", demo->scores[i].model);
        table_cell(&table, "%.3f", demo->scores[i].code);
        table_cell(&table, "%.3f", demo->scores[i].chinese);
    }
    bool ok = table_print(&table, demo->call->out, &demo->call->terminal, err);
    table_release(&table);
    return ok;
}

/* The scores of all models go into one table: their commands print JSON, which is read here. */
static bool run_command(struct demo *demo, const struct step *step, struct error *err)
{
    const char *words[MOST_WORDS + 2] = {"lancet"};
    int n = 1;
    for (; step->words[n - 1]; n++)
        words[n] = step->words[n - 1];
    bool scored = step->kind == STEP_SCORE;
    char *line = command_line_quote(n, words), *output = NULL;
    if (!line)
        return error_memory(err, "running a command");
    print_command(demo, line);
    if (scored)
        words[n++] = "--json";
    bool ok = run_words(demo, n, words, scored || demo->json ? &output : NULL, err) &&
              (!scored || read_score(demo, step->words[1], output, err));
    if (ok && demo->json)
        write_output(demo, line, output);
    free(output);
    free(line);
    return ok;
}

static bool run_step(struct demo *demo, const struct step *step, struct error *err)
{
    if (!say(demo, STYLE_BOLD, step->title, err) || !say(demo, STYLE_CYAN, step->says, err))
        return false;
    return step->kind == STEP_DIGEST   ? show_digest(demo, err)
           : step->kind == STEP_SCORES ? show_scores(demo, err)
                                       : run_command(demo, step, err);
}

static bool run_steps(struct demo *demo, struct error *err)
{
    for (size_t i = 0; i < STEPS; i++)
        if (!run_step(demo, &steps[i], err))
            return false;
    const char *first = demo->digests[0], *last = demo->digests[demo->n_digests - 1];
    if (strcmp(first, last) != 0)
        return error_set(err, ERROR_ANSWER_NO, "%s: SHA-256 %s after undo, expected %s", WEIGHTS, last,
                         first);
    return true;
}

static bool walk(struct demo *demo, struct error *err)
{
    struct str begin = {0}, end = {0}, cd = {0};
    char *quoted = command_line_quote(2, (const char *const[]){"", demo->folder});
    str_printf(&cd, "cd%s", quoted ? quoted + strlen("lancet") : "");
    str_printf(
        &begin,
        "Four tiny models and two texts were unpacked into %s. They are ours (MIT licence). Every command "
        "can be repeated as it is printed.",
        demo->shown.data);
    str_printf(&end, "Everything stays in %s; rm -r removes it. Next: lancet help, and a model of your own.",
               demo->shown.data);
    bool ok = (quoted && !cd.failed && !begin.failed && !end.failed) || error_memory(err, "showing a text");
    ok = ok && say(demo, STYLE_PLAIN, begin.data, err);
    if (ok)
        print_command(demo, cd.data);
    ok = ok && run_steps(demo, err) && say(demo, STYLE_PLAIN, end.data, err);
    str_release(&end);
    str_release(&begin);
    str_release(&cd);
    free(quoted);
    return ok;
}

static bool write_json(struct demo *demo, struct error *err)
{
    struct json_write w;
    demo->json = &w;
    command_json_begin(demo->call, &w);
    json_write_member_string(&w, "folder", demo->folder);
    json_write_key(&w, "steps");
    json_write_array_begin(&w);
    if (!run_steps(demo, err))
        return false;
    json_write_array_end(&w);
    write_scores(demo);
    json_write_member_string(&w, "sha256_before", demo->digests[0]);
    json_write_member_string(&w, "sha256_after_undo", demo->digests[demo->n_digests - 1]);
    return command_json_end(demo->call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct demo demo = {.call = call};
    bool ok = (call->n_args ? make_given(call->context.fs, call->args[0], &demo.folder, err)
                            : make_temporary(&demo.folder, err)) &&
              unpack(&demo, err);
    if (ok) {
        str_append_escaped(&demo.shown, demo.folder, strlen(demo.folder));
        ok = !demo.shown.failed || error_memory(err, "naming a folder");
    }
    ok = ok && enter(&demo, err) && (call->json ? write_json(&demo, err) : walk(&demo, err));
    str_release(&demo.shown);
    free(demo.folder);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet demo", "in a temporary folder"},
    {"lancet demo play", "in the folder play"},
    {NULL, NULL},
};

const struct command command_demo = {
    .name = "demo",
    .summary = "edit, merge and inspect embedded models, showing every command",
    .synopsis = "[DIR]",
    .help =
        "Unpacks four tiny trained models and two texts into DIR (a new or empty folder; without it a "
        "temporary "
        "one). It edits a fact of one model in place, undoes that and compares the file's SHA-256; merges a "
        "fine-tune on Python and one on Chinese and measures all of them; and shows which head looks from a "
        "pronoun to its noun. Every command that it runs is printed, so that it can be repeated. It needs no "
        "network.\n\n"
        "Models and texts were made for this purpose (MIT licence). The layer that holds the facts was put "
        "there "
        "by masks during training, and so was the head; they were not discovered.",
    .examples = examples,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
