/* Chats: the user's text in the form that a model was tuned on. The Jinja template of a model is looked at to
 * tell which of the common forms it is, never run; what the template does beyond them (tools, dates) is left
 * out. */
#ifndef LANCET_CHAT_H
#define LANCET_CHAT_H

#include "prompt.h"

/* One row per form, in the order in which they are tried. */
struct chat_format {
    const char *name;
    const char *const *tokens;  /* special tokens that it is made of, NULL-terminated */
    const char *const *needed;  /* texts that its template has, all of them */
    const char *const *foreign; /* texts of kin that are another form: none of them */
    bool by_tokens;             /* a model without a template has it when it has these tokens */
    const char *end;            /* the token that ends an answer */
    /* The whole prompt up to where the answer begins, without the beginning of text. {user} and {system}
     * stand for what is said; "|trim" takes the white space around it away, "|rtrim" that behind it. */
    const char *alone, *with_system;
    const char *spelt_out; /* what stands in the template before a system text of its own, and ... */
    const char *spelt_end; /* ... behind it; NULL: not looked for */
};
extern const struct chat_format *const chat_formats[]; /* NULL-terminated */

#define CHAT_NO_END UINT32_MAX

struct chat {
    const struct chat_format *format;
    uint32_t end; /* id of format->end, or CHAT_NO_END where the tokenizer lacks it */
    bool begins;  /* a beginning of text goes in front */
    char *system; /* what the template itself says as system, or NULL */
};

/* From a template (NULL: the model has none) and the tokens. ERROR_UNSUPPORTED when no row fits. */
bool chat_choose(const struct tokenizer *tokenizer, const char *template, struct chat *out,
                 struct error *err);
/* The same for a model and its own template. */
bool chat_open(const struct opened *opened, struct chat *out, struct error *err);
void chat_release(struct chat *chat);

/* The prompt of one user text; `system` NULL: that of the template, if it has one; "": none. Special tokens
 * are put in by id: one that is spelt in a text of the user stays text. */
bool chat_prompt(const struct opened *opened, const struct chat *chat, const char *system, const char *user,
                 size_t n_user, struct prompt *out, struct error *err);

#endif
