/* Shared by profile_report.c and chrome_trace.c. */
#ifndef DT_PROFILE_PROFILE_INTERNAL_H
#define DT_PROFILE_PROFILE_INTERNAL_H

#include "comm.h"
#include "profile/profile.h"

/* Writes the trace of all ranks; comm NULL: of this process only. *left_out: the number of
 * intervals of this rank that are not in the file. Collective; an error in writing the file is
 * returned on rank 0 only, after all collective calls. */
dt_status dt_chrome_trace(const dt_profile *profile, dt_comm *comm, const char *path,
                          int64_t *left_out);

#endif
