/* A folder of its own for a test, and model files made by hand in it. */
#ifndef LANCET_TEST_MODEL_BOX_H
#define LANCET_TEST_MODEL_BOX_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "file_tree.h"

static char box[64]; /* the folder */
static struct context box_context;
static struct error box_error;

static void box_setup(void)
{
    strcpy(box, "/tmp/lancet-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box));
    box_context = (struct context){.fs = fs_real()};
    box_error = (struct error){0};
}

static void box_teardown(void)
{
    ck_assert_msg(file_tree_remove(fs_real(), box, &box_error), "%s", box_error.text);
}

/* A path in the box, in one of a few buffers that take turns. */
static inline const char *box_path(const char *name)
{
    static char buffers[8][512];
    static unsigned turn;
    char *out = buffers[turn++ % 8];
    snprintf(out, sizeof buffers[0], "%s/%s", box, name);
    return out;
}

static inline void box_write(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(box_path(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void box_text(const char *name, const char *text)
{
    box_write(name, text, strlen(text));
}

/* A safetensors file: the length (of the header, if 0), the header, and n bytes of data that count up. */
static inline void box_safetensors_of(const char *name, uint64_t length, const char *header, size_t header_n,
                                      size_t n)
{
    size_t total = 8 + header_n + n;
    uint8_t *bytes = malloc(total);
    ck_assert_ptr_nonnull(bytes);
    if (length == 0)
        length = header_n;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, header_n);
    for (size_t i = 0; i < n; i++)
        bytes[8 + header_n + i] = (uint8_t)i;
    box_write(name, bytes, total);
    free(bytes);
}

static inline void box_safetensors(const char *name, const char *header, size_t n)
{
    box_safetensors_of(name, 0, header, strlen(header), n);
}

static inline char *box_read(const char *name, size_t *n)
{
    char *text = NULL;
    ck_assert_msg(fs_read_file(fs_real(), box_path(name), 1 << 26, &text, n, &box_error), "%s",
                  box_error.text);
    return text;
}

static inline bool box_has(const char *name)
{
    return fs_exists(fs_real(), box_path(name));
}

/* NULL and box_error when it cannot be opened. `name` is relative to the box. */
static inline struct checkpoint *box_try(const char *name, enum checkpoint_mode mode, bool force)
{
    struct checkpoint *c = NULL;
    struct checkpoint_options options = {.mode = mode, .force = force};
    box_error = (struct error){0};
    return checkpoint_open(&box_context, box_path(name), &options, &c, &box_error) ? c : NULL;
}

static inline struct checkpoint *box_open(const char *name)
{
    struct checkpoint *c = box_try(name, CHECKPOINT_READ, false);
    ck_assert_msg(c != NULL, "%s", box_error.text);
    return c;
}

/* That box_error is of this kind and has this in its sentence. */
#define box_refused(kind_, words)                                                                            \
    do {                                                                                                     \
        ck_assert_msg(box_error.kind == (kind_), "kind %d: %s", (int)box_error.kind, box_error.text);        \
        ck_assert_msg(strstr(box_error.text, words), "\"%s\" not in: %s", words, box_error.text);            \
    } while (0)

#endif
