#include "execute.h"

#include "chunk.h"
#include "merge_run.h"

bool merge_estimate(const struct context *context, const struct merge_plan *plan,
                    const struct merge_limits *limits, const struct checkpoint *into,
                    struct merge_estimate *out, struct error *err)
{
    struct merge_estimate e = {0};
    struct merge_size size;

    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct merge_tensor *t = &plan->tensors[i];
        uint64_t passes = plan->method->n_sums && !t->copied ? 2 : 1;
        for (size_t j = 0; j < t->n_sources; j++)
            e.read += passes * t->sources[j].tensor->bytes;
        e.written += chunk_units(t) * chunk_unit(t);
    }
    e.disk = e.written;
    if (into ? !merge_into_estimate(context, plan, limits, into, &e, err)
             : !merge_prepare(context, plan, limits, NULL, false, &size, err))
        return false;
    if (!into)
        e.memory = size.memory;
    *out = e;
    return true;
}
