/* Whether locks of a file system are seen by all machines that have it. Private to core. */
#ifndef DT_CORE_LOCK_REACH_H
#define DT_CORE_LOCK_REACH_H

#include <stdbool.h>

/* Returns true if flock() on the open file excludes every process that could have locked it, on
 * whatever machine: on local file systems, on NFS unless it is mounted with local_lock, on Lustre with
 * the option flock, and on CephFS. False for all others, of which this is not known. */
bool dt_locks_reach_all(int fd);

#endif
