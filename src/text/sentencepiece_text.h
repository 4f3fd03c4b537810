/* How SentencePiece prepares a text and puts pieces together again (its normalizer.cc,
 * sentencepiece_processor.cc).
 *
 *     at each place      a user-defined piece stays as it is; else the longest string of the charsmap becomes
 *                        what the map says; else a character stays
 *     extra white space  spaces at both ends go, several become one
 *     dummy prefix       a space in front (or behind, where white space is a suffix)
 *     escaping           a space becomes U+2581 */
#ifndef LANCET_SENTENCEPIECE_TEXT_H
#define LANCET_SENTENCEPIECE_TEXT_H

#include "prefixes.h"
#include "stage.h"

struct sentencepiece_spec {
    bool dummy_prefix, remove_extra_spaces, escape_spaces, space_is_suffix;
    const struct prefixes *user_defined; /* borrowed */
};

/* Rows that no tokenizer.json can name: stage->spec and stage->charsmap are set by the reader. */
extern const struct stage_row sentencepiece_normalizer, sentencepiece_decoder;

#endif
