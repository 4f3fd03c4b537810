#include "quote.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

struct quoted quote(const char *name)
{
    return quote_bytes(name, strlen(name));
}

struct quoted quote_bytes(const char *bytes, size_t n)
{
    enum { SHOWN = 240 };
    struct quoted out;
    struct str s = {0};
    str_append_escaped(&s, bytes, n < SHOWN ? n : SHOWN);
    size_t shown = s.failed || !s.data ? 0 : s.length;
    bool cut = n > SHOWN || shown > SHOWN || (n && shown == 0);
    if (shown > SHOWN)
        shown = SHOWN;
    while (cut && shown && ((unsigned char)s.data[shown] & 0xc0) == 0x80)
        shown--; /* never half a character */
    snprintf(out.text, sizeof out.text, "\"%.*s%s\"", (int)shown, shown ? s.data : "", cut ? "..." : "");
    str_release(&s);
    return out;
}
