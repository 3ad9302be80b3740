/* A wrapper of a communicator that measures what a rank does and waits for there: the sums of
 * gradients, and what ranks tell each other otherwise. On the host the sums are waited for in
 * all_reduce_finish(); a GPU waits on its own, which profiled_backend.h measures. */
#ifndef DT_PROFILE_PROFILED_COMM_H
#define DT_PROFILE_PROFILED_COMM_H

#include "comm.h"
#include "profile/profile.h"

/* Puts a wrapper into the place of *comm, which it owns from now on; its destroy() ends both. Does
 * nothing where profile is NULL, or for one rank alone. On failure *comm stays what it was. Ranks
 * meet, and their profiles begin there. Collective. */
dt_status dt_profiled_comm(dt_comm **comm, dt_profile *profile);

#endif
