/* The GGUF format, versions 2 and 3: typed metadata, and what checkpoint.c does not reach through the row of
 * the table. Values are read where they lie in the mapped file; nothing is copied but the keys. */
#ifndef LANCET_GGUF_H
#define LANCET_GGUF_H

#include "format.h"

extern const struct format format_gguf;

enum gguf_type { /* as stored */
                 GGUF_U8,
                 GGUF_I8,
                 GGUF_U16,
                 GGUF_I16,
                 GGUF_U32,
                 GGUF_I32,
                 GGUF_F32,
                 GGUF_BOOL,
                 GGUF_STRING,
                 GGUF_ARRAY,
                 GGUF_U64,
                 GGUF_I64,
                 GGUF_F64,
                 GGUF_TYPES
};

struct gguf_value {
    const char *key;     /* UTF-8 without NUL, NUL-terminated */
    enum gguf_type type; /* of the value; of its elements when it is an array; never GGUF_ARRAY */
    bool is_array;
    uint64_t n;           /* elements; 1 when it is no array */
    const uint8_t *bytes; /* the value as it is stored, checked; the functions below read it */
    size_t n_bytes;
};

struct gguf {
    const char *name; /* of the file, for sentences */
    uint32_t version;
    uint64_t alignment;        /* of the tensors' bytes */
    uint64_t data;             /* where the tensors' bytes begin: the offset from which theirs count */
    struct gguf_value *values; /* sorted by key; no key occurs twice */
    size_t n_values;
};

/* Everything before the tensors' bytes: `bytes` are the whole file of `n`, whose first four were looked at
 * before (gguf_magic_check). Keys and names go into the arena, tensors are appended in the order of their
 * bytes, with their shapes as PyTorch writes them ([out, in]: ggml's dimensions from last to first). Every
 * check of the format is made before a value is used; sizes that a file claims never lead to memory beyond a
 * small multiple of its own. */
bool gguf_read(const char *name, const uint8_t *bytes, uint64_t n, struct arena *arena, size_t file,
               struct gguf *out, struct tensor_list *tensors, struct error *err);
/* ERROR_FORMAT unless the four bytes are "GGUF", ERROR_BUSY when they are what a change under way puts there.
 */
bool gguf_magic_check(const char *name, const uint8_t magic[4], struct error *err);

/* ---- metadata ---- */

/* The metadata of a model in GGUF (of its first file), or NULL when it is in another format. */
const struct gguf *checkpoint_gguf(const struct checkpoint *checkpoint);

/* NULL when there is none. */
const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key);

/* Element i (0 of what is no array); `value` may be NULL. False, and *out as it was, when there is no such
 * element or it is of another kind: any integer type for u64 (not negative) and i64, any integer or float
 * type for f64. */
bool gguf_u64(const struct gguf_value *value, uint64_t i, uint64_t *out);
bool gguf_i64(const struct gguf_value *value, uint64_t i, int64_t *out);
bool gguf_f64(const struct gguf_value *value, uint64_t i, double *out);
bool gguf_bool(const struct gguf_value *value, uint64_t i, bool *out);
/* A string that is no element of an array: n bytes, of any content, without NUL at the end. */
bool gguf_text(const struct gguf_value *value, const char **text, size_t *n);
bool gguf_text_is(const struct gguf_value *value, const char *text);

/* The strings of an array in order; none when it is not an array of strings. */
struct gguf_texts {
    const uint8_t *at;
    size_t left; /* bytes */
};
struct gguf_texts gguf_texts(const struct gguf_value *value);
bool gguf_texts_next(struct gguf_texts *texts, const char **text, size_t *n);

/* An array of exactly that type, and of n elements unless n is GGUF_ANY: ERROR_FORMAT else. *out is NULL when
 * there is no such key. */
#define GGUF_ANY UINT64_MAX
bool gguf_array(const struct gguf *gguf, const char *key, enum gguf_type type, uint64_t n,
                const struct gguf_value **out, struct error *err);
/* "array of string", "u32" for sentences. */
const char *gguf_type_name(enum gguf_type type);

/* ---- models in several files (gguf_split.c) ---- */

/* Whether a file name is NAME-00001-of-00003.gguf: its index from 0 on (0) and the number of files (3). */
bool gguf_split_parse(const char *name, unsigned *index, unsigned *count);
/* Puts another index into such a name. */
void gguf_split_rename(char *name, unsigned index);
/* What the metadata says about the file's place among the checkpoint's: ERROR_FORMAT when it is another one.
 * The last file's turn tells whether they hold as many tensors as the first says; `n_tensors` are those of
 * all files up to it. */
bool gguf_split_check(const struct checkpoint *checkpoint, size_t file, size_t n_tensors, struct error *err);

/* ---- ggml's types of tensors ---- */

struct gguf_tensor_type {
    uint32_t id; /* in tensor infos */
    enum dtype dtype;
    int file_type; /* general.file_type of a file that is mostly of it; -1: none */
};
const struct gguf_tensor_type *gguf_tensor_type_of(uint32_t id); /* NULL: none, or removed */
const struct gguf_tensor_type *gguf_tensor_type_for(enum dtype dtype);

#endif
