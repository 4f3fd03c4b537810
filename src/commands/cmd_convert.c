#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "folder.h"
#include "gguf_convert.h"
#include "gguf_file.h"
#include "gguf_metadata.h"
#include "memory.h"
#include "model.h"
#include "numbers.h"
#include "quote.h"
#include "rows.h"

static const char *const dtypes[] = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", NULL};

static const struct option_row options[] = {
    {.name = "dtype",
     .kind = OPTION_STRING,
     .value = "TYPE",
     .choices = dtypes,
     .help = "of the matrices that are written; standard: that of most matrices, F32 for quantised ones"},
    {.name = "force", .kind = OPTION_FLAG, .help = "replace what is at OUTPUT"},
    {0}};

static const char no_tokenizer[] =
    "there is no tokenizer, or one of a kind that is not converted: OUTPUT has none";

struct job {
    struct command_call *call;
    struct model *model;
    enum dtype dtype;
    struct conversion *conversion;
    struct tensor_plan *plans; /* laid out */
    size_t *order;             /* plans[i] is the conversion's tensor order[i] */
    uint64_t done, total;
    struct folder_writer *folder;
    struct gguf_file *file;
};

/* ---- what becomes of it ---- */

/* The dtype that holds most elements. */
static enum dtype most_common(const struct checkpoint *checkpoint)
{
    uint64_t elements[DTYPE_COUNT] = {0};
    enum dtype best = DTYPE_F32;
    for (size_t i = 0; i < checkpoint->n_tensors; i++)
        elements[checkpoint->tensors[i].dtype] += checkpoint->tensors[i].elements;
    for (size_t d = 0; d < DTYPE_COUNT; d++)
        if (elements[d] > elements[best])
            best = (enum dtype)d;
    return rows_writable(best) ? best : DTYPE_F32;
}

static bool choose_dtype(struct job *job, struct error *err)
{
    const char *name = option_string(job->call, "dtype");
    const struct checkpoint *source = job->model->checkpoint;
    job->dtype = most_common(source);
    if (name)
        dtype_parse(name, &job->dtype);
    if (checkpoint_gguf(source) && !rows_writable(job->dtype))
        return command_usage(job->call, err, "safetensors has no dtype %s: F32, F16 or BF16", name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tensor_plan *const *)a)->name,
                  (*(const struct tensor_plan *const *)b)->name);
}

/* Plans as the writer wants them: by name for a folder, as they were planned for a file. */
static bool order_plans(struct job *job, bool sorted, struct error *err)
{
    const struct conversion *c = job->conversion;
    const struct tensor_plan **all = memory_array(c->n, sizeof *all);
    job->plans = memory_array(c->n, sizeof *job->plans);
    job->order = memory_array(c->n, sizeof *job->order);
    bool ok = (all && job->plans && job->order) || error_memory(err, "converting a model");
    for (size_t i = 0; ok && i < c->n; i++)
        all[i] = &c->plans[i];
    if (ok && sorted && c->n)
        qsort(all, c->n, sizeof *all, by_name);
    for (size_t i = 0; ok && i < c->n; i++) {
        job->plans[i] = *all[i];
        job->order[i] = (size_t)(all[i] - c->plans);
    }
    free(all);
    return ok;
}

static uint64_t elements_of(const struct tensor_plan *plan)
{
    uint64_t n = 1;
    for (unsigned i = 0; i < plan->rank; i++)
        n *= plan->shape[i];
    return n;
}

/* ---- writing ---- */

struct place { /* of the tensor that is written now */
    struct job *job;
    size_t plan;
};

static bool put(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    const struct place *at = user;
    struct job *job = at->job;
    (void)tensor;
    bool ok = job->folder ? folder_put(job->folder, at->plan, offset, bytes, n, err)
                          : gguf_file_put(job->file, job->plans[at->plan].offset + offset, bytes, n, err);
    job->done += n;
    context_progress(&job->call->context, "converting", job->done, job->total);
    return ok;
}

static bool write_tensors(struct job *job, struct error *err)
{
    size_t n = job->conversion->n;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes;
        if (dtype_bytes(job->plans[i].dtype, elements_of(&job->plans[i]), &bytes))
            job->total += bytes;
    }
    for (size_t k = 0; k < n; k++) {
        struct place at = {job, job->folder ? folder_order(job->folder)[k] : k};
        if (!conversion_run(&job->call->context, job->conversion, job->order[at.plan], put, &at, err))
            return false;
    }
    return true;
}

