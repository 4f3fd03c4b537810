/* The bytes are a tokenizer.json, a zero byte, and a text. */
#include "fuzz_tokens.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n_json = zero ? (size_t)(zero - data) : size, n = zero ? size - n_json - 1 : 0;
    struct error err = {0};
    struct tokenizer *t = NULL;
    bool opened = tokenizer_parse("fuzz", (const char *)data, n_json, NULL, 0, &t, &err);
    try_text(opened, t, &err, (const char *)data + size - n, n);
    return 0;
}
