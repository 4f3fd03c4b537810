/* The second moment C = mean of k k^T of MLP keys over a text (docs/editing.md 3): uncentred, f64, every
 * token counts. Cached in the user's cache folder under a digest of what it depends on: the tensors up to its
 * layer, the text, the settings. An edit above the layer therefore does not discard it. */
#ifndef LANCET_MOMENTS_H
#define LANCET_MOMENTS_H

#include "model.h"
#include "tokenizer.h"

struct moments_source {
    /* One of: */
    const char *corpus;          /* path of a text file; each line that is not blank is one row */
    const uint32_t *const *rows; /* rows of ids, used as they are */
    const size_t *row_lengths;
    size_t n_rows;
    /* none: text sampled from the model itself with `seed` */
    uint64_t seed;
    size_t tokens; /* stop after so many (0: 10 x ff for sampled text, everything for a corpus) */
    size_t window; /* longest row; 0: min(context, 256) */
};

struct moments {
    size_t layer, n; /* n: f */
    double *c;       /* [n, n], the mean, without ridge */
    uint64_t tokens;
};

/* One pass for all layers of the list. cache: folder, or NULL for the user's ($XDG_CACHE_HOME/lancet), "" for
 * none. */
bool moments_collect(const struct context *context, const struct model *model,
                     const struct tokenizer *tokenizer, const struct moments_source *source,
                     const size_t *layers, size_t n_layers, const char *cache,
                     struct moments *out /* [n_layers] */, struct error *err);
void moments_release(struct moments *moments);
/* safetensors with C.L<layer> [f, f] F32 or F64. */
bool moments_write(const struct context *context, const struct moments *moments, size_t n, const char *path,
                   struct error *err);
bool moments_read(const struct context *context, const char *path, size_t layer, size_t n,
                  struct moments *out, struct error *err);

#endif
