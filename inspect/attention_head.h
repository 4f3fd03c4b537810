/* What the text formats say about the maps they hold. */
#ifndef LANCET_ATTENTION_HEAD_H
#define LANCET_ATTENTION_HEAD_H

#include "attention_dump.h"

/* Members of an open object: text, tokens, layers, heads, mask, scale and so on (docs/inspecting.md). */
bool attention_head_write(const struct attention_shown *shown, struct json_write *w, struct error *err);
/* The same as a whole object, without line breaks. */
bool attention_head_text(const struct attention_shown *shown, struct str *out, struct error *err);

/* The text of the i-th token shown, put behind what is there; "#17" without a tokenizer. */
bool attention_token_text(const struct attention_shown *shown, size_t i, struct str *out, struct error *err);

/* TransformerLens's name of the maps of a layer: "blocks.3.attn.hook_pattern". */
enum { ATTENTION_NAME = 64 };
void attention_name(const struct attention_shown *shown, size_t layer, char out[ATTENTION_NAME]);

/* For people: "layer 3, head 4", "layer 3, mean of 12 heads", "mean of 144 heads in 12 layers". */
void attention_title(const struct attention_shown *shown, size_t group, size_t map, struct str *out);

/* Text of the numbers of a row, with commas between them: masked ones are 0, of scores null. Returns the
 * length. `out` has n_tokens * ATTENTION_NUMBER bytes. */
enum { ATTENTION_NUMBER = 25 };
size_t attention_numbers(const struct attention_shown *shown, const struct attention_row *row, char *out);
/* Members "keys", "weights" and "rest" of a row of top_k, without braces. ATTENTION_ROW bytes more than the
 * numbers of two rows. */
enum { ATTENTION_ROW = 256 };
size_t attention_top_members(const struct attention_shown *shown, const struct attention_row *row, char *out);
/* About how many bytes one number takes in text, with its comma. */
double attention_number_bytes(const struct attention_shown *shown);
/* About how many all rows take, dense or sparse; and as f32. */
double attention_text_bytes(const struct attention_shown *shown);
double attention_binary_bytes(const struct attention_shown *shown);

#endif
