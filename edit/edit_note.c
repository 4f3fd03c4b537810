#include "edit.h"

#include "json_write.h"

bool edit_note(const struct edit *edit, struct str *out, struct error *err)
{
    struct json_write w;
    json_write_to_str(&w, out, false);
    json_write_object_begin(&w);
    json_write_member_string(&w, "method", edit->options->method->name);
    json_write_key(&w, "edits");
    json_write_array_begin(&w);
    for (size_t i = 0; i < edit->n_items; i++) {
        const struct edit_item *item = &edit->items[i];
        if (item->nothing_to_do)
            continue;
        json_write_object_begin(&w);
        json_write_member_string(&w, "prompt", item->request->prompt);
        json_write_member_string(&w, "subject", item->request->subject);
        json_write_member_string(&w, "target", item->request->target);
        json_write_member_u64(&w, "layer", item->layer);
        json_write_member_double(&w, "nll_before", item->before.nll);
        json_write_member_double(&w, "nll_after", item->after.nll);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    double norm = 0;
    for (size_t i = 0; i < edit->n_sites; i++)
        norm = edit->sites[i].relative_norm > norm ? edit->sites[i].relative_norm : norm;
    json_write_member_double(&w, "relative_norm", norm);
    json_write_object_end(&w);
    return !out->failed || error_memory(err, "writing the note of a change");
}
