/* How a GGUF names architectures, their sizes and their peculiarities, against config.json of Hugging Face.
 */
#ifndef LANCET_GGUF_ARCHITECTURE_H
#define LANCET_GGUF_ARCHITECTURE_H

#include "gguf.h"
#include "json_write.h"

struct gguf_key {           /* a member of config.json and the key that holds it */
    const char *json, *key; /* the key without the architecture's name in front */
    enum gguf_type type;    /* in which it is written */
};

struct gguf_fact { /* a member of config.json that no key holds */
    const char *json;
    const char *tensor; /* true when this tensor is there, else false; NULL: always `text` */
    const char *text;   /* "true", "false", or a string */
};

/* What a conversion to GGUF does to the tensors of an architecture. */
enum gguf_trait {
    GGUF_PERMUTED =
        1 << 0, /* rows of queries and keys: from halves of a head to pairs, which rotate together */
    GGUF_NORM_PLUS_ONE = 1 << 1, /* weights of norms are stored + 1 */
    GGUF_TRANSPOSED = 1 << 2,    /* matrices that transformers stores [in, out] are stored [out, in] */
};

struct gguf_architecture {
    const char *name;                    /* general.architecture */
    const char *only_with;               /* a key that must be there and not 0, or NULL */
    const char *model_type, *class_name; /* of config.json */
    const struct gguf_key *const *keys;  /* NULL-terminated lists, each of which a row without a name ends */
    const struct gguf_fact *facts;       /* a row without a name ends them; NULL: none */
    const char
        *rotary; /* the member of config.json for the share of a head that rotates, or NULL: all of it */
    unsigned traits;
    /* Writes what the lists cannot say; NULL: nothing. */
    bool (*more)(const struct checkpoint *checkpoint, struct json_write *w, struct error *err);
};

/* The row, or NULL. */
const struct gguf_architecture *gguf_architecture_of(const struct gguf *gguf);
const struct gguf_architecture *gguf_architecture_for(const char *model_type);

/* The value of "ARCHITECTURE.KEY", or NULL. */
const struct gguf_value *gguf_own(const struct gguf *gguf, const char *key);

/* config.json as it would lie beside the same model in safetensors, as far as metadata and tensors tell: *out
 * is malloc'ed, *n bytes and a NUL. An architecture without a row gets the usual names of its sizes. */
bool gguf_config(const struct checkpoint *checkpoint, char **out, size_t *n, struct error *err);

#define GGUF_CHAT_TEMPLATE "tokenizer.chat_template"
/* Any such file: config.json, chat_template.jinja (the value of that key); *out is NULL for others. */
bool gguf_companion(const struct checkpoint *checkpoint, const char *name, char **out, size_t *n,
                    struct error *err);

#endif
