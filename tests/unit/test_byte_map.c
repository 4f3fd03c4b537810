#include "suite.h"

#include "byte_map.h"

START_TEST(every_byte_comes_back)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char back = 0;
        ck_assert(byte_map_byte(byte_map_character((unsigned char)byte), &back));
        ck_assert_uint_eq(back, byte);
    }
}
END_TEST

START_TEST(the_alphabet_has_256_characters)
{
    unsigned n = 0;
    for (uint32_t code = 0; code < 0x11000; code++) {
        unsigned char byte;
        if (byte_map_byte(code, &byte)) {
            n++;
            ck_assert_uint_eq(byte_map_character(byte), code);
        }
    }
    ck_assert_uint_eq(n, 256);
}
END_TEST

/* From the table of GPT-2. */
START_TEST(known_characters)
{
    static const unsigned known[][2] = {{0x20, 0x120}, {0x0a, 0x10a}, {0x09, 0x109}, {0x7f, 0x121},
                                        {0x80, 0x122}, {0xa0, 0x142}, {0xad, 0x143}, {0x00, 0x100},
                                        {'!', '!'},    {0xff, 0xff}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_uint_eq(byte_map_character((unsigned char)known[i][0]), known[i][1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("byte_map");
    TCase *tcase = tcase_create("byte_map");
    tcase_add_test(tcase, every_byte_comes_back);
    tcase_add_test(tcase, the_alphabet_has_256_characters);
    tcase_add_test(tcase, known_characters);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
