/* What a merge is going to do, and what it did, for people and as JSON. */
#ifndef LANCET_MERGE_REPORT_H
#define LANCET_MERGE_REPORT_H

#include <stdio.h>

#include "execute.h"
#include "json_write.h"
#include "terminal.h"

struct merge_outcome {
    const struct merge_plan *plan;
    const struct merge_estimate *estimate;
    const struct merge_done *done; /* NULL: a dry run */
    const char *output, *into;     /* one of them, or neither in a dry run */
    double seconds;                /* of the merge; in a dry run of its arithmetic, estimated */
};
/* Bytes of the tensors that are written. */
uint64_t merge_report_bytes(const struct merge_outcome *outcome);
bool merge_report_print(const struct merge_outcome *outcome, FILE *out, const struct terminal *terminal,
                        struct error *err);
/* Members of an object that is open. */
void merge_report_json(const struct merge_outcome *outcome, struct json_write *w);

#endif
