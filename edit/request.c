#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_scan.h"
#include "memory.h"
#include "quote.h"
#include "script.h"
#include "str.h"

enum { REQUEST_FILE_LIMIT = 256 << 20, REQUEST_MAX_IDS = 1 << 20 };

/* One record as it stands in the file; members are NULL until they are read. */
struct draft {
    const char *prompt, *subject, *target, *src, *alt;
    const uint32_t *prompt_ids, *target_ids, *kl_ids;
    size_t n_prompt, n_target, n_kl;
    uint64_t subject_last, kl_last;
    bool has_subject_last, has_kl_last;
};

/* ---- from words to a request ---- */

static const char *find_last(const char *text, const char *word)
{
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, word)); at++)
        found = at;
    return found;
}

static bool found_without_case(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (; strlen(text) >= n; text++)
        if (strncasecmp(text, word, n) == 0)
            return true;
    return false;
}

/* Where the subject stands: at {} if the prompt has one, else at its last occurrence. Sets template, prompt
 * and span. */
static bool place_subject(struct arena *arena, const char *name, const char *prompt, struct edit_request *r,
                          struct error *err)
{
    const char *slot = strstr(prompt, "{}"), *subject = r->subject;
    struct str filled = {0}, template = {0};
    if (slot && strstr(slot + 2, "{}"))
        return error_set(err, ERROR_USAGE, "%s: the prompt %s has more than one {}", name,
                         quote(prompt).text);
    const char *at = slot ? slot : find_last(prompt, subject);
    if (!at)
        return error_set(err, ERROR_USAGE, "%s: the subject %s does not occur in the prompt %s%s", name,
                         quote(subject).text, quote(prompt).text,
                         found_without_case(prompt, subject) ? " (only in other letters, A for a)" : "");
    size_t before = (size_t)(at - prompt), skip = slot ? 2 : strlen(subject);
    if (!slot && strstr(prompt, subject) != at)
        r->note = "the subject occurs more than once in the prompt: its last place is used";
    str_append_bytes(&filled, prompt, before);
    str_append(&filled, subject);
    str_append(&filled, at + skip);
    str_append_bytes(&template, prompt, before);
    str_append(&template, "{}");
    str_append(&template, at + skip);
    r->subject_start = before;
    r->subject_end = before + strlen(subject);
    if (!filled.failed && !template.failed) {
        r->prompt = arena_copy(arena, filled.data, filled.length);
        r->template = arena_copy(arena, template.data, template.length);
    }
    str_release(&filled);
    str_release(&template);
    return (r->prompt && r->template) || error_memory(err, "reading a request");
}

/* A prompt ends in its last word: a space there belongs to the target. */
static char *trim_end(struct arena *arena, const char *prompt, size_t *n_cut)
{
    size_t n = strlen(prompt), end = n;
    while (end && prompt[end - 1] == ' ')
        end--;
    *n_cut = n - end;
    return arena_copy(arena, prompt, end);
}

static bool complete_words(struct arena *arena, const char *name, const char *prompt, const char *subject,
                           const char *target, struct edit_request *r, struct error *err)
{
    if (!*subject)
        return error_set(err, ERROR_USAGE, "%s: the subject is empty", name);
    if (!*target || strspn(target, " \t\r\n") == strlen(target))
        return error_set(err, ERROR_USAGE, "%s: the target is empty", name);
    size_t n_cut;
    char *trimmed = trim_end(arena, prompt, &n_cut);
    r->subject = arena_copy(arena, subject, strlen(subject));
    if (!trimmed || !r->subject)
        return error_memory(err, "reading a request");
    if (!place_subject(arena, name, trimmed, r, err))
        return false;
    bool space = (n_cut && *target != ' ') ||
                 script_space_between(r->prompt, strlen(r->prompt), target, strlen(target));
    struct str spaced = {0};
    str_printf(&spaced, "%s%s", space ? " " : "", target);
    r->target = spaced.failed ? NULL : arena_copy(arena, spaced.data, spaced.length);
    str_release(&spaced);
    return r->target || error_memory(err, "reading a request");
}

