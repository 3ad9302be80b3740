/* Words of a command line to paste into a shell. */
#ifndef DT_CORE_SHELL_H
#define DT_CORE_SHELL_H

#include "core/memory.h"

/* Appends a word, quoted if it must be. */
dt_status dt_add_quoted(dt_text *out, const char *word);

/* Writes a file name as a word that is no option, "./--name", and returns `out`. */
#define DT_PASTED_SIZE 1024
const char *dt_pasted(const char *path, char out[DT_PASTED_SIZE]);

#endif
