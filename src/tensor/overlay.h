/* Changes of weights that are not yet on disk, per tensor: rank-k factors (a trial edit, a LoRA adapter, a
 * patch), a dense delta (a task vector), or replaced bytes (rows already rounded to the storage dtype). An
 * overlay never touches the tensor; whoever reads rows through it sees the change. */
#ifndef LANCET_OVERLAY_H
#define LANCET_OVERLAY_H

#include "checkpoint.h"
#include "rows.h"

struct overlay_entry {
    const struct tensor *tensor;
    /* W' = W + scale * left right^T on the tensor as stored, rows x columns: left [rows, rank], right
     * [columns, rank], both column by column ([rank] vectors one after the other). */
    size_t rank;
    double *left, *right;
    double scale;
    double *delta;  /* dense [rows, columns], or NULL */
    uint8_t *bytes; /* the whole tensor in its storage dtype, in place of what the file holds, or NULL */
};

struct overlay {
    struct overlay_entry *entries;
    size_t n_entries;
};

struct overlay *overlay_new(void); /* NULL when memory is out */
void overlay_free(struct overlay *overlay);
/* Forgets every change. */
void overlay_clear(struct overlay *overlay);
/* NULL when the tensor is not changed; overlay may be NULL. */
const struct overlay_entry *overlay_find(const struct overlay *overlay, const struct tensor *tensor);
/* Adds rank factors (copied) to the tensor's entry: left [rank][rows], right [rank][columns]. */
bool overlay_add(struct overlay *overlay, const struct tensor *tensor, size_t rank, const double *left,
                 const double *right, struct error *err);
/* Replaces the tensor, and every change of it so far, by these bytes (takes the malloc'ed block in any case:
 * frees it on failure). Factors that are added later count from them. */
bool overlay_replace(struct overlay *overlay, const struct tensor *tensor, uint8_t *bytes, struct error *err);
/* Rows [first, first + n) of the tensor seen through the overlay, in f64 [n, columns]. A tensor of rank 1 is
 * one row; one of rank above 2 has the rows of its last axis. */
bool overlay_rows(const struct overlay *overlay, const struct tensor *tensor, size_t first, size_t n,
                  double *out, struct error *err);
/* The same for columns [column, column + width) only: out [n, width]. */
bool overlay_block(const struct overlay *overlay, const struct tensor *tensor, size_t first, size_t n,
                   size_t column, size_t width, double *out, struct error *err);
/* How the two count: *columns is the length of the last axis. */
void overlay_shape(const struct tensor *tensor, size_t *rows, size_t *columns);

#endif
