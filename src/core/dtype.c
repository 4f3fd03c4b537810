#include "dtype.h"

#include <string.h>

#include "size.h"

/* Names and sizes as in the safetensors crate (Dtype). F4 and F6 are packed: their tensors fill whole bytes.
 */
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
