/* What every unit test ends with: run the suite, tell by the exit status whether all of it passed. */
#ifndef LANCET_TEST_SUITE_H
#define LANCET_TEST_SUITE_H

#include <check.h>
#include <stdlib.h>

/* ck_assert_msg for loops over very many elements: Check notes each assertion that holds, which takes far longer than to
 * test it. */
#define ck_each(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)

static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
