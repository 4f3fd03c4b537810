#include "inspect_commands.h"

#include <string.h>

#include "lens.h"
#include "lens_grid.h"
#include "script.h"

static const struct option_row options[] = {
    {.name = "layers", .kind = OPTION_STRING, .value = "0,3-5", .help = "after these layers only"},
    {.name = "tokens",
     .kind = OPTION_STRING,
     .value = "A:B",
     .help = "at the tokens at positions A to B - 1 (default: the last 16)"},
    {.name = "top",
     .short_name = 'k',
     .kind = OPTION_U64,
     .value = "K",
     .standard = "5",
     .help = "the K most likely tokens"},
    {.name = "target",
     .kind = OPTION_STRING,
     .value = "TEXT",
     .help =
         "show the place and the probability of this continuation of the prompt too (of its first token)"},
    {.name = "target-id", .kind = OPTION_U64, .value = "N", .help = "the same, as a token id"},
    {.name = "ids", PROMPT_IDS_ROW},
    {0}};

/* ---- the target ---- */

/* The token behind `n` bytes of the text; false when none begins there. */
static bool token_behind(const struct prompt *joined, size_t n, uint32_t *id)
{
    for (size_t i = 0; i < joined->tokens.n; i++) {
        const struct token *token = &joined->tokens.items[i];
        if (token->placed && token->start == n && token->end > n) {
            *id = token->id;
            return true;
        }
    }
    return false;
}

/* The first token of the text as it continues the prompt, with the space that its script needs. */
static bool read_text_target(const struct command_call *call, const struct opened *opened,
                             const struct prompt *prompt, uint32_t *id, struct error *err)
{
    const char *target = option_string(call, "target"), *text = prompt->text ? prompt->text : "";
    bool space = script_space_between(text, prompt->n_text, target, strlen(target));
    struct str whole = {0};
    struct prompt joined = {0};
    str_append_bytes(&whole, text, prompt->n_text);
    str_append(&whole, space ? " " : "");
    str_append(&whole, target);
    bool ok = !whole.failed || error_memory(err, "reading the target");
    ok = ok && prompt_of_text(opened, whole.data ? whole.data : "", whole.length, false, &joined, err);
    if (ok && !token_behind(&joined, prompt->n_text, id))
        ok = command_usage(
            call, err, "--target: no token begins where the prompt ends when the target is put behind it");
    prompt_release(&joined);
    str_release(&whole);
    return ok;
}

static bool read_target(const struct command_call *call, const struct opened *opened,
                        const struct prompt *prompt, uint32_t *id, bool *wanted, struct error *err)
{
    bool by_text = option_given(call, "target"), by_id = option_given(call, "target-id");
    *wanted = by_text || by_id;
    if (by_text && by_id)
        return command_usage(call, err, "give --target or --target-id, not both");
    if (by_text)
        return read_text_target(call, opened, prompt, id, err);
    if (by_id && option_u64(call, "target-id") > UINT32_MAX)
        return command_usage(call, err, "--target-id: %llu is too large",
                             (unsigned long long)option_u64(call, "target-id"));
    *id = (uint32_t)option_u64(call, "target-id");
    return true;
}

/* ---- output ---- */

static bool write_cell(const struct opened *opened, const struct lens *lens, size_t i, size_t k,
                       struct json_write *w, struct error *err)
{
    const struct next_token *top = lens_top(lens, i, k);
    const struct lens_target *target = lens_target(lens, i, k);
    json_write_object_begin(w);
    json_write_member_u64(w, "layer", lens->layers[i]);
    json_write_member_u64(w, "position", lens->first + k);
    json_write_key(w, "top");
    json_write_array_begin(w);
    for (size_t n = 0; n < lens->n_top; n++) {
        json_write_object_begin(w);
        if (!token_write(opened, top[n].id, w, err))
            return false;
        json_write_member_double(w, "logit", top[n].logit);
        json_write_member_double(w, "probability", top[n].probability);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    if (target) {
        json_write_key(w, "target");
        json_write_object_begin(w);
        json_write_member_u64(w, "rank", target->rank);
        json_write_member_double(w, "logit", target->logit);
        json_write_member_double(w, "probability", target->probability);
        json_write_object_end(w);
    }
    json_write_object_end(w);
    return true;
}

static bool write_json(const struct command_call *call, const struct opened *opened,
                       const struct prompt *prompt, const struct lens *lens, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    opened_write(opened, &w);
    if (!prompt_write(opened, prompt, &w, err))
        return false;
    if (lens->targets) {
        json_write_key(&w, "target");
        json_write_object_begin(&w);
        if (!token_write(opened, lens->target, &w, err))
            return false;
        json_write_object_end(&w);
    }
    json_write_key(&w, "cells");
    json_write_array_begin(&w);
    for (size_t i = 0; i < lens->n_layers; i++)
        for (size_t k = 0; k < lens->n_tokens; k++)
            if (!write_cell(opened, lens, i, k, &w, err))
                return false;
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct opened opened = {0};
    struct prompt prompt = {0};
    struct lens lens = {0};
    uint32_t target = 0;
    bool wanted = false;
    struct lens_wish wish = {
        .layers = option_string(call, "layers"),
        .tokens = option_string(call, "tokens"),
        .top = (size_t)option_u64(call, "top"),
    };
    if (wish.top == 0)
        return command_usage(call, err, "--top: 0 leaves nothing, expected at least 1");
    bool ok = opened_open(call, call->args[0], true, &opened, err) &&
              model_can(opened.model, ABLE_LOGITS, err) && prompt_read(call, &opened, 1, &prompt, err) &&
              read_target(call, &opened, &prompt, &target, &wanted, err);
    wish.target = wanted ? &target : NULL;
    ok = ok && lens_run(&call->context, &opened, &prompt, &wish, &lens, err);
    command_quiet_progress(call);
    if (ok)
        ok = call->json ? write_json(call, &opened, &prompt, &lens, err)
                        : lens_draw(&lens, &opened, &prompt, &call->terminal, call->out, err);
    lens_release(&lens);
    prompt_release(&prompt);
    opened_release(&opened);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet lens gemma3 'The Eiffel Tower is in'", "what each layer would say next"},
    {"lancet lens gemma3 'The Eiffel Tower is in' --tokens 6: --target Paris",
     "how an answer rises at the last token"},
    {NULL, NULL},
};

const struct command command_lens = {
    .name = "lens",
    .summary = "show what a model would say next after each layer",
    .synopsis = "MODEL PROMPT",
    .help =
        "The logit lens: the residual stream after a layer goes through the model's final norm and its head, "
        "as if there were no more layers. The row of the last layer is what the model says.\n\n"
        "Without --json: the most likely token at each position, or, where one position is shown, the K most "
        "likely tokens there. PROMPT is a text, or - for standard input; with --ids token ids are taken as "
        "they are. A target gets the leading space that its script needs.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
