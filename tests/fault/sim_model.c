#include "sim_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "format.h"
#include "pending.h"
#include "transaction.h"

const char *const sim_paths[SIM_FILES] = {"/m/one.safetensors", "/m/two.safetensors"};

static const char *const headers[SIM_FILES] = {
    "{\"x\":{\"dtype\":\"BF16\",\"shape\":[2500],\"data_offsets\":[0,5000]},"
    "\"y\":{\"dtype\":\"U8\",\"shape\":[6001],\"data_offsets\":[5000,11001]}}",
    "{\"v\":{\"dtype\":\"U8\",\"shape\":[77],\"data_offsets\":[0,77]},"
    "\"z\":{\"dtype\":\"F32\",\"shape\":[1500],\"data_offsets\":[77,6077]},"
    "\"w\":{\"dtype\":\"U8\",\"shape\":[123],\"data_offsets\":[6077,6200]}}",
};

static const size_t header_bytes[SIM_FILES] = {160, 4500}; /* padded with spaces */
static const size_t data_bytes[SIM_FILES] = {11001, 6200};

static const struct {
    const char *name;
    size_t file, begin, end;
    enum dtype dtype;
} listed[SIM_TENSORS] = {
    /* sorted by name */
    {"v", 1, 0, 77, DTYPE_U8},       {"w", 1, 6077, 6200, DTYPE_U8}, {"x", 0, 0, 5000, DTYPE_BF16},
    {"y", 0, 5000, 11001, DTYPE_U8}, {"z", 1, 77, 6077, DTYPE_F32},
};

struct simfs *sim_model_new(void)
{
    struct simfs *sim = simfs_new();
    simfs_make_directory(sim, "/m");
    for (size_t f = 0; f < SIM_FILES; f++) {
        size_t n = 8 + header_bytes[f] + data_bytes[f];
        uint64_t length = header_bytes[f], state = 77 + f;
        uint8_t *bytes = malloc(n);
        if (!bytes || strlen(headers[f]) > header_bytes[f])
            abort();
        memset(bytes, ' ', n);
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8, headers[f], strlen(headers[f]));
        for (size_t i = 8 + header_bytes[f]; i < n; i++)
            bytes[i] = (uint8_t)simfs_draw(&state, 256);
        simfs_put(sim, sim_paths[f], bytes, n);
        free(bytes);
    }
    return sim;
}

/* ---- opening ---- */

