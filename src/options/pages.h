/* What an installation offers beside --help, made from the same tables of options: manual pages, and
 * completion of command lines in shells. All texts are complete files.
 */
#ifndef DT_OPTIONS_PAGES_H
#define DT_OPTIONS_PAGES_H

#include "core/memory.h"
#include "core/status.h"
#include "options/option.h"

/* A command of `deeptaxa`. */
typedef struct {
    const char *name;          /* "train" */
    const char *summary;       /* a few words, in the list of `deeptaxa --help` */
    const dt_command *command; /* its options; NULL: not known here, of a script */
} dt_page_command;

/* Append the manual page deeptaxa-<name>(1) of a command with options, and that of deeptaxa(1), which
 * lists the `count` commands; in the macros of man(7). */
dt_status dt_manual_page(const dt_page_command *command, const char *version, dt_text *out);
dt_status dt_manual_overview(const dt_page_command *commands, int count, const char *version,
                             dt_text *out);

/* Append the completions of `deeptaxa <command> …` and `deeptaxa-<command> …` for a shell: of
 * commands, options, choices, and file names where a value is a file or a directory. */
dt_status dt_completion_bash(const dt_page_command *commands, int count, dt_text *out);
dt_status dt_completion_zsh(const dt_page_command *commands, int count, dt_text *out);
dt_status dt_completion_fish(const dt_page_command *commands, int count, dt_text *out);

#endif
