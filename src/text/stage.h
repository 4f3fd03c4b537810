/* One stage of a tokenizer: a row of a table by type name, and the values that the file gave it.
 *
 * The four kinds (normalizer, pre-tokenizer, post-processor, decoder) each have their table, in the file that
 * runs them. A stage of type Sequence is no stage of its own: its members take its place in the list. */
#ifndef LANCET_STAGE_H
#define LANCET_STAGE_H

#include "json_members.h"
#include "pattern.h"
#include "unicode_form.h"

enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
};

enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };

enum accents { ACCENTS_AS_LOWERCASE, ACCENTS_KEEP, ACCENTS_STRIP };

struct encoding;
struct pieces;
struct aligned;
struct affixes;
struct charsmap;
struct sentencepiece_spec;
struct stage_row;

struct stage {
    const struct stage_row *row;
    struct pattern *pattern;   /* owned; NULL for stages without one */
    struct charsmap *charsmap; /* owned; NULL for stages without one */
    struct json_text content;  /* what is put in, taken away or replaced */
    enum split_behavior behavior;
    enum prepend_scheme scheme;
    enum unicode_form form;
    enum accents accents;
    bool invert, use_regex, add_prefix_space, individual_digits, split, strip_left, strip_right;
    bool clean_text, chinese, lowercase, cleanup;
    uint64_t start, stop;                  /* Strip of a decoder: how many characters at most */
    struct affixes *affixes;               /* of a post-processor: its tokens, in the arena */
    const struct sentencepiece_spec *spec; /* of a tokenizer.model, borrowed */
};

enum { REWRITES_MAX = 5 };
/* Puts what stands at [start, end) of `from`, changed, at the end of `to`. */
typedef bool (*rewrite_fn)(const struct stage *stage, const struct aligned *from, size_t start, size_t end,
                           struct aligned *to, struct error *err);

struct stage_row {
    const char *type;
    const struct member *members; /* into struct stage */
    size_t n_members;
    struct stage defaults;
    /* After reading: checks, compiles. NULL: nothing to do. */
    bool (*prepare)(struct stage *stage, struct error *err);
    union {                                 /* by the kind of the table */
        rewrite_fn normalize[REWRITES_MAX]; /* one after the other, up to a NULL */
        bool (*pretokenize)(const struct stage *, struct encoding *, struct error *);
        bool (*decode)(const struct stage *, struct pieces *, struct error *);
    } run;
};

struct stage_kind {
    const char *what;     /* "normalizer" */
    const char *list_key; /* of a Sequence: "normalizers" */
    const struct stage_row *rows;
    size_t n_rows;
};

extern const struct stage_kind stage_normalizers, stage_pretokenizers, stage_processors, stage_decoders;

struct stage_list { /* a zeroed one is empty */
    struct stage *items;
    size_t n, capacity;
};
/* Reads the stage that comes next and appends it, or the members of a Sequence. ERROR_UNSUPPORTED names a
 * type that has no row. */
bool stage_read(struct json_reader *r, const struct stage_kind *kind, struct stage_list *list,
                struct error *err);
/* Appends a stage, which the list owns if that succeeds. */
bool stage_list_add(struct stage_list *list, struct stage stage, struct error *err);
/* Appends the stage that a JSON text says: for tokenizers whose files do not spell their stages out. */
bool stage_list_add_json(struct stage_list *list, const struct stage_kind *kind, struct arena *arena,
                         const char *json, struct error *err);
void stage_list_release(struct stage_list *list);

/* {"String": ".."} or {"Regex": ".."} into stage->pattern. */
bool stage_read_pattern(struct json_reader *r, void *stage, struct error *err);
/* "Isolated", ... into stage->behavior. */
bool stage_read_behavior(struct json_reader *r, void *stage, struct error *err);
/* "always", ... into stage->scheme. */
bool stage_read_scheme(struct json_reader *r, void *stage, struct error *err);

#define STAGE_FIELD(field) offsetof(struct stage, field)
#define STAGE_MEMBERS(rows) .members = (rows), .n_members = sizeof(rows) / sizeof *(rows)

#endif
