/* Files that would lie beside the same model in safetensors. */
#include "gguf_architecture.h"

#include <string.h>

#include "memory.h"

static bool read_chat_template(const struct checkpoint *checkpoint, char **out, size_t *n, struct error *err)
{
    const char *text;
    if (!gguf_text(gguf_find(checkpoint_gguf(checkpoint), GGUF_CHAT_TEMPLATE), &text, n))
        return true;
    *out = memory_copy(text, *n);
    return *out || error_memory(err, "reading a chat template");
}

bool gguf_companion(const struct checkpoint *checkpoint, const char *name, char **out, size_t *n,
                    struct error *err)
{
    static const struct {
        const char *name;
        bool (*make)(const struct checkpoint *checkpoint, char **out, size_t *n, struct error *err);
    } companions[] = {{"config.json", gguf_config}, {"chat_template.jinja", read_chat_template}};
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++)
        if (strcmp(companions[i].name, name) == 0)
            return companions[i].make(checkpoint, out, n, err);
    return true;
}
