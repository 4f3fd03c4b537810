#include "probe.h"

#include <string.h>

#include "memory.h"
#include "ops.h"
#include "own_texts.h"
#include "str.h"
#include "utf8.h"

/* ---- rows ---- */

static bool add_row(struct probe *p, const uint32_t *ids, size_t n, const uint32_t *more, size_t n_more,
                    struct error *err)
{
    uint32_t *row = arena_array(&p->arena, n + n_more, sizeof(*row));
    if (!row)
        return error_memory(err, "preparing the checks of an edit");
    memcpy(row, ids, n * sizeof(*ids));
    if (n_more)
        memcpy(row + n, more, n_more * sizeof(*more));
    p->rows[p->n_rows++] = (struct sequence){row, n + n_more};
    return true;
}

/* A row of this text and `more` ids after it; left out when it is too long. *added tells. */
static bool add_text(struct probe *p, const struct tokenizer *tokenizer, const struct str *text,
                     size_t longest, const uint32_t *more, size_t n_more, bool *added, struct error *err)
{
    struct prompt_tokens tokens = {0};
    *added = false;
    if (text->failed)
        return error_memory(err, "preparing the checks of an edit");
    bool ok = prompt_tokenise(tokenizer, text->data, text->length, 0, 0, NULL, &tokens, err);
    *added = ok && tokens.n_prompt > 0 && tokens.n_prompt + n_more <= longest;
    if (*added)
        ok = add_row(p, tokens.prompt, tokens.n_prompt, more, n_more, err);
    prompt_tokens_release(&tokens);
    return ok;
}

/* The request's template with another subject; the name is kept when the row was added. */
static bool add_neighbour(struct probe *p, const struct tokenizer *tokenizer, const struct edit_request *q,
                          const char *subject, size_t longest, struct error *err)
{
    bool added, ok;
    struct str text = {0};
    if (strcmp(subject, q->subject) == 0)
        return true;
    str_append_bytes(&text, q->prompt, q->subject_start);
    str_append(&text, subject);
    str_append(&text, q->prompt + q->subject_end);
    ok = add_text(p, tokenizer, &text, longest, NULL, 0, &added, err);
    str_release(&text);
    if (ok && added) {
        p->neighbours[p->n_neighbours] = arena_copy(&p->arena, subject, strlen(subject));
        ok = p->neighbours[p->n_neighbours++] || error_memory(err, "preparing the checks of an edit");
    }
    return ok;
}

static bool add_neighbours(struct probe *p, const struct tokenizer *tokenizer, const struct edit_request *q,
                           const struct own_texts *texts, size_t longest, struct error *err)
{
    for (size_t i = 0; texts->subjects[i] && i < PROBE_NEIGHBOURS - PROBE_NEAR; i++)
        if (!add_neighbour(p, tokenizer, q, texts->subjects[i], longest, err))
            return false;
    return true;
}

/* Where the last word of a subject begins (unspaced scripts: its second half); 0: it has only one. */
static size_t last_word(const char *subject)
{
    size_t n = strlen(subject), n_codes = 0, seen = 0;
    const char *space = strrchr(subject, ' ');
    uint32_t code = 0;
    if (space)
        return (size_t)(space - subject);
    for (size_t i = 0; i < n; n_codes++)
        i += utf8_decode(subject + i, n - i, &code);
    if (n_codes < 2 || !script_unspaced(code))
        return 0;
    for (size_t i = 0; i < n; seen++) {
        if (seen == n_codes / 2)
            return i;
        i += utf8_decode(subject + i, n - i, &code);
    }
    return 0;
}

/* Subjects with the request's own last word: an edit that hangs on it alone shows here. */
static bool add_near(struct probe *p, const struct tokenizer *tokenizer, const struct edit_request *q,
                     const struct own_texts *texts, size_t longest, struct error *err)
{
    size_t at = last_word(q->subject), before = p->n_neighbours;
    bool ok = true;
    for (size_t i = 0; ok && at && texts->subjects[i] && i < PROBE_NEAR; i++) {
        struct str subject = {0};
        size_t head = strcspn(texts->subjects[i], " ");
        str_append_bytes(&subject, texts->subjects[i], head);
        str_append(&subject, q->subject + at);
        ok = (!subject.failed || error_memory(err, "preparing the checks of an edit")) &&
             add_neighbour(p, tokenizer, q, subject.data, longest, err);
        str_release(&subject);
    }
    p->n_near = p->n_neighbours - before;
    return ok;
}

