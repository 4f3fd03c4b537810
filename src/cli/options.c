#include "options.h"

#include <assert.h>
#include <math.h>
#include <popt.h>
#include <string.h>

#include "memory.h"
#include "nearest.h"
#include "numbers.h"

/* popt returns this number plus the index of the row: rows of the second set come after a gap. */
enum { FIRST_VALUE = 1, SECOND_VALUE = 1001 };

size_t option_rows_count(const struct option_row *rows)
{
    size_t n = 0;
    while (rows && rows[n].name)
        n++;
    return n;
}

bool option_values_new(const struct option_row *rows, struct option_values **out, struct error *err)
{
    struct option_values *values = memory_zeroed(1, sizeof *values);
    if (!values)
        return error_memory(err, "reading the command line");
    values->rows = rows;
    values->n = option_rows_count(rows);
    values->items = memory_zeroed(values->n, sizeof *values->items);
    if (!values->items) {
        option_values_free(values);
        return error_memory(err, "reading the command line");
    }
    for (size_t i = 0; i < values->n; i++)
        values->items[i].row = &rows[i];
    *out = values;
    return true;
}

void option_values_free(struct option_values *values)
{
    if (!values)
        return;
    for (size_t i = 0; values->items && i < values->n; i++)
        free(values->items[i].list);
    free(values->items);
    arena_release(&values->arena);
    free(values);
}

const struct option_value *option_values_find(const struct option_values *values, const char *name)
{
    for (size_t i = 0; i < values->n; i++)
        if (strcmp(values->items[i].row->name, name) == 0)
            return &values->items[i];
    assert(!"an option of the command's own table");
    return NULL;
}

const char *option_value_text(const struct option_value *value)
{
    return value->given ? value->text : value->row->standard;
}

void option_spelling(const struct option_row *row, struct str *out)
{
    if (row->short_name)
        str_printf(out, "-%c, ", row->short_name);
    str_printf(out, "--%s", row->name);
    if (row->value)
        str_printf(out, " %s", row->value);
}

static void fill_table(const struct option_values *values, int first, struct poptOption *table)
{
    for (size_t i = 0; i < values->n; i++)
        table[i] = (struct poptOption){
            .longName = values->rows[i].name,
            .shortName = values->rows[i].short_name,
            .argInfo = values->rows[i].kind == OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
            .val = first + (int)i,
        };
}

static bool is_choice(const struct option_row *row, const char *text)
{
    for (size_t i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], text) == 0)
            return true;
    return false;
}

static bool refuse_choice(const struct option_row *row, const char *text, struct error *err)
{
    struct str all = {0};
    for (size_t i = 0; row->choices[i]; i++)
        str_printf(&all, "%s%s", i ? ", " : "", row->choices[i]);
    error_set(err, ERROR_USAGE, "--%s does not take \"%s\", expected one of %s", row->name, text,
              all.failed ? "its choices" : all.data);
    str_release(&all);
    return false;
}

static bool check(const struct option_row *row, const char *text, struct error *err)
{
    uint64_t integer;
    double number;
    if (row->kind == OPTION_U64 && !number_parse_u64(text, &integer))
        return error_set(err, ERROR_USAGE, "--%s: \"%s\" is not a non-negative integer", row->name, text);
    if (row->kind == OPTION_NUMBER && !number_parse_double(text, &number))
        return error_set(err, ERROR_USAGE, "--%s: \"%s\" is not a number", row->name, text);
    if (row->choices && !is_choice(row, text))
        return refuse_choice(row, text, err);
    return true;
}

static bool store(struct option_values *values, struct option_value *value, const char *text,
                  struct error *err)
{
    value->given = true;
    if (!text)
        return true;
    if (!check(value->row, text, err))
        return false;
    value->text = arena_copy(&values->arena, text, strlen(text));
    if (!value->text)
        return error_memory(err, "reading the command line");
    if (value->row->kind != OPTION_LIST)
        return true;
    if (value->n_list == value->capacity) {
        size_t capacity = value->capacity ? 2 * value->capacity : 8;
        const char **list = memory_resize(value->list, capacity, sizeof *list);
        if (!list)
            return error_memory(err, "reading the command line");
        value->list = list;
        value->capacity = capacity;
    }
    value->list[value->n_list++] = value->text;
    return true;
}

