/* --profile and --profile-trace, for the commands that have them. */
#ifndef DT_CLI_PROFILING_H
#define DT_CLI_PROFILING_H

#include "comm.h"
#include "profile/profile.h"

/* Sets *out to a profile where one is asked for, else to NULL. trace: the file of
 * --profile-trace, whose folder must be one that can be written; NULL: none. */
dt_status dt_profiling_begin(dt_profile **out, bool wanted, const char *trace);

/* Reports what was measured (profile_report.h). profile NULL: does nothing. Collective. */
dt_status dt_profiling_end(dt_profile *profile, dt_comm *comm, const char *trace);

#endif
