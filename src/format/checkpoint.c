/* The order of opening, which matters:
 *
 *   1. find out which files make up the model; read the index (a change in place never touches it);
 *   2. open each file, look at its identity, lock it; refuse what must not be changed (hold.c);
 *   3. settle an open record (history_settle): it needs the directory, and name, path, fd and inode of each
 * file. While a change is under way the header of a file is invalid on purpose, so no header is read before;
 *   4. only now trust the bytes: map each file and list its tensors (the row of the format);
 *   5. sort, refuse names that two shards hold, compare with the index, refuse what cannot be changed. */
#include "checkpoint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "gguf_architecture.h"
#include "history.h"
#include "hold.h"
#include "json_document.h"
#include "memory.h"
#include "model_files.h"
#include "pending.h"
#include "quote.h"
#include "str.h"

enum {
    COMPANION_LIMIT = 1 << 28,
    DIGEST_STEP = 1 << 20,
};

void tensor_describe(const struct tensor *tensor, char *out, size_t size)
{
    size_t used = 0;
    const char *name = dtype_facts(tensor->dtype)->name;
    int n = snprintf(out, size, "%s [", name);
    for (unsigned i = 0; n >= 0 && (used += (size_t)n) < size && i < tensor->rank; i++)
        n = snprintf(out + used, size - used, "%s%" PRIu64, i ? ", " : "", tensor->shape[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

bool checkpoint_warn(struct checkpoint *checkpoint, struct error *err, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    const char *copy = arena_copy(&checkpoint->arena, sentence, strlen(sentence));
    const char **grown = memory_resize(checkpoint->warnings, checkpoint->n_warnings + 1, sizeof *grown);
    if (grown)
        checkpoint->warnings = grown;
    if (!grown || !copy)
        return error_memory(err, "opening a model");
    grown[checkpoint->n_warnings++] = copy;
    return true;
}

/* ---- finding ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

const struct tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name)
{
    if (!checkpoint->n_tensors)
        return NULL;
    struct tensor key = {.name = name};
    return bsearch(&key, checkpoint->tensors, checkpoint->n_tensors, sizeof key, by_name);
}

bool checkpoint_companion(const struct checkpoint *checkpoint, const char *name, char **out, size_t *n,
                          struct error *err)
{
    const struct fs *fs = checkpoint->context->fs;
    *out = NULL;
    *n = 0;
    if (checkpoint_gguf(checkpoint))
        return gguf_companion(checkpoint, name, out, n, err);
    char *path = path_join(checkpoint->folder, name);
    if (!path)
        return error_memory(err, "reading a file of the model");
    bool ok = true;
    if (fs_exists(fs, path))
        ok = fs_read_file(fs, path, COMPANION_LIMIT, out, n, err);
    free(path);
    return ok;
}

/* ---- opening ---- */

static bool list_files(struct checkpoint *c, const struct model_files *found, struct error *err)
{
    c->folder = arena_copy(&c->arena, found->folder, strlen(found->folder));
    c->files = arena_array(&c->arena, found->n_names, sizeof *c->files);
    c->is_folder = found->is_folder;
    if (found->index_name)
        c->index = arena_copy(&c->arena, found->index_name, strlen(found->index_name));
    if (!c->folder || !c->files || (found->index_name && !c->index))
        return error_memory(err, "opening a model");
    for (size_t i = 0; i < found->n_names; i++) {
        struct checkpoint_file *file = &c->files[c->n_files++];
        file->fd = -1;
        file->name = arena_copy(&c->arena, found->names[i], strlen(found->names[i]));
        file->shown = model_files_shown(found->folder, found->names[i], &c->arena);
        if (!file->name || !file->shown)
            return error_memory(err, "opening a model");
    }
    return true;
}

/* The directory that holds every file, or NULL. */
static bool find_directory(struct checkpoint *c, struct error *err)
{
    const char *first = c->files[0].path;
    size_t n = (size_t)(path_base(first) - first);
    for (size_t i = 1; i < c->n_files; i++) {
        const char *path = c->files[i].path;
        if ((size_t)(path_base(path) - path) == n && memcmp(path, first, n) == 0)
            continue;
        if (!c->writable)
            return true;
        return error_set(
            err, ERROR_UNSUPPORTED,
            "%s and %s lie in different folders, and a change in place needs one: write to a new folder "
            "with --output",
            c->files[0].shown, c->files[i].shown);
    }
    c->directory = arena_copy(&c->arena, first, n > 1 ? n - 1 : n);
    return c->directory ? true : error_memory(err, "opening a model");
}

static bool map_file(struct checkpoint *c, size_t index, struct tensor_list *list, struct error *err)
{
    struct checkpoint_file *file = &c->files[index];
    const struct fs *fs = c->context->fs;
    struct stat st;
    if (fs->fstat(fs->state, file->fd, &st) < 0)
        return error_set_errno(err, "%s: cannot stat", file->shown);
    file->size = (uint64_t)st.st_size;
    if (file->size == 0)
        return error_set(err, ERROR_FORMAT, "%s: is empty", file->shown);
    if (file->size > SIZE_MAX || !(file->map = fs->map(fs->state, file->fd, (size_t)file->size)))
        return error_set_errno(err, "%s: cannot map", file->shown);
    return file->format->open(c, index, list, err);
}

static bool sort_tensors(struct checkpoint *c, struct error *err)
{
    if (c->n_tensors)
        qsort(c->tensors, c->n_tensors, sizeof *c->tensors, by_name);
    for (size_t i = 1; i < c->n_tensors; i++) {
        const struct tensor *a = &c->tensors[i - 1], *b = &c->tensors[i];
        if (strcmp(a->name, b->name) == 0)
            return error_set(err, ERROR_FORMAT, "tensor %s lies in two files, %s and %s", quote(a->name).text,
                             c->files[a->file].shown, c->files[b->file].shown);
    }
    return true;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Weights whose numbers mean nothing without a second tensor: recognised by the names that their writers use.
 */
static bool refuse_quantised_tensors(const struct checkpoint *c, struct error *err)
{
    static const struct form {
        const char *end, *name;
        bool whole; /* only with integer elements */
    } forms[] = {{".weight_scale_inv", "FP8 with block scales", false},
                 {".qweight", "GPTQ or AWQ", true},
                 {"_blocks", "MXFP4", true},
                 {".weight_packed", "compressed-tensors", true},
                 {".weight.absmax", "bitsandbytes", false}};
    for (size_t i = 0; i < c->n_tensors; i++)
        for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
            if (ends_with(c->tensors[i].name, forms[f].end) &&
                !(forms[f].whole && dtype_facts(c->tensors[i].dtype)->is_float))
                return error_set(err, ERROR_UNSUPPORTED,
                                 "%s: tensor %s is quantised (%s), and lancet cannot change such weights",
                                 c->files[c->tensors[i].file].shown, quote(c->tensors[i].name).text,
                                 forms[f].name);
    return true;
}

bool checkpoint_is_plain(struct checkpoint *c, struct error *err)
{
    char *text;
    size_t n;
    cJSON *config = NULL;
    bool ok = checkpoint_companion(c, "config.json", &text, &n, err);
    if (!ok || !text)
        return ok && refuse_quantised_tensors(c, err);
    const char *shown = model_files_shown(c->folder, "config.json", &c->arena);
    ok = shown ? json_document_parse(shown, text, n, &config, err) : error_memory(err, "reading config.json");
    const cJSON *q = ok ? cJSON_GetObjectItemCaseSensitive(config, "quantization_config") : NULL;
    if (q && !cJSON_IsNull(q)) {
        const cJSON *method = cJSON_GetObjectItemCaseSensitive(q, "quant_method");
        ok = error_set(err, ERROR_UNSUPPORTED,
                       "%s: the weights are quantised (%s), and lancet cannot change such weights", shown,
                       cJSON_IsString(method) ? quote(method->valuestring).text : "quantization_config");
    }
    cJSON_Delete(config);
    free(text);
    return ok && refuse_quantised_tensors(c, err);
}

static bool settle(struct checkpoint *c, const struct checkpoint_options *options, struct error *err)
{
    if (!history_settle(c->context, c, options, &c->recovered, err))
        return false;
    return !c->recovered ||
           checkpoint_warn(c, err, "%s: a change that was cut short was taken back first", c->path);
}

static bool open_files(struct checkpoint *c, const struct model_files *found,
                       const struct checkpoint_options *options, struct error *err)
{
    if (!list_files(c, found, err))
        return false;
    for (size_t i = 0; i < c->n_files; i++)
        if (!hold_file(c, i, found->folder, options, err))
            return false;
    return find_directory(c, err) && settle(c, options, err);
}

static bool read_files(struct checkpoint *c, const struct model_files *found, struct error *err)
{
    struct tensor_list list = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < c->n_files; i++)
        ok = map_file(c, i, &list, err);
    c->tensors = list.items;
    c->n_tensors = list.n;
    if (!ok || !sort_tensors(c, err))
        return false;
    if (found->index_ignored &&
        !checkpoint_warn(c, err, "%s: an index lies beside it and is not used, as in transformers",
                         c->files[0].shown))
        return false;
    return (!found->index_name || index_check(&found->index, c, err)) &&
           (!c->writable || checkpoint_is_plain(c, err));
}

bool checkpoint_open(const struct context *context, const char *path,
                     const struct checkpoint_options *options, struct checkpoint **out, struct error *err)
{
    bool ok = false;
    struct arena scratch = {0};
    struct model_files found;
    struct checkpoint *c = memory_zeroed(1, sizeof *c);
    if (!c)
        return error_memory(err, "opening a model");
    c->context = context;
    c->writable = options->mode == CHECKPOINT_CHANGE;
    c->path = arena_copy(&c->arena, path, strlen(path));
    if (!c->path) {
        error_memory(err, "opening a model");
        goto out;
    }
    if (!model_files_find(context->fs, path, &scratch, &found, err))
        goto out;
    if (found.from_hub && c->writable) {
        error_set(err, ERROR_USAGE,
                  "%s: a model of the Hugging Face cache is not changed: write to a new folder with --output",
                  quote(path).text);
        goto out;
    }
    ok = open_files(c, &found, options, err) && read_files(c, &found, err);
out:
    arena_release(&scratch);
    if (ok)
        *out = c;
    else
        checkpoint_close(c);
    return ok;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    const struct fs *fs = checkpoint->context->fs;
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        struct checkpoint_file *file = &checkpoint->files[i];
        if (file->map)
            fs->unmap(fs->state, (void *)file->map, (size_t)file->size);
        if (file->fd >= 0)
            fs->close(fs->state, file->fd);
    }
    pending_free(checkpoint->pending);
    free(checkpoint->tensors);
    free(checkpoint->warnings);
    arena_release(&checkpoint->arena);
    free(checkpoint);
}

/* ---- digests ---- */

/* Through pread, not through the map: a bad disk or a file cut short is then an error and not a signal. */
static bool digest_range(const struct checkpoint *c, size_t index, uint64_t offset, uint64_t n,
                         struct digest *out, struct error *err)
{
    const struct checkpoint_file *file = &c->files[index];
    struct digest_stream *stream = NULL;
    uint8_t *buffer = memory_array(1, DIGEST_STEP);
    bool ok = buffer ? digest_stream_new(&stream, err) : error_memory(err, "computing a digest");
    for (uint64_t done = 0; ok && done < n;) {
        size_t step = n - done < DIGEST_STEP ? (size_t)(n - done) : DIGEST_STEP;
        ok = context_continue(c->context, err) &&
             fs_read_at(c->context->fs, file->fd, file->shown, buffer, step, offset + done, err) &&
             digest_stream_add(stream, buffer, step, err);
        done += step;
        context_progress(c->context, "SHA-256", done, n);
    }
    ok = ok && digest_stream_finish(stream, out, err);
    digest_stream_free(stream);
    free(buffer);
    return ok;
}

bool checkpoint_header_digest(const struct checkpoint *checkpoint, size_t file, struct digest *out,
                              struct error *err)
{
    return digest_range(checkpoint, file, 0, checkpoint->files[file].head, out, err);
}

bool checkpoint_tensor_digest(const struct checkpoint *checkpoint, const struct tensor *tensor,
                              struct digest *out, struct error *err)
{
    return digest_range(checkpoint, tensor->file, tensor->offset, tensor->bytes, out, err);
}

bool checkpoint_file_digest(const struct checkpoint *checkpoint, size_t file, struct digest *out,
                            struct error *err)
{
    return digest_range(checkpoint, file, 0, checkpoint->files[file].size, out, err);
}