static void consider_rows(struct nearest *nearest, const struct option_values *values)
{
    for (size_t i = 0; values && i < values->n; i++)
        nearest_consider(nearest, values->rows[i].name);
}

static bool refuse(poptContext popt, int failure, const struct option_values *first,
                   const struct option_values *second, struct error *err)
{
    const char *option = poptBadOption(popt, POPT_BADOPTION_NOALIAS);
    if (failure == POPT_ERROR_NOARG)
        return error_set(err, ERROR_USAGE, "%s needs a value", option);
    if (failure != POPT_ERROR_BADOPT)
        return error_set(err, ERROR_USAGE, "%s: %s", option, poptStrerror(failure));
    char word[64];
    size_t dashes = strspn(option, "-");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(option + dashes, "="), option + dashes);
    struct nearest nearest = {.word = word};
    consider_rows(&nearest, first);
    consider_rows(&nearest, second);
    if (nearest.best)
        return error_set(err, ERROR_USAGE, "unknown option %s, did you mean --%s?", option, nearest.best);
    return error_set(err, ERROR_USAGE, "unknown option %s", option);
}

static bool keep_args(struct option_values *values, const char **left, const char *const **args,
                      unsigned *n_args, struct error *err)
{
    unsigned n = 0;
    while (left && left[n])
        n++;
    const char **copy = arena_array(&values->arena, (size_t)n + 1, sizeof *copy);
    for (unsigned i = 0; copy && i < n; i++) {
        copy[i] = arena_copy(&values->arena, left[i], strlen(left[i]));
        if (!copy[i])
            copy = NULL;
    }
    if (!copy)
        return error_memory(err, "reading the command line");
    *args = copy;
    *n_args = n;
    return true;
}

bool options_read(struct option_values *first, struct option_values *second, int argc, const char **argv,
                  bool stop, const char *const **args, unsigned *n_args, struct error *err)
{
    bool ok = false;
    poptContext popt = NULL;
    size_t n = first->n + (second ? second->n : 0);
    struct poptOption *table = memory_zeroed(n + 1, sizeof *table);
    if (table) {
        fill_table(first, FIRST_VALUE, table);
        if (second)
            fill_table(second, SECOND_VALUE, table + first->n);
        popt = poptGetContext(NULL, argc, argv, table,
                              POPT_CONTEXT_NO_EXEC | (stop ? POPT_CONTEXT_POSIXMEHARDER : 0));
    }
    if (!popt) {
        error_memory(err, "reading the command line");
        goto out;
    }
    int got;
    while ((got = poptGetNextOpt(popt)) > 0) {
        struct option_values *values = got >= SECOND_VALUE ? second : first;
        struct option_value *value = &values->items[got - (got >= SECOND_VALUE ? SECOND_VALUE : FIRST_VALUE)];
        char *text = poptGetOptArg(popt);
        bool stored = store(values, value, text, err);
        free(text);
        if (!stored)
            goto out;
    }
    if (got < -1)
        refuse(popt, got, first, second, err);
    else
        ok = keep_args(first, poptGetArgs(popt), args, n_args, err);
out:
    if (popt)
        poptFreeContext(popt);
    free(table);
    return ok;
}

bool option_given(const struct command_call *call, const char *name)
{
    return option_values_find(call->values, name)->given;
}

const char *option_string(const struct command_call *call, const char *name)
{
    return option_value_text(option_values_find(call->values, name));
}

double option_number(const struct command_call *call, const char *name)
{
    const char *text = option_string(call, name);
    double value = NAN;
    if (text)
        number_parse_double(text, &value);
    return value;
}

uint64_t option_u64(const struct command_call *call, const char *name)
{
    const char *text = option_string(call, name);
    uint64_t value = 0;
    if (text)
        number_parse_u64(text, &value);
    return value;
}

size_t option_list(const struct command_call *call, const char *name, const char *const **out)
{
    const struct option_value *value = option_values_find(call->values, name);
    *out = (const char *const *)value->list;
    return value->n_list;
}
