/* --profile and --profile-trace. */
#ifndef DT_CLI_PROFILING_H
#define DT_CLI_PROFILING_H

#include "comm.h"
#include "profile/profile.h"

/* Sets *out to a new profile if one is requested, otherwise to NULL. trace: file of
 * --profile-trace, whose directory must be writable; NULL: none. */
dt_status dt_profiling_begin(dt_profile **out, bool wanted, const char *trace);

/* Reports the measurements (profile_report.h). Does nothing if profile is NULL. Collective. */
dt_status dt_profiling_end(dt_profile *profile, dt_comm *comm, const char *trace);

#endif
