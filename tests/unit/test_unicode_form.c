#include "suite.h"

#include <string.h>
#include <utf8proc.h>

#include "unicode_form.h"
#include "utf8.h"

static const utf8proc_option_t options[] = {
    [FORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
    [FORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
    [FORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    [FORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
};

/* Cluster by cluster or as a whole: the same text. */
static void compare(const char *text, size_t n)
{
    for (unsigned form = FORM_NFD; form <= FORM_NFKC; form++) {
        struct error err = {0};
        struct aligned from, to = {.limit = 1 << 20};
        utf8proc_uint8_t *whole;
        utf8proc_ssize_t length =
            utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &whole, options[form]);
        ck_assert_int_ge(length, 0);
        ck_assert(aligned_init(&from, text, n, INVALID_BY_PART, &err));
        ck_assert(unicode_form_append((enum unicode_form)form, &from, 0, from.n, &to, &err));
        ck_assert_uint_eq(to.n, (size_t)length);
        ck_assert_msg(!memcmp(to.data, whole, to.n), "form %u of \"%s\" is \"%s\", not \"%.*s\"", form, text,
                      (const char *)whole, (int)to.n, to.data);
        for (size_t i = 0; i < to.n; i++)
            ck_assert(to.origin[i] <= to.origin[i + 1] && to.origin[i] <= n);
        free(whole);
        aligned_release(&from);
        aligned_release(&to);
    }
}

START_TEST(clusters_change_nothing)
{
    static const uint32_t ranges[][2] = {
        {0x41, 0x5a},     {0xc0, 0x17f},    {0x300, 0x34f},     {0x323, 0x331},    {0x370, 0x3ff},
        {0x915, 0x95f},   {0x9be, 0x9d7},   {0xb3e, 0xb57},     {0xbbe, 0xbd7},    {0x1100, 0x1112},
        {0x1161, 0x1175}, {0x11a8, 0x11c2}, {0xac00, 0xac40},   {0x1e00, 0x1eff},  {0x1f00, 0x1fff},
        {0x3041, 0x309e}, {0xff66, 0xff9f}, {0xfb1d, 0xfb4e},   {0x2126, 0x212b},  {0xf900, 0xf920},
        {0x0dca, 0x0ddf}, {0x1025, 0x102e}, {0x11131, 0x11132}, {0x1d15e, 0x1d164}};
    uint32_t state = (uint32_t)_i + 1;
    for (int round = 0; round < 200; round++) {
        char text[256];
        size_t n = 0;
        while (n < 40) {
            state = state * 1664525u + 1013904223u;
            const uint32_t *range = ranges[(state >> 16) % (sizeof ranges / sizeof *ranges)];
            state = state * 1664525u + 1013904223u;
            n += utf8_encode(range[0] + (state >> 16) % (range[1] - range[0] + 1), text + n);
        }
        text[n] = '\0';
        compare(text, n);
    }
}
END_TEST

/* Which byte of the text each byte of the form stands for. */
START_TEST(places)
{
    static const struct {
        enum unicode_form form;
        const char *text, *made;
        uint32_t origins[8];
    } cases[] = {
        {FORM_NFC, "e\u0301\u0302x", "\u00e9\u0302x", {0, 1, 3, 4, 5}},
        {FORM_NFC, "\u1100\u1161\u11a8.", "\uac01.", {0, 1, 2, 9}},
        {FORM_NFC, "\u0344\u03b9", "\u0308\u0301\u03b9", {0, 1, 2, 2, 2, 3}},
        {FORM_NFC, "\u03b9\u0344", "\u0390", {0, 1}},
        {FORM_NFD, "\u00e9a", "e\u0301a", {0, 1, 2, 2}},
        {FORM_NFKC, "\ufb01\u0323\u0301", "f\u1ecb\u0301", {0, 1, 2, 3, 5, 6}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct aligned from, to = {.limit = 1000};
        size_t n = strlen(cases[i].made);
        ck_assert(aligned_init(&from, cases[i].text, strlen(cases[i].text), INVALID_BY_PART, &err) &&
                  unicode_form_append(cases[i].form, &from, 0, from.n, &to, &err));
        ck_assert_uint_eq(to.n, n);
        ck_assert_mem_eq(to.data, cases[i].made, n);
        for (size_t k = 0; k < n; k++)
            ck_assert_msg(to.origin[k] == cases[i].origins[k], "case %zu, byte %zu: from %u, expected %u", i,
                          k, to.origin[k], cases[i].origins[k]);
        ck_assert_uint_eq(to.origin[n], from.n);
        aligned_release(&from);
        aligned_release(&to);
    }
}
END_TEST

/* Does a form change the character, or what stands beside it? */
static bool is_interesting(uint32_t code)
{
    utf8proc_int32_t parts[32];
    int boundary = 0, category = utf8proc_category((utf8proc_int32_t)code);
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)code, parts, 32, options[FORM_NFKD], &boundary);
    return n != 1 || parts[0] != (utf8proc_int32_t)code || category == UTF8PROC_CATEGORY_MN ||
           category == UTF8PROC_CATEGORY_MC || code % 256 == 1;
}

START_TEST(every_character)
{
    for (uint32_t code = 1; code < 0x110000; code++) {
        char text[16] = "e";
        bool hangul = code >= 0xac00 && code < 0xd7a4; /* thousands of a kind: some of them */
        if ((code >= 0xd800 && code < 0xe000) || !is_interesting(code) || (hangul && code % 37))
            continue;
        size_t n = 1 + utf8_encode(code, text + 1);
        memcpy(text + n, "\u0301x", 3);
        compare(text, n + 3);
    }
}
END_TEST

/* What the cut in front of a character relies on: only marks and Hangul tails compose with what stands before
 * them. */
START_TEST(only_marks_compose)
{
    for (utf8proc_int32_t code = 0; code < 0x110000; code++) {
        utf8proc_int32_t parts[32];
        int boundary = 0;
        utf8proc_ssize_t n =
            utf8proc_decompose_char(code, parts, 32, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        for (utf8proc_ssize_t i = 1; i < n; i++) {
            int category = utf8proc_category(parts[i]);
            ck_assert(category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                      (parts[i] >= 0x1160 && parts[i] <= 0x11ff));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unicode_form");
    TCase *tcase = tcase_create("unicode_form");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, clusters_change_nothing, 0, 10);
    tcase_add_test(tcase, places);
    tcase_add_test(tcase, every_character);
    tcase_add_test(tcase, only_marks_compose);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
