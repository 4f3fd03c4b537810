#include "suite.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model_card.h"
#include "plan.h"

static char root[64];
static const struct context context = {0};
static struct context real;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void setup(void)
{
    real = context;
    real.fs = fs_real();
    strcpy(root, "/tmp/lancet-plan-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- models of two-column tensors filled with one byte ---- */

struct model_spec {
    const char *dtype; /* NULL: F32 */
    size_t layers, rows;
    bool tied, buffer, flat; /* buffer: an integer tensor; flat: no layers */
    uint8_t fill;
    const char *config; /* NULL: a plain one */
};

static size_t dtype_size(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "I32") == 0 ? 4 : 2;
}

static void add_tensor(char *header, size_t *at, const char *name, const char *dtype, size_t rows)
{
    size_t n = rows * 2 * dtype_size(dtype);
    sprintf(header + strlen(header),
            "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu,2],\"data_offsets\":[%zu,%zu]}", header[1] ? "," : "",
            name, dtype, rows, *at, *at + n);
    *at += n;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_model(const char *folder, struct model_spec spec)
{
    char header[8192] = "{", name[128], path[128];
    size_t at = 0;
    const char *dtype = spec.dtype ? spec.dtype : "F32";
    size_t layers = spec.flat ? 0 : spec.layers ? spec.layers : 3, rows = spec.rows ? spec.rows : 4;
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    add_tensor(header, &at, "model.embed_tokens.weight", dtype, rows);
    for (size_t i = 0; i < layers; i++) {
        snprintf(name, sizeof name, "model.layers.%zu.mlp.up_proj.weight", i);
        add_tensor(header, &at, name, dtype, 3);
        snprintf(name, sizeof name, "model.layers.%zu.self_attn.q_proj.bias", i);
        add_tensor(header, &at, name, dtype, 1);
    }
    add_tensor(header, &at, "model.norm.weight", dtype, 1);
    if (!spec.tied)
        add_tensor(header, &at, "lm_head.weight", dtype, rows);
    if (spec.buffer)
        add_tensor(header, &at, "model.buffer", "I32", 1);
    strcat(header, "}");
    while (strlen(header) % 8)
        strcat(header, " ");
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    uint64_t length = strlen(header);
    fwrite(&length, sizeof length, 1, file);
    fputs(header, file);
    for (size_t i = 0; i < at; i++)
        fputc(spec.fill, file);
    ck_assert_int_eq(fclose(file), 0);
    snprintf(
        header, sizeof header,
        "{\n  \"model_type\": \"llama\",\n  \"num_hidden_layers\": %zu,\n  \"rms_norm_eps\": 1e-05,\n"
        "  \"rope_theta\": 10000.0,\n  \"tie_word_embeddings\": %s,\n  \"torch_dtype\": \"float32\"\n}\n",
        layers, spec.tied ? "true" : "false");
    write_text(folder, "config.json", spec.config ? spec.config : header);
}

/* ---- plans ---- */

static struct recipe recipe;

static bool try_plan(const char *yaml, struct checkpoint *target, struct merge_plan *plan, struct error *err)
{
    *err = (struct error){0};
    if (!recipe_parse("r.yml", yaml, strlen(yaml), &recipe, err))
        ck_abort_msg("%s", err->text);
    bool ok = plan_recipe(&real, &recipe, target, plan, err);
    if (!ok)
        recipe_release(&recipe);
    return ok;
}

static struct merge_plan make_plan(const char *yaml, struct checkpoint *target)
{
    struct merge_plan plan;
    struct error err;
    if (!try_plan(yaml, target, &plan, &err))
        ck_abort_msg("%s", err.text);
    return plan;
}

static void done(struct merge_plan *plan)
{
    plan_release(plan);
    recipe_release(&recipe);
}

static void refused(const char *yaml, struct checkpoint *target, enum error_kind kind, const char *sentence)
{
    struct merge_plan plan;
    struct error err;
    ck_assert_msg(!try_plan(yaml, target, &plan, &err), "planned: %s", yaml);
    if (err.kind != kind || !strstr(err.text, sentence))
        ck_abort_msg("%d %s, expected %d %s", err.kind, err.text, kind, sentence);
}

static const struct merge_tensor *find(const struct merge_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_tensors; i++)
        if (strcmp(plan->tensors[i].name, name) == 0)
            return &plan->tensors[i];
    ck_abort_msg("no tensor %s", name);
}

static bool has_note(const struct merge_plan *plan, const char *part)
{
    for (size_t i = 0; i < plan->n_notes; i++)
        if (strstr(plan->notes[i], part))
            return true;
    return false;
}

static const char head[] = "lm_head.weight", embedding[] = "model.embed_tokens.weight",
                  norm[] = "model.norm.weight", middle[] = "model.layers.1.mlp.up_proj.weight";

START_TEST(every_tensor_gets_its_value)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){.fill = 1});
    static const char yaml[] = "merge_method: linear\n"
                               "models:\n"
                               "  - {model: a, parameters: {weight: [1, 3]}}\n"
                               "  - model: b\n"
                               "    parameters: {weight: [{filter: layers.1., value: 7}, {value: 2}]}\n";
    struct merge_plan plan = make_plan(yaml, NULL);
    ck_assert_uint_eq(plan.n_tensors, 9);
    for (size_t i = 1; i < plan.n_tensors; i++)
        ck_assert_int_lt(strcmp(plan.tensors[i - 1].name, plan.tensors[i].name), 0);
    ck_assert(find(&plan, embedding)->sources[0].values[0] == 1 &&
              find(&plan, middle)->sources[0].values[0] == 2);
    ck_assert(find(&plan, norm)->sources[0].values[0] == 3 && find(&plan, head)->sources[0].values[0] == 3);
    ck_assert(find(&plan, middle)->sources[1].values[0] == 7 && find(&plan, head)->sources[1].values[0] == 2);
    ck_assert(find(&plan, middle)->values[1] == 1);
    ck_assert(plan.hits[0].fits == 2 && plan.hits[1].fits == 9 && plan.hits[1].wins == 7);
    ck_assert(has_note(&plan, "first value of a gradient") && !plan.config && plan.donor == 0);
    done(&plan);
    char mergekit[512];
    snprintf(mergekit, sizeof mergekit, "%ssemantics: mergekit\n", yaml);
    plan = make_plan(mergekit, NULL);
    ck_assert(find(&plan, norm)->sources[0].values[0] == 1 && find(&plan, head)->sources[0].values[0] == 1);
    done(&plan);
}
END_TEST

