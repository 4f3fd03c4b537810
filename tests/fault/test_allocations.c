/* Every allocation of lancet's own fails, once or from there on, during a change, a merge, an undo, a repack,
 * a recovery and a resume: then the files are old, or new, or recoverable, and nothing leaks. The program is
 * linked with malloc and its kin wrapped. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_work.h"
#include "suite.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t n);
int __real_posix_memalign(void **out, size_t alignment, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void __real_free(void *block);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t n);
int __wrap_posix_memalign(void **out, size_t alignment, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
void __wrap_free(void *block);

static bool counting, forever, fired;
static unsigned long calls, fail_at;
static long living; /* blocks of lancet's that are not freed yet */

/* Whether this allocation fails. */
static bool fails(void)
{
    if (!counting || simfs_depth)
        return false;
    calls++;
    bool now = calls == fail_at || (forever && fail_at && calls > fail_at);
    fired = fired || now;
    return now;
}

static void *counted(void *block)
{
    if (block && counting && !simfs_depth)
        living++;
    return block;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t n)
{
    if (fails())
        return NULL;
    void *grown = __real_realloc(block, n);
    return block ? grown : counted(grown);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t n)
{
    if (fails())
        return 12;
    int code = __real_posix_memalign(out, alignment, n);
    if (code == 0)
        counted(*out);
    return code;
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, n));
}

void __wrap_free(void *block)
{
    if (block && counting && !simfs_depth)
        living--;
    __real_free(block);
}

/* Runs with the n-th allocation failing (0: none); *total is how many there were. */
static bool run_counted(struct simfs *sim, bool (*run)(struct sim_model *model, struct error *err),
                        bool resume, unsigned long n, unsigned long *total, struct error *err)
{
    bool ignored;
    calls = 0;
    fail_at = n;
    fired = false;
    living = simfs_handed_over = 0;
    counting = true;
    bool ok = resume ? sim_work_resume(sim, run, &ignored, err) : sim_work_run(sim, run, err);
    counting = false;
    living += simfs_handed_over;
    *total = calls;
    return ok;
}

static void check_run(const struct sim_scene *scene, const struct simfs *base,
                      bool (*run)(struct sim_model *model, struct error *err), bool resume,
                      enum sim_expected failed)
{
    unsigned long total = 0;
    for (unsigned long n = 1; n == 1 || fired; n++)
        for (int k = 0; k < 2; k++) {
            struct error err = {0};
            char where[160];
            struct simfs *sim = simfs_clone(base);
            forever = k == 1;
            bool ok = run_counted(sim, run, resume, n, &total, &err);
            snprintf(where, sizeof where, "allocation %lu fails%s (%.80s)", n,
                     forever ? " and all after it" : "", ok ? "done" : err.text);
            ck_assert_msg(ok || err.kind == ERROR_MEMORY, "%s: %s: kind %d", scene->work->name, where,
                          err.kind);
            ck_assert_msg(living == 0, "%s: %s: %ld blocks leak", scene->work->name, where, living);
            sim_check(scene, sim, where);
            sim_finish(scene, sim, ok ? SIM_OLD_OR_NEW : failed, true, where);
            simfs_free(sim);
        }
    ck_assert_uint_gt(total, 10);
}

START_TEST(every_allocation_fails)
{
    struct sim_scene scene;
    sim_scene_make(&scene, &sim_works[_i]);
    check_run(&scene, scene.base, scene.work->run, false,
              strchr(scene.work->name, ' ') ? SIM_OLD_OR_NEW : SIM_OLD);
    sim_scene_release(&scene);
}
END_TEST

static void check_cut(size_t work, bool resume)
{
    struct sim_scene scene;
    struct error err;
    sim_scene_make(&scene, &sim_works[work]);
    struct simfs *cut = simfs_clone(scene.base);
    simfs_plan(cut, SIMFS_CUT, scene.changes * 2 / 3, 0);
    sim_work_run(cut, scene.work->run, &err);
    simfs_power_on(cut, SIMFS_TEAR, 5);
    check_run(&scene, cut, resume ? scene.work->run : NULL, resume, SIM_OLD);
    simfs_free(cut);
    sim_scene_release(&scene);
}

START_TEST(every_allocation_of_a_recovery_fails)
{
    check_cut(0, false);
}
END_TEST

START_TEST(every_allocation_of_a_resume_fails)
{
    check_cut(SIM_SLICES, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("allocations");
    TCase *tc = tcase_create("allocations");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, every_allocation_fails, 0, SIM_WORKS);
    tcase_add_test(tc, every_allocation_of_a_recovery_fails);
    tcase_add_test(tc, every_allocation_of_a_resume_fails);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
