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

void change_log_what(const struct history_record *record, struct str *out)
{
    cJSON *note = note_of(record);
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(note, "summary");
    if (cJSON_IsString(summary)) {
        str_append(out, summary->valuestring);
    } else if (record->n_undoes) {
        str_append(out, "undo of ");
        for (size_t i = 0; i < record->n_undoes; i++)
            str_printf(out, "%s%u", i ? ", " : "", record->undoes[i]);
    } else {
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