/* The config of a GGUF, which lancet wrote itself, with what the new folder makes of it. As text: cJSON would
 * write 30.0 as 30. */
static bool make_config(const struct job *job, char **out, struct error *err)
{
    static const char *const torch[] = {
        [DTYPE_F32] = "float32", [DTYPE_F16] = "float16", [DTYPE_BF16] = "bfloat16"};
    static const char tied[] = "\"tie_word_embeddings\": ";
    struct str s = {0};
    char *text, *value, *rest, *last;
    size_t n;
    bool head = false;
    if (!checkpoint_companion(job->model->checkpoint, "config.json", &text, &n, err))
        return false;
    for (size_t i = 0; i < job->conversion->n; i++)
        head = head || strcmp(job->conversion->plans[i].name, "lm_head.weight") == 0;
    value = strstr(text, tied) + strlen(tied);
    rest = value + strcspn(value, ",\n}");
    last = strrchr(text, '}');
    str_append_bytes(&s, text, (size_t)(value - text));
    str_append(&s, head ? "false" : "true");
    while (last > rest && (last[-1] == '\n' || last[-1] == ' '))
        last--;
    str_append_bytes(&s, rest, (size_t)(last - rest));
    str_printf(&s, ",\n  \"dtype\": \"%s\"\n}\n", torch[job->dtype]);
    free(text);
    if (!s.failed)
        *out = str_take(&s);
    bool ok = *out || error_memory(err, "making a config");
    str_release(&s);
    return ok;
}

static bool write_folder(struct job *job, const char *directory, struct error *err)
{
    const struct checkpoint *source = job->model->checkpoint;
    char *config = NULL, *tokenizer = NULL, *template = NULL;
    size_t tokenizer_bytes = 0, template_bytes = 0, n_texts = 1;
    bool ok = order_plans(job, true, err) && make_config(job, &config, err) &&
              gguf_metadata_tokenizer(checkpoint_gguf(source), &tokenizer, &tokenizer_bytes, err) &&
              checkpoint_companion(source, "chat_template.jinja", &template, &template_bytes, err);
    struct folder_text texts[3] = {{"config.json", config, config ? strlen(config) : 0}};
    if (tokenizer)
        texts[n_texts++] = (struct folder_text){"tokenizer.json", tokenizer, tokenizer_bytes};
    if (template)
        texts[n_texts++] = (struct folder_text){"chat_template.jinja", template, template_bytes};
    struct folder_layout layout = {.tensors = job->plans,
                                   .n_tensors = job->conversion->n,
                                   .texts = texts,
                                   .n_texts = n_texts,
                                   .inputs = &source,
                                   .n_inputs = 1};
    ok = ok &&
         folder_begin_layout(&job->call->context, source, &layout, directory,
                             option_given(job->call, "force"), &job->folder, err) &&
         write_tensors(job, err) && folder_commit(job->folder, err);
    folder_free(job->folder);
    if (ok && !tokenizer)
        command_note(job->call, "%s", no_tokenizer);
    free(config);
    free(tokenizer);
    free(template);
    return ok;
}

/* What was written is called by its temporary name in what went wrong. */
static void blame_source(const struct job *job, struct error *err)
{
    const char *why = strstr(err->text, "\": ");
    char text[sizeof err->text];
    snprintf(text, sizeof text, "%s", why ? why + 3 : err->text);
    gguf_metadata_refuse(job->model, text, err);
}

/* What was written, opened as any model is: every tensor there, and the config the same. */
static bool check_file(const struct job *job, struct error *err)
{
    const struct context *context = &job->call->context;
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    struct model *model = NULL;
    bool ok = checkpoint_open(context, gguf_file_path(job->file), &how, &checkpoint, err);
    if (ok && !model_open(context, checkpoint, &model, err)) {
        ok = false;
        if (err->kind == ERROR_MISMATCH || err->kind == ERROR_FORMAT)
            blame_source(job, err);
    }
    ok = ok && gguf_metadata_check(job->model, model, err);
    model_close(model);
    checkpoint_close(checkpoint);
    return ok;
}

