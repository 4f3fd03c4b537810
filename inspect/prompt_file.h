/* A file of prompts. Each line is one, as it stands; or, where the file's name ends in .jsonl, JSON: a
 * string, an array of token ids, or an object with one of these as "prompt" (whatever else it has is left
 * alone), so that prompts may hold new lines and a model needs no tokenizer. A last line need not end;
 * nothing follows the last new line. */
#ifndef LANCET_PROMPT_FILE_H
#define LANCET_PROMPT_FILE_H

#include "prompt.h"

/* For the tables of commands: {.name = "batch", PROMPT_FILE_ROW("prompt")}. */
#define PROMPT_FILE_ROW(THING)                                                                               \
    .kind = OPTION_STRING, .value = "FILE",                                                                  \
    .help =                                                                                                  \
        "take every line of FILE as a " THING "; of a file named .jsonl every line is JSON: a string, an "   \
        "array of ids, or an object with one of them as \"prompt\""

struct prompt_file {
    const char *name;
    char *text;
    size_t n, at, line; /* bytes in all, byte where the next line begins, lines read */
    bool is_json;
};

/* The whole file is read; `name` is borrowed. */
bool prompt_file_open(const struct command_call *call, const char *name, struct prompt_file *out,
                      struct error *err);
/* Whether a line is left. */
bool prompt_file_more(const struct prompt_file *file);
/* The next line. `special` as in prompt_of_text; ids are taken as they are. Errors name file and line. */
bool prompt_file_next(struct prompt_file *file, const struct opened *opened, bool special, struct prompt *out,
                      struct error *err);
void prompt_file_release(struct prompt_file *file);

#endif