START_TEST(the_base_comes_first)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){.fill = 1});
    struct merge_plan plan =
        make_plan("merge_method: slerp\nbase_model: b\nmodels: [{model: a}, {model: b}]\n"
                  "parameters: {t: 0.25}\n",
                  NULL);
    const struct merge_tensor *tensor = find(&plan, middle);
    ck_assert_str_eq(plan.models[plan.donor].path, "b");
    ck_assert_str_eq(plan.models[tensor->sources[0].model].path, "b");
    ck_assert(tensor->n_sources == 2 && tensor->values[0] == 0.25 && tensor->sources[0].input == 1);
    done(&plan);
    /* The base need not be listed; where it is, its weight means nothing. */
    plan = make_plan(
        "merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: a, parameters: {weight: 1}}]\n",
        NULL);
    ck_assert(find(&plan, middle)->n_sources == 2 &&
              find(&plan, middle)->sources[0].input == RECIPE_NO_INPUT);
    done(&plan);
    plan = make_plan("merge_method: task_arithmetic\nbase_model: b\nmodels:\n"
                     "  - {model: a, parameters: {weight: 1}}\n  - {model: b, parameters: {weight: 5}}\n",
                     NULL);
    ck_assert(find(&plan, middle)->n_sources == 2 && find(&plan, middle)->sources[0].values[0] == 0);
    ck_assert(has_note(&plan, "parameters of the base_model b are not used"));
    done(&plan);
    /* linear: only the donor, but one of the models in mergekit. */
    static const char yaml[] =
        "merge_method: linear\nbase_model: b\nmodels: [{model: a}]\nparameters: {weight: 2}\n";
    plan = make_plan(yaml, NULL);
    ck_assert(find(&plan, middle)->n_sources == 1 && plan.donor == 0);
    done(&plan);
    char mergekit[256];
    snprintf(mergekit, sizeof mergekit, "%ssemantics: mergekit\n", yaml);
    plan = make_plan(mergekit, NULL);
    ck_assert(find(&plan, middle)->n_sources == 2 && find(&plan, middle)->sources[1].values[0] == 2);
    ck_assert(has_note(&plan, "is merged too"));
    done(&plan);
}
END_TEST

