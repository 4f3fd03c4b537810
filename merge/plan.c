/* A recipe becomes a plan: models opened, sources of each slice chosen, tensors listed, each resolved. */
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_build.h"
#include "quote.h"
#include "size.h"

bool plan_memory(struct planner *p)
{
    return error_memory(p->err, "planning a merge");
}

bool plan_refuse(struct planner *p, size_t model, enum error_kind kind, const char *format, ...)
{
    char text[sizeof p->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return recipe_error(p->recipe, p->places[model], kind, p->err, "%s", text);
}

bool plan_note(struct planner *p, const char *format, ...)
{
    struct merge_plan *plan = p->plan;
    char text[sizeof p->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (plan->n_notes == NOTES_MOST)
        return true;
    if (!plan->notes)
        plan->notes = arena_array(&plan->arena, NOTES_MOST, sizeof *plan->notes);
    const char *copy = plan->notes ? arena_copy(&plan->arena, text, strlen(text)) : NULL;
    if (!copy)
        return plan_memory(p);
    plan->notes[plan->n_notes++] = copy;
    return true;
}

const struct recipe_input *plan_input(const struct planner *p, size_t slice, size_t input)
{
    return input == RECIPE_NO_INPUT ? NULL : &p->recipe->slices[slice].inputs[input];
}

static int compare_names(const void *a, const void *b)
{
    const struct merge_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static bool resolve_all(struct planner *p)
{
    struct merge_plan *plan = p->plan;
    for (size_t i = 0; i < plan->n_tensors; i++)
        if (!plan_resolve_tensor(p, &plan->tensors[i]))
            return false;
    return true;
}

static const struct tensor *target_tensor(struct planner *p, const struct merge_tensor *tensor)
{
    const struct tensor *found = checkpoint_find(p->target, tensor->name);
    bool same = found && found->rank == tensor->rank;
    for (unsigned d = 0; same && d < tensor->rank; d++)
        same = found->shape[d] == tensor->shape[d];
    return same ? found : NULL;
}

/* In place nothing may change but values: the same tensors, dtypes and shapes. */
bool plan_match_target(struct planner *p)
{
    struct merge_plan *plan = p->plan;
    struct quoted shown = quote(p->target->path);
    char text[128];
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct merge_tensor *tensor = &plan->tensors[i];
        tensor->target = target_tensor(p, tensor);
        if (!tensor->target)
            return error_set(
                p->err, ERROR_MISMATCH,
                "the merge has a tensor %s that %s lacks, or has in another shape: write it to a new "
                "folder with --output",
                quote(tensor->name).text, shown.text);
        if (tensor->target->dtype != tensor->dtype) {
            tensor_describe(tensor->target, text, sizeof text);
            return error_set(p->err, ERROR_MISMATCH,
                             "tensor %s would be %s and is %s in %s: say so with out_dtype (--out-dtype), or "
                             "write to a new folder with --output",
                             quote(tensor->name).text, dtype_facts(tensor->dtype)->name, text, shown.text);
        }
    }
    for (size_t i = 0, at = 0; i < p->target->n_tensors; i++) {
        const char *name = p->target->tensors[i].name;
        while (at < plan->n_tensors && strcmp(plan->tensors[at].name, name) < 0)
            at++;
        if (at == plan->n_tensors || strcmp(plan->tensors[at].name, name) != 0)
            return error_set(
                p->err, ERROR_MISMATCH,
                "%s has a tensor %s that the merge does not have (other layers?): write it to a new "
                "folder with --output",
                shown.text, quote(name).text);
    }
    return true;
}

static bool build(struct planner *p)
{
    struct merge_plan *plan = p->plan;
    plan->hits = arena_array(&plan->arena, p->recipe->n_conditions, sizeof *plan->hits);
    if (!plan->hits)
        return plan_memory(p);
    if (!plan_open_models(p) || !plan_read_facts(p) || !plan_choose_sources(p) || !plan_list_tensors(p))
        return false;
    qsort(plan->tensors, plan->n_tensors, sizeof *plan->tensors, compare_names);
    return resolve_all(p) && plan_check_filters(p) && (!p->target || plan_match_target(p)) &&
           plan_write_config(p) && plan_add_notes(p);
}

bool plan_recipe(const struct context *context, const struct recipe *recipe, struct checkpoint *target,
                 struct merge_plan *out, struct error *err)
{
    struct merge_plan plan = {.method = recipe->method, .semantics = recipe->semantics};
    struct planner p = {.context = context, .recipe = recipe, .target = target, .plan = &plan, .err = err};
    bool ok = build(&p);
    plan_release_facts(&p);
    if (ok)
        *out = plan;
    else
        plan_release(&plan);
    return ok;
}

size_t plan_most_sources(const struct merge_plan *plan)
{
    size_t most = 1;

    for (size_t i = 0; i < plan->n_tensors; i++)
        if (plan->tensors[i].n_sources > most)
            most = plan->tensors[i].n_sources;
    return most;
}

void plan_release(struct merge_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_models; i++)
        if (!plan->models[i].is_target)
            checkpoint_close(plan->models[i].checkpoint);
    arena_release(&plan->arena);
    *plan = (struct merge_plan){0};
}
