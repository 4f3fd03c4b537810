#include "random.h"

#include <math.h>

/* Philox 4x32-10 of Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Key:
 * the seed. Counter block: counter in the low 64 bits, stream in the high 64 bits. */

struct philox_block {
    uint32_t word[4];
};

static struct philox_block philox(struct random_key key, uint64_t counter)
{
    struct philox_block b = {
        {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)key.stream, (uint32_t)(key.stream >> 32)}};
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * b.word[0],
                 p1 = (uint64_t)UINT32_C(0xCD9E8D57) * b.word[2];

        b = (struct philox_block){{(uint32_t)(p1 >> 32) ^ b.word[1] ^ k0, (uint32_t)p1,
                                   (uint32_t)(p0 >> 32) ^ b.word[3] ^ k1, (uint32_t)p0}};
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    return b;
}

static uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

uint64_t random_u64(struct random_key key, uint64_t counter)
{
    struct philox_block b = philox(key, counter);

    return pair(b.word[0], b.word[1]);
}

double random_uniform(struct random_key key, uint64_t counter)
{
    return unit(random_u64(key, counter));
}

/* Box and Muller, with both halves of one block. */
double random_normal(struct random_key key, uint64_t counter)
{
    struct philox_block b = philox(key, counter);
    double radius = 1 - unit(pair(b.word[0], b.word[1])), angle = unit(pair(b.word[2], b.word[3]));

    return sqrt(-2 * log(radius)) * cos(2 * 3.14159265358979323846 * angle);
}

uint64_t random_stream(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash;
}
