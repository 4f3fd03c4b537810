/* The models of a recipe, each opened once, whatever paths name it: a second description of the target would
 * meet our own lock. */
#include <stdlib.h>
#include <string.h>

#include "json_document.h"
#include "model_files.h"
#include "plan_build.h"
#include "quote.h"
#include "str.h"

struct identity {
    dev_t device;
    ino_t inode;
};

static bool error_at(struct planner *p, struct recipe_place place)
{
    struct error inner = *p->err;
    return recipe_error(p->recipe, place, inner.kind, p->err, "%s", inner.text);
}

/* How many of a checkpoint's files are among these. */
static size_t shared_files(const struct checkpoint *c, const struct identity *files, size_t n)
{
    size_t shared = 0;
    for (size_t i = 0; i < c->n_files; i++)
        for (size_t j = 0; j < n; j++)
            if (c->files[i].device == files[j].device && c->files[i].inode == files[j].inode) {
                shared++;
                break;
            }
    return shared;
}

static bool identify(struct planner *p, const char *path, struct arena *scratch, struct identity **out,
                     size_t *n)
{
    const struct fs *fs = p->context->fs;
    struct model_files files;
    if (!model_files_find(fs, path, scratch, &files, p->err))
        return false;
    struct identity *list = arena_array(scratch, files.n_names, sizeof *list);
    if (!list)
        return plan_memory(p);
    for (size_t i = 0; i < files.n_names; i++) {
        struct stat st;
        char *name = path_join(files.folder, files.names[i]);
        if (!name)
            return plan_memory(p);
        bool ok = fs->stat(fs->state, name, &st) == 0 || error_set_errno(p->err, "%s", quote(name).text);
        free(name);
        if (!ok)
            return false;
        list[i] = (struct identity){st.st_dev, st.st_ino};
    }
    *out = list;
    *n = files.n_names;
    return true;
}

/* mergekit's "path+lora" and "path@revision", unless something of that very name is there. */
static bool refuse_reference(struct planner *p, const char *path)
{
    struct stat st;
    const char *mark = strpbrk(path, "+@");
    if (!mark || p->context->fs->stat(p->context->fs->state, path, &st) == 0)
        return true;
    return error_set(p->err, ERROR_UNSUPPORTED, "%s: %s not supported yet", quote(path).text,
                     *mark == '+' ? "LoRA adapters in a recipe are" : "revisions of a model are");
}

static bool open_one(struct planner *p, const char *path, struct merge_model *model)
{
    static const struct checkpoint_options how = {.mode = CHECKPOINT_READ};
    struct arena scratch = {0};
    struct identity *files = NULL;
    size_t n = 0, shared;
    bool ok = refuse_reference(p, path) && identify(p, path, &scratch, &files, &n);
    if (!ok)
        goto out;
    shared = p->target ? shared_files(p->target, files, n) : 0;
    if (shared && (shared < n || shared < p->target->n_files)) {
        ok = error_set(p->err, ERROR_USAGE, "%s shares some of its files with %s, which the merge goes into",
                       quote(path).text, quote(p->target->path).text);
    } else if (shared)
        *model = (struct merge_model){.path = path, .checkpoint = p->target, .is_target = true};
    else {
        *model = (struct merge_model){.path = path};
        ok = checkpoint_open(p->context, path, &how, &model->checkpoint, p->err);
    }
out:
    arena_release(&scratch);
    return ok;
}

static bool same_files(const struct checkpoint *a, const struct checkpoint *b)
{
    if (a == b)
        return true;
    if (a->n_files != b->n_files)
        return false;
    for (size_t i = 0; i < a->n_files; i++) {
        struct identity file = {a->files[i].device, a->files[i].inode};
        if (shared_files(b, &file, 1) == 0)
            return false;
    }
    return true;
}

/* The index of the model that `path` names, opening it if it is new. */
static bool find_model(struct planner *p, const char *path, struct recipe_place place, size_t *out)
{
    struct merge_plan *plan = p->plan;
    for (size_t i = 0; i < plan->n_models; i++)
        if (strcmp(plan->models[i].path, path) == 0) {
            *out = i;
            return true;
        }
    const char *copy = arena_copy(&plan->arena, path, strlen(path));
    struct merge_model model;
    if (!copy)
        return plan_memory(p);
    if (!open_one(p, copy, &model))
        return error_at(p, place);
    for (size_t i = 0; i < plan->n_models; i++)
        if (same_files(plan->models[i].checkpoint, model.checkpoint)) {
            if (!model.is_target)
                checkpoint_close(model.checkpoint);
            *out = i;
            return true;
        }
    *out = plan->n_models;
    p->places[plan->n_models] = place;
    plan->models[plan->n_models++] = model;
    return true;
}