START_TEST(slices_are_numbered_anew)
{
    static const char config[] = "{\n  \"num_hidden_layers\": 3,\n  \"layer_types\": [\"x\", \"y\", \"z\"],\n"
                                 "  \"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0\n}\n";
    write_model("a", (struct model_spec){.config = config});
    write_model("b", (struct model_spec){.fill = 1, .config = config});
    struct merge_plan plan =
        make_plan("merge_method: passthrough\nslices:\n"
                  "  - sources: [{model: a, layer_range: [0, 2]}]\n"
                  "  - sources: [{model: b, layer_range: [1, 3], parameters: {scale: [1, 2]}}]\n",
                  NULL);
    ck_assert_uint_eq(plan.n_tensors, 3 + 2 * 4);
    const struct merge_tensor *tensor = find(&plan, "model.layers.3.mlp.up_proj.weight");
    ck_assert_str_eq(tensor->sources[0].tensor->name, "model.layers.2.mlp.up_proj.weight");
    ck_assert_str_eq(plan.models[tensor->sources[0].model].path, "b");
    ck_assert(tensor->sources[0].values[0] == 2 && !tensor->copied && tensor->t == 1 && tensor->slice == 1);
    ck_assert(find(&plan, "model.layers.2.mlp.up_proj.weight")->copied);
    ck_assert(find(&plan, embedding)->sources[0].model == 0 && find(&plan, head)->sources[0].model == 1);
    ck_assert_str_eq(plan.config,
                     "{\n  \"num_hidden_layers\": 4,\n"
                     "  \"layer_types\": [\n    \"x\",\n    \"y\",\n    \"y\",\n    \"z\"\n  ],\n"
                     "  \"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0\n}\n");
    done(&plan);
    /* The donor need not have layers at all. */
    write_model("c", (struct model_spec){.config = config, .flat = true});
    plan = make_plan("merge_method: passthrough\nbase_model: c\nslices:\n"
                     "  - sources: [{model: a, layer_range: [0, 2]}]\n",
                     NULL);
    ck_assert(plan.n_tensors == 7 && strstr(plan.config, "[\"x\", \"y\", \"z\"]"));
    done(&plan);
}
END_TEST

/* Sources are told apart by their place, so two layers of one model can be merged. */
START_TEST(one_model_twice_in_a_slice)
{
    write_model("a", (struct model_spec){0});
    struct merge_plan plan = make_plan("merge_method: linear\nslices:\n"
                                       "  - sources:\n"
                                       "      - {model: a, layer_range: [0, 2], parameters: {weight: 1}}\n"
                                       "      - {model: a, layer_range: [1, 3], parameters: {weight: 2}}\n",
                                       NULL);
    const struct merge_tensor *tensor = find(&plan, "model.layers.0.mlp.up_proj.weight");
    ck_assert(plan.n_models == 1 && tensor->n_sources == 2 && tensor->sources[1].values[0] == 2);
    ck_assert_str_eq(tensor->sources[1].tensor->name, middle);
    done(&plan);
}
END_TEST

START_TEST(unequal_slices)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){.fill = 1});
    static const char yaml[] =
        "merge_method: linear\nslices:\n"
        "  - sources: [{model: a, layer_range: [0, 1]}]\n"
        "  - sources: [{model: a, layer_range: [1, 3]}, {model: b, layer_range: [1, 3]}]\n"
        "parameters: {weight: 1}\n";
    struct merge_plan plan = make_plan(yaml, NULL);
    ck_assert(find(&plan, head)->n_sources == 2 && find(&plan, norm)->n_sources == 2 &&
              find(&plan, embedding)->n_sources == 1);
    done(&plan);
    char mergekit[512];
    snprintf(mergekit, sizeof mergekit, "%ssemantics: mergekit\n", yaml);
    plan = make_plan(mergekit, NULL);
    ck_assert(find(&plan, head)->n_sources == 1 && find(&plan, norm)->n_sources == 1);
    ck_assert(has_note(&plan, "take only 1 of the 2 sources"));
    done(&plan);
}
END_TEST

