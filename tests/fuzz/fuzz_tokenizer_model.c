/* The bytes are a tokenizer.model, a text, and the length of the text in the last byte. */
#include "fuzz_tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size ? data[size - 1] : 0;
    size_t n_model = size && n < size ? size - 1 - n : 0;
    struct error err = {0};
    struct tokenizer *t = NULL;
    bool opened = tokenizer_parse_model("fuzz", (const char *)data, n_model, NULL, 0, &t, &err);
    try_text(opened, t, &err, (const char *)data + n_model, n_model + n < size ? n : 0);
    return 0;
}
