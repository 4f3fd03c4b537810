#include "dtype.h"

#include <string.h>

#include "size.h"

/* Names and sizes as in the safetensors crate (Dtype) and in ggml (ggml_type). F4 and F6 are packed: their
 * tensors fill whole bytes. */
static const struct dtype_facts facts[DTYPE_COUNT] = {
    [DTYPE_BOOL] = {"BOOL", 1, 8, false},
    [DTYPE_F4] = {"F4", 1, 4, true},
    [DTYPE_F6_E2M3] = {"F6_E2M3", 1, 6, true},
    [DTYPE_F6_E3M2] = {"F6_E3M2", 1, 6, true},
    [DTYPE_U8] = {"U8", 1, 8, false},
    [DTYPE_I8] = {"I8", 1, 8, false},
    [DTYPE_F8_E5M2] = {"F8_E5M2", 1, 8, true},
    [DTYPE_F8_E4M3] = {"F8_E4M3", 1, 8, true},
    [DTYPE_F8_E8M0] = {"F8_E8M0", 1, 8, true},
    [DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 1, 8, true},
    [DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 1, 8, true},
    [DTYPE_I16] = {"I16", 1, 16, false},
    [DTYPE_U16] = {"U16", 1, 16, false},
    [DTYPE_F16] = {"F16", 1, 16, true},
    [DTYPE_BF16] = {"BF16", 1, 16, true},
    [DTYPE_I32] = {"I32", 1, 32, false},
    [DTYPE_U32] = {"U32", 1, 32, false},
    [DTYPE_F32] = {"F32", 1, 32, true},
    [DTYPE_C64] = {"C64", 1, 64, false},
    [DTYPE_F64] = {"F64", 1, 64, true},
    [DTYPE_I64] = {"I64", 1, 64, false},
    [DTYPE_U64] = {"U64", 1, 64, false},
    [DTYPE_Q4_0] = {"Q4_0", 32, 18 * 8, true},
    [DTYPE_Q4_1] = {"Q4_1", 32, 20 * 8, true},
    [DTYPE_Q5_0] = {"Q5_0", 32, 22 * 8, true},
    [DTYPE_Q5_1] = {"Q5_1", 32, 24 * 8, true},
    [DTYPE_Q8_0] = {"Q8_0", 32, 34 * 8, true},
    [DTYPE_Q8_1] = {"Q8_1", 32, 36 * 8, true},
    [DTYPE_Q2_K] = {"Q2_K", 256, 84 * 8, true},
    [DTYPE_Q3_K] = {"Q3_K", 256, 110 * 8, true},
    [DTYPE_Q4_K] = {"Q4_K", 256, 144 * 8, true},
    [DTYPE_Q5_K] = {"Q5_K", 256, 176 * 8, true},
    [DTYPE_Q6_K] = {"Q6_K", 256, 210 * 8, true},
    [DTYPE_Q8_K] = {"Q8_K", 256, 292 * 8, true},
    [DTYPE_IQ1_S] = {"IQ1_S", 256, 50 * 8, true},
    [DTYPE_IQ1_M] = {"IQ1_M", 256, 56 * 8, true},
    [DTYPE_IQ2_XXS] = {"IQ2_XXS", 256, 66 * 8, true},
    [DTYPE_IQ2_XS] = {"IQ2_XS", 256, 74 * 8, true},
    [DTYPE_IQ2_S] = {"IQ2_S", 256, 82 * 8, true},
    [DTYPE_IQ3_XXS] = {"IQ3_XXS", 256, 98 * 8, true},
    [DTYPE_IQ3_S] = {"IQ3_S", 256, 110 * 8, true},
    [DTYPE_IQ4_NL] = {"IQ4_NL", 32, 18 * 8, true},
    [DTYPE_IQ4_XS] = {"IQ4_XS", 256, 136 * 8, true},
    [DTYPE_TQ1_0] = {"TQ1_0", 256, 54 * 8, true},
    [DTYPE_TQ2_0] = {"TQ2_0", 256, 66 * 8, true},
    [DTYPE_MXFP4] = {"MXFP4", 32, 17 * 8, true},
    [DTYPE_NVFP4] = {"NVFP4", 64, 36 * 8, true},
    [DTYPE_Q1_0] = {"Q1_0", 128, 18 * 8, true},
    [DTYPE_Q2_0] = {"Q2_0", 64, 18 * 8, true},
};

const struct dtype_facts *dtype_facts(enum dtype dtype)
{
    return &facts[dtype];
}

bool dtype_parse(const char *name, enum dtype *out)
{
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (strcmp(facts[i].name, name) == 0) {
            *out = (enum dtype)i;
            return true;
        }
    return false;
}

bool dtype_bytes(enum dtype dtype, uint64_t n, uint64_t *out)
{
    const struct dtype_facts *f = &facts[dtype];
    uint64_t bits;
    if (n % f->block_elements || !u64_mul(n / f->block_elements, f->block_bits, &bits) || bits % 8)
        return false;
    *out = bits / 8;
    return true;
}

size_t dtype_extent(enum dtype dtype, size_t n)
{
    const struct dtype_facts *f = &facts[dtype];
    return n / f->block_elements * f->block_bits / 8;
}
