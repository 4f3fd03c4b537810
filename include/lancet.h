/* liblancet: surgery on model checkpoints. See docs/library.md for a program that uses it.
 *
 * A handle is opaque; an option struct is open and may be zeroed: zero is the default everywhere, and NULL
 * stands for all defaults. Every function that can fail returns bool, true on success, and takes a struct
 * lancet_error; what it returns through a pointer is written only on success. The library prints nothing,
 * keeps no globals and never exits. A handle may be used by one thread at a time.
 *
 * A file is opened for writing only after lancet_open with `writable`. A change of it is all or nothing, also
 * when the power goes, and lancet_undo gives every byte back.
 */
#ifndef LANCET_H
#define LANCET_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LANCET_PUBLIC __attribute__((visibility("default")))
#else
#define LANCET_PUBLIC
#endif

/* ---- errors ---- */

/* The values are the exit statuses of the program. */
enum lancet_status {
    LANCET_OK = 0,
    LANCET_NO = 1,          /* the answer is no: an edit refused by its gates */
    LANCET_USAGE = 2,       /* wrong arguments */
    LANCET_IO = 3,          /* input or output failed */
    LANCET_FORMAT = 4,      /* malformed file */
    LANCET_UNSUPPORTED = 5, /* well-formed, but not supported */
    LANCET_MISMATCH = 6,    /* two inputs do not belong together */
    LANCET_NUMERIC = 7,     /* NaN, infinity, a matrix that cannot be factored */
    LANCET_MEMORY = 8,      /* out of memory */
    LANCET_BUSY = 9,        /* locked, or a change that was cut waits for recovery */
    LANCET_CANCELLED = 130  /* the cancel flag was set */
};

struct lancet_error {
    enum lancet_status status;
    char text[1536]; /* one sentence: which file, which tensor, what was found, what was expected */
};

/* "0.1.0" */
LANCET_PUBLIC const char *lancet_version(void);

/* ---- a model ---- */

struct lancet_model;

struct lancet_open_options {
    bool writable;    /* lock the files for a change; a change that was cut is taken back first */
    bool force;       /* also change hard-linked files and files that another program has open */
    unsigned threads; /* 0: one per processor; results do not depend on it */
    /* Progress of the operation `what`: done of total units (total 0: unknown). */
    void (*progress)(void *user, const char *what, uint64_t done, uint64_t total);
    void *user;
    const volatile sig_atomic_t *cancel; /* non-zero: stop soon; a change in place rolls back */
};

/* PATH: a Hugging Face folder, a .safetensors file beside its config.json and tokenizer, or a .gguf file. */
LANCET_PUBLIC bool lancet_open(const char *path, const struct lancet_open_options *options,
                               struct lancet_model **out, struct lancet_error *err);
LANCET_PUBLIC void lancet_close(struct lancet_model *model); /* NULL is fine */

struct lancet_info {
    const char *architecture; /* "llama"; lives as long as the model */
    size_t layers, width, heads, kv_heads, vocabulary, context;
    uint64_t parameters;
};
LANCET_PUBLIC void lancet_describe(const struct lancet_model *model, struct lancet_info *out);

/* ---- asking ---- */

/* The text of a token, UTF-8, NUL-terminated, cut to `size` bytes. */
LANCET_PUBLIC bool lancet_token_text(const struct lancet_model *model, uint32_t id, char *out, size_t size,
                                     struct lancet_error *err);

/* Token ids of a UTF-8 text, with those that the tokenizer puts around every text. *n is how many there are;
 * at most `capacity` of them are written, so that a first call with 0 tells the size. */
LANCET_PUBLIC bool lancet_tokenize(const struct lancet_model *model, const char *text, uint32_t *out,
                                   size_t capacity, size_t *n, struct lancet_error *err);

struct lancet_next {
    uint32_t id;
    double logit, probability; /* probability: softmax over the whole vocabulary */
};

/* The k tokens that are most likely after the prompt, most likely first. *n of them: fewer only if the
 * vocabulary is. LANCET_UNSUPPORTED: an encoder (BERT) has no next token. */
LANCET_PUBLIC bool lancet_predict(const struct lancet_model *model, const char *prompt, size_t k,
                                  struct lancet_next *out, size_t *n, struct lancet_error *err);

/* ---- editing ---- */

struct lancet_request {
    const char *prompt;  /* "The Eiffel Tower is in", or with {} in the subject's place */
    const char *subject; /* "The Eiffel Tower" */
    const char *target;  /* "Rome" */
};

struct lancet_edit_options {
    const char *method;          /* "r-rome" (default), "p-rome", "rome" */
    bool layer_given;            /* without it a known good layer, else the best of trial edits in memory */
    unsigned layer;              /* with layer_given */
    const char *const *settings; /* [n_settings] "NAME=VALUE", see `lancet help edit` */
    size_t n_settings;
    uint64_t seed;      /* for what is sampled from the model */
    bool dry_run;       /* do everything but write */
    bool no_gates;      /* write even if a check fails */
    bool no_history;    /* keep no record: the change cannot be undone */
    const char *output; /* write a new folder and leave the model as it is (need not be writable) */
};

struct lancet_edited {
    bool nothing_to_do; /* the target was the model's answer already; the rest is unset */
    bool passed;        /* every gate */
    unsigned layer;     /* that was edited */
    double probability_before, probability_after; /* of the target after the bare prompt (first token) */
    double relative_norm;                         /* of the update, against the weight */
    double realised; /* share of the intended change that the rounded bytes hold */
};

/* Edits n facts as one change: all of them are written, or none. out [n]. *record: the number of the record
 * in the history (0: nothing was written in place); may be NULL. LANCET_NO: a gate failed, and nothing was
 * changed. */
LANCET_PUBLIC bool lancet_edit(struct lancet_model *model, const struct lancet_request *requests, size_t n,
                               const struct lancet_edit_options *options, struct lancet_edited *out,
                               uint32_t *record, struct lancet_error *err);

/* ---- history ---- */

struct lancet_record {
    uint32_t number;
    const char *kind, *command; /* "edit", "undo"; what was run */
    int64_t time;               /* seconds since 1970, UTC */
    size_t tensors;             /* that it changed */
    bool undone;
};

struct lancet_log;

/* The records beside the model, oldest first. */
LANCET_PUBLIC bool lancet_log_read(const struct lancet_model *model, struct lancet_log **out,
                                   struct lancet_error *err);
LANCET_PUBLIC size_t lancet_log_count(const struct lancet_log *log);
/* index < lancet_log_count(log); strings live as long as the log. */
LANCET_PUBLIC void lancet_log_record(const struct lancet_log *log, size_t index, struct lancet_record *out);
LANCET_PUBLIC void lancet_log_free(struct lancet_log *log); /* NULL is fine */

/* Takes the newest change that still stands back, byte for byte. *state: the number of the record after which
 * the model is now (0: the original); may be NULL. */
LANCET_PUBLIC bool lancet_undo(struct lancet_model *model, uint32_t *state, struct lancet_error *err);
/* Goes to the state after record `number` (0: the original), backward or forward, as one change. */
LANCET_PUBLIC bool lancet_undo_to(struct lancet_model *model, uint32_t number, struct lancet_error *err);

#ifdef __cplusplus
}
#endif

#endif
