/* Ranks that are slower than the others all the time, such as one on a throttled or shared host.
 * (Ranks that are late once are named while they are waited for: mpi/late.h.) */
#ifndef DT_TRAIN_SLOW_RANKS_H
#define DT_TRAIN_SLOW_RANKS_H

#include "comm.h"
#include "ranks/ranks.h"

/* Prints a notice that names the ranks for which the others waited in an epoch of `seconds`:
 * `waiting` is the time that this rank waited in its steps, and the slowest rank waits least. No
 * notice if the difference is below 3 s or a fifth of the epoch. infos (world_size).
 * Collective. */
dt_status dt_slow_ranks_notice(dt_comm *comm, const dt_rank_info *infos, int32_t epoch,
                               double waiting, double seconds);

#endif
