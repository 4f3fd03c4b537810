#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "bpe.h"

/* A vocabulary of random merges over a few letters, and the plain algorithm beside bpe_encode: look for the
 * pair of lowest rank, join it at its leftmost place, begin again. */
enum { LETTERS = 4, MERGES = 60, TEXT = 300 };

struct example {
    struct vocabulary vocabulary;
    struct bpe bpe;
    struct merge_pair pairs[MERGES];
    uint32_t merged[MERGES];
    size_t n_merges;
};

static unsigned draw(uint32_t *state, unsigned n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 16) % n;
}

static void make_example(struct example *e, uint32_t seed)
{
    struct error err = {0};
    *e = (struct example){0};
    char pieces[LETTERS + MERGES][600] = {"a", "b", "\u00e9", "\u5e05"};
    uint32_t n = LETTERS;
    for (uint32_t i = 0; i < n; i++)
        ck_assert(vocabulary_add(&e->vocabulary, pieces[i], strlen(pieces[i]), i, &err));
    for (unsigned tries = 0; tries < 400 && e->n_merges < MERGES; tries++) {
        uint32_t left = draw(&seed, n), right = draw(&seed, n), id;
        char joined[600];
        if (strlen(pieces[left]) + strlen(pieces[right]) > 24)
            continue;
        snprintf(joined, sizeof joined, "%s%s", pieces[left], pieces[right]);
        if (!vocabulary_find(&e->vocabulary, joined, strlen(joined), &id)) {
            id = n++;
            strcpy(pieces[id], joined);
            ck_assert(vocabulary_add(&e->vocabulary, joined, strlen(joined), id, &err));
        }
        bool known = false;
        for (size_t k = 0; k < e->n_merges; k++)
            known |= e->pairs[k].left == left && e->pairs[k].right == right;
        if (known)
            continue;
        e->pairs[e->n_merges] = (struct merge_pair){left, right};
        e->merged[e->n_merges++] = id;
    }
    ck_assert(vocabulary_finish(&e->vocabulary, &err));
    e->bpe = (struct bpe){.vocabulary = &e->vocabulary, .prefix = "", .suffix = ""};
    bpe_prepare(&e->bpe);
    ck_assert(merges_build(&e->bpe.merges, e->pairs, e->n_merges, &e->vocabulary, 0, &err));
}

static size_t encode_plainly(const struct example *e, uint32_t *ids, size_t n)
{
    for (;;) {
        size_t best = SIZE_MAX, at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t k = 0; k < e->n_merges && k < best; k++)
                if (e->pairs[k].left == ids[i] && e->pairs[k].right == ids[i + 1]) {
                    best = k;
                    at = i;
                }
        if (best == SIZE_MAX)
            return n;
        ids[at] = e->merged[best];
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void compare(const struct example *e, uint32_t seed, bool remember)
{
    static const char *const letters[LETTERS] = {"a", "b", "\u00e9", "\u5e05"};
    struct error err = {0};
    struct bpe_work work = {0};
    struct token_list list = {0};
    char text[4 * TEXT + 1] = "";
    uint32_t ids[TEXT];
    size_t n = 1 + draw(&seed, TEXT - 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = draw(&seed, LETTERS);
        strcat(text, letters[ids[i]]);
    }
    n = encode_plainly(e, ids, n);
    ck_assert(!remember || bpe_work_remember(&work, &err));
    ck_assert(bpe_encode(&e->bpe, text, 0, strlen(text), &work, &list, &err));
    ck_assert_uint_eq(list.n, n);
    size_t at = 0, length;
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(list.items[i].id, ids[i]);
        ck_assert_uint_eq(list.items[i].start, at);
        vocabulary_piece(&e->vocabulary, ids[i], &length);
        at += length;
    }
    ck_assert_uint_eq(at, strlen(text));
    token_list_release(&list);
    bpe_work_release(&work);
}

START_TEST(equals_the_plain_algorithm)
{
    struct example e;
    make_example(&e, (uint32_t)_i * 2654435761u + 1);
    for (uint32_t k = 0; k < 20; k++)
        compare(&e, (uint32_t)_i * 977 + k, k % 2);
    bpe_release(&e.bpe);
    vocabulary_release(&e.vocabulary);
}
END_TEST

/* A text of one word is no reason to take quadratic time: a minute in the plain way. */
START_TEST(long_words)
{
    enum { N = 1 << 20 };
    struct error err = {0};
    struct example e;
    struct bpe_work work = {0};
    struct token_list list = {0};
    char *text = malloc(N);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < N; i++)
        text[i] = i % 3 ? 'a' : 'b';
    make_example(&e, 5);
    ck_assert(bpe_encode(&e.bpe, text, 0, N, &work, &list, &err));
    ck_assert_uint_lt(list.n, N);
    free(text);
    token_list_release(&list);
    bpe_work_release(&work);
    bpe_release(&e.bpe);
    vocabulary_release(&e.vocabulary);
}
END_TEST

START_TEST(merges_are_checked)
{
    struct error err = {0};
    struct vocabulary v = {0};
    struct merges merges;
    ck_assert(vocabulary_add(&v, "a", 1, 0, &err) && vocabulary_add(&v, "b", 1, 1, &err) &&
              vocabulary_finish(&v, &err));
    ck_assert(!merges_build(&merges, &(struct merge_pair){0, 1}, 1, &v, 0, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "merge 0 makes a piece of \"a\" and \"b\""));
    merges_release(&merges);
    vocabulary_release(&v);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bpe");
    TCase *tcase = tcase_create("bpe");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, equals_the_plain_algorithm, 0, 25);
    tcase_add_test(tcase, long_words);
    tcase_add_test(tcase, merges_are_checked);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
