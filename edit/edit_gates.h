/* What an edit must satisfy before it is written, on the bytes that would be written. The limits are ours,
 * calibrated on SmolLM2, Gemma 3 and the fact models (docs/editing.md). */
#ifndef LANCET_EDIT_GATES_H
#define LANCET_EDIT_GATES_H

#include "edit.h"

/* Fills item->gates from what was measured. */
void edit_judge(const struct edit *edit, struct edit_item *item);

struct edit_gate_row {
    const char *name;
    const char *what; /* one phrase for people */
    double limit;
    bool at_most;
};
extern const struct edit_gate_row edit_gate_rows[];
extern const size_t n_edit_gate_rows;

#endif
