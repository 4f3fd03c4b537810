#include "overlay.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "size.h"

struct overlay *overlay_new(void)
{
    return memory_zeroed(1, sizeof(struct overlay));
}

static void entry_release(struct overlay_entry *entry)
{
    free(entry->left);
    free(entry->right);
    free(entry->delta);
    free(entry->bytes);
}

void overlay_clear(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->n_entries; i++)
        entry_release(&overlay->entries[i]);
    free(overlay->entries);
    *overlay = (struct overlay){0};
}

void overlay_free(struct overlay *overlay)
{
    if (!overlay)
        return;
    overlay_clear(overlay);
    free(overlay);
}

static struct overlay_entry *find(const struct overlay *overlay, const struct tensor *tensor)
{
    if (overlay)
        for (size_t i = 0; i < overlay->n_entries; i++)
            if (overlay->entries[i].tensor == tensor)
                return &overlay->entries[i];
    return NULL;
}

const struct overlay_entry *overlay_find(const struct overlay *overlay, const struct tensor *tensor)
{
    return find(overlay, tensor);
}

/* The tensor's entry, made when there is none. */
static struct overlay_entry *entry_of(struct overlay *overlay, const struct tensor *tensor, struct error *err)
{
    struct overlay_entry *entry = find(overlay, tensor), *entries;

    if (entry)
        return entry;
    if (!rows_readable(tensor->dtype)) {
        error_set(err, ERROR_UNSUPPORTED, "tensor %s is stored as %s, which lancet cannot change",
                  tensor->name, dtype_facts(tensor->dtype)->name);
        return NULL;
    }
    entries = memory_resize(overlay->entries, overlay->n_entries + 1, sizeof *entries);
    if (!entries) {
        error_memory(err, "recording a change of a tensor");
        return NULL;
    }
    overlay->entries = entries;
    entry = &entries[overlay->n_entries++];
    *entry = (struct overlay_entry){.tensor = tensor, .scale = 1};
    return entry;
}

void overlay_shape(const struct tensor *tensor, size_t *rows, size_t *columns)
{
    *columns = tensor->rank ? (size_t)tensor->shape[tensor->rank - 1] : 1;
    *rows = *columns ? (size_t)(tensor->elements / *columns) : 0;
}

/* Appends n numbers to the n_old that *block holds. */
static bool append(double **block, size_t n_old, const double *more, size_t n, struct error *err)
{
    size_t total;
    double *grown;

    if (!size_add(n_old, n, &total) || !(grown = memory_resize(*block, total, sizeof *grown)))
        return error_memory(err, "recording a change of a tensor");
    *block = grown;
    if (n)
        memcpy(grown + n_old, more, n * sizeof *grown);
    return true;
}

bool overlay_add(struct overlay *overlay, const struct tensor *tensor, size_t rank, const double *left,
                 const double *right, struct error *err)
{
    struct overlay_entry *entry = entry_of(overlay, tensor, err);
    size_t rows, columns, n_left, n_right;

    if (!entry)
        return false;
    overlay_shape(tensor, &rows, &columns);
    if (!size_mul(rank, rows, &n_left) || !size_mul(rank, columns, &n_right))
        return error_memory(err, "recording a change of a tensor");
    if (!append(&entry->left, entry->rank * rows, left, n_left, err) ||
        !append(&entry->right, entry->rank * columns, right, n_right, err))
        return false;
    if (entry->scale != 1) {
        for (size_t i = 0; i < entry->rank * rows; i++)
            entry->left[i] *= entry->scale;
        entry->scale = 1;
    }
    entry->rank += rank;
    return true;
}

bool overlay_replace(struct overlay *overlay, const struct tensor *tensor, uint8_t *bytes, struct error *err)
{
    struct overlay_entry *entry = entry_of(overlay, tensor, err);

    if (!entry) {
        free(bytes);
        return false;
    }
    entry_release(entry);
    *entry = (struct overlay_entry){.tensor = tensor, .scale = 1, .bytes = bytes};
    return true;
}

/* out [width] += what the entry's factors and delta add to a row from this column on. */
static void add_change(const struct overlay_entry *entry, size_t rows, size_t columns, size_t row,
                       size_t column, size_t width, double *out)
{
    for (size_t j = 0; j < entry->rank; j++) {
        const double *right = entry->right + j * columns + column;
        double a = entry->scale * entry->left[j * rows + row];

        for (size_t c = 0; c < width; c++)
            out[c] += a * right[c];
    }
    if (entry->delta)
        for (size_t c = 0; c < width; c++)
            out[c] += entry->delta[row * columns + column + c];
}

bool overlay_block(const struct overlay *overlay, const struct tensor *tensor, size_t first, size_t n,
                   size_t column, size_t width, double *out, struct error *err)
{
    const struct overlay_entry *entry = find(overlay, tensor);
    const uint8_t *bytes = entry && entry->bytes ? entry->bytes : tensor->data;
    size_t rows, columns;

    overlay_shape(tensor, &rows, &columns);
    if (first > rows || n > rows - first || column > columns || width > columns - column)
        return error_set(
            err, ERROR_MISMATCH,
            "rows %zu to %zu, columns %zu to %zu of tensor %s were asked for, which has %zu x %zu", first,
            first + n, column, column + width, tensor->name, rows, columns);
    if (!rows_readable(tensor->dtype))
        return error_set(err, ERROR_UNSUPPORTED,
                         "tensor %s is stored as %s, which lancet cannot read as numbers", tensor->name,
                         dtype_facts(tensor->dtype)->name);
    for (size_t r = 0; r < n; r++) {
        rows_slice_f64(tensor->dtype, bytes, (first + r) * columns + column, width, out + r * width);
        if (entry)
            add_change(entry, rows, columns, first + r, column, width, out + r * width);
    }
    return true;
}

bool overlay_rows(const struct overlay *overlay, const struct tensor *tensor, size_t first, size_t n,
                  double *out, struct error *err)
{
    size_t rows, columns;

    overlay_shape(tensor, &rows, &columns);
    return overlay_block(overlay, tensor, first, n, 0, columns, out, err);
}
