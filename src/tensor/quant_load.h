/* Unaligned numbers in a block. */
#ifndef LANCET_QUANT_LOAD_H
#define LANCET_QUANT_LOAD_H

#include <stdint.h>
#include <string.h>

#include "kernels.h"

static inline uint16_t load_u16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline float load_half(const uint8_t *p)
{
    return f16_to_float(load_u16(p));
}

#endif
