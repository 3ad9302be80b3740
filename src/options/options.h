/* Command lines: parsing, --help, --version, and the main() of a command, all by the tables of its
 * options (options/option.h).
 *
 * Syntax: `--name value` or `--name=value`. Lists are separated by blanks (`--kernel-sizes 3 5 7`)
 * or commas (`--kernel-sizes 3,5,7`). If an option is repeated, the last one counts. A value that
 * begins with "--" needs the form with '='. DeepTaxa's options may be abbreviated
 * (dt_command.deeptaxa_names), with a notice.
 *
 * All errors are DT_ERR_USAGE (exit status 2) with one line that says what is allowed. They are
 * found before any file except that of --config is opened.
 */
#ifndef DT_OPTIONS_OPTIONS_H
#define DT_OPTIONS_OPTIONS_H

#include "core/memory.h"
#include "core/status.h"
#include "options/option.h"

/* Fills *options (the command's options struct) from the defaults, the file of --config
 * (options/config_file.h) and argv[1] … argv[argc - 1]. If --help or --version is anywhere on the
 * command line, only `parsed` is filled. Texts point into argv or into memory that
 * dt_options_free() frees. */
dt_status dt_options_parse(const dt_command *command, int argc, char **argv, void *options);
void dt_options_free(void *options);

/* Appends the text of --help: usage, options by group with defaults, two examples. */
dt_status dt_options_help(const dt_command *command, dt_text *out);

/* Appends the text of --version: program, version, installed modules, then commit, compiler and the
 * versions of libraries, one per line; oneDNN and MPI report their own versions. */
dt_status dt_version_text(dt_text *out);

/* Implements a command's main(): parses into *options, handles --help and --version, else calls
 * run(options). Prints an error as one line, "deeptaxa train: …". Returns the exit status. */
int dt_command_main(const dt_command *command, int argc, char **argv, void *options,
                    dt_status (*run)(const void *options));

/* Prints the last error, with what dt_config_explain() adds, in the format of dt_command_main(), which
 * then does not print it again. For runs of several ranks: a launcher kills all ranks as soon as one
 * exits with an error, so rank 0 must print the error while the others still wait for it in the
 * communicator's destroy(). `options` are those that dt_options_parse() has filled, or refused. */
void dt_command_report_error(const void *options);

#endif