static bool add_held_out(struct probe *p, const struct tokenizer *tokenizer, const struct edit_request *q,
                         const struct own_texts *texts, size_t longest, struct error *err)
{
    for (size_t i = 0; texts->held_out[i] && p->n_held_out < PROBE_HELD_OUT; i++) {
        bool added, ok;
        struct str text = {0};
        str_printf(&text, "%s%s", texts->held_out[i], q->prompt);
        ok = add_text(p, tokenizer, &text, longest, p->target, p->n_target - 1, &added, err);
        str_release(&text);
        if (!ok)
            return false;
        p->n_held_out += added;
    }
    return true;
}

static bool add_prose(struct probe *p, const struct tokenizer *tokenizer, const char *prose, size_t longest,
                      struct error *err)
{
    struct prompt_tokens tokens = {0};
    bool ok = prompt_tokenise(tokenizer, prose, strlen(prose), 0, 0, NULL, &tokens, err);
    size_t n = tokens.n_prompt < PROBE_PROSE ? tokens.n_prompt : PROBE_PROSE;
    n = n < longest ? n : longest;
    if (ok && n > 1) {
        ok = add_row(p, tokens.prompt, n, NULL, 0, err);
        p->n_prose = 1;
    }
    prompt_tokens_release(&tokens);
    return ok;
}

static void add_places(struct probe *p, size_t row, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->places[p->n_places++] = (struct place){row, first + i};
}

static bool place_all(struct probe *p, struct error *err)
{
    size_t n = 0, row = 0;
    for (size_t i = 0; i < p->n_rows; i++)
        n += p->rows[i].length;
    p->places = arena_array(&p->arena, n, sizeof(*p->places));
    if (!p->places)
        return error_memory(err, "preparing the checks of an edit");
    add_places(p, row, p->rows[row].length - p->n_target, p->n_target);
    for (row = 1; row <= p->n_neighbours; row++)
        add_places(p, row, p->rows[row].length - 1, 1);
    for (; row <= p->n_neighbours + p->n_held_out; row++)
        add_places(p, row, p->rows[row].length - p->n_target, p->n_target);
    if (p->n_prose)
        add_places(p, row, 0, p->rows[row].length - 1);
    return true;
}

bool probe_build(const struct tokenizer *tokenizer, const struct edit_request *request,
                 const struct edit_rows *rows, size_t longest, bool held_out, struct probe *out,
                 struct error *err)
{
    struct probe p = {.target = rows->target, .n_target = rows->n_target};
    p.rows = arena_array(&p.arena, 2 + PROBE_NEIGHBOURS + PROBE_HELD_OUT, sizeof(*p.rows));
    bool ok = (p.rows || error_memory(err, "preparing the checks of an edit")) &&
              add_row(&p, rows->rows[0].ids, rows->rows[0].length, NULL, 0, err);
    if (ok && tokenizer) {
        const struct own_texts *texts =
            own_texts_for(script_of_text(request->prompt, strlen(request->prompt)));
        ok = add_neighbours(&p, tokenizer, request, texts, longest, err) &&
             (!held_out || (add_near(&p, tokenizer, request, texts, longest, err) &&
                            add_held_out(&p, tokenizer, request, texts, longest, err))) &&
             add_prose(&p, tokenizer, texts->prose, longest, err);
    }
    ok = ok && place_all(&p, err);
    if (ok)
        *out = p;
    else
        probe_release(&p);
    return ok;
}

void probe_release(struct probe *probe)
{
    arena_release(&probe->arena);
    *probe = (struct probe){0};
}

/* ---- measuring ---- */

enum { PROBE_BLOCK = 8 }; /* places whose logits are in memory at once */

struct measure {
    const struct context *context;
    const struct model *model;
    const struct probe *probe;
    const struct probe_result *before;
    struct probe_result *out;
    struct pass *pass;
    real *logits; /* [PROBE_BLOCK, vocabulary] */
    double *sums; /* [PROBE_BLOCK] log sums */
    size_t next;  /* place */
    size_t vocabulary;
};

static void sum_place(void *user, size_t task, unsigned worker)
{
    struct measure *m = user;
    (void)worker;
    m->sums[task] = ops_log_sum_exp(m->logits + task * m->vocabulary, m->vocabulary);
}

/* Logits and their log sums of the next places, at most `wanted` of them; *n how many came. */
static bool fetch(struct measure *m, size_t wanted, size_t *n, struct error *err)
{
    *n = wanted < PROBE_BLOCK ? wanted : PROBE_BLOCK;
    if (!pass_logits(m->pass, m->probe->places + m->next, *n, m->logits, err))
        return false;
    pool_run(m->context->pool, *n, sum_place, m);
    m->next += *n;
    return true;
}

