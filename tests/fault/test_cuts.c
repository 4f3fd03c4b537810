/* The power goes after every call that changes anything; what was not synced survives in several ways;
 * recovery and going on are cut in the same way. Then the files must be old or new, byte for byte.
 * LANCET_FAULT_SEEDS sets how many random survivals are tried at each cut (default 3). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_work.h"
#include "suite.h"

static unsigned random_seeds(void)
{
    const char *text = getenv("LANCET_FAULT_SEEDS");
    unsigned seeds = text ? (unsigned)strtoul(text, NULL, 10) : 3;
    return seeds ? seeds : 1;
}

/* Survival k: all kept, all dropped, all torn, then random ones. */
static void survive(struct simfs *sim, unsigned k, uint64_t seed)
{
    simfs_power_on(sim, k < SIMFS_RANDOM ? (enum simfs_survival)k : SIMFS_RANDOM, seed);
}

/* Recovery from this disk, cut after each of its changing calls. */
static void cut_recovery(const struct sim_scene *scene, const struct simfs *cut, uint64_t seed,
                         const char *where)
{
    for (uint64_t n = 0;; n++) {
        struct error err;
        struct simfs *sim = simfs_clone(cut);
        char here[256];
        snprintf(here, sizeof here, "%s, recovery cut after %llu", where, (unsigned long long)n);
        simfs_plan(sim, SIMFS_CUT, n, 0);
        bool done = sim_work_run(sim, NULL, &err) && !simfs_fired(sim);
        survive(sim, (unsigned)(n + seed) % (SIMFS_RANDOM + 2), seed * 1000 + n);
        sim_check(scene, sim, here);
        sim_finish(scene, sim, SIM_OLD_OR_NEW, false, here);
        simfs_free(sim);
        if (done)
            return;
    }
}

/* Going on with what is on this disk: the new bytes, unless there is nothing to go on with. */
static void expect_resumed(const struct sim_scene *scene, struct simfs *sim, bool back, const char *where)
{
    struct error err;
    bool refused = false;
    simfs_plan(sim, SIMFS_NOTHING, 0, 0);
    bool ok = sim_work_resume(sim, scene->work->run, &refused, &err);
    ck_assert_msg(ok || refused, "%s: %s: resuming: %s", scene->work->name, where, err.text);
    sim_check(scene, sim, where);
    sim_finish(scene, sim, ok ? SIM_NEW : SIM_OLD_OR_NEW, back && ok, where);
}

/* The same, cut after each of its changing calls; then taken back or gone on with. */
static void cut_resume(const struct sim_scene *scene, const struct simfs *cut, uint64_t seed,
                       const char *where)
{
    for (uint64_t n = 0, more = true; more; n++) {
        struct error err;
        bool refused = false;
        struct simfs *sim = simfs_clone(cut);
        char here[256];
        snprintf(here, sizeof here, "%s, resume cut after %llu", where, (unsigned long long)n);
        simfs_plan(sim, SIMFS_CUT, n, 0);
        sim_work_resume(sim, scene->work->run, &refused, &err);
        more = simfs_fired(sim);
        survive(sim, (unsigned)(n + seed) % (SIMFS_RANDOM + 2), seed * 1000 + n);
        sim_check(scene, sim, here);
        struct simfs *other = simfs_clone(sim);
        expect_resumed(scene, other, false, here);
        simfs_free(other);
        sim_finish(scene, sim, SIM_OLD_OR_NEW, false, here);
        simfs_free(sim);
    }
}

static void cut_work(const struct sim_work *work, bool can_reserve)
{
    struct sim_scene scene;
    sim_scene_make(&scene, work);
    simfs_space(scene.base, can_reserve, UINT64_MAX);
    unsigned survivals = SIMFS_RANDOM + random_seeds();
    for (uint64_t n = 0; n <= scene.changes; n++)
        for (unsigned k = 0; k < survivals; k++) {
            struct error err;
            struct simfs *sim = simfs_clone(scene.base);
            char where[128];
            snprintf(where, sizeof where, "cut after %llu of %llu, survival %u", (unsigned long long)n,
                     (unsigned long long)scene.changes, k);
            simfs_plan(sim, SIMFS_CUT, n, 0);
            sim_work_run(sim, scene.work->run, &err);
            survive(sim, k, n * 100 + k);
            sim_check(&scene, sim, where);
            if (work->can_resume) {
                struct simfs *other = simfs_clone(sim);
                if (k == SIMFS_TEAR || k == SIMFS_RANDOM + n % random_seeds())
                    cut_resume(&scene, other, n * 100 + k, where);
                expect_resumed(&scene, other, true, where);
                simfs_free(other);
            }
            cut_recovery(&scene, sim, n * 100 + k, where);
            sim_finish(&scene, sim, SIM_OLD_OR_NEW, true, where);
            simfs_free(sim);
        }
    sim_scene_release(&scene);
}

START_TEST(cut_after_every_call)
{
    cut_work(&sim_works[_i], true);
}
END_TEST

/* Then the record grows chunk by chunk. */
START_TEST(cut_where_nothing_can_be_reserved)
{
    cut_work(&sim_works[0], false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cuts");
    TCase *tc = tcase_create("cuts");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, cut_after_every_call, 0, SIM_WORKS);
    tcase_add_test(tc, cut_where_nothing_can_be_reserved);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
