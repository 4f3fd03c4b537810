#include "suite.h"

#include <math.h>
#include <string.h>

#include "heads.h"

static struct error err;

static double value(const char *name, const float *weights, size_t n, size_t window, const uint32_t *ids)
{
    double entropy[8];
    size_t k = head_statistic_named(name);
    ck_assert_msg(k < HEAD_STATISTICS, "no statistic %s", name);
    for (size_t i = 0; i < n; i++)
        entropy[i] = head_row_entropy(weights + i * n, i + 1);
    return head_statistics[k].of(
        &(struct head_map){.weights = weights, .n = n, .window = window, .ids = ids, .entropy = entropy});
}

/* Tokens a b a b; worked out by hand. */
START_TEST(by_hand)
{
    static const uint32_t ids[] = {7, 8, 7, 8};
    static const float map[] = {
        1,     0,    0,    0,    /* */
        .5f,   .5f,  0,    0,    /* */
        .25f,  .25f, .5f,  0,    /* */
        .125f, .5f,  .25f, .125f /* */
    };
    const double ln2 = log(2), h3 = .125 * 3 * ln2 * 2 + .5 * ln2 + .25 * 2 * ln2;
    const struct {
        const char *name;
        double value;
    } cases[] = {
        {"entropy", (ln2 + 1.5 * ln2 + h3) / 3},
        {"normalised_entropy", (1 + 1.5 * ln2 / log(3) + h3 / log(4)) / 3},
        {"entropy_without_first",
         ((-log(1. / 3) / 3 - 2 * log(2. / 3) / 3) + (-4 * log(4. / 7) - 2 * log(2. / 7) - log(1. / 7)) / 7) /
             2},
        {"effective_keys", (2 + pow(2, 1.5) + exp(h3)) / 3},
        {"max_weight", (1 + .5 + .5 + .5) / 4},
        {"top5_mass", 1},
        {"first_token_mass", (.5 + .25 + .125) / 3},
        {"first_token_alpha", (1 + .5 + .25 + .125) / 4},
        {"diagonal_mass", (1 + .5 + .5 + .125) / 4},
        {"previous_token_mass", (.5 + .25 + .25) / 3},
        {"mean_distance", (.5 + .25 * 2 + .25 + .125 * 3 + .5 * 2 + .25) / 4},
        {"mean_distance_without_first", (.25 + .5 * 2 + .25) / (4 - 1.875)},
        {"window_90", 3},
        {"previous_token", (.5 + .25 + .25) / 4},
        {"duplicate_token", (.25 + .5) / 4},
        {"induction", (.25 + .25) / 4}, /* query 2 to key 1, query 3 to key 2 */
    };
    ck_assert_uint_eq(sizeof cases / sizeof *cases, HEAD_STATISTICS);
    for (size_t i = 0; i < HEAD_STATISTICS; i++) {
        double found = value(cases[i].name, map, 4, 0, ids);
        ck_assert_msg(fabs(found - cases[i].value) < 1e-9, "%s: %.12g, expected %.12g", cases[i].name, found,
                      cases[i].value);
    }
}
END_TEST

/* After a copy of the same token, a query may look at itself: t[i-1] = t[i]. */
START_TEST(induction_may_be_the_diagonal)
{
    static const uint32_t ids[] = {3, 3};
    static const float map[] = {1, 0, .25f, .75f};
    ck_assert_double_eq_tol(value("induction", map, 2, 0, ids), .375, 1e-12);
    ck_assert_double_eq_tol(value("duplicate_token", map, 2, 0, ids), .125, 1e-12);
}
END_TEST

START_TEST(one_token_has_no_other_rows)
{
    static const uint32_t ids[] = {3};
    static const float map[] = {1};
    ck_assert(isnan(value("entropy", map, 1, 0, ids)));
    ck_assert(isnan(value("first_token_mass", map, 1, 0, ids)));
    ck_assert_double_eq(value("diagonal_mass", map, 1, 0, ids), 1);
    ck_assert_double_eq(value("window_90", map, 1, 0, ids), 1);
}
END_TEST

