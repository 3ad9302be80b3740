/* The number of threads of a command:
 *
 *   1. --threads if given, otherwise OMP_NUM_THREADS if set. If the latter exceeds the number of
 *      available processors, there is a notice, since it may not have been set by the user.
 *   2. Otherwise the processors in the affinity mask, or fewer if a control group has a CPU quota
 *      (dt_quota_threads()), divided evenly among the ranks on this host that share them.
 *   3. Fewer if ulimit leaves too little address space.
 */
#ifndef DT_CLI_THREADS_H
#define DT_CLI_THREADS_H

#include <stdint.h>

#include "core/limits.h"
#include "core/status.h"
#include "ranks/ranks.h"

typedef struct {
    int64_t asked;          /* --threads; 0: not given */
    dt_ranks_sharing ranks; /* that share the machine */
} dt_thread_wish;

#define DT_THREAD_NOTE 512

/* Chooses the number of threads; to be called before any thread is started. note: text of a notice
 * to print when the work begins, or "". Returns DT_ERR_MEMORY if ulimit leaves too little address
 * space for one thread. */
dt_status dt_plan_threads(const dt_thread_wish *wish, int *threads, char note[DT_THREAD_NOTE]);

/* ---- the choice itself, for tests ----------------------------------------------------------- */

typedef struct {
    int32_t processors; /* of the affinity mask */
    dt_cpu_quota quota;
    dt_memory_limit space;       /* dt_address_space() */
    int64_t thread;              /* address space of a thread in bytes */
    const char *omp_num_threads; /* the variable; NULL: not set */
} dt_thread_limits;

dt_status dt_choose_threads(const dt_thread_wish *wish, const dt_thread_limits *limits,
                            int *threads, char note[DT_THREAD_NOTE]);

#endif
