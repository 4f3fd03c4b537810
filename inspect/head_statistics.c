/* Means run over queries i of one prompt. Row 0 has one key and tells nothing, so whatever it would only
 * dilute leaves it out; each row of the table says which rows it has.
 *
 * Sources: detect_head of TransformerLens for the three scores by "mul" (previous_token, duplicate_token,
 * induction), whose denominator is n, as rows sum to 1; Gu et al. 2024 (arXiv 2410.10781) for the sink.
 */
#include "head_statistics.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

double head_row_entropy(const float *row, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        if (row[j] > 0)
            sum -= (double)row[j] * log((double)row[j]);
    return sum;
}

static const float *row_of(const struct head_map *m, size_t i)
{
    return m->weights + i * m->n;
}

/* Keys from 0 on that query i could see. */
static size_t keys_to(const struct head_map *m, size_t i)
{
    return m->full ? m->n : i + 1;
}

static size_t keys_of(const struct head_map *m, size_t i)
{
    return m->window && keys_to(m, i) > m->window ? m->window : keys_to(m, i);
}

static size_t distance(size_t i, size_t j)
{
    return i > j ? i - j : j - i;
}

static double mean(double sum, size_t count)
{
    return count ? sum / (double)count : NAN;
}

/* Mean over queries from `first` on of what `of` says about a row. */
static double mean_of_rows(const struct head_map *m, size_t first,
                           double (*of)(const struct head_map *m, size_t i))
{
    double sum = 0;
    for (size_t i = first; i < m->n; i++)
        sum += of(m, i);
    return mean(sum, m->n > first ? m->n - first : 0);
}

/* ---- how wide a head looks ---- */

static double row_entropy(const struct head_map *m, size_t i)
{
    return m->entropy[i];
}

static double row_effective(const struct head_map *m, size_t i)
{
    return exp(m->entropy[i]);
}

/* The entropy of the row without key 0, made to sum to 1: ln s - (1/s) sum_j A ln A. */
static double row_entropy_without_first(const struct head_map *m, size_t i)
{
    const float *row = row_of(m, i);
    double s = 0;
    for (size_t j = 1; j < keys_to(m, i); j++)
        s += (double)row[j];
    return s > 0 ? log(s) + head_row_entropy(row + 1, keys_to(m, i) - 1) / s : 0;
}

static double row_largest(const struct head_map *m, size_t i)
{
    const float *row = row_of(m, i);
    float most = 0;
    for (size_t j = 0; j < keys_to(m, i); j++)
        most = row[j] > most ? row[j] : most;
    return (double)most;
}

static double row_top5(const struct head_map *m, size_t i)
{
    enum { K = 5 };
    const float *row = row_of(m, i);
    float top[K] = {0};
    double sum = 0;
    for (size_t j = 0; j < keys_to(m, i); j++) {
        size_t at = K;
        while (at > 0 && row[j] > top[at - 1])
            at--;
        if (at == K)
            continue;
        memmove(top + at + 1, top + at, (K - 1 - at) * sizeof *top);
        top[at] = row[j];
    }
    for (size_t k = 0; k < K; k++)
        sum += (double)top[k];
    return sum;
}

static double entropy(const struct head_map *m)
{
    return mean_of_rows(m, 1, row_entropy);
}

static double normalised_entropy(const struct head_map *m)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 1; i < m->n; i++)
        if (keys_of(m, i) > 1) {
            sum += m->entropy[i] / log((double)keys_of(m, i));
            count++;
        }
    return mean(sum, count);
}

static double entropy_without_first(const struct head_map *m)
{
    return mean_of_rows(m, 2, row_entropy_without_first);
}

static double effective_keys(const struct head_map *m)
{
    return mean_of_rows(m, 1, row_effective);
}

static double max_weight(const struct head_map *m)
{
    return mean_of_rows(m, 0, row_largest);
}

static double top5_mass(const struct head_map *m)
{
    return mean_of_rows(m, 0, row_top5);
}

/* ---- where it looks ---- */

static double row_first(const struct head_map *m, size_t i)
{
    return (double)row_of(m, i)[0];
}

static double row_diagonal(const struct head_map *m, size_t i)
{
    return (double)row_of(m, i)[i];
}

static double row_previous(const struct head_map *m, size_t i)
{
    return (double)row_of(m, i)[i - 1];
}

static double first_token_mass(const struct head_map *m)
{
    return mean_of_rows(m, 1, row_first);
}

static double first_token_alpha(const struct head_map *m)
{
    return mean_of_rows(m, 0, row_first);
}

static double diagonal_mass(const struct head_map *m)
{
    return mean_of_rows(m, 0, row_diagonal);
}

static double previous_token_mass(const struct head_map *m)
{
    return mean_of_rows(m, 1, row_previous);
}

