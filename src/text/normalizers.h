/* The normalizers that live in files of their own, and what several share; rows in normalize.c. */
#ifndef LANCET_NORMALIZERS_H
#define LANCET_NORMALIZERS_H

#include "stage.h"

/* Puts what `change` makes of each character. */
#define CHARACTER_DROPPED UINT32_MAX
typedef uint32_t (*character_fn)(uint32_t code);
bool rewrite_characters(character_fn change, const struct aligned *from, size_t start, size_t end,
                        struct aligned *to, struct error *err);
/* Drops marks (categories Mn, Mc, Me). */
uint32_t char_unless_mark(uint32_t code);

#define REWRITE(name)                                                                                        \
    bool name(const struct stage *stage, const struct aligned *from, size_t start, size_t end,               \
              struct aligned *to, struct error *err)

REWRITE(rewrite_lowercase);  /* where stage->lowercase is set */
REWRITE(rewrite_byte_level); /* each byte as its character of the byte-level alphabet */

/* BertNormalizer, in this order; each where the stage asks for it. */
REWRITE(bert_clean);
REWRITE(bert_space_chinese);
REWRITE(bert_decompose);
REWRITE(bert_strip_accents);
bool bert_read_accents(struct json_reader *r, void *stage, struct error *err);

/* Precompiled: stage->charsmap, from its base64 in stage->content. */
bool precompiled_prepare(struct stage *stage, struct error *err);
REWRITE(precompiled_rewrite);

#endif