static size_t largest(const real *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* The most probable tokens, the best first; ties to the lower id. */
static void find_top(const real *x, double log_sum, size_t n, struct probe_result *out)
{
    out->n_top = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = out->n_top;
        while (at > 0 && (double)x[i] > out->top[at - 1].probability)
            at--;
        if (at == PROBE_TOP)
            continue;
        size_t last = out->n_top < PROBE_TOP ? out->n_top : PROBE_TOP - 1;
        memmove(&out->top[at + 1], &out->top[at], (last - at) * sizeof(*out->top));
        out->top[at] = (struct probe_answer){(uint32_t)i, (double)x[i]};
        out->n_top = last + 1;
    }
    for (size_t i = 0; i < out->n_top; i++)
        out->top[i].probability = exp(out->top[i].probability - log_sum);
}

/* Mean -log p of the target at the next places; *is_answer when each token is the most probable. `first`: of
 * the bare prompt, whose most probable tokens are kept. */
static bool score_target(struct measure *m, bool first, double *nll, bool *is_answer, struct error *err)
{
    const struct probe *p = m->probe;
    double sum = 0;
    bool best = true;
    for (size_t done = 0, n; done < p->n_target; done += n) {
        if (!fetch(m, p->n_target - done, &n, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            const real *x = m->logits + i * m->vocabulary;
            uint32_t target = p->target[done + i];
            sum += m->sums[i] - (double)x[target];
            best = best && largest(x, m->vocabulary) == target;
            if (!first || done + i != 0)
                continue;
            find_top(x, m->sums[i], m->vocabulary, m->out);
            m->out->first_log = (double)x[target] - m->sums[i];
            for (size_t j = 0; j < m->vocabulary; j++)
                m->out->rank += x[j] > x[target];
        }
    }
    *nll = sum / (double)p->n_target;
    *is_answer = best;
    return true;
}

static bool score_neighbours(struct measure *m, struct error *err)
{
    const struct probe *p = m->probe;
    for (size_t done = 0, n; done < p->n_neighbours; done += n) {
        if (!fetch(m, p->n_neighbours - done, &n, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            const real *x = m->logits + i * m->vocabulary;
            struct probe_neighbour *out = &m->out->neighbours[done + i];
            out->answer =
                m->before ? m->before->neighbours[done + i].answer : (uint32_t)largest(x, m->vocabulary);
            out->answer_log = (double)x[out->answer] - m->sums[i];
            out->target_log = (double)x[p->target[0]] - m->sums[i];
        }
    }
    return true;
}

static bool score_prose(struct measure *m, struct error *err)
{
    const struct sequence *s = &m->probe->rows[m->probe->n_rows - 1];
    double sum = 0;
    for (size_t done = 0, n; done + 1 < s->length; done += n) {
        if (!fetch(m, s->length - 1 - done, &n, err))
            return false;
        for (size_t i = 0; i < n; i++)
            sum += m->sums[i] - (double)m->logits[i * m->vocabulary + s->ids[done + i + 1]];
    }
    m->out->prose_nll = sum / (double)(s->length - 1);
    return true;
}

bool probe_run(const struct context *context, const struct model *model, const struct probe *probe,
               const struct probe_result *before, struct probe_result *out, struct error *err)
{
    struct probe_result result = {.prose_nll = NAN};
    double sums[PROBE_BLOCK];
    struct measure m = {.context = context,
                        .model = model,
                        .probe = probe,
                        .before = before,
                        .out = &result,
                        .logits = memory_array(PROBE_BLOCK * sizeof(real), model->config.vocabulary),
                        .sums = sums,
                        .vocabulary = model->config.vocabulary};
    struct pass_options options = {.places = probe->places, .n_places = probe->n_places};
    bool ignored;
    bool ok = (m.logits || error_memory(err, "measuring an edit")) &&
              pass_new(context, model, probe->rows, probe->n_rows, &options, &m.pass, err) &&
              pass_run(m.pass, err) && score_target(&m, true, &result.nll, &result.is_answer, err) &&
              score_neighbours(&m, err);
    for (size_t i = 0; ok && i < probe->n_held_out; i++)
        ok = score_target(&m, false, &result.held_out[i], &ignored, err);
    if (ok && probe->n_prose)
        ok = score_prose(&m, err);
    pass_free(m.pass);
    free(m.logits);
    if (ok)
        *out = result;
    return ok;
}

double probe_kept(const struct probe *probe, const struct probe_result *before,
                  const struct probe_result *after, size_t *n_kept, size_t *n_asked)
{
    *n_kept = *n_asked = 0;
    for (size_t i = 0; i + probe->n_near < probe->n_neighbours; i++) {
        /* Where the target was as likely as the answer before, nothing can be lost. */
        if (before->neighbours[i].answer == probe->target[0])
            continue;
        ++*n_asked;
        *n_kept += after->neighbours[i].answer_log > after->neighbours[i].target_log;
    }
    return *n_asked ? (double)*n_kept / (double)*n_asked : 1;
}
