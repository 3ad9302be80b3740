/* A wrapper of a communicator that measures its operations, including waiting: the sums of
 * gradients, and all other communication between ranks. On the host, all_reduce_finish() waits for
 * the sums; a GPU waits in its stream, which profiled_backend.h measures. */
#ifndef DT_PROFILE_PROFILED_COMM_H
#define DT_PROFILE_PROFILED_COMM_H

#include "comm.h"
#include "profile/profile.h"

/* Replaces *comm with a wrapper that owns it; its destroy() destroys both. Does nothing if profile
 * is NULL or there is only one rank. On failure *comm is unchanged. The profiles of all ranks
 * restart after a barrier. Collective. */
dt_status dt_profiled_comm(dt_comm **comm, dt_profile *profile);

#endif
