#include "context.h"

bool context_continue(const struct context *c, struct error *err)
{
    if (c->cancel && *c->cancel)
        return error_set(err, ERROR_CANCELLED, "interrupted");
    return true;
}
