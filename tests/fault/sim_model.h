/* A small model of two shards on a simulated disk, awkward on purpose:
 *
 *     /m/one.safetensors   a short header; "x" (5000 bytes) begins on page 0 and shares its last page with
 * "y" /m/two.safetensors   a header longer than a page; "z" (6000 bytes), with "v" before and "w" after it
 *
 * and chunks of 2500 bytes of x and 3100 of z, so that two chunks share a page. */
#ifndef LANCET_TEST_SIM_MODEL_H
#define LANCET_TEST_SIM_MODEL_H

#include "checkpoint.h"
#include "history.h"
#include "simfs.h"

enum { SIM_FILES = 2, SIM_TENSORS = 5, SIM_CHUNK_ONE = 2500, SIM_CHUNK_TWO = 3100 };

extern const char *const sim_paths[SIM_FILES];

struct simfs *sim_model_new(void);

/* What checkpoint_open does, in its order: open, lock, settle, look at the headers. The model lies in /m. */
struct sim_model {
    struct context context;
    struct checkpoint checkpoint;
    struct checkpoint_file files[SIM_FILES];
    struct tensor tensors[SIM_TENSORS];
};
bool sim_model_open(struct sim_model *model, struct simfs *sim, enum checkpoint_mode mode, bool force,
                    struct error *err);
/* For changing, to go on with an open record. */
bool sim_model_resume(struct sim_model *model, struct simfs *sim, bool force, struct error *err);
void sim_model_close(struct sim_model *model);
/* The first half of it: open, lock, settle. The model is left open when it succeeds. */
bool sim_model_settle(struct sim_model *model, struct simfs *sim, enum checkpoint_mode mode, bool force,
                      struct error *err);

/* Changes x and z (or the tensors named) as one transaction; the bytes depend on the seed. */
bool sim_model_change(struct sim_model *model, const char *const *names, size_t n, unsigned seed,
                      bool no_history, uint32_t *number, struct error *err);

/* Merges into x and z, as one transaction that goes on where an earlier one was cut if the model was opened
 * for that: each of the two from its own old rows or, with `slices`, from those of the other; v is listed and
 * not written. */
bool sim_model_merge(struct sim_model *model, bool slices, uint32_t *number, struct error *err);

/* The files as they are now, to be compared later. */
struct sim_state {
    uint8_t *bytes[SIM_FILES];
    size_t size[SIM_FILES];
};
struct sim_state sim_state_of(const struct simfs *sim);
void sim_state_release(struct sim_state *state);
bool sim_state_is(const struct sim_state *state, const struct simfs *sim);

/* Whether the header of a file is as it should be, so that programs would load the file. */
bool sim_model_loads(const struct simfs *sim, size_t file);
/* Any file that loads is wholly in one of the two states. */
bool sim_model_guarded(const struct simfs *sim, const struct sim_state *before,
                       const struct sim_state *after);

#endif
