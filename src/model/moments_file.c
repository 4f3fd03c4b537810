/* A safetensors file with one tensor C.L<layer> [f, f] for each layer: the mean of k k^T, F64 as written
 * here. Its metadata tell the number of tokens. */
#include "moments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "json_document.h"
#include "memory.h"
#include "rows.h"
#include "str.h"

enum { NAME_BYTES = 32 };

static void tensor_name(size_t layer, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "C.L%zu", layer);
}

static const struct format_writer *safetensors_writer(void)
{
    for (size_t i = 0; formats[i]; i++)
        if (strcmp(formats[i]->name, "safetensors") == 0)
            return formats[i]->writer;
    return NULL;
}

struct moments_layout {
    struct tensor_plan *plans; /* [n] in the order of the file */
    char (*names)[NAME_BYTES]; /* [n] in the order of the moments */
    uint8_t *head;
    size_t head_bytes;
    uint64_t file_bytes;
};

static void layout_release(struct moments_layout *l)
{
    free(l->plans);
    free(l->names);
    free(l->head);
}

static bool layout_make(const struct moments *moments, size_t n, struct moments_layout *l, struct error *err)
{
    struct str metadata = {0};
    char *text;
    bool ok;

    l->plans = memory_zeroed(n, sizeof *l->plans);
    l->names = memory_zeroed(n, sizeof *l->names);
    str_printf(&metadata, "{\"format\":\"lancet.moments/1\",\"tokens\":\"%llu\"}",
               n ? (unsigned long long)moments[0].tokens : 0ULL);
    text = str_take(&metadata);
    if (!l->plans || !l->names || !text) {
        free(text);
        return error_memory(err, "writing second moments");
    }
    for (size_t i = 0; i < n; i++) {
        tensor_name(moments[i].layer, l->names[i]);
        l->plans[i] = (struct tensor_plan){
            .name = l->names[i], .dtype = DTYPE_F64, .rank = 2, .shape = {moments[i].n, moments[i].n}};
    }
    ok = safetensors_writer()->layout(l->plans, n, text, &l->head, &l->head_bytes, &l->file_bytes, err);
    free(text);
    return ok;
}

static bool write_tensors(const struct fs *fs, int fd, const char *path, const struct moments *moments,
                          size_t n, const struct moments_layout *l, struct error *err)
{
    if (!fs_write_at(fs, fd, path, l->head, l->head_bytes, 0, err))
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (l->plans[j].name == l->names[i] &&
                !fs_write_at(fs, fd, path, moments[i].c, moments[i].n * moments[i].n * sizeof *moments[i].c,
                             l->plans[j].offset, err))
                return false;
    return true;
}

bool moments_write(const struct context *context, const struct moments *moments, size_t n, const char *path,
                   struct error *err)
{
    const struct fs *fs = context->fs;
    struct moments_layout layout = {0};
    struct str name = {0};
    char *temporary;
    bool ok = false;
    int fd = -1;

    str_printf(&name, "%s.%ld.tmp", path, (long)getpid());
    temporary = str_take(&name);
    if (!temporary) {
        error_memory(err, "writing second moments");
        goto out;
    }
    if (!layout_make(moments, n, &layout, err))
        goto out;
    fd = fs->open(fs->state, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) {
        error_set_errno(err, "%s: cannot create", temporary);
        goto out;
    }
    ok = write_tensors(fs, fd, temporary, moments, n, &layout, err);
    if (ok && fs->sync(fs->state, fd) < 0)
        ok = error_set_errno(err, "%s: cannot sync", temporary);
    if (fs->close(fs->state, fd) < 0 && ok)
        ok = error_set_errno(err, "%s: cannot close", temporary);
    if (ok && fs->rename(fs->state, temporary, path) < 0)
        ok = error_set_errno(err, "%s: cannot rename to %s", temporary, path);
    if (!ok)
        fs->unlink(fs->state, temporary);
out:
    layout_release(&layout);
    free(temporary);
    return ok;
}

/* The number of tokens in the metadata, 0 when it is not told. */
static bool read_tokens(const char *metadata, uint64_t *out, struct error *err)
{
    cJSON *json = NULL;
    const cJSON *tokens;

    *out = 0;
    if (!metadata)
        return true;
    if (!json_document_parse("metadata", metadata, strlen(metadata), &json, err))
        return false;
    tokens = cJSON_GetObjectItemCaseSensitive(json, "tokens");
    if (cJSON_IsString(tokens))
        *out = strtoull(tokens->valuestring, NULL, 10);
    cJSON_Delete(json);
    return true;
}

bool moments_read(const struct context *context, const char *path, size_t layer, size_t n,
                  struct moments *out, struct error *err)
{
    struct checkpoint *checkpoint = NULL;
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    struct moments moments = {.layer = layer, .n = n};
    const struct tensor *tensor;
    char name[NAME_BYTES], what[256];
    bool ok = false;

    tensor_name(layer, name);
    if (!checkpoint_open(context, path, &options, &checkpoint, err))
        return false;
    tensor = checkpoint_find(checkpoint, name);
    if (!tensor) {
        error_set(err, ERROR_MISMATCH, "%s: has no tensor %s, the covariance of layer %zu", path, name,
                  layer);
        goto out;
    }
    if ((tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F64) || tensor->rank != 2 ||
        tensor->shape[0] != n || tensor->shape[1] != n) {
        tensor_describe(tensor, what, sizeof what);
        error_set(err, ERROR_MISMATCH, "%s: tensor %s is %s, expected F32 or F64 [%zu, %zu]", path, name,
                  what, n, n);
        goto out;
    }
    moments.c = memory_array(n, n * sizeof *moments.c);
    if (!moments.c) {
        error_memory(err, "reading second moments");
        goto out;
    }
    rows_to_f64(tensor->dtype, tensor->data, n * n, moments.c);
    ok = read_tokens(checkpoint->files[tensor->file].metadata, &moments.tokens, err);
    if (!ok)
        error_prefix(err, "%s", path);
out:
    checkpoint_close(checkpoint);
    if (ok)
        *out = moments;
    else
        moments_release(&moments);
    return ok;
}
