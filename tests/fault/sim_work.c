#include "sim_work.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const char *const both[] = {"x", "z"};
static const char *const one[] = {"x"};

static bool change_both(struct sim_model *model, struct error *err)
{
    uint32_t number;
    return sim_model_change(model, both, 2, 1, false, &number, err);
}

static bool change_unrecorded(struct sim_model *model, struct error *err)
{
    uint32_t number;
    return sim_model_change(model, both, 2, 1, true, &number, err);
}

static bool change_twice(struct sim_model *model, struct error *err)
{
    uint32_t number;
    return change_both(model, err) && sim_model_change(model, one, 1, 2, false, &number, err);
}

static bool undo_with(struct sim_model *model, struct history_undo_options options, struct error *err)
{
    struct history_undone done;
    options.command = "lancet undo /m";
    options.chunk_bytes = SIM_CHUNK_TWO;
    return history_undo(&model->context, &model->checkpoint, &options, &done, err);
}

static bool undo(struct sim_model *model, struct error *err)
{
    return undo_with(model, (struct history_undo_options){0}, err);
}

static bool undo_to_original(struct sim_model *model, struct error *err)
{
    return undo_with(model, (struct history_undo_options){.to_given = true}, err);
}

static bool undo_unrecorded(struct sim_model *model, struct error *err)
{
    return undo_with(model, (struct history_undo_options){.to_given = true, .no_history = true}, err);
}

static bool redo_one(struct sim_model *model, struct error *err)
{
    return undo_with(model, (struct history_undo_options){.to_given = true, .to = 1}, err);
}

static bool redo_two(struct sim_model *model, struct error *err)
{
    return undo_with(model, (struct history_undo_options){.to_given = true, .to = 2}, err);
}

static bool repack(struct sim_model *model, struct error *err)
{
    uint64_t saved = 0;
    return history_repack(&model->context, &model->checkpoint, 1, &saved, err);
}

static bool prune(struct sim_model *model, struct error *err)
{
    size_t removed = 0;
    return history_prune(&model->context, &model->checkpoint, 0, &removed, err);
}

/* Undone and done again: the record was readable, packed or not. */
static bool back_and_forth(struct sim_model *model, struct error *err)
{
    return undo_to_original(model, err) && redo_one(model, err);
}

static bool merge(struct sim_model *model, struct error *err)
{
    uint32_t number;
    return sim_model_merge(model, false, &number, err);
}

static bool merge_slices(struct sim_model *model, struct error *err)
{
    uint32_t number;
    return sim_model_merge(model, true, &number, err);
}

const struct sim_work sim_works[SIM_WORKS] = {
    {"change", NULL, change_both, undo, false},
    {"undo", change_both, undo, redo_one, false},
    {"undo --to", change_twice, undo_to_original, redo_two, false},
    {"repack", change_both, repack, back_and_forth, false},
    {"change without history", NULL, change_unrecorded, NULL, false},
    {"undo without history", change_twice, undo_unrecorded, NULL, false},
    {"prune", change_twice, prune, NULL, false},
    [SIM_MERGE] = {"merge", NULL, merge, undo, true},
    [SIM_SLICES] = {"slices", NULL, merge_slices, undo, true},
    {"undo of a merge", merge_slices, undo, redo_one, false},
    {"repack of a merge", merge, repack, back_and_forth, false},
};

bool sim_work_run(struct simfs *sim, bool (*run)(struct sim_model *model, struct error *err),
                  struct error *err)
{
    struct sim_model model;
    if (!sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, err))
        return false;
    bool ok = !run || run(&model, err);
    sim_model_close(&model);
    return ok;
}

bool sim_work_resume(struct simfs *sim, bool (*run)(struct sim_model *model, struct error *err),
                     bool *refused, struct error *err)
{
    struct sim_model model;
    *refused = false;
    if (!sim_model_resume(&model, sim, false, err)) {
        *refused = err->kind == ERROR_USAGE;
        return false;
    }
    bool ok = run(&model, err);
    sim_model_close(&model);
    return ok;
}

