/* Every call fails, once or from there on, or moves only some of its bytes; then the power goes, or the next
 * writer comes. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_work.h"
#include "suite.h"

static const struct {
    const char *name;
    enum simfs_fault fault;
    int number;
} faults[] = {
    {"EIO", SIMFS_FAIL_ONCE, EIO},
    {"ENOSPC", SIMFS_FAIL_ONCE, ENOSPC},
    {"EIO from here on", SIMFS_FAIL_FOREVER, EIO},
    {"short", SIMFS_SHORT, 0},
};

enum { FAULTS = sizeof faults / sizeof *faults };

/* What the files may be once the next writer has come, from what the failed run said. */
static enum sim_expected expected(bool ok, const struct error *err)
{
    if (ok || strstr(err->text, "changed, "))
        return SIM_NEW;
    return SIM_OLD;
}

static void fail_at(const struct sim_scene *scene, uint64_t n, size_t fault)
{
    struct error err = {0};
    char where[256];
    struct simfs *sim = simfs_clone(scene->base);
    snprintf(where, sizeof where, "%s at call %llu", faults[fault].name, (unsigned long long)n);
    simfs_plan(sim, faults[fault].fault, n, faults[fault].number);
    bool ok = sim_work_run(sim, scene->work->run, &err);
    ck_assert_msg(ok || err.kind != ERROR_NONE, "%s: %s: fails without a sentence", scene->work->name, where);
    ck_assert_msg(ok || faults[fault].fault != SIMFS_SHORT, "%s: %s: %s", scene->work->name, where, err.text);
    snprintf(where + strlen(where), sizeof where - strlen(where), " (%.100s)", ok ? "done" : err.text);
    sim_check(scene, sim, where);
    for (unsigned k = 0; k <= SIMFS_RANDOM; k++) {
        struct simfs *cut = simfs_clone(sim);
        simfs_power_on(cut, (enum simfs_survival)k, n * 4 + k);
        sim_check(scene, cut, where);
        sim_finish(scene, cut, SIM_OLD_OR_NEW, false, where);
        simfs_free(cut);
    }
    sim_finish(scene, sim, expected(ok, &err), true, where);
    simfs_free(sim);
}

START_TEST(every_call_fails)
{
    struct sim_scene scene;
    sim_scene_make(&scene, &sim_works[_i]);
    for (uint64_t n = 1; n <= scene.calls; n++)
        for (size_t fault = 0; fault < FAULTS; fault++)
            fail_at(&scene, n, fault);
    sim_scene_release(&scene);
}
END_TEST

/* After a failed sync nobody knows what the disk holds, so nothing more is written: the record stays open and
 * the files stay invalid, until a process comes that reads what there is. Fails at other calls roll back at
 * once. */
START_TEST(a_failed_sync_leaves_the_record_open)
{
    struct sim_scene scene;
    struct error err;
    unsigned left_open = 0, nowhere = 0;
    sim_scene_make(&scene, &sim_works[0]);
    for (uint64_t n = 1; n <= scene.calls; n++) {
        struct simfs *sim = simfs_clone(scene.base);
        simfs_plan(sim, SIMFS_FAIL_ONCE, n, EIO);
        bool ok = sim_work_run(sim, scene.work->run, &err);
        bool is_open = simfs_get(sim, "/m/.lancet/0001.open", NULL) != NULL;
        ck_assert_msg(!is_open || (!ok && simfs_sync_failed(sim)), "call %llu: %s", (unsigned long long)n,
                      err.text);
        ck_assert_msg(!is_open || strstr(err.text, "lancet verify --recover"), "call %llu: %s",
                      (unsigned long long)n, err.text);
        left_open += is_open;
        nowhere += !ok && strstr(err.text, "load nowhere") != NULL;
        simfs_free(sim);
    }
    /* Two first pages, two files guarded, four chunks, two files written and made valid, the trailer. */
    ck_assert_uint_eq(left_open, 2 + 2 + 4 + 2 + 2 + 1);
    ck_assert_uint_eq(nowhere, 4 + 2);
    sim_scene_release(&scene);
}
END_TEST

/* A change that was cut in the middle, and a recovery in which every call fails. */
START_TEST(every_call_of_a_recovery_fails)
{
    struct sim_scene scene;
    struct error err;
    sim_scene_make(&scene, &sim_works[0]);
    const uint64_t cuts[] = {scene.changes / 2, scene.changes - 3};
    unsigned told_of_space = 0;
    for (size_t c = 0; c < 2; c++) {
        struct simfs *cut = simfs_clone(scene.base);
        simfs_plan(cut, SIMFS_CUT, cuts[c], 0);
        sim_work_run(cut, scene.work->run, &err);
        simfs_power_on(cut, SIMFS_KEEP, 1);
        bool more = true;
        for (uint64_t n = 1; more; n++)
            for (size_t fault = 0; fault < FAULTS; fault++) {
                char where[128];
                struct simfs *sim = simfs_clone(cut);
                snprintf(where, sizeof where, "recovery, %s at call %llu", faults[fault].name,
                         (unsigned long long)n);
                simfs_plan(sim, faults[fault].fault, n, faults[fault].number);
                bool ok = sim_work_run(sim, NULL, &err);
                if (fault == 0)
                    more = simfs_fired(sim);
                told_of_space += !ok && strstr(err.text, "free bytes are needed") != NULL;
                sim_check(&scene, sim, where);
                struct simfs *dark = simfs_clone(sim);
                simfs_power_on(dark, SIMFS_RANDOM, n);
                sim_check(&scene, dark, where);
                sim_finish(&scene, dark, SIM_OLD, false, where);
                simfs_free(dark);
                sim_finish(&scene, sim, SIM_OLD, true, where);
                ck_assert_msg(ok || faults[fault].fault != SIMFS_SHORT, "%s: %s", where, err.text);
                simfs_free(sim);
            }
        simfs_free(cut);
    }
    ck_assert_uint_gt(told_of_space, 4); /* file systems that copy on write */
    sim_scene_release(&scene);
}
END_TEST

