/* The location of the programs and of the files installed with them. */
#ifndef DT_CLI_INSTALLATION_H
#define DT_CLI_INSTALLATION_H

#include <stddef.h>

#include "core/status.h"

/* Sets `out` to the directory of the running program, without a trailing '/'. Follows links. */
dt_status dt_program_folder(char *out, size_t size);

/* Sets `path` to the tokenizer to use, or to "" if there is none and a vocabulary must be learnt. A
 * directory means the tokenizer.json in it. The first of:
 *   file   --tokenizer-file; NULL: not given
 *   name   --tokenizer-name; NULL: not given. Used if it is a local file, or a directory with a
 *          tokenizer.json; any other name is ignored with a notice
 *   the file in the environment variable DEEPTAXA_TOKENIZER
 *   share/deeptaxa/tokenizer.json of the installation, or of the source tree for programs in a
 * build directory The file is not opened here. Returns DT_ERR_INPUT for a directory without
 * tokenizer.json. */
dt_status dt_choose_tokenizer(const char *file, const char *name, char *path, size_t size);

#endif