void sim_scene_make(struct sim_scene *scene, const struct sim_work *work)
{
    struct error err;
    *scene = (struct sim_scene){.work = work, .base = sim_model_new()};
    ck_assert_msg(!work->prepare || sim_work_run(scene->base, work->prepare, &err), "%s: %s", work->name,
                  err.text);
    scene->before = sim_state_of(scene->base);
    struct simfs *sim = simfs_clone(scene->base);
    simfs_plan(sim, SIMFS_NOTHING, 0, 0);
    ck_assert_msg(sim_work_run(sim, work->run, &err), "%s: %s", work->name, err.text);
    scene->calls = simfs_calls(sim);
    scene->changes = simfs_changes(sim);
    scene->after = sim_state_of(sim);
    sim_finish(scene, sim, SIM_NEW, true, "without a fault");
    simfs_free(sim);
}

void sim_scene_release(struct sim_scene *scene)
{
    simfs_free(scene->base);
    sim_state_release(&scene->before);
    sim_state_release(&scene->after);
}

static void found(void *user, const char *sentence)
{
    snprintf(user, 1024, "%s", sentence);
}

static void check_records(struct sim_model *model, const char *where)
{
    struct history history;
    struct error err;
    bool clean = false;
    char finding[1024] = "";
    ck_assert_msg(history_read(&model->context, "/m", &history, &err), "%s: %s", where, err.text);
    ck_assert_msg(history.open == 0, "%s: a record is open", where);
    history_release(&history);
    ck_assert_msg(history_verify(&model->context, &model->checkpoint, true, found, finding, &clean, &err),
                  "%s: %s", where, err.text);
    ck_assert_msg(clean, "%s: %s", where, finding);
}

void sim_finish(const struct sim_scene *scene, struct simfs *sim, enum sim_expected expected, bool back,
                const char *where)
{
    struct sim_model model;
    struct error err = {0};
    simfs_plan(sim, SIMFS_NOTHING, 0, 0);
    ck_assert_msg(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err), "%s: %s: %s",
                  scene->work->name, where, err.text);
    check_records(&model, where);
    bool old = sim_state_is(&scene->before, sim), new = sim_state_is(&scene->after, sim);
    ck_assert_msg(old || new, "%s: %s: neither old nor new", scene->work->name, where);
    ck_assert_msg(expected != SIM_OLD || old, "%s: %s: not old", scene->work->name, where);
    ck_assert_msg(expected != SIM_NEW || new, "%s: %s: not new", scene->work->name, where);
    if (back && new && scene->work->back) {
        ck_assert_msg(scene->work->back(&model, &err), "%s: %s: going back: %s", scene->work->name, where,
                      err.text);
        ck_assert_msg(sim_state_is(&scene->before, sim), "%s: %s: not back", scene->work->name, where);
    }
    sim_model_close(&model);
    ck_assert_msg(simfs_open_count(sim) == 0, "%s: %s: %u left open", scene->work->name, where,
                  simfs_open_count(sim));
}

void sim_check(const struct sim_scene *scene, struct simfs *sim, const char *where)
{
    struct sim_model model;
    struct error err;
    ck_assert_msg(simfs_open_count(sim) == 0, "%s: %s: %u left open", scene->work->name, where,
                  simfs_open_count(sim));
    ck_assert_msg(sim_model_guarded(sim, &scene->before, &scene->after),
                  "%s: %s: a half-changed file has a valid header", scene->work->name, where);
    simfs_plan(sim, SIMFS_NOTHING, 0, 0);
    if (!sim_model_open(&model, sim, CHECKPOINT_READ, false, &err))
        return;
    ck_assert_msg(sim_state_is(&scene->before, sim) || sim_state_is(&scene->after, sim),
                  "%s: %s: a reader got a half-changed model", scene->work->name, where);
    sim_model_close(&model);
}
