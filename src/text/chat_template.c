#include "chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "json_document.h"
#include "memory.h"

/* "chat_template" of tokenizer_config.json: a text, or [{"name", "template"}, ..], of which "default" counts.
 */
static bool template_of_config(const char *config, size_t n, char **out, struct error *err)
{
    cJSON *document = NULL;
    if (!json_document_parse("tokenizer_config.json", config, n, &document, err))
        return false;
    const cJSON *template = cJSON_GetObjectItemCaseSensitive(document, "chat_template"), *found = template,
                *item;
    cJSON_ArrayForEach(item, template)
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
        if (cJSON_IsString(name) && strcmp(name->valuestring, "default") == 0)
            found = cJSON_GetObjectItemCaseSensitive(item, "template");
    }
    bool ok = true;
    if (cJSON_IsString(found)) {
        *out = memory_string(found->valuestring);
        ok = *out || error_memory(err, "reading a chat template");
    }
    cJSON_Delete(document);
    return ok;
}

bool chat_template_read(const struct checkpoint *checkpoint, char **out, struct error *err)
{
    char *config = NULL;
    size_t n;
    *out = NULL;
    bool ok = checkpoint_companion(checkpoint, "chat_template.jinja", out, &n, err);
    if (ok && !*out)
        ok = checkpoint_companion(checkpoint, "tokenizer_config.json", &config, &n, err) &&
             (!config || template_of_config(config, n, out, err));
    free(config);
    return ok;
}