/* A merge that was cut, and a run that goes on with it in which every call fails: what it could not finish is
 * taken back, by itself or by the next writer, or gone on with once more. */
static void fail_resume(const struct sim_scene *scene, const struct simfs *cut, uint64_t n, size_t fault,
                        bool *more)
{
    char where[256];
    struct error err = {0};
    bool refused = false;
    struct simfs *sim = simfs_clone(cut);
    snprintf(where, sizeof where, "resume, %s at call %llu", faults[fault].name, (unsigned long long)n);
    simfs_plan(sim, faults[fault].fault, n, faults[fault].number);
    bool ok = sim_work_resume(sim, scene->work->run, &refused, &err);
    *more = *more || simfs_fired(sim);
    ck_assert_msg(!refused, "%s: %s", where, err.text);
    ck_assert_msg(ok || faults[fault].fault != SIMFS_SHORT, "%s: %s", where, err.text);
    sim_check(scene, sim, where);
    struct simfs *dark = simfs_clone(sim), *again = simfs_clone(sim);
    simfs_power_on(dark, SIMFS_RANDOM, n);
    sim_check(scene, dark, where);
    sim_finish(scene, dark, SIM_OLD_OR_NEW, false, where);
    simfs_plan(again, SIMFS_NOTHING, 0, 0);
    bool is_open = simfs_get(again, "/m/.lancet/0001.open", NULL) != NULL;
    struct error second = {0};
    ck_assert_msg(sim_work_resume(again, scene->work->run, &refused, &second) == is_open, "%s: %s: %s", where,
                  err.text, second.text);
    sim_finish(scene, again, is_open ? SIM_NEW : SIM_OLD_OR_NEW, false, where);
    sim_finish(scene, sim, expected(ok, &err), true, where);
    simfs_free(sim);
    simfs_free(dark);
    simfs_free(again);
}

START_TEST(every_call_of_a_resume_fails)
{
    struct sim_scene scene;
    struct error err;
    sim_scene_make(&scene, &sim_works[SIM_SLICES]);
    const uint64_t cuts[] = {scene.changes / 2, scene.changes * 3 / 4};
    for (size_t c = 0; c < 2; c++) {
        struct simfs *cut = simfs_clone(scene.base);
        simfs_plan(cut, SIMFS_CUT, cuts[c], 0);
        sim_work_run(cut, scene.work->run, &err);
        simfs_power_on(cut, SIMFS_TEAR, 1);
        bool more = true;
        for (uint64_t n = 1; more; n++) {
            more = false;
            for (size_t fault = 0; fault < FAULTS; fault++)
                fail_resume(&scene, cut, n, fault, &more);
        }
        simfs_free(cut);
    }
    sim_scene_release(&scene);
}
END_TEST

START_TEST(no_space_for_the_old_bytes_is_said_before_anything_is_touched)
{
    struct sim_scene scene;
    struct error err;
    sim_scene_make(&scene, &sim_works[0]);
    for (int can_reserve = 0; can_reserve < 2; can_reserve++) {
        struct simfs *sim = simfs_clone(scene.base);
        simfs_space(sim, can_reserve, 20000);
        ck_assert(!sim_work_run(sim, scene.work->run, &err));
        ck_assert_int_eq(err.kind, ERROR_IO);
        ck_assert_ptr_nonnull(strstr(err.text, "no space"));
        ck_assert(sim_model_loads(sim, 0) && sim_model_loads(sim, 1));
        ck_assert_ptr_null(simfs_get(sim, "/m/.lancet/0001.open", NULL));
        sim_finish(&scene, sim, SIM_OLD, false, "no space");
        simfs_free(sim);
    }
    struct simfs *sim = simfs_clone(scene.base);
    struct sim_model model;
    simfs_space(sim, false, 1 << 20);
    ck_assert(sim_model_open(&model, sim, CHECKPOINT_CHANGE, false, &err));
    ck_assert_msg(scene.work->run(&model, &err), "%s", err.text);
    ck_assert_uint_eq(model.checkpoint.n_warnings, 1);
    ck_assert_ptr_nonnull(strstr(model.checkpoint.warnings[0], "cannot be reserved"));
    sim_model_close(&model);
    sim_finish(&scene, sim, SIM_NEW, true, "without reservation");
    simfs_free(sim);
    sim_scene_release(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failures");
    TCase *tc = tcase_create("failures");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, every_call_fails, 0, SIM_WORKS);
    tcase_add_test(tc, a_failed_sync_leaves_the_record_open);
    tcase_add_test(tc, every_call_of_a_recovery_fails);
    tcase_add_test(tc, every_call_of_a_resume_fails);
    tcase_add_test(tc, no_space_for_the_old_bytes_is_said_before_anything_is_touched);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
