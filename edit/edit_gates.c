#include "edit_gates.h"

enum { GATE_FINITE, GATE_TARGET, GATE_REALISED, GATE_NEIGHBOURS, GATE_NORM, GATE_PERPLEXITY, GATE_KEYS };

const struct edit_gate_row edit_gate_rows[] = {
    [GATE_FINITE] = {"finite", "every new weight and every loss is a finite number (1: yes)", 1, false},
    [GATE_TARGET] = {"target", "probability of the target's tokens after the prompt (geometric mean)", 0.02,
                     false},
    [GATE_REALISED] = {"realised", "share of the intended change that the rounded weights make", 0.99, false},
    [GATE_NEIGHBOURS] = {"neighbours",
                         "share of other subjects that keep the model's answer ahead of the target", 0.7,
                         false},
    [GATE_NORM] = {"norm", "length of the update, in lengths of the weight", 10, true},
    [GATE_PERPLEXITY] = {"perplexity", "perplexity of a few plain sentences, after / before", 1.5, true},
    [GATE_KEYS] = {"keys", "cosine of the prompt's key and the mean key under the covariance (method rome)",
                   0.8, false},
};
const size_t n_edit_gate_rows = sizeof(edit_gate_rows) / sizeof(*edit_gate_rows);

static void judge(struct edit_item *item, size_t gate, double value)
{
    const struct edit_gate_row *row = &edit_gate_rows[gate];
    gate_add(&item->gates, row->name, value, row->limit, row->at_most);
}

void edit_judge(const struct edit *edit, struct edit_item *item)
{
    item->gates.n = 0;
    judge(item, GATE_FINITE, isfinite(item->after.nll) && isfinite(item->relative_norm));
    judge(item, GATE_TARGET, exp(-item->after.nll));
    judge(item, GATE_REALISED, item->realised);
    if (item->probe.n_neighbours)
        judge(item, GATE_NEIGHBOURS,
              probe_kept(&item->probe, &item->before, &item->after, &item->n_kept, &item->n_asked));
    judge(item, GATE_NORM, item->relative_norm);
    if (item->probe.n_prose)
        judge(item, GATE_PERPLEXITY, exp(item->after.prose_nll - item->before.prose_nll));
    if (edit->options->method->least_cosine > 0)
        judge(item, GATE_KEYS, item->edit.update.cosine_c);
}