static bool open_slice(struct planner *p, size_t index, size_t *models)
{
    const struct recipe_slice *slice = &p->recipe->slices[index];
    p->slice_bases[index] = p->base;
    if (slice->base && !find_model(p, slice->base, slice->base_place, &p->slice_bases[index]))
        return false;
    for (size_t i = 0; i < slice->n_inputs; i++)
        if (!find_model(p, slice->inputs[i].model, slice->inputs[i].place, &models[i]))
            return false;
    return true;
}

bool plan_open_models(struct planner *p)
{
    const struct recipe *recipe = p->recipe;
    struct merge_plan *plan = p->plan;
    size_t n = 0, at = 0;
    for (size_t i = 0; i < recipe->n_slices; i++)
        n += recipe->slices[i].n_inputs;
    plan->models = arena_array(&plan->arena, n + recipe->n_slices + 1, sizeof *plan->models);
    p->input_models = arena_array(&plan->arena, n, sizeof *p->input_models);
    p->slice_bases = arena_array(&plan->arena, recipe->n_slices, sizeof *p->slice_bases);
    p->places = arena_array(&plan->arena, n + recipe->n_slices + 1, sizeof *p->places);
    if (!plan->models || !p->places || !p->input_models || !p->slice_bases)
        return plan_memory(p);
    p->base = RECIPE_NO_INPUT;
    if (recipe->base && !find_model(p, recipe->base, recipe->base_place, &p->base))
        return false;
    for (size_t i = 0; i < recipe->n_slices; at += recipe->slices[i++].n_inputs)
        if (!open_slice(p, i, p->input_models + at))
            return false;
    plan->donor = p->base == RECIPE_NO_INPUT ? p->input_models[0] : p->base;
    return true;
}

/* ---- what is known of each ---- */

static const struct tensor *with_end(const struct checkpoint *c, const char *const *ends)
{
    for (; *ends; ends++)
        for (size_t i = 0; i < c->n_tensors; i++) {
            size_t n = strlen(c->tensors[i].name), m = strlen(*ends);
            if (n >= m && strcmp(c->tensors[i].name + n - m, *ends) == 0)
                return &c->tensors[i];
        }
    return NULL;
}

/* By the architecture's row, or by the names that most checkpoints use. */
static void find_embedding_and_head(const struct checkpoint *c, struct model_facts *facts)
{
    static const char *const embeddings[] = {"embed_tokens.weight",    "wte.weight",
                                             "word_embeddings.weight", "tok_embeddings.weight",
                                             "embed_in.weight",        NULL};
    static const char *const heads[] = {"lm_head.weight", "embed_out.weight", NULL};
    char name[256];
    const struct architecture *a = facts->prefix ? facts->architecture : NULL;
    const struct tensor_role *row;
    for (size_t i = 0; a && (row = architecture_row(a, i)); i++) {
        const struct tensor *found;
        if ((row->role != ROLE_EMBEDDING && row->role != ROLE_HEAD) ||
            !architecture_tensor_name(row, facts->prefix, 0, 0, name, sizeof name) ||
            !(found = checkpoint_find(c, name)))
            continue;
        *(row->role == ROLE_HEAD ? &facts->head : &facts->embedding) = found;
    }
    if (!facts->embedding)
        facts->embedding = with_end(c, embeddings);
    if (!facts->head)
        facts->head = with_end(c, heads);
}

static struct layer_stack *find_stack(const struct model_facts *facts, const char *name, size_t length)
{
    for (size_t i = facts->n_stacks; i-- > 0;)
        if (facts->stacks[i].length == length && memcmp(facts->stacks[i].prefix, name, length) == 0)
            return &facts->stacks[i];
    return NULL;
}

const struct layer_stack *plan_stack(const struct model_facts *facts, const char *name,
                                     const struct layer_name *parts)
{
    return find_stack(facts, name, parts->prefix);
}

