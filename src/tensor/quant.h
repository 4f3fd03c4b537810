/* ggml's block types, one block at a time, in float arithmetic and in the order of its operations, so that
 * numbers are the reference's to the bit. rows.c holds the table of dtypes. */
#ifndef LANCET_QUANT_H
#define LANCET_QUANT_H

#include <stdint.h>

enum { QUANT_LARGEST_BLOCK = 256 };

/* Numbers of a block, which may be unaligned. */
typedef void quant_read(const uint8_t *block, float *out);
/* A block of numbers, as ggml's reference quantiser makes it without an importance matrix. */
typedef void quant_write(const float *in, uint8_t *block);

/* quant_simple.c: 32 elements (64 and 128: the last three) */
quant_read q4_0_read, q4_1_read, q5_0_read, q5_1_read, q8_0_read, q8_1_read, iq4_nl_read, mxfp4_read,
    nvfp4_read, q1_0_read, q2_0_read;
/* quant_k.c: 256 elements */
quant_read q2_k_read, q3_k_read, q4_k_read, q5_k_read, q6_k_read, q8_k_read, tq1_0_read, tq2_0_read;
/* quant_iq.c: 256 elements */
quant_read iq1_s_read, iq1_m_read, iq2_xxs_read, iq2_xs_read, iq2_s_read, iq3_xxs_read, iq3_s_read,
    iq4_xs_read;
/* quant_write.c */
quant_write q4_0_write, q4_1_write, q5_0_write, q5_1_write, q8_0_write;

/* The numbers that the nibbles of IQ4_NL and IQ4_XS stand for. */
extern const int8_t quant_iq4_values[16];

#endif
