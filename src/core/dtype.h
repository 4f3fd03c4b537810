/* Facts about element types: names, codes, sizes. No arithmetic: src/tensor/rows.h converts. Types whose elements
 * are packed in blocks with scales of their own are ggml's and lie in GGUF files only. */
#ifndef LANCET_DTYPE_H
#define LANCET_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_BOOL, DTYPE_F4, DTYPE_F6_E2M3, DTYPE_F6_E3M2, DTYPE_U8, DTYPE_I8, DTYPE_F8_E5M2, DTYPE_F8_E4M3,
    DTYPE_F8_E8M0, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ, DTYPE_I16, DTYPE_U16, DTYPE_F16, DTYPE_BF16, DTYPE_I32,
    DTYPE_U32, DTYPE_F32, DTYPE_C64, DTYPE_F64, DTYPE_I64, DTYPE_U64,
    DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q8_1, DTYPE_Q2_K, DTYPE_Q3_K, DTYPE_Q4_K,
    DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_Q8_K, DTYPE_IQ1_S, DTYPE_IQ1_M, DTYPE_IQ2_XXS, DTYPE_IQ2_XS, DTYPE_IQ2_S,
    DTYPE_IQ3_XXS, DTYPE_IQ3_S, DTYPE_IQ4_NL, DTYPE_IQ4_XS, DTYPE_TQ1_0, DTYPE_TQ2_0, DTYPE_MXFP4, DTYPE_NVFP4,
    DTYPE_Q1_0, DTYPE_Q2_0,
    DTYPE_COUNT
};

struct dtype_facts {
    const char *name;        /* as safetensors or ggml spells it: "BF16", "Q4_K" */
    unsigned block_elements; /* elements in a block: 1 but for block-quantised types */
    unsigned block_bits;     /* bits of one block */
    bool is_float;
};

const struct dtype_facts *dtype_facts(enum dtype dtype);
/* By name; false when there is none. */
bool dtype_parse(const char *name, enum dtype *out);
/* Bytes of n elements; false on overflow or when n does not fill whole blocks and bytes. */
bool dtype_bytes(enum dtype dtype, uint64_t n, uint64_t *out);
/* The same for elements that are known to lie in memory and to fill whole blocks and bytes. */
size_t dtype_extent(enum dtype dtype, size_t n);

#endif
