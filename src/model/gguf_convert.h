/* A model's tensors in the other form: Hugging Face's names and layout, or GGUF's. */
#ifndef LANCET_GGUF_CONVERT_H
#define LANCET_GGUF_CONVERT_H

#include "format.h"
#include "model.h"
#include "str.h"

struct conversion {
    const struct model *model; /* the source */
    bool to_gguf;
    struct tensor_plan
        *plans; /* [n], in the order in which tensors were planned; sort them before laying out */
    struct convert_tensor *tensors; /* [n], of the same order */
    size_t n;
    size_t n_fallback;    /* tensors whose rows do not fill blocks of the wanted type: F16 instead */
    const char *fallback; /* the first of them */
    struct arena arena;
};

/* From a model in safetensors to GGUF, or from one in GGUF to safetensors. Matrices become `dtype`; what GGUF
 * keeps in F32 (vectors, norms, positions) stays so. ERROR_UNSUPPORTED when the architecture, or one of its
 * tensors, has no place in the other form. */
bool conversion_plan(const struct model *model, enum dtype dtype, struct conversion **out, struct error *err);
void conversion_free(struct conversion *conversion); /* NULL is fine */

/* All bytes of tensor i, in order, to `put`. ERROR_NUMERIC when a finite number is not finite in the new
 * dtype. */
typedef bool conversion_put(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n,
                            struct error *err);
bool conversion_run(const struct context *context, const struct conversion *conversion, size_t i,
                    conversion_put *put, void *user, struct error *err);

#endif
