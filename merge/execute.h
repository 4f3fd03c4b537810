/* Carries a plan out: rows of all sources in f64, the method, one rounding, rows out; in chunks below the
 * size of a tensor, under a cap of memory, with reading, computing and writing at the same time. The same
 * bits for any number of threads and any cap. */
#ifndef LANCET_EXECUTE_H
#define LANCET_EXECUTE_H

#include "plan.h"
#include "str.h"
#include "transaction.h"

struct merge_limits {
    uint64_t memory; /* bytes of our own at most (0: 1 GiB); clean mapped pages are not ours */
    bool digests;    /* take the digest of each tensor: a quarter of the work of a linear merge */
};

struct merge_estimate { /* for --dry-run, and said before a merge in place */
    uint64_t memory, read, written;
    uint64_t disk;      /* extra bytes on the disk: the new folder, or the record in place */
    uint64_t undo_disk; /* in place: what a later undo needs on top */
};
bool merge_estimate(const struct context *context, const struct merge_plan *plan,
                    const struct merge_limits *limits, const struct checkpoint *into,
                    struct merge_estimate *out, struct error *err);

/* Seconds that the arithmetic takes, from a sample of the largest tensor; reading and writing go on beside
 * it and may take longer. */
bool merge_estimate_time(const struct context *context, const struct merge_plan *plan, double *seconds,
                         struct error *err);

struct merge_done { /* for the report; released with merge_done_release */
    struct merge_tensor_done {
        bool written;  /* false: it was left alone, as it is what it should be */
        bool measured; /* false: a resumed merge found (some of) it done; norm and change are not known */
        struct digest digest;     /* of the bytes, where they were written and digests are wanted */
        double norm, change;      /* of the result as stored; of result - source 0, relative to source 0 */
        const char *branch;       /* which of the method's formulas; NULL: it has one */
    } * tensors;                  /* [n_tensors of the plan] */
    struct merge_model_done {     /* over the tensors that a model went into */
        double squares, distance; /* sums of squares of its elements, and of result - model */
        size_t n_tensors;
    } * models;      /* [n_models of the plan] */
    double squares;  /* of the result */
    uint32_t number; /* of the record; 0: none */
};
void merge_done_release(struct merge_done *done);

/* A new model folder: donor's other files carried, plan->config in place of its config.json, `card` (a
 * README.md) and `recipe` (lancet_recipe.yml), where they are not NULL, added. shard_size 0: 5 GB. */
struct merge_folder {
    const char *directory, *card, *recipe;
    bool force;
    uint64_t shard_size;
};
bool merge_to_folder(const struct context *context, const struct merge_plan *plan,
                     const struct merge_limits *limits, const struct merge_folder *to,
                     struct merge_done *done, struct error *err);
/* What it would refuse of the directory, without writing anything; `*n_records`: folder_check's. */
bool merge_check_folder(const struct context *context, const struct merge_plan *plan,
                        const struct merge_folder *to, size_t *n_records, struct error *err);
/* One safetensors file with this metadata (an object's text). Refuses to overwrite without force. */
bool merge_to_file(const struct context *context, const struct merge_plan *plan,
                   const struct merge_limits *limits, const char *path, const char *metadata, bool force,
                   struct merge_done *done, struct error *err);
/* In place: `target` was opened with CHECKPOINT_CHANGE, every tensor of the plan has its `target`. Source
 * rows of the target come from the record once they are overwritten. With options->resume (and a target that
 * was opened so) goes on with the open record: its note, and options->note, come from merge_note, and
 * ERROR_MISMATCH tells what is not as it was. */
bool merge_into_model(const struct context *context, const struct merge_plan *plan,
                      const struct merge_limits *limits, struct checkpoint *target,
                      const struct transaction_options *options, struct merge_done *done, struct error *err);
/* What a merge that goes on must find again, as a JSON object: the plan's digest, and size, time and header
 * digest of each file of each other source. `recipe` is kept for the log; NULL: none. */
bool merge_note(const struct context *context, const struct merge_plan *plan, const char *recipe,
                struct str *out, struct error *err);

#endif
