/* The man page lancet(1), made from the rows. */
#ifndef LANCET_MANUAL_H
#define LANCET_MANUAL_H

#include "command.h"

bool manual_print(const struct command *const *commands, FILE *out, struct error *err);

#endif
