/* Attention maps of one prompt: which of them are shown, and their way, row by row, to a writer while the
 * model runs.
 *
 * A map belongs to a layer and a query head: rows are queries (the token that looks), columns are keys (the
 * token that is looked at), both at the positions that are shown. */
#ifndef LANCET_ATTENTION_DUMP_H
#define LANCET_ATTENTION_DUMP_H

#include "out_file.h"
#include "prompt.h"
#include "terminal.h"

enum attention_average {
    AVERAGE_NONE,
    AVERAGE_HEADS, /* one map a layer: the mean of the heads that are shown */
    AVERAGE_ALL    /* one map: the mean of all of them */
};

struct attention_wish {         /* as the command line has it */
    const char *layers, *heads; /* "0,3-5"; NULL: all */
    const char *tokens;         /* "A:B", positions A to B - 1, either may be left out; NULL: all */
    size_t top_k;               /* the largest keys of each row only; 0: all */
    unsigned digits;            /* significant digits, in text */
    bool scores;                /* before softmax */
    enum attention_average average;
    bool one_map; /* AVERAGE_ALL where there would be several */
};

struct attention_shown {
    const struct opened *opened;
    const struct prompt *prompt;
    size_t *layers, n_layers; /* ascending */
    size_t *heads, n_heads;   /* ascending; those that a mean is of */
    size_t n_groups, n_maps;  /* maps come in groups: layers, each with n_maps; AVERAGE_ALL: one, with one */
    size_t first, n_tokens;   /* positions first .. first + n_tokens - 1 as queries and as keys */
    char **labels; /* [n_tokens] text of the tokens, escaped: no control characters; "#17" without a
                      tokenizer */
    size_t top_k;
    unsigned digits;
    bool scores;
    enum attention_average average;
    const struct terminal *terminal; /* what standard output shows; set by the command */
};

struct attention_top {
    uint32_t key; /* counted from the first key shown */
    float weight;
};

struct attention_row {
    size_t group, map, query;        /* counted from the first one shown; in this order */
    const float *weights;            /* [n_tokens] masked: 0, of scores -inf */
    size_t begin, end;               /* keys that the mask lets through, among those shown */
    const struct attention_top *top; /* [n_top] with top_k: largest first, instead of weights */
    size_t n_top;
    double rest; /* the weight of all other keys of the prompt */
};

/* A format that attention can be written in: one file attention_NAME.c, one row in attention_writers.c. */
struct attention_writer {
    const char *name, *extension; /* "json", ".json" */
    const char *summary;          /* one phrase */
    bool binary;                  /* never to a terminal */
    bool sparse;                  /* of text: knows rows of top_k, and digits */
    bool one_map;                 /* shows one map: AVERAGE_ALL where several are chosen */
    /* About how many bytes will be written. */
    double (*estimate)(const struct attention_shown *shown);
    /* *state goes to the others, and to `free` after a failure too. `shown` and `out` stay. */
    bool (*begin)(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err);
    bool (*row)(void *state, const struct attention_row *row, struct error *err);
    bool (*end)(void *state, struct error *err);
    void (*free)(void *state);
};

extern const struct attention_writer *const attention_writers[]; /* NULL-terminated */

/* By name, NULL: none. */
const struct attention_writer *attention_writer_named(const char *name);
/* By the end of a file name, NULL: none. */
const struct attention_writer *attention_writer_of_file(const char *path);

/* ERROR_USAGE names what does not exist, and the range that does. */
bool attention_choose(const struct opened *opened, const struct prompt *prompt,
                      const struct attention_wish *wish, struct attention_shown *out, struct error *err);
void attention_shown_release(struct attention_shown *shown);

/* Numbers of all rows that the mask lets through, and that it hides. */
void attention_cells(const struct attention_shown *shown, double *seen, double *hidden);
/* Of a layer that is shown. */
double attention_scale(const struct attention_shown *shown, size_t layer);

/* Runs the model up to the last layer that is shown. */
bool attention_run(const struct context *context, const struct attention_shown *shown,
                   const struct attention_writer *writer, struct out_file *out, struct error *err);

#endif
