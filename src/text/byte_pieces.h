/* Pieces that stand for one byte: <0x00> to <0xFF>. */
#ifndef LANCET_BYTE_PIECES_H
#define LANCET_BYTE_PIECES_H

#include "vocabulary.h"

#define NO_PIECE UINT32_MAX

/* The ids of all 256, NO_PIECE for those that the vocabulary lacks. */
void byte_pieces_find(const struct vocabulary *v, uint32_t ids[256]);
bool byte_pieces_complete(const uint32_t ids[256], const char *bytes, size_t n);
/* Whether a piece is one (both cases of digits count, as in the tokenizers library), and of which byte. */
bool byte_piece_value(const char *piece, size_t n, unsigned char *byte);

#endif