/* A window of 1 leaves no row with two keys; one of 2 divides by ln 2 everywhere. */
START_TEST(windows_count_their_keys)
{
    static const uint32_t ids[] = {1, 2, 3};
    static const float one[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, two[] = {1, 0, 0, .5f, .5f, 0, 0, .5f, .5f};
    ck_assert(isnan(value("normalised_entropy", one, 3, 1, ids)));
    ck_assert_double_eq_tol(value("normalised_entropy", two, 3, 2, ids), 1, 1e-12);
}
END_TEST

/* An encoder's map: every key counts, on both sides. */
START_TEST(a_full_square)
{
    static const uint32_t ids[] = {4, 5, 4};
    static const float map[] = {
        .5f,  .25f, .25f, /* */
        .25f, .25f, .5f,  /* */
        .5f,  .25f, .25f  /* */
    };
    double h = 1.5 * log(2), entropy[] = {h, h, h};
    const struct head_map m = {.weights = map, .n = 3, .full = true, .ids = ids, .entropy = entropy};
    const struct {
        const char *name;
        double value;
    } cases[] = {
        {"entropy", h},
        {"normalised_entropy", h / log(3)},
        {"effective_keys", exp(h)},
        {"top5_mass", 1},
        {"max_weight", .5},
        {"first_token_mass", (.25 + .5) / 2},
        {"diagonal_mass", 1. / 3},
        {"previous_token_mass", .25},
        {"mean_distance", (.25 + .5 + .25 + .5 + 1 + .25) / 3},
        {"mean_distance_without_first", (.25 + .5 + .5 + .25) / 1.75},
        {"window_90", 3},
        {"duplicate_token", .5 / 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double found = head_statistics[head_statistic_named(cases[i].name)].of(&m);
        ck_assert_msg(fabs(found - cases[i].value) < 1e-9, "%s: %.12g, expected %.12g", cases[i].name, found,
                      cases[i].value);
    }
}
END_TEST

/* ---- words ---- */

static bool find(const char *text, const char *wanted, struct word_pair *pair)
{
    struct token tokens[64]; /* of two bytes each */
    struct prompt prompt = {.text = (char *)text, .n_text = strlen(text), .tokens = {.items = tokens}};
    for (size_t at = 0; at < prompt.n_text; at += 2, prompt.tokens.n++)
        tokens[prompt.tokens.n] = (struct token){
            .placed = true, .start = at, .end = at + 2 < prompt.n_text ? at + 2 : prompt.n_text};
    return word_pair_find(&prompt, wanted, pair, &err);
}

START_TEST(words_are_found)
{
    static const struct {
        const char *text, *wanted;
        size_t from, to; /* where they begin */
    } cases[] = {
        {"the book and it", "it->book", 13, 4},
        {"a book, a book: it is it", "it->book", 22, 10},
        {"a book it a book", "it->book", 7, 2},
        {"kit it bit", "it -> kit", 4, 0},       /* a whole word before a part of one */
        {"bookshelf kitten", "it->book", 11, 0}, /* parts, where there is nothing else */
        {"xx book books it", " it ->  book", 14, 3},
        {"\xe4\xb9\xa6\xe5\xa5\xb9", "\xe5\xa5\xb9->\xe4\xb9\xa6", 3, 0},
        {"a-b a->b b", "b->a", 9, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct word_pair pair;
        ck_assert_msg(find(cases[i].text, cases[i].wanted, &pair), "%s: %s", cases[i].text, err.text);
        ck_assert_msg(pair.from.start == cases[i].from && pair.to.start == cases[i].to, "%s: %zu, %zu",
                      cases[i].text, pair.from.start, pair.to.start);
        ck_assert_uint_eq(pair.from.first, cases[i].from / 2);
        ck_assert_uint_eq(pair.to.last, (pair.to.end - 1) / 2);
    }
}
END_TEST

START_TEST(words_that_are_not_there)
{
    static const struct {
        const char *text, *wanted, *says;
    } cases[] = {
        {"the book and it", "it-book", "not of the form"},
        {"the book and it", "->book", "not of the form"},
        {"the book and it", "it->", "not of the form"},
        {"the book and it", "she->book", "\"she\" is not in the prompt"},
        {"the book and it", "it->shelf", "\"shelf\" is not in the prompt"},
        {"it and the book", "it->book", "\"book\" does not come before"},
        {"ab", "b->a", "same token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct word_pair pair;
        ck_assert(!find(cases[i].text, cases[i].wanted, &pair));
        ck_assert_int_eq(err.kind, ERROR_USAGE);
        ck_assert_msg(strstr(err.text, cases[i].says), "%s", err.text);
    }
}
END_TEST

START_TEST(ranks)
{
    struct head_report items[] = {{.sent = .1}, {.sent = NAN}, {.sent = .5}, {.sent = .1}};
    static const size_t expected[] = {2, 0, 3, 1};
    size_t *order;
    ck_assert(heads_rank(&(struct head_reports){.items = items, .n = 4}, HEAD_STATISTICS, &order, &err));
    ck_assert_mem_eq(order, expected, sizeof expected);
    free(order);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heads");
    TCase *tc = tcase_create("heads");
    tcase_add_test(tc, by_hand);
    tcase_add_test(tc, induction_may_be_the_diagonal);
    tcase_add_test(tc, one_token_has_no_other_rows);
    tcase_add_test(tc, windows_count_their_keys);
    tcase_add_test(tc, a_full_square);
    tcase_add_test(tc, words_are_found);
    tcase_add_test(tc, words_that_are_not_there);
    tcase_add_test(tc, ranks);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
