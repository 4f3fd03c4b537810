#include "change_log.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "json_document.h"

void change_log_time(int64_t time, struct str *out)
{
    time_t seconds = (time_t)time;
    struct tm local;
    char text[32];
    if (localtime_r(&seconds, &local) && strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local))
        str_append(out, text);
    else
        str_append(out, "?");
}

/* The note as a document; NULL when there is none or it is not one. */
static cJSON *note_of(const struct history_record *record)
{
    cJSON *note = NULL;
    struct error ignored;
    if (record->note)
        json_document_parse("note", record->note, strlen(record->note), &note, &ignored);
    return note;
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

/* "The Eiffel Tower is in -> Rome, 2 more"; false when the note tells of no edit. */
static bool edits_text(const cJSON *note, struct str *out)
{
    const cJSON *edits = cJSON_GetObjectItemCaseSensitive(note, "edits");
    const cJSON *first = cJSON_GetArrayItem(edits, 0);
    const char *prompt = text_of(first, "prompt"), *subject = text_of(first, "subject");
    const char *target = text_of(first, "target");
    if (!prompt || !target)
        return false;
    const char *hole = subject ? strstr(prompt, "{}") : NULL;
    if (hole) {
        str_append_bytes(out, prompt, (size_t)(hole - prompt));
        str_append(out, subject);
        prompt = hole + 2;
    }
    str_append(out, prompt);
    str_printf(out, " -> %s", target + strspn(target, " "));
    if (cJSON_GetArraySize(edits) > 1)
        str_printf(out, ", %d more", cJSON_GetArraySize(edits) - 1);
    return true;
}

void change_log_what(const struct history_record *record, struct str *out)
{
    cJSON *note = note_of(record);
    const char *summary = text_of(note, "summary");
    if (summary) {
        str_append(out, summary);
    } else if (record->n_undoes) {
        str_append(out, "undo of ");
        for (size_t i = 0; i < record->n_undoes; i++)
            str_printf(out, "%s%u", i ? ", " : "", record->undoes[i]);
    } else if (!edits_text(note, out)) {
        str_append(out, *record->command ? record->command : record->kind);
    }
    cJSON_Delete(note);
}

bool change_log_norm(const struct history_record *record, double *out)
{
    cJSON *note = note_of(record);
    const cJSON *norm = cJSON_GetObjectItemCaseSensitive(note, "relative_norm");
    bool there = cJSON_IsNumber(norm) && isfinite(norm->valuedouble);
    if (there)
        *out = norm->valuedouble;
    cJSON_Delete(note);
    return there;
}

uint32_t change_log_undone_by(const struct history *history, size_t record)
{
    for (size_t i = history->n_records; i-- > record + 1;) {
        const struct history_record *r = &history->records[i];
        for (size_t k = 0; !r->undone && k < r->n_undoes; k++)
            if (r->undoes[k] == history->records[record].number)
                return r->number;
    }
    return 0;
}
