#include "prompt_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_document.h"
#include "memory.h"

enum { LONGEST_FILE = 1 << 30 };

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

bool prompt_file_open(const struct command_call *call, const char *name, struct prompt_file *out,
                      struct error *err)
{
    struct prompt_file file = {.name = name, .is_json = ends_in(name, ".jsonl")};
    if (!fs_read_file(call->context.fs, name, LONGEST_FILE, &file.text, &file.n, err))
        return false;
    *out = file;
    return true;
}

bool prompt_file_more(const struct prompt_file *file)
{
    return file->at < file->n;
}

static bool prompt_of_array(const cJSON *array, struct prompt *out, struct error *err)
{
    size_t n = (size_t)cJSON_GetArraySize(array), used = 0;
    uint32_t *ids = memory_array(n, sizeof *ids);
    const cJSON *item;
    bool ok = ids || error_memory(err, "reading a prompt");
    cJSON_ArrayForEach(item, array)
    {
        double id = item->valuedouble;
        if (ok && !(cJSON_IsNumber(item) && id >= 0 && id < UINT32_MAX && floor(id) == id))
            ok = error_set(err, ERROR_FORMAT, "item %zu of the array is no token id", used);
        if (ok)
            ids[used++] = (uint32_t)id;
    }
    ok = ok && prompt_of_ids(ids, n, out, err);
    free(ids);
    return ok;
}

static bool prompt_of_json(const char *line, size_t n, const struct opened *opened, bool special,
                           struct prompt *out, struct error *err)
{
    cJSON *document = NULL;
    if (!json_document_parse("the prompt", line, n, &document, err))
        return false;
    const cJSON *prompt =
        cJSON_IsObject(document) ? cJSON_GetObjectItemCaseSensitive(document, "prompt") : document;
    bool ok = cJSON_IsString(prompt) ? prompt_of_text(opened, prompt->valuestring,
                                                      strlen(prompt->valuestring), special, out, err)
              : cJSON_IsArray(prompt)
                  ? prompt_of_array(prompt, out, err)
                  : error_set(err, ERROR_FORMAT,
                              "the line is neither a string nor an array of token ids nor an object with one "
                              "of them as \"prompt\"");
    cJSON_Delete(document);
    return ok;
}

bool prompt_file_next(struct prompt_file *file, const struct opened *opened, bool special, struct prompt *out,
                      struct error *err)
{
    const char *line = file->text + file->at, *end = memchr(line, '\n', file->n - file->at);
    size_t n = end ? (size_t)(end - line) : file->n - file->at;
    file->at += end ? n + 1 : n;
    file->line++;
    return (file->is_json ? prompt_of_json(line, n, opened, special, out, err)
                          : prompt_of_text(opened, line, n, special, out, err)) ||
           error_prefix(err, "%s:%zu", file->name, file->line);
}

void prompt_file_release(struct prompt_file *file)
{
    if (!file)
        return;
    free(file->text);
    *file = (struct prompt_file){0};
}
