/* What an edit did, for people and for programs. */
#ifndef LANCET_EDIT_REPORT_H
#define LANCET_EDIT_REPORT_H

#include <stdio.h>

#include "edit.h"
#include "json_write.h"
#include "terminal.h"

struct report_outcome { /* what was done with it */
    bool committed;     /* in place */
    const char *output; /* the new folder, or NULL */
    bool dry_run;
    uint32_t history;  /* number of the record, 0: none */
    const char *model; /* as the user named it, quoted for a shell */
};

bool report_print(const struct edit *edit, const struct report_outcome *outcome, FILE *out,
                  const struct terminal *terminal, struct error *err);
/* The members of the edit document after "schema". */
bool report_json(const struct edit *edit, const struct report_outcome *outcome, struct json_write *w,
                 struct error *err);

#endif
