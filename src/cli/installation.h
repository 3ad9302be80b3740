/* The location of the programs and of the files installed with them. */
#ifndef DT_CLI_INSTALLATION_H
#define DT_CLI_INSTALLATION_H

#include <stddef.h>

#include "core/status.h"

/* Sets `out` to the directory of the running program, without a trailing '/'. Follows links. */
dt_status dt_program_folder(char *out, size_t size);

/* The name of the tokenizer of the published models. */
#define DT_PUBLISHED_TOKENIZER "zhihan1996/DNABERT-2-117M"

/* Sets `path` to the tokenizer to use, or to "" if there is none and a vocabulary must be learnt. A
 * directory means the tokenizer.json in it. The first of:
 *   file   --tokenizer-file; NULL: not given
 *   name   --tokenizer-name; NULL: not given. Used if it is a local file, or a directory with a
 *          tokenizer.json; any other name is ignored with a notice, except that of the published
 *          tokenizer, which is expected at the next places
 *   dt_installed_tokenizer()
 * The file is not opened here. Returns DT_ERR_INPUT for a directory without tokenizer.json, and for
 * the name of the published tokenizer if there is none. */
dt_status dt_choose_tokenizer(const char *file, const char *name, char *path, size_t size);

/* Sets `path` to this local file, or to the tokenizer.json in this directory; "" if it is neither. */
dt_status dt_local_tokenizer(const char *name, char *path, size_t size);

/* Sets `path` to the file in the environment variable DEEPTAXA_TOKENIZER, else to
 * share/deeptaxa/tokenizer.json of the installation, or of the source tree for programs in a build
 * directory; "" if there is none. */
dt_status dt_installed_tokenizer(char *path, size_t size);

#endif
