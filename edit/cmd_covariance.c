#include "edit_commands.h"

#include <string.h>

#include "covariance.h"
#include "memory.h"
#include "numbers.h"

static const struct option_row options[] = {
    {.name = "layers",
     .short_name = 'l',
     .kind = OPTION_STRING,
     .value = "LIST",
     .help = "which layers: 3 or 3,5-7"},
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "safetensors file with C.L<layer>, the mean of k k^T"},
    {.name = "corpus",
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "a text, a line a row; or a .json file {\"rows\": [[ids], ...]}; without it text sampled from "
             "the model"},
    {.name = "tokens",
     .kind = OPTION_U64,
     .value = "N",
     .standard = "0",
     .help = "how many tokens at most; 0: all of a corpus, ten times the size of the matrix of sampled text"},
    {.name = "seed", .kind = OPTION_U64, .value = "N", .standard = "0", .help = "for what is sampled"},
    {.name = "force", .kind = OPTION_FLAG, .help = "overwrite FILE"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet covariance smollm2 --layers 3 -o smollm2-3.safetensors", "from text that the model writes"},
    {"lancet covariance smollm2 --corpus wiki.txt --tokens 30000 --layers 3,6 -o c.safetensors",
     "of two layers, from a text"},
    {NULL, NULL},
};

static bool read_layers(struct command_call *call, const struct model *model, size_t **layers, size_t *n,
                        struct error *err)
{
    struct number_list numbers = {0};
    if (!numbers_parse("--layers", option_string(call, "layers"), true, UINT32_MAX, &numbers, err))
        return false;
    size_t *list = memory_array(numbers.n, sizeof(*list));
    bool ok = list || error_memory(err, "reading --layers");
    for (size_t i = 0; ok && i < numbers.n; i++) {
        list[i] = (size_t)numbers.items[i];
        if (list[i] >= model->config.n_layers)
            ok = error_set(err, ERROR_USAGE, "layer %zu is out of range: the model has layers 0 to %zu",
                           list[i], model->config.n_layers - 1);
        for (size_t j = 0; ok && j < i; j++)
            if (list[j] == list[i])
                ok = command_usage(call, err, "--layers names layer %zu twice", list[i]);
    }
    if (ok && numbers.n == 0)
        ok = command_usage(call, err, "--layers names no layer");
    if (ok) {
        *layers = list;
        *n = numbers.n;
    } else {
        free(list);
    }
    number_list_release(&numbers);
    return ok;
}

static bool collect(struct command_call *call, const struct model *model, const struct tokenizer *tokenizer,
                    const size_t *layers, size_t n, struct error *err)
{
    struct covariance_source source = {.corpus = option_string(call, "corpus"),
                                       .seed = option_u64(call, "seed"),
                                       .tokens = (size_t)option_u64(call, "tokens")};
    const char *path = option_string(call, "output");
    struct moments *moments = memory_zeroed(n, sizeof(*moments));
    bool ok = (moments || error_memory(err, "collecting covariances")) &&
              covariance_collect(&call->context, model, tokenizer, &source, layers, n, moments, err);
    ok = ok && moments_write(&call->context, moments, n, path, err);
    if (ok && call->json) {
        struct json_write w;
        command_json_begin(call, &w);
        json_write_member_string(&w, "file", path);
        json_write_member_u64(&w, "size", moments[0].n);
        json_write_member_u64(&w, "tokens", moments[0].tokens);
        json_write_key(&w, "layers");
        json_write_array_begin(&w);
        for (size_t i = 0; i < n; i++)
            json_write_u64(&w, layers[i]);
        json_write_array_end(&w);
        ok = command_json_end(call, &w, err);
    } else if (ok) {
        command_quiet_progress(call);
        fprintf(call->out, "%s: %zu x %zu over %llu tokens, %zu layer%s\n", path, moments[0].n, moments[0].n,
                (unsigned long long)moments[0].tokens, n, n == 1 ? "" : "s");
    }
    for (size_t i = 0; moments && i < n; i++)
        moments_release(&moments[i]);
    free(moments);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint *checkpoint = NULL;
    struct model *model = NULL;
    struct tokenizer *tokenizer = NULL;
    size_t *layers = NULL, n = 0;
    const char *path = option_string(call, "output"), *corpus = option_string(call, "corpus");
    struct checkpoint_options open = {.mode = CHECKPOINT_READ};
    if (!path || !option_string(call, "layers"))
        return command_usage(call, err, "give --layers and --output");
    if (fs_exists(call->context.fs, path) && !option_given(call, "force"))
        return error_set(err, ERROR_USAGE, "%s exists; --force overwrites it", path);
    bool ok = checkpoint_open(&call->context, call->args[0], &open, &checkpoint, err) &&
              model_open(&call->context, checkpoint, &model, err) && model_can(model, ABLE_EDIT, err) &&
              read_layers(call, model, &layers, &n, err);
    /* Rows of ids, and text sampled as ids, need no tokenizer. */
    if (ok && !tokenizer_open(&call->context, checkpoint, &tokenizer, err)) {
        tokenizer = NULL;
        ok = err->kind == ERROR_UNSUPPORTED && corpus != NULL;
    }
    ok = ok && collect(call, model, tokenizer, layers, n, err);
    free(layers);
    tokenizer_close(tokenizer);
    model_close(model);
    checkpoint_close(checkpoint);
    return ok;
}

const struct command command_covariance = {
    .name = "covariance",
    .summary = "collect the covariance of MLP keys, which edits are made with",
    .synopsis = "MODEL --layers LIST --output FILE",
    .help = "Runs the model over a text and writes the uncentred second moment of the inputs of the down "
            "projection, "
            "the mean of k k^T over all tokens. 'lancet edit' collects what it needs by itself and keeps it "
            "in the "
            "cache folder; this command is for a text of your own, or to look at the matrix.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
