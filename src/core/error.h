/* How every fallible function of lancet reports failure.
 *
 * A fallible function returns bool, true on success, and takes `struct error *err` as its last parameter. On
 * false, err holds a kind and one sentence that names the file, the tensor, what was found and what was
 * expected. Outputs are written only on success. `err` is never NULL. Callers may put context in front of the
 * sentence, never replace it.
 */
#ifndef LANCET_ERROR_H
#define LANCET_ERROR_H

#include <stdbool.h>

enum error_kind {
    ERROR_NONE,
    ERROR_ANSWER_NO,   /* the answer is no: differences, failed verification, an edit refused by its gates */
    ERROR_USAGE,       /* wrong command line */
    ERROR_IO,          /* a system call failed */
    ERROR_FORMAT,      /* malformed file */
    ERROR_UNSUPPORTED, /* well-formed, but lancet cannot do it */
    ERROR_MISMATCH,    /* two inputs do not belong together */
    ERROR_NUMERIC,     /* NaN, Inf, a matrix that cannot be factored */
    ERROR_MEMORY,      /* out of memory */
    ERROR_BUSY,        /* locked, or an open record that needs recovery */
    ERROR_CANCELLED,   /* the cancel flag was set */
    ERROR_KINDS
};

struct error {
    enum error_kind kind;
    char text[1536];
};

/* Sets kind and sentence; returns false, so that reporting and returning is one line. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ERROR_IO with ": " and strerror(errno) appended; ENOMEM and ENOSPC keep ERROR_IO. Returns false. */
bool error_set_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ERROR_MEMORY: "out of memory while WHAT". Returns false. */
bool error_memory(struct error *err, const char *what);

/* Puts context in front of the sentence that is there ("CONTEXT: sentence"). Returns false. */
bool error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What they return is seen by the compiler at every call: fewer warnings about outputs that seem to be unset.
 */
static inline bool error_false(bool ignored)
{
    (void)ignored;
    return false;
}
#define error_set(...) error_false(error_set(__VA_ARGS__))
#define error_set_errno(...) error_false(error_set_errno(__VA_ARGS__))
#define error_memory(...) error_false(error_memory(__VA_ARGS__))
#define error_prefix(...) error_false(error_prefix(__VA_ARGS__))

#endif