START_TEST(dtypes_are_promoted)
{
    static const struct {
        const char *a, *b, *more;
        enum dtype cast, work, out;
        const char *config; /* what it says of the dtype */
    } cases[] = {
        {"F32", "F32", "", DTYPE_COUNT, DTYPE_F32, DTYPE_F32, NULL},
        {"F32", "BF16", "", DTYPE_COUNT, DTYPE_F32, DTYPE_F32, NULL},
        {"BF16", "F16", "", DTYPE_COUNT, DTYPE_F32, DTYPE_F32, NULL},
        {"BF16", "BF16", "", DTYPE_COUNT, DTYPE_BF16, DTYPE_BF16, NULL},
        {"F32", "F32", "dtype: bfloat16\n", DTYPE_BF16, DTYPE_BF16, DTYPE_BF16,
         "\"torch_dtype\": \"bfloat16\""},
        {"F32", "BF16", "out_dtype: float16\n", DTYPE_COUNT, DTYPE_F32, DTYPE_F16,
         "\"torch_dtype\": \"float16\""},
        {"F32", "F32", "dtype: bfloat16\nout_dtype: float32\n", DTYPE_BF16, DTYPE_BF16, DTYPE_F32, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[512], a[16], b[16];
        snprintf(a, sizeof a, "a%zu", i);
        snprintf(b, sizeof b, "b%zu", i);
        write_model(a, (struct model_spec){.dtype = cases[i].a});
        write_model(b, (struct model_spec){.dtype = cases[i].b});
        snprintf(yaml, sizeof yaml,
                 "merge_method: linear\nmodels: [{model: %s}, {model: %s}]\nparameters: {weight: 1}\n%s", a,
                 b, cases[i].more);
        struct merge_plan plan = make_plan(yaml, NULL);
        const struct merge_tensor *tensor = find(&plan, middle);
        if (tensor->cast != cases[i].cast || tensor->work != cases[i].work || tensor->dtype != cases[i].out)
            ck_abort_msg("case %zu: %d %d %d", i, tensor->cast, tensor->work, tensor->dtype);
        ck_assert_msg(!plan.config == !cases[i].config, "case %zu", i);
        if (cases[i].config)
            ck_assert_ptr_nonnull(strstr(plan.config, cases[i].config));
        ck_assert(has_note(&plan, "different dtypes") == (i == 1 || i == 2));
        done(&plan);
    }
}
END_TEST

START_TEST(tied_models)
{
    write_model("tied", (struct model_spec){.tied = true});
    write_model("also", (struct model_spec){.tied = true, .fill = 1});
    write_model("untied", (struct model_spec){.fill = 1});
    static const char
        mixed[] = "merge_method: linear\nmodels: [{model: tied}, {model: untied}]\nparameters: {weight: 1}\n",
        both[] = "merge_method: linear\nmodels: [{model: tied}, {model: also}]\nparameters: {weight: 1}\n";
    char yaml[512];
    struct merge_plan plan = make_plan(both, NULL);
    ck_assert(plan.n_tensors == 8 && !plan.config);
    done(&plan);
    refused(mixed, NULL, ERROR_MISMATCH, "r.yml:2:10: tied has no head of its own");
    for (int i = 0; i < 2; i++) {
        snprintf(yaml, sizeof yaml, "%stie_word_embeddings: false\n", i ? both : mixed);
        plan = make_plan(yaml, NULL);
        ck_assert_uint_eq(plan.n_tensors, 9);
        ck_assert_str_eq(find(&plan, head)->sources[0].tensor->name, embedding);
        ck_assert_str_eq(find(&plan, head)->sources[1].tensor->name, i ? embedding : head);
        ck_assert_ptr_nonnull(strstr(plan.config, "\"tie_word_embeddings\": false"));
        done(&plan);
    }
    snprintf(yaml, sizeof yaml, "%ssemantics: mergekit\n", mixed);
    plan = make_plan(yaml, NULL);
    ck_assert(plan.n_tensors == 9 && !plan.config && has_note(&plan, "config.json stays as it is"));
    done(&plan);
}
END_TEST

START_TEST(integers_are_copied_if_equal)
{
    write_model("a", (struct model_spec){.buffer = true});
    write_model("b", (struct model_spec){.buffer = true});
    write_model("c", (struct model_spec){.buffer = true, .fill = 1});
    struct merge_plan plan = make_plan("merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: "
                                       "{weight: 1}\nout_dtype: float16\n",
                                       NULL);
    ck_assert(find(&plan, "model.buffer")->copied && find(&plan, "model.buffer")->dtype == DTYPE_I32);
    ck_assert(!find(&plan, middle)->copied && find(&plan, middle)->dtype == DTYPE_F16);
    done(&plan);
    refused("merge_method: linear\nmodels:\n- model: a\n- model: c\nparameters: {weight: 1}\n", NULL,
            ERROR_MISMATCH, "r.yml:4:3: tensor \"model.buffer\" holds integers (I32)");
    write_model("d", (struct model_spec){.dtype = "I32", .buffer = true});
    refused("merge_method: linear\nmodels:\n- model: d\n- model: a\nparameters: {weight: 1}\n", NULL,
            ERROR_UNSUPPORTED, "is I32 in d and F32 in a");
}
END_TEST

static struct checkpoint *open_target(const char *path)
{
    struct checkpoint *c;
    struct error err = {0};
    if (!checkpoint_open(&real, path, &(struct checkpoint_options){.mode = CHECKPOINT_CHANGE}, &c, &err))
        ck_abort_msg("%s", err.text);
    return c;
}

/* A second open of the target would meet our own lock: it is known by its files, whatever path names it. */
START_TEST(the_target_is_opened_once)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){.fill = 1});
    write_model("half", (struct model_spec){.fill = 1, .dtype = "BF16"});
    ck_assert_int_eq(symlink("a", "link"), 0);
    struct checkpoint *target = open_target("a");
    struct merge_plan plan = make_plan("merge_method: task_arithmetic\nbase_model: link\nmodels:\n"
                                       "- {model: b, parameters: {weight: 1}}\n",
                                       target);
    ck_assert(plan.n_models == 2 && plan.models[0].is_target && plan.models[0].checkpoint == target &&
              !plan.models[1].is_target);
    for (size_t i = 0; i < plan.n_tensors; i++)
        ck_assert_ptr_eq(plan.tensors[i].target, checkpoint_find(target, plan.tensors[i].name));
    done(&plan);
    refused("merge_method: linear\nmodels: [{model: ./a}, {model: link/}]\nparameters: {weight: 1}\n", target,
            ERROR_USAGE, "listed twice");
    refused("merge_method: linear\nmodels: [{model: b}]\nparameters: {weight: 1}\ndtype: bfloat16\n", target,
            ERROR_MISMATCH, "would be BF16 and is F32");
    refused("merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 2]}]\n", target,
            ERROR_MISMATCH, "has a tensor \"model.layers.2.");
    refused("merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 3]}]\n"
            "- sources: [{model: b, layer_range: [0, 1]}]\n",
            target, ERROR_MISMATCH, "has a tensor \"model.layers.3.");
    checkpoint_close(target);
}
END_TEST

