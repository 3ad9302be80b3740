/* Limits of this process beyond the machine itself: memory (ulimit -v and -d, control groups) and
 * processors (affinity mask, CPU quotas of control groups), from the kernel's files.
 *
 * Reads control groups of version 1, version 2, and both combined: the group of the process and all
 * its ancestors that are mounted. Inside a container the path in /proc/self/cgroup may be the
 * host's; /proc/self/mountinfo then shows which part of it is visible. If none is, the mounted
 * folder is the container's own group.
 *
 * `root` is "" for this machine; tests pass a folder that contains proc/ and sys/fs/cgroup/.
 */
#ifndef DT_CORE_LIMITS_H
#define DT_CORE_LIMITS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define DT_LIMIT_NAME 256

/* An amount of memory, and the limit that determines it. */
typedef struct {
    int64_t bytes;
    bool own;               /* the limit is for this process only; else shared with others */
    char by[DT_LIMIT_NAME]; /* "ulimit -v", "the control group's memory.max of /job"; "": only the
                               machine's memory */
} dt_memory_limit;

/* Gets the memory that this process may plan with (*total) and can still allocate (*available), as
 * one of `sharing` processes (at least 1) that divide shared limits. For ulimit, both are the
 * remainder under the limit: the code and libraries already count as used there. Cached files of a
 * control group count as available, because they can be dropped. */
void dt_memory_limits(const char *root, int32_t sharing, dt_memory_limit *total,
                      dt_memory_limit *available);

/* Returns what is left of ulimit -v or -d, whichever is less; INT64_MAX bytes: no limit. */
dt_memory_limit dt_address_space(const char *root);

/* A CPU quota: the share of processor time, in processors. */
typedef struct {
    double processors;      /* 0: no quota */
    char by[DT_LIMIT_NAME]; /* "the control group's cpu.max of /job" */
} dt_cpu_quota;

/* Returns the smallest quota of the process's control groups. */
dt_cpu_quota dt_cpu_quota_read(const char *root);

/* Returns the number of threads for a quota of this many processors, at least 1: rounded to the
 * nearest whole number, halves upward. With one thread more than the quota, all threads are
 * suspended at the end of each period (usually 100 ms); with one less, time is unused. So 1.5 gives
 * 2, because a third would be lost otherwise, and 4.2 gives 4. */
int32_t dt_quota_threads(double processors);

/* Returns the affinity mask of this process, as large as the kernel's (*size bytes), to be freed
 * with CPU_FREE(); NULL if it is not available. */
cpu_set_t *dt_affinity(size_t *size);

/* Returns the number of processors in the affinity mask (taskset, srun, cpusets); at least 1. */
int32_t dt_processors_allowed(void);

#endif
