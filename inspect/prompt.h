/* What the commands of this folder begin with: an opened model, and the tokens of a prompt. */
#ifndef LANCET_PROMPT_H
#define LANCET_PROMPT_H

#include "command.h"
#include "model.h"
#include "tokenizer.h"

struct opened {
    struct checkpoint *checkpoint;
    struct tokenizer *tokenizer; /* NULL: the model has none, or lancet cannot use it */
    struct error no_tokenizer;   /* why */
    struct model *model;
};

/* Opens MODEL for reading; the model itself only when it is to run. */
bool opened_open(struct command_call *call, const char *path, bool with_model, struct opened *out,
                 struct error *err);
void opened_release(struct opened *opened);
/* Fails with the reason when there is no tokenizer. */
bool opened_need_tokenizer(const struct opened *opened, struct error *err);

struct prompt {
    char *text; /* NULL when ids were given */
    size_t n_text;
    struct token_list tokens;
    uint32_t *ids; /* [tokens.n] */
};

/* For the tables of commands with a prompt: {.name = "ids", PROMPT_IDS_ROW}. */
#define PROMPT_IDS_ROW                                                                                       \
    .kind = OPTION_STRING, .value = "1,2,3", .help = "take these token ids as the prompt, just as they are"

/* The prompt of the call: --ids, or the argument args[index] ("-": standard input, without its last newline),
 * with the special tokens of the tokenizer. One of both, not both; at least one token. A text that is too
 * long for the context whatever its tokens are is refused before it is split, and no more of it is read. */
bool prompt_read(struct command_call *call, const struct opened *opened, unsigned index, struct prompt *out,
                 struct error *err);
/* A text that is at hand. */
bool prompt_of_text(const struct opened *opened, const char *text, size_t n, bool special, struct prompt *out,
                    struct error *err);
/* The same with tokens at given places (tokenizer_encode_marked). */
bool prompt_of_marked(const struct opened *opened, const char *text, size_t n, const struct token_mark *marks,
                      size_t n_marks, struct prompt *out, struct error *err);
/* Token ids, copied. */
bool prompt_of_ids(const uint32_t *ids, size_t n, struct prompt *out, struct error *err);
void prompt_release(struct prompt *prompt);

/* All of standard input, NUL-terminated, without its last newline. */
bool standard_input(const struct command_call *call, char **out, size_t *n, struct error *err);

/* ---- telling tokens ---- */

/* The bytes of a token; empty without a tokenizer. */
bool token_bytes(const struct opened *opened, uint32_t id, struct str *out, struct error *err);
/* Members "id", "text" (null without a tokenizer), and "bytes" in hex where they are not UTF-8 by themselves.
 */
bool token_write(const struct opened *opened, uint32_t id, struct json_write *w, struct error *err);
/* For people: the text between quotes, escaped; "#17" without a tokenizer. */
bool token_show(const struct opened *opened, uint32_t id, struct str *out, struct error *err);
/* "model": {"path", "architecture"} */
void opened_write(const struct opened *opened, struct json_write *w);
/* "tokens": [{"id", "text", "start", "end"}] */
bool prompt_write(const struct opened *opened, const struct prompt *prompt, struct json_write *w,
                  struct error *err);

#endif