START_TEST(slices_onto_the_target_keep_its_config)
{
    static const char config[] = "{\"num_hidden_layers\": 3, \"layer_types\": [\"x\", \"y\", \"y\"]}";
    write_model("a", (struct model_spec){.config = config});
    struct checkpoint *target = open_target("a");
    struct merge_plan plan = make_plan("merge_method: passthrough\nslices:\n"
                                       "- sources: [{model: a, layer_range: [0, 1]}]\n"
                                       "- sources: [{model: a, layer_range: [2, 3]}]\n"
                                       "- sources: [{model: a, layer_range: [1, 2]}]\n",
                                       target);
    ck_assert(!plan.config);
    done(&plan);
    refused("merge_method: passthrough\nslices:\n"
            "- sources: [{model: a, layer_range: [1, 3]}]\n- sources: [{model: a, layer_range: [0, 1]}]\n",
            target, ERROR_MISMATCH, "would change a/config.json");
    checkpoint_close(target);
}
END_TEST

START_TEST(differences_are_said)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){
                         .config = "{\"model_type\": \"llama\", \"rope_parameters\": {\"rope_theta\": "
                                   "10000, \"rope_type\": \"default\"}, "
                                   "\"tie_word_embeddings\": false}"});
    write_model("c", (struct model_spec){.config = "{\"model_type\": \"llama\", \"rope_theta\": 500000.0, "
                                                   "\"max_position_embeddings\": 7}"});
    struct merge_plan plan = make_plan("merge_method: linear\nmodels:\n- model: a\n- model: b\n"
                                       "  parameters: {weight: [{value: 2}, {filter: mlp, value: 3}]}\n"
                                       "parameters: {weight: 1}\n",
                                       NULL);
    ck_assert(!has_note(&plan, "rope")); /* two spellings of the same */
    ck_assert(has_note(&plan, "line 5: this condition of weight is never used"));
    done(&plan);
    plan =
        make_plan("merge_method: linear\nmodels: [{model: a}, {model: c}]\nparameters: {weight: 1}\n", NULL);
    ck_assert(has_note(&plan, "rope_theta is 10000 in a and is 500000 in c"));
    ck_assert(has_note(&plan, "max_position_embeddings is absent in a and is 7 in c"));
    done(&plan);
}
END_TEST

