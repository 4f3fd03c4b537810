#include "suite.h"

#include <string.h>

#include "options.h"

static const char *const colours[] = {"red", "blue", NULL};
static const struct option_row first_rows[] = {
    {.name = "top", .short_name = 'k', .kind = OPTION_U64, .value = "K", .standard = "10", .help = "h"},
    {.name = "scale", .kind = OPTION_NUMBER, .value = "S", .help = "h"},
    {.name = "name", .kind = OPTION_STRING, .value = "N", .help = "h"},
    {.name = "set", .kind = OPTION_LIST, .value = "X", .help = "h"},
    {.name = "colour", .kind = OPTION_STRING, .value = "C", .choices = colours, .help = "h"},
    {.name = "force", .short_name = 'f', .kind = OPTION_FLAG, .help = "h"},
    {0}};
static const struct option_row second_rows[] = {{.name = "json", .kind = OPTION_FLAG, .help = "h"}, {0}};

static struct option_values *first, *second;
static struct command_call call;
static struct error err;

static void setup(void)
{
    ck_assert(option_values_new(first_rows, &first, &err));
    ck_assert(option_values_new(second_rows, &second, &err));
    call = (struct command_call){.values = first};
}

static void teardown(void)
{
    option_values_free(first);
    option_values_free(second);
    option_values_free(NULL);
}

/* argv[0] and the words up to NULL. */
static bool read_words(bool stop, const char *const *words)
{
    const char *argv[16] = {"x"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    return options_read(first, second, argc, argv, stop, &call.args, &call.n_args, &err);
}

#define READ(...) read_words(false, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(values_are_read_and_defaults_stand_in)
{
    const char *const *list;
    ck_assert(
        READ("a", "--top", "5", "--scale=-1.5", "b", "--set", "x=1", "--set=y", "-f", "--json", "-", "c"));
    ck_assert_uint_eq(option_u64(&call, "top"), 5);
    ck_assert(option_number(&call, "scale") == -1.5);
    ck_assert(option_given(&call, "force"));
    ck_assert(!option_given(&call, "name"));
    ck_assert_ptr_null(option_string(&call, "name"));
    ck_assert_uint_eq(option_list(&call, "set", &list), 2);
    ck_assert_str_eq(list[0], "x=1");
    ck_assert_str_eq(list[1], "y");
    ck_assert(option_values_find(second, "json")->given);
    ck_assert_uint_eq(call.n_args, 4);
    ck_assert_str_eq(call.args[2], "-");
}
END_TEST

START_TEST(nothing_given)
{
    ck_assert(READ("--"));
    ck_assert_uint_eq(option_u64(&call, "top"), 10);
    ck_assert(option_number(&call, "scale") != option_number(&call, "scale"));
    ck_assert_uint_eq(call.n_args, 0);
}
END_TEST

START_TEST(after_two_dashes_everything_is_an_argument)
{
    ck_assert(READ("-k", "3", "--", "--top", "-x"));
    ck_assert_uint_eq(option_u64(&call, "top"), 3);
    ck_assert_uint_eq(call.n_args, 2);
    ck_assert_str_eq(call.args[0], "--top");
}
END_TEST

START_TEST(the_last_one_counts)
{
    ck_assert(READ("--top", "1", "--top", "2", "--colour", "blue"));
    ck_assert_uint_eq(option_u64(&call, "top"), 2);
    ck_assert_str_eq(option_string(&call, "colour"), "blue");
}
END_TEST

START_TEST(reading_stops_at_the_first_argument)
{
    ck_assert(read_words(true, (const char *const[]){"--json", "info", "--unknown", NULL}));
    ck_assert_uint_eq(call.n_args, 2);
    ck_assert_str_eq(call.args[1], "--unknown");
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    static const struct {
        const char *words[3], *sentence;
    } cases[] = {
        {{"--tpo", "1"}, "unknown option --tpo, did you mean --top?"},
        {{"--jsno"}, "unknown option --jsno, did you mean --json?"},
        {{"--nonsense=3"}, "unknown option --nonsense=3"},
        {{"-z"}, "unknown option -z"},
        {{"--top"}, "--top needs a value"},
        {{"--top", "x"}, "--top: \"x\" is not a non-negative integer"},
        {{"--top=-1"}, "--top: \"-1\" is not a non-negative integer"},
        {{"--top="}, "--top: \"\" is not a non-negative integer"},
        {{"--scale", "nan"}, "--scale: \"nan\" is not a number"},
        {{"--colour", "green"}, "--colour does not take \"green\", expected one of red, blue"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(!read_words(false, cases[i].words));
        ck_assert_int_eq(err.kind, ERROR_USAGE);
        ck_assert_str_eq(err.text, cases[i].sentence);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_options");
    TCase *tc = tcase_create("cli_options");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_are_read_and_defaults_stand_in);
    tcase_add_test(tc, nothing_given);
    tcase_add_test(tc, after_two_dashes_everything_is_an_argument);
    tcase_add_test(tc, the_last_one_counts);
    tcase_add_test(tc, reading_stops_at_the_first_argument);
    tcase_add_test(tc, what_is_wrong_is_said);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
