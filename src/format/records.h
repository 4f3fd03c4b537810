/* All committed records of a directory, read and ready to be worked with. */
#ifndef LANCET_RECORDS_H
#define LANCET_RECORDS_H

#include "checkpoint.h"
#include "record.h"
#include "store.h"

struct record_list {
    struct record *items; /* oldest first; without those that a committed record drops */
    char **paths;
    bool *undone; /* a later record that itself stands takes this one back */
    size_t n;
    struct store store;
    struct records_head *heads; /* what was computed of the checkpoint's files: records_of */
};

bool records_read(const struct context *context, const char *directory, struct record_list *out,
                  struct error *err);
void records_release(struct record_list *list);

/* Keeps the records that name a file of the checkpoint. One that also names others is ERROR_MISMATCH: the
 * model is opened in part. */
bool records_of(struct record_list *list, const struct checkpoint *checkpoint, struct error *err);

/* Tensor `tensor` of the list's record `record` as the checkpoint of records_of has it: same file, name,
 * dtype and place; the file has the recorded size and header. ERROR_MISMATCH. */
bool records_tensor(const struct context *context, const struct checkpoint *checkpoint,
                    const struct record_list *list, size_t record, size_t tensor, const struct tensor **out,
                    struct error *err);
/* Index of the record's tensor that is this one, or n_tensors. */
size_t records_find(const struct record *record, const struct checkpoint *checkpoint,
                    const struct tensor *tensor);

#endif
