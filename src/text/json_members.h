/* Reading a JSON object into a struct by a table: one row per member. Unknown members are skipped, null
 * counts as absent, a member that comes twice or is missing though required is ERROR_FORMAT with its place.
 */
#ifndef LANCET_JSON_MEMBERS_H
#define LANCET_JSON_MEMBERS_H

#include "arena.h"
#include "json_scan.h"

enum member_kind {
    MEMBER_BOOL, /* bool */
    MEMBER_TEXT, /* struct json_text, in the arena, NUL-terminated */
    MEMBER_U64,  /* uint64_t */
    MEMBER_READ, /* read(reader, base, err) */
};

struct json_reader {
    struct json_scan scan;
    struct arena *arena;
};

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset; /* of the field in the struct */
    bool required;
    bool (*read)(struct json_reader *r, void *base, struct error *err);
};

enum { MEMBERS_MAX = 32 };

/* `what` names the object in sentences. Fields of absent members keep their values. */
bool json_members(struct json_reader *r, const char *what, const struct member *rows, size_t n_rows,
                  void *base, struct error *err);

/* Keeps a string in the arena. */
bool json_keep(struct json_reader *r, struct json_text text, struct json_text *out, struct error *err);

/* The string member `key` of the object that comes next, without moving; *found false when it has none. */
bool json_look(const struct json_reader *r, const char *key, struct json_text *out, bool *found,
               struct error *err);

/* The type of the member `key` of the object that comes next, without moving. */
bool json_look_type(const struct json_reader *r, const char *key, enum json_type *out, bool *found,
                    struct error *err);

/* Puts file, line and column before an error of kind ERROR_FORMAT or ERROR_UNSUPPORTED. Returns false. */
bool json_place(const struct json_reader *r, struct error *err);

#endif
