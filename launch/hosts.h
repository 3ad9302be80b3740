/* The list of `deeptaxa train --hosts a:8,b:8`, and what the ranks on other machines get of the
 * environment. launch/start_ranks.h starts them. */
#ifndef DT_LAUNCH_HOSTS_H
#define DT_LAUNCH_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* Sets *ranks to the number of processes that "a:8,b:8" asks for; a host without a number has one.
 * DT_ERR_USAGE if it is no such list. */
dt_status dt_hosts_count(const char *hosts, int32_t *ranks);

/* Returns true if mpiexec shall pass this environment variable ("NAME=VALUE") on to other machines:
 * the settings of this program and of the libraries that it uses. */
bool dt_hosts_passes_on(const char *variable);

#endif
