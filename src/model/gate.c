#include "gate.h"

bool gate_add(struct gate_list *list, const char *name, double value, double limit, bool at_most)
{
    struct gate gate = {.name = name,
                        .value = value,
                        .limit = limit,
                        .at_most = at_most,
                        .passed = at_most ? value <= limit : value >= limit};

    if (list->n < GATES_MAX)
        list->items[list->n++] = gate;
    else if (!gate.passed) /* a full list must not forget a refusal */
        list->items[GATES_MAX - 1] = gate;
    return gate.passed;
}

bool gate_all_passed(const struct gate_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (!list->items[i].passed)
            return false;
    return true;
}
