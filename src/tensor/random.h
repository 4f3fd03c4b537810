/* Counter-based random numbers (Philox 4x32-10): a draw depends on its key and counter only, never on who drew before. */
#ifndef LANCET_RANDOM_H
#define LANCET_RANDOM_H

#include <stdint.h>

struct random_key {
    uint64_t seed, stream;
};

uint64_t random_u64(struct random_key key, uint64_t counter);
double random_uniform(struct random_key key, uint64_t counter); /* [0, 1) with 53 bits */
double random_normal(struct random_key key, uint64_t counter);
/* A stream number from a name (FNV-1a 64). */
uint64_t random_stream(const char *name);

#endif
