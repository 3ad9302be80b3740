/* What a profile says at the end: a table for people, and a trace file for chrome://tracing and
 * ui.perfetto.dev. */
#ifndef DT_PROFILE_PROFILE_REPORT_H
#define DT_PROFILE_PROFILE_REPORT_H

#include "comm.h"
#include "profile/profile.h"

/* Ends the profile. Rank 0 prints its table (dt_info): parts with calls, seconds, share of the
 * whole time and rate of needed work, below them the operations that they consist of; of several
 * ranks also the least and the most seconds that a part took on any.
 *
 * trace: the file for the intervals of all ranks, written by rank 0; NULL: none. JSON, an object
 * whose `traceEvents` are complete events ("ph": "X", ts and dur in microseconds) with pid = rank
 * and tid = dt_lane, and names of these; of each rank as many of the first as make about a million
 * together. What the profile had no room for is told.
 *
 * comm: NULL for one process. Collective; the status is that of all ranks. */
dt_status dt_profile_report(dt_profile *profile, dt_comm *comm, const char *trace);

#endif
