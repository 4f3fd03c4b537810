#include "edit_site.h"

#include <string.h>

#include "memory.h"
#include "quote.h"
#include "str.h"

size_t edit_site_layers(const struct model *model, size_t out[CONFIG_MAX_LAYERS])
{
    size_t n = 0;
    for (size_t layer = 0; layer < model->config.n_layers; layer++)
        if (model_has_site(model, layer))
            out[n++] = layer;
    return n;
}

struct route { /* what the router makes of the last row */
    size_t position;
    real *weights;
};

static void take_route(void *user, const struct tap_view *view)
{
    struct route *route = user;
    for (size_t row = 0; row < view->n_rows; row++)
        if (view->row_position[row] == route->position)
            memcpy(route->weights, view->data + row * view->width, view->width * sizeof *route->weights);
}

static bool run_route(const struct context *context, const struct model *model, const struct sequence *row,
                      size_t layer, struct route *route, struct error *err)
{
    struct sequence prompt = {row->ids, route->position + 1};
    struct tap tap = {SITE_ROUTER, layer, layer, take_route, route};
    struct pass_options options = {.n_layers = layer + 1, .taps = &tap, .n_taps = 1, .keys_only = true};
    struct pass *pass = NULL;
    bool ok = pass_new(context, model, &prompt, 1, &options, &pass, err) && pass_run(pass, err);
    pass_free(pass);
    return ok;
}

static bool name_experts(const struct model *model, size_t layer, const struct route *route,
                         struct error *err)
{
    const struct expert_config *c = &model->config.experts;
    size_t n;
    const struct weight *sites = model_sites(model, layer, &n);
    uint32_t chosen[CONFIG_MAX_EXPERTS];
    struct str names = {0};
    experts_choose(route->weights, c->n, c->used, chosen);
    for (size_t i = 0; i < c->used; i++)
        str_printf(&names, "%s%u (%s, weight %.2f)", i ? ", " : "", (unsigned)chosen[i],
                   quote(sites[chosen[i]].tensor->name).text, (double)route->weights[chosen[i]]);
    if (names.failed)
        error_memory(err, "naming experts");
    else
        error_set(
            err, ERROR_UNSUPPORTED,
            "layer %zu has %zu experts in place of one MLP, and the subject's last token goes to: %s; lancet "
            "edits layers with one MLP only",
            layer, c->n, names.data);
    str_release(&names);
    return false;
}

bool edit_site_check(const struct context *context, const struct model *model, const struct sequence *row,
                     size_t position, size_t layer, struct error *err)
{
    struct route route = {.position = position};
    if (model_has_site(model, layer))
        return true;
    route.weights = memory_zeroed(model->config.experts.n, sizeof *route.weights);
    if (!route.weights)
        return error_memory(err, "naming experts");
    if (run_route(context, model, row, layer, &route, err))
        name_experts(model, layer, &route, err);
    free(route.weights);
    return false;
}
