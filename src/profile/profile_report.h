/* The results of a profile: a table for the log, and a trace file for chrome://tracing and
 * ui.perfetto.dev. */
#ifndef DT_PROFILE_PROFILE_REPORT_H
#define DT_PROFILE_PROFILE_REPORT_H

#include "comm.h"
#include "profile/profile.h"

/* Ends the profile. Rank 0 prints its table (dt_info): for each category the calls, seconds, share
 * of the total time and rate of required work, followed by the operations in it; with several ranks
 * also the minimum and maximum seconds of the category over the ranks.
 *
 * trace: the file for the intervals of all ranks, written by rank 0; NULL: no file. It is a JSON
 * object whose `traceEvents` are complete events ("ph": "X", ts and dur in microseconds) with pid =
 * rank and tid = dt_track, and metadata events that name these. It holds about a million intervals
 * in total, the first ones of each rank; a notice states how many were left out.
 *
 * comm: NULL for a single process. Collective; returns the same status on all ranks. */
dt_status dt_profile_report(dt_profile *profile, dt_comm *comm, const char *trace);

#endif
