/* The table of writers: one row a format. */
#ifndef LANCET_ATTENTION_WRITERS_H
#define LANCET_ATTENTION_WRITERS_H

#include "attention_dump.h"

/* In the order in which help lists them. */
/* clang-format off */
#define ATTENTION_WRITERS(ROW) \
    ROW(attention_terminal) \
    ROW(attention_png) \
    ROW(attention_json) \
    ROW(attention_jsonl) \
    ROW(attention_csv) \
    ROW(attention_npz) \
    ROW(attention_safetensors)
/* clang-format on */

#define ATTENTION_WRITER_DECLARED(name) extern const struct attention_writer name;
ATTENTION_WRITERS(ATTENTION_WRITER_DECLARED)

#endif