static bool write_file(struct job *job, const char *path, struct error *err)
{
    struct gguf_values values = {0};
    bool tokenizer = false;
    bool ok = order_plans(job, false, err) && gguf_metadata_put(job->model, job->dtype, &values, err) &&
              gguf_metadata_put_tokenizer(job->model, &values, &tokenizer, err) &&
              gguf_file_begin(&job->call->context, path, option_given(job->call, "force"), job->plans,
                              job->conversion->n, &values, &job->file, err) &&
              write_tensors(job, err) && check_file(job, err) && gguf_file_commit(job->file, err);
    gguf_file_free(job->file);
    str_release(&values.text);
    if (ok && !tokenizer)
        command_note(job->call, "%s", no_tokenizer);
    return ok;
}

/* ---- the command ---- */

static bool ends_with_gguf(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".gguf") == 0;
}

static bool convert(struct job *job, const char *output, struct error *err)
{
    bool from_gguf = checkpoint_gguf(job->model->checkpoint) != NULL;
    if (from_gguf == ends_with_gguf(output))
        return command_usage(job->call, err,
                             from_gguf ? "%s is a GGUF file already: OUTPUT is a folder"
                                       : "%s is no GGUF file: OUTPUT is one, NAME.gguf",
                             quote(job->model->checkpoint->path).text);
    if (!choose_dtype(job, err) || !conversion_plan(job->model, job->dtype, &job->conversion, err))
        return false;
    if (job->conversion->n_fallback)
        command_note(job->call, "rows of %zu matrices do not fill blocks of %s, so they are F16: %s%s",
                     job->conversion->n_fallback, dtype_facts(job->dtype)->name,
                     quote(job->conversion->fallback).text,
                     job->conversion->n_fallback > 1 ? " and others" : "");
    return from_gguf ? write_folder(job, output, err) : write_file(job, output, err);
}

static bool print_done(const struct job *job, const char *output, struct error *err)
{
    const struct command_call *call = job->call;
    if (call->json) {
        struct json_write w;
        command_json_begin(call, &w);
        json_write_member_string(&w, "output", output);
        json_write_member_string(&w, "dtype", dtype_facts(job->dtype)->name);
        json_write_member_u64(&w, "tensors", job->conversion->n);
        json_write_member_u64(&w, "bytes", job->done);
        return command_json_end(call, &w, err);
    }
    struct str s = {0};
    str_append(&s, "wrote ");
    str_append_escaped(&s, output, strlen(output));
    str_printf(&s, ": %zu tensors, matrices in %s, ", job->conversion->n, dtype_facts(job->dtype)->name);
    text_bytes(&s, job->done);
    bool ok = !s.failed || error_memory(err, "telling what was written");
    if (ok)
        fprintf(call->out, "%s\n", s.data);
    str_release(&s);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    struct job job = {.call = call};
    bool ok = checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err) &&
              checkpoint_is_plain(checkpoint, err) &&
              model_open(&call->context, checkpoint, &job.model, err) && convert(&job, call->args[1], err);
    command_quiet_progress(call);
    ok = ok && print_done(&job, call->args[1], err);
    conversion_free(job.conversion);
    free(job.plans);
    free(job.order);
    model_close(job.model);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet convert smollm2 smollm2-q8.gguf --dtype Q8_0", "a GGUF for llama.cpp"},
    {"lancet convert smollm2.gguf smollm2-hf --dtype BF16", "a folder for transformers"},
    {NULL, NULL},
};

const struct command command_convert = {
    .name = "convert",
    .summary = "write a model as GGUF, or a GGUF as a folder",
    .synopsis = "MODEL OUTPUT",
    .help =
        "A folder or safetensors file becomes OUTPUT.gguf, a GGUF becomes the folder OUTPUT, with names, "
        "rows "
        "and norms as the other form has them.\n\n"
        "F32, F16 and BF16 go there and back byte for byte, but for Gemma's norms, which a GGUF stores + 1. "
        "Matrices whose rows do not fill the blocks of a quantised type are written in F16; vectors, norms "
        "and "
        "positions of a GGUF are always F32. Numbers that are quantised are what llama.cpp's reference makes "
        "of "
        "them without an importance matrix.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
