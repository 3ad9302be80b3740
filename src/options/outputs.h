/* Files that a command writes (dt_option.writes). */
#ifndef DT_OPTIONS_OUTPUTS_H
#define DT_OPTIONS_OUTPUTS_H

#include "options/option.h"

/* DT_ERR_USAGE if one of them is a file that the command reads, or two are the same: it would be lost.
 * Pipes and devices are none. `options` are parsed. */
dt_status dt_options_check_outputs(const void *options);

#endif
