/* How a command was called, for logs and metrics. */
#ifndef DT_CLI_INVOCATION_H
#define DT_CLI_INVOCATION_H

#include <stdbool.h>

#include "options/options.h"
#include "train/run_output.h"

/* Fills *out from a command's options struct; to be freed with dt_invocation_free(). given_only:
 * without the defaults. host: name of this machine; must outlive *out. */
dt_status dt_invocation_of(const void *options, bool given_only, const char *host,
                           dt_invocation *out);
void dt_invocation_free(dt_invocation *invocation); /* leaves it empty */

/* Appends all options with their values, one per line, in the groups of --help. */
dt_status dt_options_text(const void *options, dt_text *out);

/* Appends the options that all ranks of a run must have alike, one per line; of files that may differ
 * (dt_option.may_differ) only that one is given. */
dt_status dt_options_in_common(const void *options, dt_text *out);

/* Writes command line, host, program and options to the log file only, one line each. */
dt_status dt_invocation_log(const dt_invocation *invocation);

#endif
