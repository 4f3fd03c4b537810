/* Made by tests/peers/test_gguf.py --vectors, from the gguf package 0.19.0: of 16 blocks from the stream of
 * bytes, the FNV-1a hash of the numbers (every NaN as 0x7fc00000), and of 64 x 32 numbers that of the bytes.
 */

#include <stdint.h>

static const struct quant_vector {
    const char *dtype;
    uint64_t hash;
} read_vectors[] =
    {
        {"Q4_0", 0x5202b5763b0b4689},    {"Q4_1", 0xe0a433ab1ba55ffe},   {"Q5_0", 0x8d1a51421099b1db},
        {"Q5_1", 0xf2db28d7db92bc47},    {"Q8_0", 0x732148ded91262ac},   {"Q8_1", 0x0cedeb74e0667c00},
        {"Q2_K", 0x6837b0669816945e},    {"Q3_K", 0x6d51f2a3103b4468},   {"Q4_K", 0x15e4eed737938150},
        {"Q5_K", 0x78f0f41765478fba},    {"Q6_K", 0x80446a1091468c60},   {"Q8_K", 0x29345bbf030325b5},
        {"IQ2_XXS", 0xefd7ed581514a0c9}, {"IQ2_XS", 0xc28fbf75083d843b}, {"IQ3_XXS", 0x0c75adda5a377207},
        {"IQ1_S", 0x0d424117e89f907d},   {"IQ4_NL", 0x5c7beeb75f7d6965}, {"IQ3_S", 0xeb7d7e3f27ab071d},
        {"IQ2_S", 0x2d08e8a7456f54f5},   {"IQ4_XS", 0xeb51cbeef879b7d9}, {"IQ1_M", 0xb0d60169f04f575f},
        {"BF16", 0x9ebab6bab5d6700e},    {"TQ1_0", 0xc9828562f7325d91},  {"TQ2_0", 0xe60e3fb181c0e856},
        {"MXFP4", 0x94f06a84ded4f2ee},   {"NVFP4", 0xb48e2d70bb3b6775},  {"Q1_0", 0xf8b9b293caee9ba5},
        {"Q2_0", 0xc19a92ef27f16774},
},
  write_vectors[] = {
      {"BF16", 0x67eef3a54cd2d834}, {"Q8_0", 0x915bd1dbc804b96d}, {"Q4_0", 0x32bb92575b21c075},
      {"Q4_1", 0x38238f8024e5d7c3}, {"Q5_0", 0xee36a5e1b20d9e19}, {"Q5_1", 0x0ab0f10ae9ff41ad},
};
