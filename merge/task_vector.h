/* Task vectors: what a fine-tune adds to its base, as a file, and their application to a model.
 *
 * The file is safetensors: one F32 tensor tuned - base for each tensor that differs, under its name. Member
 * "lancet.task_vector" of its metadata is a JSON text:
 *
 *     {"version": 1, "base": {NAME: {"dtype": "BF16", "sha256": "<of the base's bytes>"}, ...}}
 *
 * In F32 the vector of BF16 or F16 models leads from the base to the values of the tuned model exactly, but
 * for elements that become more than 2^15 (F16: 2^12) times smaller at once: those are off by at most 2^-24
 * of what they were. */
#ifndef LANCET_TASK_VECTOR_H
#define LANCET_TASK_VECTOR_H

#include "plan.h"
#include "str.h"

/* Opens both models, compares them, and plans the vector by the method `difference`: model 0 is the base.
 * *n_same: tensors that are equal and left out. ERROR_MISMATCH where names or shapes differ,
 * ERROR_UNSUPPORTED for a difference of integers, ERROR_ANSWER_NO when nothing differs. */
bool task_vector_plan(const struct context *context, const char *base, const char *tuned,
                      struct merge_plan *out, size_t *n_same, struct error *err);
/* The metadata of the file. Reads the base's tensors for their digests. */
bool task_vector_metadata(const struct context *context, const struct merge_plan *plan, struct str *out,
                          struct error *err);

struct task_file {
    const char *path;
    double scale;
};

/* Opens the files and plans their application to `model`, which stays the caller's and must outlive the plan,
 * by the method `apply`: model 0 is it. Every tensor of the model is in the plan, those that no file has are
 * copied. ERROR_MISMATCH: a tensor that the model lacks or has in another shape; without `force` also one
 * whose bytes are not those of the base that a vector was taken from. *n_others: how many such there are. */
bool task_apply_plan(const struct context *context, struct checkpoint *model, const struct task_file *files,
                     size_t n_files, bool force, struct merge_plan *out, size_t *n_others, struct error *err);

#endif
