/* Where the programs stand, and what is found beside them. */
#ifndef DT_CLI_INSTALLATION_H
#define DT_CLI_INSTALLATION_H

#include <stddef.h>

#include "core/status.h"

/* The folder of the running program, without a final '/'. Links are followed. */
dt_status dt_program_folder(char *out, size_t size);

/* Which tokenizer.json a command uses: a file, or the one of this name in a
 * folder that is named; `path` becomes "" when there is none and
 * a vocabulary must be learnt. In this order:
 *   file   --tokenizer-file, NULL when it was not given
 *   name   --tokenizer-name, NULL when it was not given: taken when it is a local file or a folder
 *          that holds a tokenizer.json; any other name gets a notice and is passed over
 *   the file that the environment variable DEEPTAXA_TOKENIZER names
 *   share/deeptaxa/tokenizer.json of the installation, or of the source tree for programs that run
 *   in its build folder
 * A file that was named is not read here: reading it gives the error. DT_ERR_INPUT for a folder
 * without that file. */
dt_status dt_choose_tokenizer(const char *file, const char *name, char *path, size_t size);

#endif
