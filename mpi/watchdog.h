/* A watchdog ends this process when a deadline passes: the last resort if a rank hangs and no other
 * thread of it regains control (in a GPU driver, in a file system, or in MPI_Abort on an
 * unreachable host). Its thread only sleeps and reads the clock. */
#ifndef DT_MPI_WATCHDOG_H
#define DT_MPI_WATCHDOG_H

#include <pthread.h>
#include <stdint.h>

#include "core/status.h"

typedef struct dt_watchdog dt_watchdog;

dt_status dt_watchdog_start(dt_watchdog **out, int32_t world_rank, const char *host);

/* Sets the deadline after a failure of the run, leaving time to report it: ends the process with
 * `exit_status` after `seconds`, printing `rank 3 on <host>: <message>` to standard error; nothing
 * if the message is "". Only the first call counts. NULL is allowed. */
void dt_watchdog_set(dt_watchdog *watchdog, double seconds, int exit_status, const char *message);

void dt_watchdog_stop(dt_watchdog *watchdog); /* NULL is allowed */

/* Starts a thread that receives no signals sent to the process. Returns 0 or an error number. */
int dt_start_thread_without_signals(pthread_t *thread, void *(*run)(void *), void *context);

#endif
