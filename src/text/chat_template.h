/* The program that lays out a chat, as a text. It is never run: see inspect/chat.h. */
#ifndef LANCET_CHAT_TEMPLATE_H
#define LANCET_CHAT_TEMPLATE_H

#include "checkpoint.h"

/* chat_template.jinja (of a GGUF: its key for it), else "chat_template" of tokenizer_config.json. *out is
 * malloc'ed, NULL when the model has none. */
bool chat_template_read(const struct checkpoint *checkpoint, char **out, struct error *err);

#endif