static bool hold(struct sim_model *m, size_t i, bool change, struct error *err)
{
    const struct fs *fs = m->context.fs;
    struct checkpoint_file *f = &m->files[i];
    struct stat st;
    f->path = f->shown = sim_paths[i];
    f->name = path_base(f->path);
    f->fd = fs->open(fs->state, f->path, (change ? O_RDWR : O_RDONLY) | O_NOFOLLOW, 0);
    if (f->fd < 0 || fs->fstat(fs->state, f->fd, &st) < 0)
        return error_set_errno(err, "%s: cannot open", f->path);
    f->size = (uint64_t)st.st_size;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    if (fs->lock(fs->state, f->fd, (change ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? error_set(err, ERROR_BUSY, "%s: locked", f->path)
                                    : error_set_errno(err, "%s: cannot lock", f->path);
    return true;
}

static bool look(struct sim_model *m, size_t i, struct error *err)
{
    const struct fs *fs = m->context.fs;
    struct checkpoint_file *f = &m->files[i];
    uint8_t head[8 + 4500];
    f->format = format_of(f->name, NULL, 0);
    f->head = 8 + header_bytes[i];
    if (!pending_read_head(&m->checkpoint, i, 0, head, (size_t)f->head, err))
        return false;
    uint64_t length;
    memcpy(&length, head, 8);
    if (length != header_bytes[i] || memcmp(head + 8, headers[i], strlen(headers[i])) != 0)
        return error_set(err, ERROR_FORMAT, "%s: its header is invalid", f->path);
    f->map = fs->map(fs->state, f->fd, (size_t)f->size);
    return f->map || error_set_errno(err, "%s: cannot map", f->path);
}

static bool settle(struct sim_model *m, struct simfs *sim, const struct checkpoint_options *options,
                   struct error *err)
{
    bool ok = true, change = options->mode == CHECKPOINT_CHANGE;
    *m = (struct sim_model){.context = {.fs = simfs_fs(sim)}};
    m->checkpoint = (struct checkpoint){.path = "/m",
                                        .directory = "/m",
                                        .folder = "/m",
                                        .files = m->files,
                                        .n_files = SIM_FILES,
                                        .tensors = m->tensors,
                                        .n_tensors = SIM_TENSORS,
                                        .writable = change,
                                        .context = &m->context};
    for (size_t i = 0; i < SIM_FILES; i++)
        m->files[i].fd = -1;
    for (size_t i = 0; ok && i < SIM_FILES; i++)
        ok = hold(m, i, change, err);
    ok = ok && history_settle(&m->context, &m->checkpoint, options, &m->checkpoint.recovered, err);
    if (!ok)
        sim_model_close(m);
    return ok;
}

bool sim_model_settle(struct sim_model *m, struct simfs *sim, enum checkpoint_mode mode, bool force,
                      struct error *err)
{
    return settle(m, sim, &(struct checkpoint_options){.mode = mode, .force = force}, err);
}

static bool open_model(struct sim_model *m, struct simfs *sim, const struct checkpoint_options *options,
                       struct error *err)
{
    if (!settle(m, sim, options, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < SIM_FILES; i++)
        ok = look(m, i, err);
    for (size_t i = 0; ok && i < SIM_TENSORS; i++) {
        const struct checkpoint_file *f = &m->files[listed[i].file];
        uint64_t offset = f->head + listed[i].begin;
        m->tensors[i] = (struct tensor){.name = listed[i].name,
                                        .dtype = listed[i].dtype,
                                        .file = listed[i].file,
                                        .offset = offset,
                                        .bytes = listed[i].end - listed[i].begin,
                                        .data = f->map + offset};
    }
    if (!ok)
        sim_model_close(m);
    return ok;
}

bool sim_model_open(struct sim_model *m, struct simfs *sim, enum checkpoint_mode mode, bool force,
                    struct error *err)
{
    return open_model(m, sim, &(struct checkpoint_options){.mode = mode, .force = force}, err);
}

bool sim_model_resume(struct sim_model *m, struct simfs *sim, bool force, struct error *err)
{
    return open_model(
        m, sim, &(struct checkpoint_options){.mode = CHECKPOINT_CHANGE, .force = force, .resume = true}, err);
}

void sim_model_close(struct sim_model *m)
{
    const struct fs *fs = m->context.fs;
    for (size_t i = 0; i < SIM_FILES; i++) {
        if (m->files[i].map)
            fs->unmap(fs->state, (void *)m->files[i].map, (size_t)m->files[i].size);
        if (m->files[i].fd >= 0)
            fs->close(fs->state, m->files[i].fd);
        m->files[i].map = NULL;
        m->files[i].fd = -1;
    }
    pending_free(m->checkpoint.pending);
    m->checkpoint.pending = NULL;
    free(m->checkpoint.warnings);
    m->checkpoint.warnings = NULL;
    m->checkpoint.n_warnings = 0;
    arena_release(&m->checkpoint.arena);
}

/* ---- changing ---- */

bool sim_model_change(struct sim_model *m, const char *const *names, size_t n, unsigned seed, bool no_history,
                      uint32_t *number, struct error *err)
{
    const struct tensor *tensors[SIM_TENSORS] = {0};
    struct transaction *t = NULL;
    struct transaction_options options = {.kind = "edit",
                                          .command = "lancet edit /m",
                                          .note = "{\"a\": \"\\n\"}",
                                          .no_history = no_history,
                                          .chunk_bytes = SIM_CHUNK_TWO};
    uint8_t bytes[8192];
    for (size_t i = 0; i < n; i++)
        tensors[i] = checkpoint_find(&m->checkpoint, names[i]);
    bool ok = transaction_begin(&m->context, &m->checkpoint, &options, tensors, n, &t, err);
    for (size_t i = 0; ok && i < n; i++) {
        size_t size = (size_t)tensors[i]->bytes, piece = tensors[i]->file ? SIM_CHUNK_TWO : SIM_CHUNK_ONE;
        uint64_t state = seed * 1000 + i + 1;
        memcpy(bytes, tensors[i]->data, size);
        for (size_t k = 0; k < size; k++)
            bytes[k] ^= (uint8_t)(1 + simfs_draw(&state, 7));
        for (size_t at = 0; ok && at < size; at += piece)
            ok = transaction_write(t, tensors[i], at, bytes + at, piece < size - at ? piece : size - at, err);
    }
    ok = ok && transaction_commit(t, number, err);
    struct error second;
    if (!transaction_end(t, &second))
        error_prefix(err, "%s", second.text);
    return ok;
}

/* ---- merging ---- */

/* Old bytes of a source that is shorter or longer than its target: it begins again. */
static bool source_bytes(struct transaction *t, const struct tensor *source, uint64_t at, size_t n,
                         uint8_t *out, struct error *err)
{
    for (size_t done = 0; done < n;) {
        uint64_t from = (at + done) % source->bytes;
        size_t piece = n - done < source->bytes - from ? n - done : (size_t)(source->bytes - from);
        if (!transaction_old(t, source, from, piece, out + done, err))
            return false;
        done += piece;
    }
    return true;
}

static bool merge_tensor(struct transaction *t, const struct tensor *target, const struct tensor *source,
                         struct error *err)
{
    size_t most = target->file ? SIM_CHUNK_TWO : SIM_CHUNK_ONE;
    uint64_t at = 0, n = 0;
    uint8_t bytes[SIM_CHUNK_TWO];
    while (transaction_missing(t, target, at, &at, &n)) {
        size_t piece = n < most ? (size_t)n : most;
        if (!source_bytes(t, source, at, piece, bytes, err))
            return false;
        for (size_t k = 0; k < piece; k++)
            bytes[k] ^= (uint8_t)(1 + (at + k) * 7 % 11);
        if (!transaction_write(t, target, at, bytes, piece, err))
            return false;
        at += piece;
    }
    return transaction_has(t, target, 0, target->bytes) ||
           error_set(err, ERROR_NONE, "tensor %s is not whole", target->name);
}

bool sim_model_merge(struct sim_model *m, bool slices, uint32_t *number, struct error *err)
{
    const struct tensor *tensors[] = {checkpoint_find(&m->checkpoint, "z"),
                                      checkpoint_find(&m->checkpoint, "v"),
                                      checkpoint_find(&m->checkpoint, "x")};
    const struct tensor *z = tensors[0], *x = tensors[2];
    struct transaction *t = NULL;
    struct transaction_options options = {.kind = "merge",
                                          .command = "lancet merge r.yml --into /m",
                                          .note = "{\"recipe\": 1}",
                                          .chunk_bytes = SIM_CHUNK_TWO,
                                          .before_with_chunks = true,
                                          .resume = m->checkpoint.pending != NULL};
    bool ok = transaction_begin(&m->context, &m->checkpoint, &options, tensors, 3, &t, err) &&
              merge_tensor(t, x, slices ? z : x, err) && merge_tensor(t, z, slices ? x : z, err) &&
              transaction_commit(t, number, err);
    struct error second;
    if (!transaction_end(t, &second))
        error_prefix(err, "%s", second.text);
    return ok;
}

/* ---- looking ---- */

struct sim_state sim_state_of(const struct simfs *sim)
{
    struct sim_state state = {0};
    for (size_t i = 0; i < SIM_FILES; i++) {
        const uint8_t *bytes = simfs_get(sim, sim_paths[i], &state.size[i]);
        state.bytes[i] = malloc(state.size[i]);
        if (!bytes || !state.bytes[i])
            abort();
        memcpy(state.bytes[i], bytes, state.size[i]);
    }
    return state;
}

void sim_state_release(struct sim_state *state)
{
    for (size_t i = 0; i < SIM_FILES; i++)
        free(state->bytes[i]);
    *state = (struct sim_state){0};
}

static bool file_is(const struct sim_state *state, const struct simfs *sim, size_t i)
{
    size_t n;
    const uint8_t *bytes = simfs_get(sim, sim_paths[i], &n);
    return bytes && n == state->size[i] && memcmp(bytes, state->bytes[i], n) == 0;
}

bool sim_state_is(const struct sim_state *state, const struct simfs *sim)
{
    for (size_t i = 0; i < SIM_FILES; i++)
        if (!file_is(state, sim, i))
            return false;
    return true;
}

bool sim_model_loads(const struct simfs *sim, size_t file)
{
    size_t n;
    uint64_t length;
    const uint8_t *bytes = simfs_get(sim, sim_paths[file], &n);
    memcpy(&length, bytes, 8);
    return length == header_bytes[file] && memcmp(bytes + 8, headers[file], strlen(headers[file])) == 0;
}

bool sim_model_guarded(const struct simfs *sim, const struct sim_state *before, const struct sim_state *after)
{
    for (size_t i = 0; i < SIM_FILES; i++)
        if (sim_model_loads(sim, i) && !file_is(before, sim, i) && !file_is(after, sim, i))
            return false;
    return true;
}