static bool find_stacks(struct planner *p, const struct checkpoint *c, struct model_facts *facts)
{
    size_t room = 0;
    for (size_t i = 0; i < c->n_tensors; i++) {
        struct layer_name parts;
        const char *name = c->tensors[i].name;
        if (!layer_name_parse(name, &parts))
            continue;
        struct layer_stack *stack = find_stack(facts, name, parts.prefix);
        if (!stack && facts->n_stacks == room) {
            room = room ? 2 * room : 4;
            struct layer_stack *more = arena_array(&p->plan->arena, room, sizeof *more);
            if (!more)
                return plan_memory(p);
            if (facts->n_stacks)
                memcpy(more, facts->stacks, facts->n_stacks * sizeof *more);
            facts->stacks = more;
        }
        if (!stack) {
            stack = &facts->stacks[facts->n_stacks++];
            *stack = (struct layer_stack){.prefix = name, .length = parts.prefix};
        }
        if (parts.layer >= stack->n_layers)
            stack->n_layers = parts.layer + 1;
    }
    return true;
}

static bool read_config(struct planner *p, const struct checkpoint *c, struct model_facts *facts)
{
    size_t n;
    const char *name = model_files_shown(c->folder, "config.json", &p->plan->arena);
    if (!name)
        return plan_memory(p);
    if (!checkpoint_companion(c, "config.json", &facts->config_text, &n, p->err))
        return false;
    if (!facts->config_text)
        return error_set(p->err, ERROR_IO, "%s has no config.json beside its weights: not a model to merge",
                         facts->shown);
    if (!json_document_parse(name, facts->config_text, n, &facts->config, p->err))
        return false;
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(facts->config, "model_type");
    facts->architecture = cJSON_IsString(type) ? architecture_find(type->valuestring) : NULL;
    facts->prefix = facts->architecture ? architecture_prefix(facts->architecture, c) : NULL;
    return true;
}

bool plan_read_facts(struct planner *p)
{
    struct merge_plan *plan = p->plan;
    p->facts = arena_array(&plan->arena, plan->n_models, sizeof *p->facts);
    if (!p->facts)
        return plan_memory(p);
    for (size_t i = 0; i < plan->n_models; i++) {
        struct checkpoint *c = plan->models[i].checkpoint;
        struct model_facts *facts = &p->facts[i];
        struct str shown = {0};
        str_append_escaped(&shown, plan->models[i].path, strlen(plan->models[i].path));
        facts->shown = shown.failed ? NULL : arena_copy(&plan->arena, shown.data, shown.length);
        str_release(&shown);
        if (!facts->shown)
            return plan_memory(p);
        if (!checkpoint_is_plain(c, p->err) || !read_config(p, c, facts))
            return error_at(p, p->places[i]);
        if (!find_stacks(p, c, facts))
            return false;
        find_embedding_and_head(c, facts);
        for (size_t w = 0; w < c->n_warnings; w++)
            if (!plan_note(p, "%s", c->warnings[w]))
                return false;
    }
    return true;
}

void plan_release_facts(struct planner *p)
{
    for (size_t i = 0; p->facts && i < p->plan->n_models; i++) {
        cJSON_Delete(p->facts[i].config);
        free(p->facts[i].config_text);
    }
}

bool plan_is_late(const struct model_facts *facts, const char *name)
{
    static const char *const early[] = {"embed", "wte", "wpe", NULL};
    static const char *const late[] = {"norm",      "head",  "ln_f",    "output",
                                       "embed_out", "score", "classif", NULL};
    char known[256];
    const struct architecture *a = facts->prefix ? facts->architecture : NULL;
    const struct tensor_role *row;
    for (size_t i = 0; a && (row = architecture_row(a, i)); i++)
        if (row->role < ROLE_FIRST_OF_LAYER &&
            architecture_tensor_name(row, facts->prefix, 0, 0, known, sizeof known) &&
            strcmp(known, name) == 0)
            return row->role >= ROLE_FIRST_AFTER_LAYERS;
    for (const char *const *word = early; *word; word++)
        if (strstr(name, *word))
            return strstr(name, "embed_out") != NULL;
    for (const char *const *word = late; *word; word++)
        if (strstr(name, *word))
            return true;
    return false;
}