bool request_from_flags(const char *prompt, const char *subject, const char *target, struct request_list *out,
                        struct error *err)
{
    struct request_list list = {.name = "the command line", .n = 1, .bos = -1};
    list.items = memory_zeroed(1, sizeof(*list.items));
    bool ok = list.items || error_memory(err, "reading a request");
    ok = ok && complete_words(&list.arena, "edit", prompt, subject, target, &list.items[0], err);
    if (ok)
        *out = list;
    else
        request_list_release(&list);
    return ok;
}

/* ---- from a file to drafts ---- */

struct reader {
    struct json_scan scan;
    struct arena *arena;
};

static bool read_text(struct reader *r, const char *key, const char **out, struct error *err)
{
    struct json_text text;
    if (*out)
        return json_scan_error(&r->scan, err, "\"%s\" stands twice in the record", key);
    if (!json_string(&r->scan, &text, err))
        return false;
    if (memchr(text.data, '\0', text.length))
        return json_scan_error(&r->scan, err, "\"%s\" holds a NUL character", key);
    *out = arena_copy(r->arena, text.data, text.length);
    return *out || error_memory(err, "reading requests");
}

static bool read_ids(struct reader *r, const char *key, const uint32_t **out, size_t *n, struct error *err)
{
    uint32_t *ids = NULL;
    size_t count = 0, capacity = 0;
    bool more, ok = !*out || json_scan_error(&r->scan, err, "\"%s\" stands twice in the record", key);
    ok = ok && json_array_begin(&r->scan, err);
    while (ok && (ok = json_array_next(&r->scan, &more, err)) && more) {
        uint64_t id;
        if (!(ok = json_u64(&r->scan, &id, err)))
            break;
        if (id > UINT32_MAX || count >= REQUEST_MAX_IDS) {
            ok = json_scan_error(&r->scan, err, "\"%s\" is not a list of token ids", key);
            break;
        }
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            uint32_t *grown = memory_resize(ids, capacity, sizeof(*ids));
            if (!(ok = grown || error_memory(err, "reading requests")))
                break;
            ids = grown;
        }
        ids[count++] = (uint32_t)id;
    }
    if (ok) {
        uint32_t *kept = arena_array(r->arena, count ? count : 1, sizeof(*kept));
        if (kept && count)
            memcpy(kept, ids, count * sizeof(*ids));
        *out = kept;
        *n = count;
        ok = kept || error_memory(err, "reading requests");
    }
    free(ids);
    return ok;
}

static bool read_index(struct reader *r, const char *key, uint64_t *out, bool *has, struct error *err)
{
    if (*has)
        return json_scan_error(&r->scan, err, "\"%s\" stands twice in the record", key);
    *has = true;
    return json_u64(&r->scan, out, err);
}

/* "target_new": T or {"str": T, ...} */
static bool read_target(struct reader *r, struct draft *d, struct error *err)
{
    enum json_type type;
    if (!json_peek(&r->scan, &type, err))
        return false;
    if (type != JSON_OBJECT)
        return read_text(r, "target_new", &d->target, err);
    bool more;
    struct json_text key;
    if (!json_object_begin(&r->scan, err))
        return false;
    for (;;) {
        if (!json_object_next(&r->scan, &key, &more, err))
            return false;
        if (!more)
            return d->target || json_scan_error(&r->scan, err, "\"target_new\" has no \"str\"");
        bool ok = json_text_equal(key, "str") ? read_text(r, "str", &d->target, err)
                                              : json_skip(&r->scan, NULL, NULL, err);
        if (!ok)
            return false;
    }
}

static bool read_record(struct reader *r, struct draft *d, bool nested, struct error *err);

static bool read_prompt(struct reader *r, struct draft *d, struct error *err)
{
    enum json_type type;
    if (!json_peek(&r->scan, &type, err))
        return false;
    return type == JSON_ARRAY ? read_ids(r, "prompt", &d->prompt_ids, &d->n_prompt, err)
                              : read_text(r, "prompt", &d->prompt, err);
}