static double mean_distance_from(const struct head_map *m, size_t first_key)
{
    double weighted = 0, mass = 0;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = first_key; j < keys_to(m, i); j++) {
            double weight = (double)row_of(m, i)[j];
            weighted += weight * (double)distance(i, j);
            mass += weight;
        }
    return mass > 0 ? weighted / mass : NAN;
}

static double mean_distance(const struct head_map *m)
{
    return mean_distance_from(m, 0);
}

static double mean_distance_without_first(const struct head_map *m)
{
    return mean_distance_from(m, 1);
}

static double window_90(const struct head_map *m)
{
    double mass = 0, inside = 0;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < keys_to(m, i); j++)
            mass += (double)row_of(m, i)[j];
    for (size_t d = 0; d < m->n; d++) {
        for (size_t i = d; i < m->n; i++)
            inside += (double)row_of(m, i)[i - d];
        for (size_t i = d; d > 0 && m->full && i < m->n; i++)
            inside += (double)row_of(m, i - d)[i];
        if (inside >= .9 * mass)
            return (double)(d + 1);
    }
    return (double)m->n; /* the last sum may fall short by its rounding */
}

/* ---- scores of named types: sum(A D) / sum(A) ---- */

static double share(const struct head_map *m, bool (*in)(const uint32_t *ids, size_t i, size_t j))
{
    double hit = 0, mass = 0;
    for (size_t i = 0; i < m->n; i++)
        for (size_t j = 0; j < keys_to(m, i); j++) {
            double weight = (double)row_of(m, i)[j];
            mass += weight;
            hit += in(m->ids, i, j) ? weight : 0;
        }
    return mass > 0 ? hit / mass : NAN;
}

static bool is_previous(const uint32_t *ids, size_t i, size_t j)
{
    (void)ids;
    return j + 1 == i;
}

static bool is_duplicate(const uint32_t *ids, size_t i, size_t j)
{
    return j < i && ids[j] == ids[i];
}

static bool is_after_duplicate(const uint32_t *ids, size_t i, size_t j)
{
    return j >= 1 && j <= i && ids[j - 1] == ids[i];
}

static double previous_token(const struct head_map *m)
{
    return share(m, is_previous);
}

static double duplicate_token(const struct head_map *m)
{
    return share(m, is_duplicate);
}

static double induction(const struct head_map *m)
{
    return share(m, is_after_duplicate);
}

const struct head_statistic head_statistics[HEAD_STATISTICS] = {
    {"entropy", "mean of H[i] = -sum_j A[i][j] ln A[i][j]", "i >= 1", NULL, entropy},
    {"normalised_entropy", "mean of H[i] / ln(number of keys that query i sees)",
     "i >= 1 with two keys or more", NULL, normalised_entropy},
    {"entropy_without_first", "mean of H[i] without key 0, the rest of the row made to sum to 1", "i >= 2",
     NULL, entropy_without_first},
    {"effective_keys", "mean of exp(H[i])", "i >= 1", "looks widely", effective_keys},
    {"max_weight", "mean of max_j A[i][j]", "all", "looks at one token", max_weight},
    {"top5_mass", "mean of the sum of the 5 largest A[i][j]", "all", NULL, top5_mass},
    {"first_token_mass", "mean of A[i][0]", "i >= 1", "first token (sink)", first_token_mass},
    {"first_token_alpha", "mean of A[i][0]", "all", NULL, first_token_alpha},
    {"diagonal_mass", "mean of A[i][i]", "all", "itself", diagonal_mass},
    {"previous_token_mass", "mean of A[i][i-1]", "i >= 1", NULL, previous_token_mass},
    {"mean_distance", "sum A[i][j] |i-j| / sum A[i][j]", "all", NULL, mean_distance},
    {"mean_distance_without_first", "sum A[i][j] |i-j| / sum A[i][j] over keys j >= 1", "all",
     "looks far back", mean_distance_without_first},
    {"window_90", "smallest w with sum of A[i][j] over |i-j| < w at least 0.9 of sum A[i][j]", "all", NULL,
     window_90},
    {"previous_token", "sum(A D) / sum(A), D[i][i-1] = 1", "all", "previous token", previous_token},
    {"duplicate_token", "sum(A D) / sum(A), D[i][j] = 1 where j < i and t[j] = t[i]", "all",
     "earlier copy of itself", duplicate_token},
    {"induction", "sum(A D) / sum(A), D[i][j] = 1 where 1 <= j <= i and t[j-1] = t[i]", "all",
     "after an earlier copy", induction},
};

size_t head_statistic_named(const char *name)
{
    size_t i = 0;
    while (i < HEAD_STATISTICS && strcmp(head_statistics[i].name, name) != 0)
        i++;
    return i;
}
