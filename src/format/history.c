/* The committed records of a model as its user sees them. */
#include "history.h"

#include <string.h>

#include "memory.h"
#include "records.h"

static bool copy_text(struct arena *arena, const char *text, const char **out, struct error *err)
{
    if (!text) {
        *out = NULL;
        return true;
    }
    *out = arena_copy(arena, text, strlen(text));
    return *out || error_memory(err, "listing the history");
}

static bool copy_tensors(struct arena *arena, const struct record *record, struct history_record *out,
                         struct error *err)
{
    out->tensors = arena_array(arena, record->n_tensors, sizeof *out->tensors);
    if (!out->tensors)
        return error_memory(err, "listing the history");
    for (size_t i = 0; i < record->n_tensors; i++) {
        const struct record_tensor *t = &record->tensors[i];
        struct history_tensor *h = &out->tensors[i];
        *h = (struct history_tensor){.dtype = t->dtype,
                                     .offset = t->offset,
                                     .bytes = t->bytes,
                                     .before = t->before,
                                     .after = t->after};
        if (!copy_text(arena, t->name, &h->name, err) ||
            !copy_text(arena, record->files[t->file].name, &h->file, err))
            return false;
        out->n_tensors++;
    }
    return true;
}

static bool copy_record(struct arena *arena, const struct record *record, bool undone,
                        struct history_record *out, struct error *err)
{
    *out = (struct history_record){
        .number = record->number, .time = record->time, .stored_bytes = record->disk_size, .undone = undone};
    out->undoes = arena_array(arena, record->n_undoes, sizeof *out->undoes);
    if (!out->undoes)
        return error_memory(err, "listing the history");
    if (record->n_undoes)
        memcpy(out->undoes, record->undoes, record->n_undoes * sizeof *out->undoes);
    out->n_undoes = record->n_undoes;
    return copy_text(arena, record->kind, &out->kind, err) &&
           copy_text(arena, record->command, &out->command, err) &&
           copy_text(arena, record->note, &out->note, err) &&
           copy_text(arena, record->host, &out->host, err) && copy_tensors(arena, record, out, err);
}

static bool copy_list(const struct record_list *list, struct history *out, struct error *err)
{
    struct history history = {.open = list->store.open};
    history.records = arena_array(&history.arena, list->n, sizeof *history.records);
    bool ok = history.records || error_memory(err, "listing the history");
    for (size_t i = 0; ok && i < list->n; i++) {
        ok = copy_record(&history.arena, &list->items[i], list->undone[i], &history.records[i], err);
        history.n_records += ok;
    }
    if (ok)
        *out = history;
    else
        history_release(&history);
    return ok;
}

bool history_read(const struct context *context, const char *directory, struct history *out,
                  struct error *err)
{
    struct record_list list = {0};
    bool ok = records_read(context, directory, &list, err) && copy_list(&list, out, err);
    records_release(&list);
    return ok;
}

bool history_of(const struct context *context, const struct checkpoint *checkpoint, struct history *out,
                struct error *err)
{
    if (!checkpoint->directory) {
        *out = (struct history){0};
        return true;
    }
    struct record_list list = {0};
    bool ok = records_read(context, checkpoint->directory, &list, err) &&
              records_of(&list, checkpoint, err) && copy_list(&list, out, err);
    records_release(&list);
    return ok;
}

void history_release(struct history *history)
{
    if (!history)
        return;
    arena_release(&history->arena);
    *history = (struct history){0};
}