static bool read_member(struct reader *r, struct json_text key, struct draft *d, bool nested,
                        struct error *err)
{
    if (json_text_equal(key, "requested_rewrite") && !nested)
        return read_record(r, d, true, err);
    if (json_text_equal(key, "prompt"))
        return read_prompt(r, d, err);
    if (json_text_equal(key, "subject"))
        return read_text(r, "subject", &d->subject, err);
    if (json_text_equal(key, "target_new"))
        return read_target(r, d, err);
    if (json_text_equal(key, "src"))
        return read_text(r, "src", &d->src, err);
    if (json_text_equal(key, "alt"))
        return read_text(r, "alt", &d->alt, err);
    if (json_text_equal(key, "target"))
        return read_ids(r, "target", &d->target_ids, &d->n_target, err);
    if (json_text_equal(key, "kl_prompt"))
        return read_ids(r, "kl_prompt", &d->kl_ids, &d->n_kl, err);
    if (json_text_equal(key, "subject_last"))
        return read_index(r, "subject_last", &d->subject_last, &d->has_subject_last, err);
    if (json_text_equal(key, "kl_last"))
        return read_index(r, "kl_last", &d->kl_last, &d->has_kl_last, err);
    return json_skip(&r->scan, NULL, NULL, err);
}

static bool read_record(struct reader *r, struct draft *d, bool nested, struct error *err)
{
    bool more;
    struct json_text key;
    if (!json_object_begin(&r->scan, err))
        return false;
    for (;;) {
        if (!json_object_next(&r->scan, &key, &more, err))
            return false;
        if (!more)
            return true;
        if (!read_member(r, key, d, nested, err))
            return false;
    }
}

/* ---- from drafts to requests ---- */

static bool complete_ids(const struct json_scan *scan, const struct draft *d, struct edit_request *r,
                         struct error *err)
{
    const char *missing = !d->target_ids         ? "target"
                          : !d->kl_ids           ? "kl_prompt"
                          : !d->has_subject_last ? "subject_last"
                          : !d->has_kl_last      ? "kl_last"
                                                 : NULL;
    if (missing)
        return json_scan_error(scan, err, "record %zu in token ids has no \"%s\"", r->number, missing);
    if (d->n_target == 0)
        return json_scan_error(scan, err, "record %zu: the target has no tokens", r->number);
    if (d->subject_last >= d->n_prompt || d->kl_last >= d->n_kl)
        return json_scan_error(scan, err, "record %zu: %s is outside of its prompt", r->number,
                               d->subject_last >= d->n_prompt ? "\"subject_last\"" : "\"kl_last\"");
    r->ids =
        (struct edit_ids){d->prompt_ids, d->target_ids,           d->kl_ids,         d->n_prompt, d->n_target,
                          d->n_kl,       (size_t)d->subject_last, (size_t)d->kl_last};
    return true;
}

static bool complete(struct reader *reader, const struct draft *d, struct edit_request *r, struct error *err)
{
    if (d->prompt_ids)
        return complete_ids(&reader->scan, d, r, err);
    const char *prompt = d->prompt ? d->prompt : d->src, *target = d->target ? d->target : d->alt;
    const char *missing = !prompt ? "prompt" : !d->subject ? "subject" : !target ? "target_new" : NULL;
    if (missing)
        return json_scan_error(
            &reader->scan, err,
            "record %zu has no \"%s\" (expected the shape of CounterFact, EasyEdit or zsRE)", r->number,
            missing);
    struct str name = {0};
    str_printf(&name, "%s: record %zu", reader->scan.name, r->number);
    bool ok = name.failed ? error_memory(err, "reading requests")
                          : complete_words(reader->arena, name.data, prompt, d->subject, target, r, err);
    str_release(&name);
    return ok;
}

struct selection { /* which records are wanted */
    const uint64_t *cases;
    size_t n, next;
};

static bool wanted(struct selection *s, size_t number)
{
    if (!s->cases)
        return true;
    if (s->next < s->n && s->cases[s->next] == number) {
        s->next++;
        return true;
    }
    return false;
}

