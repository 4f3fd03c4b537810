/* The table of file formats. A format is one row: how to recognise it and how to list its tensors; adding one
 * is a source file, a row in format.c and a line in meson.build. */
#ifndef LANCET_FORMAT_H
#define LANCET_FORMAT_H

#include "checkpoint.h"

struct tensor_list {
    struct tensor *items; /* freed with free() */
    size_t n, capacity;
};
bool tensor_list_add(struct tensor_list *list, const struct tensor *tensor, struct error *err);

struct format {
    const char *name; /* "safetensors" */
    const char *extension;
    /* Whether a file with this name and these first bytes (up to 16) is one. */
    bool (*probe)(const char *name, const uint8_t *bytes, size_t n);
    /* Fills file->metadata and file->head, appends the file's tensors (names in checkpoint->arena). The file
     * is mapped. A file whose guard bytes are the invalid value below: ERROR_BUSY. */
    bool (*open)(struct checkpoint *checkpoint, size_t file, struct tensor_list *out, struct error *err);
    /* Whether a file of that many bytes that begins with these (up to 16) could be opened at all: tells
     * another model file from the garbage that a power cut leaves. */
    bool (*could_open)(const uint8_t *bytes, size_t n, uint64_t file_bytes);
    /* The bytes at the start of a file that make it load (safetensors: the 8 bytes of N; GGUF: its 4 bytes of
     * magic), and the invalid value that a change puts there, which carries a nonce (safetensors: its low 56
     * bits). NULL: cannot be changed in place. */
    size_t guard_bytes;
    void (*guard)(uint64_t nonce, uint8_t *out);
    /* NULL: cannot be written. */
    const struct format_writer *writer;
};

/* NULL-terminated. */
extern const struct format *const formats[];

/* The row whose probe says yes, or NULL. */
const struct format *format_of(const char *name, const uint8_t *bytes, size_t n);

/* ---- writing a new file ---- */

struct tensor_plan { /* one tensor of a file to be written: its bytes come later, in order of the layout */
    const char *name;
    enum dtype dtype;
    unsigned rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t offset, bytes; /* set by the layout: offset in the file */
};

struct format_writer {
    /* Orders the tensors (safetensors: widest dtype first, then name), sets offsets and bytes, and gives the
     * head of the file (malloc'ed). `metadata` as in checkpoint_file. */
    bool (*layout)(struct tensor_plan *tensors, size_t n, const char *metadata, uint8_t **head,
                   size_t *head_bytes, uint64_t *file_bytes, struct error *err);
};

#endif
