/* One JSON document:
 *
 *     {"schema": "lancet.attention/1", what attention_head_write says,
 *      "attention": [[[[0.5, 0.5, 0], ...]]]}        [layer][head][query][key], full squares
 *
 * With top_k every row is {"keys": [..], "weights": [..], "rest": w} in place of a list. Each row is a line.
 */
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "memory.h"

struct json_state {
    const struct attention_shown *shown;
    struct out_file *out;
    char *line; /* the numbers of a row */
    bool begun;
    struct error *err; /* of the function that writes now */
};

static bool put(void *sink, const char *bytes, size_t n)
{
    struct json_state *s = sink;
    return out_file_put(s->out, bytes, n, s->err);
}

static double estimate(const struct attention_shown *shown)
{
    return attention_text_bytes(shown);
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    size_t room = 2 * shown->n_tokens * ATTENTION_NUMBER + ATTENTION_ROW;
    struct json_state *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return error_memory(err, "writing attention");
    *state = s;
    *s = (struct json_state){.shown = shown, .out = out, .err = err, .line = memory_array(room, 1)};
    if (!s->line)
        return error_memory(err, "writing attention");
    struct json_write w = {.put = put, .sink = s, .pretty = true, .flat_from = 2};
    json_write_object_begin(&w);
    json_write_member_string(&w, "schema", "lancet.attention/1");
    bool ok = attention_head_write(shown, &w, err);
    json_write_key(&w, "attention");
    return ok && !w.failed;
}

/* What stands in front of a row: closes and opens the lists that it is not in or is the first of. */
static const char *before(const struct attention_row *row, bool begun)
{
    if (!begun)
        return "[[[\n";
    if (row->query)
        return ",\n";
    return row->map ? "],[\n" : "]],\n[[\n";
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct json_state *s = state;
    const char *opening = before(row, s->begun);
    bool sparse = s->shown->top_k;
    s->begun = true;
    s->line[0] = sparse ? '{' : '[';
    size_t n = 1 + (sparse ? attention_top_members : attention_numbers)(s->shown, row, s->line + 1);
    s->line[n++] = sparse ? '}' : ']';
    return out_file_put(s->out, opening, strlen(opening), err) && out_file_put(s->out, s->line, n, err);
}

static bool end(void *state, struct error *err)
{
    struct json_state *s = state;
    return out_file_put(s->out, "]]]\n}\n", 6, err);
}

static void release(void *state)
{
    struct json_state *s = state;
    free(s->line);
    free(s);
}

const struct attention_writer attention_json = {
    .name = "json",
    .extension = ".json",
    .summary = "one document with everything there is to know, [layer][head][query][key]",
    .sparse = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
