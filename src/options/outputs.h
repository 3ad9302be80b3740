/* Files that a command writes (dt_option.writes), and those that it reads or writes beside them. */
#ifndef DT_OPTIONS_OUTPUTS_H
#define DT_OPTIONS_OUTPUTS_H

#include "options/option.h"

/* DT_ERR_USAGE if one that has an option is a file that the command reads, or another one: it would be lost.
 * Pipes and devices are none. `options` are parsed. */
dt_status dt_options_check_outputs(const void *options);

#endif