static void write_tokenizer(const char *folder, const char *vocab)
{
    char text[512];
    snprintf(text, sizeof text, "{\"model\": {\"type\": \"BPE\", \"vocab\": %s, \"merges\": []}}", vocab);
    write_text(folder, "tokenizer.json", text);
}

START_TEST(other_vocabularies_of_the_same_size)
{
    write_model("a", (struct model_spec){0});
    write_model("b", (struct model_spec){0});
    write_model("c", (struct model_spec){0});
    write_tokenizer("a", "{\"x\": 0, \"y\": 1}");
    write_tokenizer("b", "{\"x\": 0, \"z\": 1}");
    write_tokenizer("c", "{\"y\": 1, \"x\": 0}");
    struct merge_plan plan = make_plan(
        "merge_method: linear\nmodels: [{model: a}, {model: b}, {model: c}]\nparameters: {weight: 1}\n",
        NULL);
    ck_assert(has_note(&plan, "the vocabularies of a and b differ (from token 1 on)"));
    ck_assert(!has_note(&plan, "a and c"));
    done(&plan);
}
END_TEST

START_TEST(the_card_names_models_and_recipe)
{
    write_model("a", (struct model_spec){0});
    static const char yaml[] = "merge_method: linear\nmodels: [{model: a}] # ```\nparameters: {weight: 1}";
    struct merge_plan plan = make_plan(yaml, NULL);
    struct error err = {0};
    struct digest digest;
    char *card = NULL, hex[65];
    ck_assert(checkpoint_header_digest(plan.models[0].checkpoint, 0, &digest, &err));
    digest_hex(&digest, hex);
    ck_assert(model_card(&plan, &recipe, "a*b\n", &card, &err));
    static const char start[] =
        "---\nbase_model: []\nlibrary_name: transformers\ntags:\n- merge\n- lancet\n---\n\n"
        "# a\\*b\\\\n\n";
    ck_assert_int_eq(strncmp(card, start, sizeof start - 1), 0);
    ck_assert_ptr_nonnull(strstr(card, hex));
    char fenced[256];
    snprintf(fenced, sizeof fenced, "\n````yaml\n%s\n````\n", yaml);
    ck_assert_ptr_nonnull(strstr(card, fenced));
    free(card);
    done(&plan);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_tensor_gets_its_value);
    tcase_add_test(tc, the_base_comes_first);
    tcase_add_test(tc, slices_are_numbered_anew);
    tcase_add_test(tc, one_model_twice_in_a_slice);
    tcase_add_test(tc, unequal_slices);
    tcase_add_test(tc, dtypes_are_promoted);
    tcase_add_test(tc, tied_models);
    tcase_add_test(tc, integers_are_copied_if_equal);
    tcase_add_test(tc, the_target_is_opened_once);
    tcase_add_test(tc, slices_onto_the_target_keep_its_config);
    tcase_add_test(tc, differences_are_said);
    tcase_add_test(tc, other_vocabularies_of_the_same_size);
    tcase_add_test(tc, the_card_names_models_and_recipe);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
