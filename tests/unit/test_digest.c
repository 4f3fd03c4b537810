#include "suite.h"

#include <string.h>

#include "digest.h"

/* FIPS 180-4 examples. */
static const struct {
    const char *text, *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(known_digests)
{
    struct digest d, parsed, streamed;
    struct error err = {0};
    char hex[65];
    const char *text = vectors[_i].text;
    size_t n = strlen(text);
    ck_assert(digest_of(text, n, &d, &err));
    digest_hex(&d, hex);
    ck_assert_str_eq(hex, vectors[_i].hex);
    ck_assert(digest_parse(hex, &parsed));
    ck_assert(digest_equal(&d, &parsed));

    struct digest_stream *stream;
    ck_assert(digest_stream_new(&stream, &err));
    ck_assert(digest_stream_add(stream, text, n / 2, &err));
    ck_assert(digest_stream_add(stream, text + n / 2, n - n / 2, &err));
    ck_assert(digest_stream_finish(stream, &streamed, &err));
    digest_stream_free(stream);
    ck_assert(digest_equal(&d, &streamed));
    d.bytes[31] ^= 1;
    ck_assert(!digest_equal(&d, &streamed));
}
END_TEST

START_TEST(bad_hex_is_refused)
{
    char hex[66];
    strcpy(hex, vectors[0].hex);
    struct digest d;
    ck_assert(digest_parse(hex, &d));
    ck_assert(!digest_parse("", &d));
    hex[10] = 'G';
    ck_assert(!digest_parse(hex, &d));
    hex[10] = '0';
    hex[64] = '0';
    hex[65] = '\0';
    ck_assert(!digest_parse(hex, &d));
    hex[63] = '\0';
    ck_assert(!digest_parse(hex, &d));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *tc = tcase_create("digest");
    tcase_add_loop_test(tc, known_digests, 0, 3);
    tcase_add_test(tc, bad_hex_is_refused);
    suite_add_tcase(suite, tc);
    digest_stream_free(NULL);
    return suite_run(suite);
}
