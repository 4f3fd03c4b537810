/* A JSON object a line: first what attention_head_write says, then every row by itself:
 *
 *     {"layer":0,"head":3,"query":7,"weights":[0.5,0.5,0]}
 *
 * "query" is a position in the prompt; weights[k] is that of the k-th token shown (of scores: "scores"). With
 * top_k "keys", "weights" and "rest" stand in its place; a mean has head null.
 */
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "memory.h"

struct jsonl_state {
    const struct attention_shown *shown;
    struct out_file *out;
    char *line;
};

static double estimate(const struct attention_shown *shown)
{
    return attention_text_bytes(shown) +
           48.0 * (double)shown->n_groups * (double)shown->n_maps * (double)shown->n_tokens;
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    size_t room = 2 * shown->n_tokens * ATTENTION_NUMBER + 2 * ATTENTION_ROW;
    struct jsonl_state *s = memory_zeroed(1, sizeof *s);
    struct str head = {0};
    if (!s)
        return error_memory(err, "writing attention");
    *state = s;
    *s = (struct jsonl_state){.shown = shown, .out = out, .line = memory_array(room, 1)};
    if (!s->line)
        return error_memory(err, "writing attention");
    bool ok = attention_head_text(shown, &head, err) && out_file_put(out, head.data, head.length, err) &&
              out_file_put(out, "\n", 1, err);
    str_release(&head);
    return ok;
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct jsonl_state *s = state;
    const struct attention_shown *shown = s->shown;
    char head[24] = "null";
    if (shown->average == AVERAGE_NONE)
        snprintf(head, sizeof head, "%zu", shown->heads[row->map]);
    size_t n = (size_t)snprintf(s->line, ATTENTION_ROW, "{\"layer\":%zu,\"head\":%s,\"query\":%zu,",
                                shown->layers[row->group], head, shown->first + row->query);
    if (shown->top_k) {
        n += attention_top_members(shown, row, s->line + n);
    } else {
        n += (size_t)snprintf(s->line + n, ATTENTION_ROW, "\"%s\":[", shown->scores ? "scores" : "weights");
        n += attention_numbers(shown, row, s->line + n);
        s->line[n++] = ']';
    }
    memcpy(s->line + n, "}\n", 2);
    return out_file_put(s->out, s->line, n + 2, err);
}

static bool end(void *state, struct error *err)
{
    (void)state;
    (void)err;
    return true;
}

static void release(void *state)
{
    struct jsonl_state *s = state;
    free(s->line);
    free(s);
}

const struct attention_writer attention_jsonl = {
    .name = "jsonl",
    .extension = ".jsonl",
    .summary = "a line for the tokens, then one for each layer, head and query",
    .sparse = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
