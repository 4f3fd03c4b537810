#include "loss.h"

#include <string.h>

#include "memory.h"

/* ---- windows ----
 *
 * A window holds the prefix and `content` tokens of the text. Window w begins at token w * step, and scores
 * the tokens that no earlier window reached. Without a prefix the first token of a window is never scored
 * there, so windows overlap by one token at least. */

enum { LOGITS_BYTES = 64 << 20, LOGITS_ROWS_MAX = 256 }; /* logits are made for a few rows at a time */

struct scored_rows {    /* rows of logits, each with the token that follows */
    const real *logits; /* [n, vocabulary] */
    size_t vocabulary;
    const uint32_t *targets;
    double *each; /* [n] -log p */
};

static void score_task(void *user, size_t row, unsigned worker)
{
    const struct scored_rows *s = user;
    const real *logits = s->logits + row * s->vocabulary;

    (void)worker;
    s->each[row] = ops_log_sum_exp(logits, s->vocabulary) - (double)logits[s->targets[row]];
}

double loss_nll(const real *logits, size_t n, size_t vocabulary, const uint32_t *targets, double *each)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double nll;
        struct scored_rows row = {logits + i * vocabulary, vocabulary, targets + i, &nll};

        score_task(&row, 0, 0);
        sum += nll;
        if (each)
            each[i] = -nll;
    }
    return n ? sum / (double)n : 0;
}

struct window_scorer {
    const struct context *context;
    const struct model *model;
    size_t n_prefix, logits_rows;
    uint32_t *ids;        /* [window] prefix and content */
    struct place *places; /* [logits_rows] */
    real *logits;         /* [logits_rows, vocabulary] */
    double *each;         /* [logits_rows] */
};

/* Scores tokens [from, length) of the window in w->ids. */
static bool score_window(struct window_scorer *w, size_t length, size_t from, struct perplexity *out,
                         struct error *err)
{
    struct sequence sequence = {w->ids, length};
    struct pass_options options = {0};
    struct pass *pass = NULL;
    bool ok = pass_new(w->context, w->model, &sequence, 1, &options, &pass, err) && pass_run(pass, err);

    for (size_t at = from; ok && at < length; at += w->logits_rows) {
        size_t n = length - at < w->logits_rows ? length - at : w->logits_rows;
        struct scored_rows rows = {w->logits, w->model->config.vocabulary, w->ids + at, w->each};

        for (size_t i = 0; i < n; i++)
            w->places[i] = (struct place){0, at + i - 1};
        ok = pass_logits(pass, w->places, n, w->logits, err);
        if (!ok)
            break;
        pool_run(w->context->pool, n, score_task, &rows);
        for (size_t i = 0; i < n; i++)
            out->nll += w->each[i];
        out->tokens += n;
    }
    pass_free(pass);
    return ok;
}

static bool open_scorer(struct window_scorer *w, size_t window, struct error *err)
{
    size_t vocabulary = w->model->config.vocabulary,
           rows = LOGITS_BYTES / sizeof(real) / (vocabulary ? vocabulary : 1);

    w->logits_rows = rows < 1 ? 1 : rows > LOGITS_ROWS_MAX ? LOGITS_ROWS_MAX : rows;
    w->ids = memory_array(window, sizeof *w->ids);
    w->places = memory_array(w->logits_rows, sizeof *w->places);
    w->logits = memory_aligned(w->logits_rows * vocabulary, sizeof *w->logits);
    w->each = memory_array(w->logits_rows, sizeof *w->each);
    return (w->ids && w->places && w->logits && w->each) || error_memory(err, "scoring a text");
}

static void close_scorer(struct window_scorer *w)
{
    free(w->ids);
    free(w->places);
    free(w->logits);
    free(w->each);
}

bool loss_perplexity(const struct context *context, const struct model *model, const uint32_t *prefix,
                     size_t n_prefix, const uint32_t *ids, size_t n, size_t window, size_t stride,
                     struct perplexity *out, struct error *err)
{
    struct window_scorer w = {.context = context, .model = model, .n_prefix = n_prefix};
    struct perplexity sum = *out;
    size_t content = window > n_prefix ? window - n_prefix : 0, most = n_prefix ? content : content - 1, step,
           done = n_prefix ? 0 : 1; /* without a prefix nothing predicts the first token */
    bool ok;

    if (content < 2 || stride == 0)
        return error_set(err, ERROR_USAGE,
                         "a window of %zu tokens, %zu of them prefix, with stride %zu scores nothing", window,
                         n_prefix, stride);
    step = stride < most ? stride : most;
    ok = open_scorer(&w, window, err);
    if (ok && n_prefix)
        memcpy(w.ids, prefix, n_prefix * sizeof *ids);
    for (size_t start = 0; ok && done < n; start += step) {
        size_t length = n - start < content ? n - start : content;

        context_progress(context, "scoring the text", done, n);
        ok = context_continue(context, err);
        if (!ok)
            break;
        memcpy(w.ids + n_prefix, ids + start, length * sizeof *ids);
        ok = score_window(&w, n_prefix + length, n_prefix + done - start, &sum, err);
        done = start + length;
    }
    close_scorer(&w);
    if (ok)
        *out = sum;
    return ok;
}
