/* What is cut and made to fail: changes, merges, undos, repacks, and what else writes. */
#ifndef LANCET_TEST_SIM_WORK_H
#define LANCET_TEST_SIM_WORK_H

#include "sim_model.h"

struct sim_work {
    const char *name;
    bool (*prepare)(struct sim_model *model, struct error *err); /* NULL: nothing */
    bool (*run)(struct sim_model *model, struct error *err);
    /* Once it is done, what gives the state before it back (NULL: nothing does). */
    bool (*back)(struct sim_model *model, struct error *err);
    bool can_resume; /* `run` goes on with what an earlier one left, if the model was opened for that */
};

enum { SIM_MERGE = 7, SIM_SLICES, SIM_WORKS = SIM_MERGE + 4 };
extern const struct sim_work sim_works[SIM_WORKS];

/* A work on a disk of its own, with the states of the files before and after. */
struct sim_scene {
    const struct sim_work *work;
    struct simfs *base;
    struct sim_state before, after;
    uint64_t calls, changes; /* of the whole run, opening and closing included */
};
void sim_scene_make(struct sim_scene *scene, const struct sim_work *work);
void sim_scene_release(struct sim_scene *scene);

/* Opens the model for changing, runs, closes. */
bool sim_work_run(struct simfs *sim, bool (*run)(struct sim_model *model, struct error *err),
                  struct error *err);

/* The same, going on with an open record: *refused if there is none, or one that had not begun. */
bool sim_work_resume(struct simfs *sim, bool (*run)(struct sim_model *model, struct error *err),
                     bool *refused, struct error *err);

enum sim_expected { SIM_OLD_OR_NEW, SIM_OLD, SIM_NEW };

/* The next writer comes: it must succeed, and leave the files old or new, no record open, every record
 * provable, nothing open. `where` is for messages. With `back` a finished work is also taken back. */
void sim_finish(const struct sim_scene *scene, struct simfs *sim, enum sim_expected expected, bool back,
                const char *where);
/* What must hold at any time, before anybody recovers: no file that loads is half-changed, a reader gets old
 * or new or is refused. */
void sim_check(const struct sim_scene *scene, struct simfs *sim, const char *where);

#endif
