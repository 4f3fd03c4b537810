/* Merges into a new folder, or a new file. */
#include "execute.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "chunk.h"
#include "file_tree.h"
#include "folder.h"
#include "memory.h"
#include "merge_run.h"
#include "quote.h"
#include "safetensors.h"
#include "shards.h"
#include "size.h"

static struct tensor_plan *plans_of(const struct merge_plan *plan, struct error *err)
{
    struct tensor_plan *out = memory_zeroed(plan->n_tensors, sizeof *out);

    if (!out)
        error_memory(err, "laying out a model");
    for (size_t i = 0; out && i < plan->n_tensors; i++) {
        const struct merge_tensor *t = &plan->tensors[i];
        out[i] = (struct tensor_plan){.name = t->name, .dtype = t->dtype, .rank = t->rank};
        memcpy(out[i].shape, t->shape, sizeof t->shape);
    }
    return out;
}

/* ---- a folder ---- */

static bool put_in_folder(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n,
                          struct error *err)
{
    return folder_put(user, tensor, offset, bytes, n, err);
}

enum { MOST_TEXTS = 3 };

static size_t list_texts(const struct merge_plan *plan, const struct merge_folder *to,
                         struct folder_text texts[MOST_TEXTS])
{
    const struct folder_text all[MOST_TEXTS] = {
        {.name = "config.json", .bytes = plan->config},
        {.name = "README.md", .bytes = to->card},
        {.name = "lancet_recipe.yml", .bytes = to->recipe},
    };
    size_t n = 0;

    for (size_t i = 0; i < MOST_TEXTS; i++)
        if (all[i].bytes) {
            texts[n] = all[i];
            texts[n++].n = strlen(all[i].bytes);
        }
    return n;
}

static const struct checkpoint **list_inputs(const struct merge_plan *plan, struct error *err)
{
    const struct checkpoint **inputs = memory_array(plan->n_models, sizeof *inputs);

    if (!inputs)
        error_memory(err, "merging");
    for (size_t i = 0; inputs && i < plan->n_models; i++)
        inputs[i] = plan->models[i].checkpoint;
    return inputs;
}

bool merge_check_folder(const struct context *context, const struct merge_plan *plan,
                        const struct merge_folder *to, size_t *n_records, struct error *err)
{
    const struct checkpoint **inputs = list_inputs(plan, err);
    struct folder_layout layout = {.inputs = inputs, .n_inputs = plan->n_models};
    bool ok = inputs && folder_check(context, plan->models[plan->donor].checkpoint, &layout, to->directory,
                                     to->force, n_records, err);

    free(inputs);
    return ok;
}

bool merge_to_folder(const struct context *context, const struct merge_plan *plan,
                     const struct merge_limits *limits, const struct merge_folder *to,
                     struct merge_done *done, struct error *err)
{
    struct folder_text texts[MOST_TEXTS];
    struct folder_writer *writer = NULL;
    struct tensor_plan *plans = NULL;
    const struct checkpoint **inputs = NULL;
    struct merge_done made = {0};
    struct merge_size size;
    bool ok = false;

    if (!merge_prepare(context, plan, limits, NULL, false, &size, err) || !(plans = plans_of(plan, err)) ||
        !(inputs = list_inputs(plan, err)))
        goto out;
    struct folder_layout layout = {.tensors = plans,
                                   .n_tensors = plan->n_tensors,
                                   .shard_bytes = to->shard_size,
                                   .texts = texts,
                                   .n_texts = list_texts(plan, to, texts),
                                   .inputs = inputs,
                                   .n_inputs = plan->n_models};
    if (!folder_begin_layout(context, plan->models[plan->donor].checkpoint, &layout, to->directory, to->force,
                             &writer, err))
        goto out;
    struct merge_sink sink = {.user = writer,
                              .order = folder_order(writer),
                              .n = plan->n_tensors,
                              .put = put_in_folder,
                              .chunk_bytes = size.chunk_bytes,
                              .digests = limits->digests};
    ok = merge_run(context, plan, &sink, &made, err) && folder_commit(writer, err);
    if (ok)
        *done = made;
    else
        merge_done_release(&made);
out:
    folder_free(writer);
    free(inputs);
    free(plans);
    return ok;
}

