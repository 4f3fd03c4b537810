/* The bytes that a tensor had after an older record, read back from the file and the records since. */
#ifndef LANCET_PAST_H
#define LANCET_PAST_H

#include "records.h"

struct past;

/* State of `tensor` after record `to`: every newer record of the list that names it is taken back. Before
 * anything is read, the chain is checked (unless `checked` says that it was, under the same lock): the file
 * matches the newest record's after-digest, each before-digest the next older after-digest; else
 * ERROR_MISMATCH. *out is NULL (and true returned) when no newer record names the tensor. */
bool past_open(const struct context *context, const struct checkpoint *checkpoint,
               const struct record_list *list, const struct tensor *tensor, uint32_t to, bool checked,
               struct past **out, struct error *err);
/* Bytes [offset, offset + n) of the tensor as they were. The file must still hold there what it held at
 * past_open. */
bool past_read(struct past *past, uint64_t offset, size_t n, uint8_t *out, struct error *err);
/* Digest that the whole of it must have, and the one that the file has now. */
const struct digest *past_digest(const struct past *past);
const struct digest *past_present(const struct past *past);
/* Reads all of it and compares with past_digest: ERROR_MISMATCH. */
bool past_prove(struct past *past, struct error *err);
void past_close(struct past *past);

#endif
