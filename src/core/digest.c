#include "digest.h"

#include <openssl/evp.h>
#include <string.h>

/* The opaque stream is libcrypto's own context: one allocation, made there. */
static EVP_MD_CTX *context_of(struct digest_stream *stream)
{
    return (EVP_MD_CTX *)stream;
}

static bool failed(struct error *err)
{
    return error_set(err, ERROR_UNSUPPORTED, "libcrypto does not compute SHA-256 here");
}

bool digest_stream_new(struct digest_stream **out, struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return error_memory(err, "preparing a SHA-256");
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return failed(err);
    }
    *out = (struct digest_stream *)context;
    return true;
}

bool digest_stream_add(struct digest_stream *stream, const void *bytes, size_t n, struct error *err)
{
    return EVP_DigestUpdate(context_of(stream), bytes, n) == 1 || failed(err);
}

bool digest_stream_finish(struct digest_stream *stream, struct digest *out, struct error *err)
{
    struct digest d;
    unsigned length = 0;
    if (EVP_DigestFinal_ex(context_of(stream), d.bytes, &length) != 1 || length != sizeof d.bytes)
        return failed(err);
    *out = d;
    return true;
}

void digest_stream_free(struct digest_stream *stream)
{
    EVP_MD_CTX_free(context_of(stream));
}

bool digest_of(const void *bytes, size_t n, struct digest *out, struct error *err)
{
    struct digest d;
    unsigned length = 0;
    if (EVP_Digest(bytes, n, d.bytes, &length, EVP_sha256(), NULL) != 1 || length != sizeof d.bytes)
        return failed(err);
    *out = d;
    return true;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void digest_hex(const struct digest *d, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof d->bytes; i++) {
        out[2 * i] = digits[d->bytes[i] >> 4];
        out[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    out[64] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(const char *hex, struct digest *out)
{
    struct digest d;
    for (size_t i = 0; i < sizeof d.bytes; i++) {
        int high = nibble(hex[2 * i]);
        int low = high < 0 ? -1 : nibble(hex[2 * i + 1]);
        if (low < 0)
            return false;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (hex[64])
        return false;
    *out = d;
    return true;
}
