/* The codebooks of ggml's IQ types, packed (quant_grids.c). */
#ifndef LANCET_QUANT_GRIDS_H
#define LANCET_QUANT_GRIDS_H

#include <stdint.h>

/* 8 numbers of 2 bits */
extern const uint16_t grid_iq2_xxs[256], grid_iq2_xs[512], grid_iq2_s[1024], grid_iq1[2048];
/* 4 numbers of 4 bits, of which 3 are used */
extern const uint16_t grid_iq3_xxs[256], grid_iq3_s[512];

#endif
