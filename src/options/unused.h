/* Options that were given and do nothing: in general (dt_option.ignored), or for want of another one
 * (dt_option.needs). */
#ifndef DT_OPTIONS_UNUSED_H
#define DT_OPTIONS_UNUSED_H

#include "options/option.h"

/* Says so: a notice for each of the former on the command line, and a warning that names the latter with
 * what each needs, another one for those of the --config file, by their keys. A value of that file that is
 * the option's default does not count as given: --print-config writes all. `options` are parsed. */
dt_status dt_options_tell_unused(const void *options);

#endif
