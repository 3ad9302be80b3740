/* What profile_report.c and chrome_trace.c share. */
#ifndef DT_PROFILE_PROFILE_INTERNAL_H
#define DT_PROFILE_PROFILE_INTERNAL_H

#include "comm.h"
#include "profile/profile.h"

/* Writes the trace of all ranks; comm NULL: of this process. left_out: intervals of this rank
 * that are not in it. Collective; what fails on rank 0 is returned there alone, after all that is
 * collective. */
dt_status dt_chrome_trace(const dt_profile *profile, dt_comm *comm, const char *path,
                          int64_t *left_out);

#endif
