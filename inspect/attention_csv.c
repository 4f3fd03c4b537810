/* A line for every pair that the mask lets through (with top_k: that is among the largest of its row):
 *
 *     layer,head,query,key,query_token,key_token,weight       (of scores: score)
 *
 * query and key are positions in the prompt; a mean has no head. Tokens are escaped as on a terminal, so that
 * a line is a line, and quoted where RFC 4180 asks for it. A token that a spreadsheet would take for a
 * formula
 * (= + - @ at its start) gets an apostrophe in front.
 */
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "decimal.h"
#include "memory.h"

struct csv_state {
    const struct attention_shown *shown;
    struct out_file *out;
    char **fields; /* [n_tokens] labels as fields */
    struct str line;
};

static char *field_of(const char *label)
{
    struct str field = {0};
    bool quoted = strpbrk(label, "\",") || label[0] == ' ' || (label[0] && label[strlen(label) - 1] == ' ');
    str_append(&field, quoted ? "\"" : "");
    if (label[0] && strchr("=+-@", label[0]))
        str_append(&field, "'");
    for (const char *p = label; *p; p++)
        str_append_bytes(&field, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    str_append(&field, quoted ? "\"" : "");
    return str_take(&field);
}

static double estimate(const struct attention_shown *shown)
{
    double seen, hidden, rows = (double)shown->n_groups * (double)shown->n_maps * (double)shown->n_tokens;
    attention_cells(shown, &seen, &hidden);
    if (shown->top_k && rows * (double)shown->top_k < seen)
        seen = rows * (double)shown->top_k;
    return seen * (attention_number_bytes(shown) + 28);
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    const char *heading = shown->scores ? "layer,head,query,key,query_token,key_token,score\n"
                                        : "layer,head,query,key,query_token,key_token,weight\n";
    struct csv_state *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return error_memory(err, "writing attention");
    *state = s;
    *s = (struct csv_state){
        .shown = shown, .out = out, .fields = memory_zeroed(shown->n_tokens, sizeof *s->fields)};
    for (size_t i = 0; i < shown->n_tokens; i++)
        if (!s->fields || !(s->fields[i] = field_of(shown->labels[i])))
            return error_memory(err, "writing attention");
    return out_file_put(out, heading, strlen(heading), err);
}

static bool put_pair(struct csv_state *s, const struct attention_row *row, size_t key, float weight,
                     struct error *err)
{
    const struct attention_shown *shown = s->shown;
    char number[DECIMAL_LONGEST];
    str_clear(&s->line);
    str_printf(&s->line, "%zu,", shown->layers[row->group]);
    if (shown->average == AVERAGE_NONE)
        str_printf(&s->line, "%zu", shown->heads[row->map]);
    str_printf(&s->line, ",%zu,%zu,%s,%s,", shown->first + row->query, shown->first + key,
               s->fields[row->query], s->fields[key]);
    str_append_bytes(&s->line, number, decimal_write(weight, shown->digits, number));
    str_append(&s->line, "\n");
    return s->line.failed ? error_memory(err, "writing attention")
                          : out_file_put(s->out, s->line.data, s->line.length, err);
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct csv_state *s = state;
    bool ok = true;
    for (size_t i = 0; ok && i < row->n_top; i++)
        ok = put_pair(s, row, row->top[i].key, row->top[i].weight, err);
    for (size_t key = row->begin; ok && !s->shown->top_k && key < row->end; key++)
        ok = put_pair(s, row, key, row->weights[key], err);
    return ok;
}

static bool end(void *state, struct error *err)
{
    (void)state;
    (void)err;
    return true;
}

static void release(void *state)
{
    struct csv_state *s = state;
    for (size_t i = 0; s->fields && i < s->shown->n_tokens; i++)
        free(s->fields[i]);
    free(s->fields);
    str_release(&s->line);
    free(s);
}

const struct attention_writer attention_csv = {
    .name = "csv",
    .extension = ".csv",
    .summary = "a line for each pair of tokens that the mask lets through",
    .sparse = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
