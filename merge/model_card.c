#include "model_card.h"

#include <string.h>

#include "hub.h"
#include "str.h"

/* Only what the hub knows may stand in the front matter: a name, and nothing of that name here. */
static bool is_hub_model(const struct merge_model *model)
{
    const struct fs *fs = model->checkpoint->context->fs;
    return hub_is_name(model->path) && !fs_exists(fs, model->path);
}

static void front_matter(struct str *s, const struct merge_plan *plan)
{
    size_t n = 0;
    str_append(s, "---\nbase_model:");
    for (size_t i = 0; i < plan->n_models; i++)
        if (is_hub_model(&plan->models[i])) {
            str_printf(s, "\n- \"%s\"", plan->models[i].path);
            n++;
        }
    str_append(s, n ? "\n" : " []\n");
    str_append(s, "library_name: transformers\ntags:\n- merge\n- lancet\n---\n\n");
}

/* Foreign text inside a line of Markdown. */
static void plain(struct str *s, const char *text)
{
    struct str shown = {0};
    str_append_escaped(&shown, text, strlen(text));
    for (const char *p = shown.data ? shown.data : ""; *p; p++) {
        if (strchr("\\`*_{}[]<>()#|!&", *p))
            str_append(s, "\\");
        str_append_bytes(s, p, 1);
    }
    s->failed |= shown.failed;
    str_release(&shown);
}

static bool model_rows(struct str *s, const struct merge_plan *plan, struct error *err)
{
    str_append(s, "| model | file | SHA-256 of its header |\n|---|---|---|\n");
    for (size_t i = 0; i < plan->n_models; i++) {
        const struct checkpoint *c = plan->models[i].checkpoint;
        for (size_t f = 0; f < c->n_files; f++) {
            struct digest digest;
            char hex[65];
            if (!checkpoint_header_digest(c, f, &digest, err))
                return false;
            digest_hex(&digest, hex);
            str_append(s, "| ");
            plain(s, plan->models[i].path);
            str_append(s, " | ");
            plain(s, c->files[f].name);
            str_printf(s, " | `%s` |\n", hex);
        }
    }
    return true;
}

/* A fence longer than any in the recipe. */
static void fenced(struct str *s, const char *text)
{
    size_t longest = 2, run = 0;
    for (const char *p = text; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        str_append(s, "`");
    str_append(s, "yaml\n");
    str_append(s, text);
    str_append(s, *text && text[strlen(text) - 1] != '\n' ? "\n" : "");
    for (size_t i = 0; i <= longest; i++)
        str_append(s, "`");
    str_append(s, "\n");
}

bool model_card(const struct merge_plan *plan, const struct recipe *recipe, const char *title, char **out,
                struct error *err)
{
    struct str s = {0};
    bool ok = false;
    front_matter(&s, plan);
    str_append(&s, "# ");
    plain(&s, title);
    str_printf(&s,
               "\n\nA merge of pretrained language models, made with lancet by the method `%s` (%s%s).\n\n"
               "## Models\n\n",
               plan->method->name, plan->method->summary,
               plan->semantics == MERGE_MERGEKIT ? ", with mergekit's roundings and choices" : "");
    if (!model_rows(&s, plan, err))
        goto out;
    str_append(&s, "\nConfiguration, tokenizer and other files are those of ");
    plain(&s, plan->models[plan->donor].path);
    str_append(&s, plan->config ? ", `config.json` adapted.\n\n" : ".\n\n");
    str_append(&s, "## Recipe\n\n");
    fenced(&s, recipe->text);
    *out = str_take(&s);
    ok = *out || error_memory(err, "writing a model card");
out:
    str_release(&s);
    return ok;
}
