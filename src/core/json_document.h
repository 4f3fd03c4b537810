/* Small JSON documents (config.json, requests) as a cJSON tree, behind the strict scanner: the text is validated first
 * (RFC 8259, UTF-8, no duplicate keys, no NUL in strings, depth), then parsed. Getters are case-sensitive and name the
 * file and the key in their sentences. */
#ifndef LANCET_JSON_DOCUMENT_H
#define LANCET_JSON_DOCUMENT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "error.h"
#include "fs.h"

bool json_document_parse(const char *name, const char *text, size_t n, cJSON **out, struct error *err);
bool json_document_read(const struct fs *fs, const char *path, size_t limit, cJSON **out, struct error *err);

/* Required members. `name` is the file, for the sentence. */
bool json_get_u64(const char *name, const cJSON *object, const char *key, uint64_t *out, struct error *err);
bool json_get_number(const char *name, const cJSON *object, const char *key, double *out, struct error *err);
bool json_get_string(const char *name, const cJSON *object, const char *key, const char **out, struct error *err);

#endif
