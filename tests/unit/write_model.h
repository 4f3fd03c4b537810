/* A model folder made by a test: config.json and model.safetensors with F32 tensors. */
#ifndef LANCET_TEST_WRITE_MODEL_H
#define LANCET_TEST_WRITE_MODEL_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct written_tensor {
    char name[96];
    size_t rows, columns; /* columns 0: a vector */
    bool channels;        /* [rows, 1, columns] */
    const float *data;
};

static inline void write_file(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

static inline size_t tensor_floats(const struct written_tensor *t)
{
    return t->rows * (t->columns ? t->columns : 1);
}

/* Makes `folder` (a template for mkdtemp, filled in) and writes the model into it. */
static inline void write_model(char *folder, const char *config, const struct written_tensor *tensors,
                               size_t n)
{
    size_t room = 256 * (n + 1), used = 0, offset = 0;
    char *header = calloc(room, 1), path[4096];
    uint64_t length;
    FILE *file;

    ck_assert_ptr_nonnull(header);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    write_file(folder, "config.json", config, strlen(config));
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 4 * tensor_floats(&tensors[i]);
        char shape[64];

        snprintf(shape, sizeof shape,
                 tensors[i].channels  ? "%zu,1,%zu"
                 : tensors[i].columns ? "%zu,%zu"
                                      : "%zu",
                 tensors[i].rows, tensors[i].columns);
        used += (size_t)snprintf(header + used, room - used,
                                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                                 i ? "," : "{", tensors[i].name, shape, offset, offset + bytes);
        offset += bytes;
    }
    header[used++] = '}';
    while (used % 8)
        header[used++] = ' ';
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    length = used;
    fwrite(&length, sizeof length, 1, file);
    fwrite(header, 1, used, file);
    for (size_t i = 0; i < n; i++)
        fwrite(tensors[i].data, 4, tensor_floats(&tensors[i]), file);
    ck_assert_int_eq(fclose(file), 0);
    free(header);
}

static inline void remove_model(const char *folder)
{
    static const char *const names[] = {"/config.json", "/model.safetensors", ""};
    char path[4096];

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        remove(path);
    }
}

#endif
