#include "gguf.h"

/* enum ggml_type of ggml.h and enum llama_ftype of llama.h, August 2026. 4, 5, 31-33 and 36-38 were removed.
 */
static const struct gguf_tensor_type types[] = {
    {0, DTYPE_F32, 0},       {1, DTYPE_F16, 1},      {2, DTYPE_Q4_0, 2},      {3, DTYPE_Q4_1, 3},
    {6, DTYPE_Q5_0, 8},      {7, DTYPE_Q5_1, 9},     {8, DTYPE_Q8_0, 7},      {9, DTYPE_Q8_1, -1},
    {10, DTYPE_Q2_K, 10},    {11, DTYPE_Q3_K, 12},   {12, DTYPE_Q4_K, 15},    {13, DTYPE_Q5_K, 17},
    {14, DTYPE_Q6_K, 18},    {15, DTYPE_Q8_K, -1},   {16, DTYPE_IQ2_XXS, 19}, {17, DTYPE_IQ2_XS, 20},
    {18, DTYPE_IQ3_XXS, 23}, {19, DTYPE_IQ1_S, 24},  {20, DTYPE_IQ4_NL, 25},  {21, DTYPE_IQ3_S, 26},
    {22, DTYPE_IQ2_S, 28},   {23, DTYPE_IQ4_XS, 30}, {24, DTYPE_I8, -1},      {25, DTYPE_I16, -1},
    {26, DTYPE_I32, -1},     {27, DTYPE_I64, -1},    {28, DTYPE_F64, -1},     {29, DTYPE_IQ1_M, 31},
    {30, DTYPE_BF16, 32},    {34, DTYPE_TQ1_0, 36},  {35, DTYPE_TQ2_0, 37},   {39, DTYPE_MXFP4, 38},
    {40, DTYPE_NVFP4, 39},   {41, DTYPE_Q1_0, 40},   {42, DTYPE_Q2_0, -1},
};

enum { TYPES = sizeof types / sizeof *types };

const struct gguf_tensor_type *gguf_tensor_type_of(uint32_t id)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const struct gguf_tensor_type *gguf_tensor_type_for(enum dtype dtype)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].dtype == dtype)
            return &types[i];
    return NULL;
}
