/* How many threads a command works with, and what that follows from:
 *
 *   1. --threads where it is given, else OMP_NUM_THREADS where that is set: the user's word. The
 *      latter, which may come from elsewhere, gets a notice where it is more than the processors
 *      that are there for this process.
 *   2. Else all processors that the process may use (affinity mask), or fewer where a control group
 *      has a CPU quota (dt_quota_threads()); the ranks of one host that have the same processors,
 * or the same quota, divide these evenly.
 *   3. Fewer still where ulimit leaves too little address space for so many.
 */
#ifndef DT_CLI_THREADS_H
#define DT_CLI_THREADS_H

#include <stdint.h>

#include "core/limits.h"
#include "core/status.h"
#include "train/ranks.h"

typedef struct {
    int64_t asked;          /* --threads; 0: not given */
    dt_ranks_sharing ranks; /* with how many ranks the machine is divided */
} dt_thread_wish;

#define DT_THREAD_NOTE 512

/* Chooses the number, before threads are started. note: what a notice is to say of it once the work
 * begins; "" for nothing. DT_ERR_MEMORY where ulimit leaves too little for one thread. */
dt_status dt_plan_threads(const dt_thread_wish *wish, int *threads, char note[DT_THREAD_NOTE]);

/* ---- the choice alone, for the tests --------------------------------------------------------*/

typedef struct {
    int32_t processors; /* of the affinity mask */
    dt_cpu_quota quota;
    dt_memory_limit space;       /* dt_address_space() */
    int64_t thread;              /* bytes of it that a thread takes */
    const char *omp_num_threads; /* the variable; NULL: not set */
} dt_thread_limits;

dt_status dt_choose_threads(const dt_thread_wish *wish, const dt_thread_limits *limits,
                            int *threads, char note[DT_THREAD_NOTE]);

#endif
