/* A plan for people and as JSON. */
#ifndef LANCET_PLAN_TEXT_H
#define LANCET_PLAN_TEXT_H

#include <stdio.h>

#include "json_write.h"
#include "plan.h"
#include "terminal.h"

/* Lines on method, models and the size of the output. */
bool plan_print_head(const struct merge_plan *plan, FILE *out, const struct terminal *terminal,
                     struct error *err);
/* One row a tensor, or one for the same tensor of several layers where they have the same parameters. */
bool plan_print_tensors(const struct merge_plan *plan, FILE *out, const struct terminal *terminal,
                        struct error *err);
void plan_print_notes(const struct merge_plan *plan, FILE *out);

/* Members "method", "semantics", "models", "notes" ... of the object that is open. */
void plan_json_head(struct json_write *w, const struct merge_plan *plan);
/* name, dtype, shape ... of one, without its sources. */
void plan_json_tensor(struct json_write *w, const struct merge_tensor *tensor);

/* "0.3", "true"; as a JSON value. */
void parameter_text(struct str *out, const struct merge_parameter *parameter, double value);
void parameter_json(struct json_write *w, const struct merge_parameter *parameter, double value);
/* Does the base stand there for itself, without parameters? */
bool source_is_base(const struct merge_plan *plan, size_t source);

#endif