static bool add(struct request_list *list, const struct edit_request *request, size_t *capacity,
                struct error *err)
{
    if (list->n == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 16;
        struct edit_request *grown = memory_resize(list->items, *capacity, sizeof(*grown));
        if (!grown)
            return error_memory(err, "reading requests");
        list->items = grown;
    }
    list->items[list->n++] = *request;
    return true;
}

/* An array of records; items is malloc'ed. */
static bool read_array(struct reader *r, struct selection *s, struct request_list *list, struct error *err)
{
    size_t capacity = 0;
    bool more;
    if (!json_array_begin(&r->scan, err))
        return false;
    for (size_t number = 0;; number++) {
        if (!json_array_next(&r->scan, &more, err))
            return false;
        if (!more)
            break;
        struct draft draft = {0};
        struct edit_request request = {.number = number};
        if (!read_record(r, &draft, false, err))
            return false;
        if (!wanted(s, number))
            continue;
        if (!complete(r, &draft, &request, err) || !add(list, &request, &capacity, err))
            return false;
        bool ids = draft.prompt_ids != NULL;
        if (list->n > 1 && ids != list->ids)
            return json_scan_error(&r->scan, err, "record %zu: token ids and texts in one file", number);
        list->ids = ids;
    }
    if (s->cases && s->next < s->n)
        return error_set(err, ERROR_USAGE, "%s: there is no record %llu", r->scan.name,
                         (unsigned long long)s->cases[s->next]);
    return list->n || error_set(err, ERROR_USAGE, "%s: holds no requests", r->scan.name);
}

/* {"bos": ..., "requests": [...]} */
static bool read_wrapped(struct reader *r, struct selection *s, struct request_list *list, struct error *err)
{
    bool more, has_requests = false;
    struct json_text key;
    if (!json_object_begin(&r->scan, err))
        return false;
    for (;;) {
        if (!json_object_next(&r->scan, &key, &more, err))
            return false;
        if (!more)
            return has_requests || json_scan_error(&r->scan, err, "the object has no \"requests\"");
        bool ok;
        enum json_type type;
        if (json_text_equal(key, "bos")) {
            uint64_t bos = 0;
            ok = json_peek(&r->scan, &type, err) &&
                 (type == JSON_NULL ? json_null(&r->scan, err) : json_u64(&r->scan, &bos, err));
            if (ok && bos > UINT32_MAX)
                ok = json_scan_error(&r->scan, err, "\"bos\" is not a token id");
            if (ok)
                list->bos = type == JSON_NULL ? -1 : (int64_t)bos;
        } else if (json_text_equal(key, "requests")) {
            ok = !has_requests || json_scan_error(&r->scan, err, "\"requests\" stands twice");
            has_requests = true;
            ok = ok && read_array(r, s, list, err);
        } else {
            ok = json_skip(&r->scan, NULL, NULL, err);
        }
        if (!ok)
            return false;
    }
}

bool request_read(const struct context *context, const char *path, const uint64_t *cases, size_t n_cases,
                  struct request_list *out, struct error *err)
{
    char *text = NULL;
    size_t n;
    struct request_list list = {.bos = -1};
    if (!fs_read_file(context->fs, path, REQUEST_FILE_LIMIT, &text, &n, err))
        return false;
    struct reader reader = {.arena = &list.arena};
    struct selection selection = {.cases = cases, .n = n_cases};
    enum json_type type;
    list.name = arena_copy(&list.arena, path, strlen(path));
    bool ok = list.name || error_memory(err, "reading requests");
    if (ok) {
        json_scan_init(&reader.scan, list.name, text, n);
        ok = json_peek(&reader.scan, &type, err) &&
             (type == JSON_OBJECT ? read_wrapped(&reader, &selection, &list, err)
                                  : read_array(&reader, &selection, &list, err)) &&
             json_end(&reader.scan, err);
        json_scan_release(&reader.scan);
    }
    free(text);
    if (ok)
        *out = list;
    else
        request_list_release(&list);
    return ok;
}

void request_list_release(struct request_list *list)
{
    free(list->items);
    arena_release(&list->arena);
    *list = (struct request_list){0};
}
