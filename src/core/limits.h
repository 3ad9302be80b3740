/* What limits this process beside the machine itself: memory (ulimit -v and -d, control groups) and
 * processors (the affinity mask, CPU quotas of control groups), from the kernel's files.
 *
 * Control groups of version 1, of version 2 and of both side by side are read, in the process's own
 * group and in all groups above it that are mounted here. Inside a container the path in
 * /proc/self/cgroup may be the host's: /proc/self/mountinfo tells what of it is visible; where
 * nothing is, the mounted folder is the container's own group.
 *
 * `root` is "" for this machine; tests give a folder with a proc/ and a sys/fs/cgroup/ of their
 * own.
 */
#ifndef DT_CORE_LIMITS_H
#define DT_CORE_LIMITS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define DT_LIMIT_NAME 256

/* Bytes, and what allows no more. */
typedef struct {
    int64_t bytes;
    bool own;               /* a limit of this process alone; else it is shared with others */
    char by[DT_LIMIT_NAME]; /* "ulimit -v", "the control group's memory.max of /job"; "": nothing
                               but the machine's memory */
} dt_memory_limit;

/* What this process may plan with (*total) and can still get (*available), as one of `sharing`
 * processes (at least 1) that divide what is not one's own. Of ulimit's limits both are what is
 * left of them: code and libraries, too, count as used there. What a control group uses for files
 * that it could drop counts as available. */
void dt_memory_limits(const char *root, int32_t sharing, dt_memory_limit *total,
                      dt_memory_limit *available);

/* What is left of ulimit -v or -d, whichever has less; bytes is INT64_MAX where neither is set. */
dt_memory_limit dt_address_space(const char *root);

/* A CPU quota: time of that many processors a second. */
typedef struct {
    double processors;      /* 0: no quota */
    char by[DT_LIMIT_NAME]; /* "the control group's cpu.max of /job" */
} dt_cpu_quota;

/* The smallest quota of the groups that the process is in. */
dt_cpu_quota dt_cpu_quota_read(const char *root);

/* Threads for a quota of so many processors, at least 1: the nearest whole number, halves upward.
 * One thread more than the quota makes all threads stand still at the end of each period (usually
 * 100 ms); one less leaves time unused. So 1.5 → 2, since a third would be lost, and 4.2 → 4. */
int32_t dt_quota_threads(double processors);

/* The affinity mask of this process, as large as the kernel's: the caller's to CPU_FREE(), of *size
 * bytes; NULL where it cannot be had. */
cpu_set_t *dt_affinity(size_t *size);

/* How many processors the affinity mask has (taskset, srun, cpusets); at least 1. */
int32_t dt_processors_allowed(void);

#endif
