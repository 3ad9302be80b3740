/* How a command was called, as logs and metrics tell it. */
#ifndef DT_CLI_INVOCATION_H
#define DT_CLI_INVOCATION_H

#include <stdbool.h>

#include "options/options.h"
#include "train/run_output.h"

/* Fills *out from a command's options struct, for dt_invocation_free() to free. given_only: without
 * the defaults. host: what to call this machine; it must outlive *out. */
dt_status dt_invocation_of(const void *options, bool given_only, const char *host,
                           dt_invocation *out);
void dt_invocation_free(dt_invocation *invocation); /* leaves it empty */

/* Writes it to the log file alone: command line, host, program, options, a line each. */
dt_status dt_invocation_log(const dt_invocation *invocation);

#endif
