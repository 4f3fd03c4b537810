#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names in parentheses: the functions, not the macros that call them. Arguments may point into err->text, so
 * everything is formatted apart and copied. */

bool(error_set)(struct error *err, enum error_kind kind, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, sizeof text);
    err->kind = kind;
    return false;
}

bool(error_set_errno)(struct error *err, const char *format, ...)
{
    int number = errno;
    char text[sizeof err->text], reason[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, ERROR_IO, "%s: %s", text, strerror_r(number, reason, sizeof reason));
}

bool(error_memory)(struct error *err, const char *what)
{
    return error_set(err, ERROR_MEMORY, "out of memory while %s", what);
}

bool(error_prefix)(struct error *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, err->kind, "%s: %s", text, err->text);
}
