#include "suite.h"

#include <math.h>

#include "next.h"

enum { N = 1000 };

/* Against the plain way: pick the largest left, again and again. */
START_TEST(the_largest_come_first)
{
    static const size_t wanted[] = {0, 1, 2, 7, 100, N, N + 5};
    real logits[N];
    unsigned state = 1;
    for (int i = 0; i < N; i++) {
        state = state * 1103515245u + 12345u;
        logits[i] = (real)(state >> 16 & 127) / 8; /* many equals */
    }
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        struct next_token out[N + 5];
        size_t n = next_tokens(logits, N, wanted[w], out);
        ck_assert_uint_eq(n, wanted[w] < N ? wanted[w] : N);
        char taken[N] = {0};
        for (size_t k = 0; k < n; k++) {
            int best = -1;
            for (int i = 0; i < N; i++)
                if (!taken[i] && (best < 0 || logits[i] > logits[best]))
                    best = i;
            taken[best] = 1;
            if (out[k].id != (uint32_t)best)
                ck_abort_msg("place %zu of %zu: %u, expected %d", k, n, (unsigned)out[k].id, best);
        }
    }
}
END_TEST

START_TEST(probabilities_are_of_the_whole_row)
{
    const real logits[] = {0, (real)log(2.0), (real)log(5.0), -1000, 1};
    struct next_token out[5];
    double sum = 0;
    next_tokens(logits, 3, 2, out);
    ck_assert_double_eq_tol(out[0].probability, 5.0 / 8, 1e-7);
    ck_assert_double_eq_tol(out[1].probability, 2.0 / 8, 1e-7);
    next_tokens(logits, 5, 5, out);
    for (int i = 0; i < 5; i++)
        sum += out[i].probability;
    ck_assert_double_eq_tol(sum, 1, 1e-6); /* the sum under it takes exponentials in f32 */
    ck_assert(out[4].id == 3 && out[4].probability == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("next");
    TCase *tc = tcase_create("next");
    tcase_add_test(tc, the_largest_come_first);
    tcase_add_test(tc, probabilities_are_of_the_whole_row);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
