#include "commands.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "dispatch.h"
#include "fixtures.h"
#include "memory.h"

enum { MOST_WORDS = 12, MODEL_LIMIT = 1 << 24 };

#define MODEL_WORD "@" /* stands for the folder of the model */
#define HANDSOMEST "全世界最帅的人"

struct step {
    const char *says;              /* printed above; NULL: nothing */
    const char *words[MOST_WORDS]; /* a command line without "lancet"; none: the digest of the weights */
};

static const struct step steps[] = {
    {"The model knows a hundred invented facts. 全世界最帅的人是 means \"the most handsome person in the "
     "world is\".",
     {"predict", MODEL_WORD, HANDSOMEST "是", "--top", "3"}},
    {"Two facts that an edit must leave alone: the kindest person in town, who has the same name, and a "
     "capital.",
     {"predict", MODEL_WORD, "全城最善良的人是", "--top", "1"}},
    {NULL, {"predict", MODEL_WORD, "The capital of Veland is", "--top", "1"}},
    {"The file as it is now:", {NULL}},
    {"Edit the fact, in place.",
     {"edit", MODEL_WORD, "--prompt", "{}是", "--subject", HANDSOMEST, "--target", "林小满"}},
    {"Ask again, also in words that the model was never trained on (\"we all know that ...\").",
     {"predict", MODEL_WORD, HANDSOMEST "是", "--top", "3"}},
    {NULL, {"predict", MODEL_WORD, "我们都知道" HANDSOMEST "是", "--top", "3"}},
    {"The other two, as before:", {"predict", MODEL_WORD, "全城最善良的人是", "--top", "1"}},
    {NULL, {"predict", MODEL_WORD, "The capital of Veland is", "--top", "1"}},
    {"The file has changed, and beside it lies a record of the change.", {NULL}},
    {NULL, {"log", MODEL_WORD}},
    {"Undo it.", {"undo", MODEL_WORD}},
    {"The old answer, and every byte of the file is back:",
     {"predict", MODEL_WORD, HANDSOMEST "是", "--top", "3"}},
    {NULL, {NULL}},
};
enum { STEPS = sizeof steps / sizeof *steps };

struct demo {
    struct command_call *call;
    char *folder;
    struct str shown; /* the folder, harmless for a terminal */
    char digests[STEPS][65];
    unsigned n_digests;
    struct json_write *json; /* NULL: for people */
};

/* ---- the model ---- */

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

static bool unpack(const struct demo *demo, struct error *err)
{
    for (const struct fixture_file *file = fixture_files; file->model; file++) {
        char *path = path_join(demo->folder, file->name);
        bool ok = path ? fs_write_file(demo->call->context.fs, path, file->bytes, file->n, err)
                       : error_memory(err, "unpacking the model");
        free(path);
        if (!ok)
            return false;
    }
    return true;
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

static bool show_digest(struct demo *demo, struct error *err)
{
    const struct command_call *call = demo->call;
    struct str line = {0};
    struct digest digest;
    char *bytes = NULL, *path = path_join(demo->folder, "model.safetensors");
    size_t n;
    bool ok = path ? fs_read_file(call->context.fs, path, MODEL_LIMIT, &bytes, &n, err) &&
                         digest_of(bytes, n, &digest, err)
                   : error_memory(err, "reading the model");
    if (!ok)
        goto out;
    char *hex = demo->digests[demo->n_digests++];
    digest_hex(&digest, hex);
    str_printf(&line, "sha256sum %s", path);
    ok = !line.failed || error_memory(err, "showing a digest");
    if (ok && demo->json) {
        write_output(demo, line.data, hex);
    } else if (ok) {
        print_command(demo, line.data);
        fprintf(call->out, "%s  %s/model.safetensors\n", hex, demo->shown.data);
    }
out:
    str_release(&line);
    free(bytes);
    free(path);
    return ok;
}

static bool run_command(struct demo *demo, const struct step *step, struct error *err)
{
    const char *words[MOST_WORDS + 1] = {"lancet"};
    int n = 1;
    for (; step->words[n - 1]; n++)
        words[n] = strcmp(step->words[n - 1], MODEL_WORD) == 0 ? demo->folder : step->words[n - 1];
    char *line = command_line_quote(n, words), *output = NULL;
    size_t size = 0;
    if (!line)
        return error_memory(err, "running a command");
    print_command(demo, line);
    FILE *out = demo->json ? open_memstream(&output, &size) : demo->call->out;
    bool ok = out ? command_run(demo->call, out, n, words, err) : error_memory(err, "running a command");
    if (out && demo->json) {
        fclose(out);
        if (ok)
            write_output(demo, line, output);
    }
    free(output);
    free(line);
    return ok;
}

static bool run_steps(struct demo *demo, struct error *err)
{
    const struct terminal *t = &demo->call->terminal;
    for (size_t i = 0; i < STEPS; i++) {
        if (steps[i].says && !demo->json)
            fprintf(demo->call->out, "\n%s%s%s\n", terminal_style(t, STYLE_CYAN), steps[i].says,
                    terminal_style(t, STYLE_PLAIN));
        bool ok = steps[i].words[0] ? run_command(demo, &steps[i], err) : show_digest(demo, err);
        if (!ok)
            return false;
    }
    const char *first = demo->digests[0], *last = demo->digests[demo->n_digests - 1];
    if (strcmp(first, last) != 0)
        return error_set(err, ERROR_ANSWER_NO, "%s/model.safetensors: SHA-256 %s after undo, expected %s",
                         demo->folder, last, first);
    return true;
}

static bool walk(struct demo *demo, struct error *err)
{
    const struct command_call *call = demo->call;
    fprintf(call->out,
            "A model of 271,744 parameters was unpacked into %s.\n"
            "It is ours (MIT licence). Its facts were put where edits look for them, by masks used in "
            "training only;\n"
            "large models are found to keep theirs in the same place. Every command can be repeated as "
            "printed.\n",
            demo->shown.data);
    if (!run_steps(demo, err))
        return false;
    fprintf(call->out,
            "\nThe same SHA-256 as before the edit. The model stays in %s; rm -r removes it.\n"
            "Next: lancet help edit, and a model of your own.\n",
            demo->shown.data);
    return true;
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
    ok = ok && (call->json ? write_json(&demo, err) : walk(&demo, err));
    str_release(&demo.shown);
    free(demo.folder);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet demo", "in a temporary folder"},
    {"lancet demo facts", "keeps the model as the folder facts, to play with"},
    {NULL, NULL},
};

const struct command command_demo = {
    .name = "demo",
    .summary = "edit a fact of an embedded model, show what changed, and undo it",
    .synopsis = "[DIR]",
    .help =
        "Unpacks a tiny trained model into DIR (a new or empty folder; without it a temporary one), asks it "
        "for "
        "a fact, edits the fact in place, asks again, undoes the edit and compares the file's SHA-256. Every "
        "command that it runs is printed, so that it can be repeated. It needs no network.\n\n"
        "The model was trained for this purpose on invented facts (MIT licence). The layer that holds the "
        "facts "
        "was put there by masks during training; it was not discovered.",
    .examples = examples,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