/* ---- a file ---- */

struct file_sink {
    const struct fs *fs;
    int fd;
    const char *name; /* for sentences */
    struct shard_layout layout;
};

static bool put_in_file(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n,
                        struct error *err)
{
    struct file_sink *s = user;

    return fs_write_at(s->fs, s->fd, s->name, bytes, n, s->layout.places[tensor].offset + offset, err);
}

static bool fill_file(const struct context *context, const struct merge_plan *plan, size_t chunk_bytes,
                      struct file_sink *s, struct merge_done *done, struct error *err)
{
    const struct fs *fs = s->fs;
    const struct shard *shard = &s->layout.shards[0];
    struct merge_sink sink = {.user = s,
                              .order = s->layout.order,
                              .n = plan->n_tensors,
                              .put = put_in_file,
                              .chunk_bytes = chunk_bytes};
    uint64_t there;

    if (fs->free_bytes(fs->state, s->fd, &there) == 0 && there < shard->file_bytes)
        return error_set(err, ERROR_IO, "%s: needs %" PRIu64 " bytes, and %" PRIu64 " are free", s->name,
                         shard->file_bytes, there);
    return fs_write_at(fs, s->fd, s->name, shard->head, shard->head_bytes, 0, err) &&
           merge_run(context, plan, &sink, done, err) &&
           (fs->sync(fs->state, s->fd) == 0 || error_set_errno(err, "%s: cannot sync", s->name));
}

/* `temporary` is complete: it gets the name. */
static bool name_file(const struct fs *fs, const char *temporary, const char *path, struct error *err)
{
    const char *base = path_base(path);
    char *directory = base == path ? memory_string(".") : memory_copy(path, (size_t)(base - path));
    bool ok = directory ? true : error_memory(err, "writing a file");

    if (ok && fs->rename(fs->state, temporary, path) < 0)
        ok = error_set_errno(err, "%s: cannot rename to it", quote(path).text);
    ok = ok && fs_sync_directory(fs, directory, err);
    free(directory);
    return ok;
}

bool merge_to_file(const struct context *context, const struct merge_plan *plan,
                   const struct merge_limits *limits, const char *path, const char *metadata, bool force,
                   struct merge_done *done, struct error *err)
{
    const struct fs *fs = context->fs;
    struct quoted shown = quote(path);
    struct file_sink s = {.fs = fs, .fd = -1, .name = shown.text};
    struct tensor_plan *plans = NULL;
    struct merge_done made = {0};
    struct merge_size size;
    char *temporary = NULL;
    bool ok = false, created = false;

    if (!force && fs_exists(fs, path)) {
        error_set(err, ERROR_USAGE, "%s: is there already; use --force to overwrite it", shown.text);
        goto out;
    }
    if (!merge_prepare(context, plan, limits, NULL, false, &size, err) || !(plans = plans_of(plan, err)) ||
        !shard_layout_make(&format_safetensors, plans, plan->n_tensors, UINT64_MAX, metadata, &s.layout,
                           err) ||
        !(temporary = file_tree_temporary(path, err)))
        goto out;
    s.fd = fs->open(fs->state, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    created = s.fd >= 0;
    ok = created ? fill_file(context, plan, size.chunk_bytes, &s, &made, err)
                 : error_set_errno(err, "%s: cannot create", shown.text);
    if (created && fs->close(fs->state, s.fd) < 0 && ok)
        ok = error_set_errno(err, "%s: cannot close", shown.text);
    ok = ok && name_file(fs, temporary, path, err);
    if (created && !ok)
        fs->unlink(fs->state, temporary);
    if (ok)
        *done = made;
    else
        merge_done_release(&made);
out:
    shard_layout_release(&s.layout);
    free(plans);
    free(temporary);
    return ok;
}
