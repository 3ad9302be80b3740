#include "cli/threads.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Address space in bytes for the program itself, and for the allocations of a thread. */
#define LEAST_FOR_WORK ((int64_t)48 << 20)
#define THREADS_OWN ((int64_t)4 << 20)

/* Returns the first number of OMP_NUM_THREADS, which may be a list; 0: none. */
static int64_t from_environment(const char *text)
{
    char *end;
    if (!text)
        return 0;
    const long number = strtol(text, &end, 10);
    return end > text && number > 0 && number <= INT_MAX ? number : 0;
}

/* Formats "1 thread" or "3 threads". */
static const char *in_words(int64_t threads, char out[32])
{
    snprintf(out, 32, "%lld thread%s", (long long)threads, threads == 1 ? "" : "s");
    return out;
}

/* Returns this process's share of the processors; sets *quota if the CPU quota determines it. */
static int64_t own_part(const dt_thread_wish *wish, const dt_thread_limits *limits, bool *quota)
{
    int64_t part = limits->processors / wish->ranks.processors;
    if (part < 1)
        part = 1;
    *quota = false;
    if (limits->quota.processors <= 0.0)
        return part;
    const int32_t of_quota = dt_quota_threads(limits->quota.processors / wish->ranks.quota);
    *quota = of_quota < part;
    return *quota ? of_quota : part;
}

/* Returns the address space of a compute thread and a tokenisation thread, of which there are
 * equally many: their stacks, of default size, and their allocations. */
static int64_t space_of_thread(void)
{
    pthread_attr_t attributes;
    size_t stack = 0;
    if (pthread_attr_init(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
    return 2 * (THREADS_OWN + (int64_t)stack);
}

static dt_status out_of_space(const dt_thread_limits *limits)
{
    return dt_fail(DT_ERR_MEMORY,
                   "%s leaves %.0f MB, but at least %.0f MB are needed: raise the limit (ulimit -v "
                   "unlimited, or the limit of the batch system)",
                   limits->space.by, 1e-6 * (double)limits->space.bytes,
                   1e-6 * (double)(LEAST_FOR_WORK + limits->thread));
}

/* Notes that there are more threads than processors; the number is not changed. */
static void note_too_many(const dt_thread_wish *wish, const dt_thread_limits *limits, int64_t part,
                          bool quota, char *note)
{
    char available[DT_LIMIT_NAME + 64];
    const char *whose = wish->ranks.processors > 1 ? "each rank" : "this process";
    if (quota)
        snprintf(available, sizeof available, "%.3g processors (%s)",
                 limits->quota.processors / wish->ranks.quota, limits->quota.by);
    else
        snprintf(available, sizeof available, "%lld processor%s", (long long)part,
                 part == 1 ? "" : "s");
    snprintf(note, DT_THREAD_NOTE,
             "OMP_NUM_THREADS=%.40s, but %s has only %s; more threads than processors are slow "
             "(choose with --threads)",
             limits->omp_num_threads, whose, available);
}

dt_status dt_choose_threads(const dt_thread_wish *wish, const dt_thread_limits *limits,
                            int *threads, char note[DT_THREAD_NOTE])
{
    bool quota;
    char now[32];
    const int64_t part = own_part(wish, limits, &quota);
    const int64_t asked = wish->asked > 0 ? wish->asked : from_environment(limits->omp_num_threads);
    const int64_t most = (limits->space.bytes - LEAST_FOR_WORK) / limits->thread;
    int64_t chosen = asked > 0 ? asked : part;
    note[0] = '\0';
    if (most < 1)
        return out_of_space(limits);
    if (chosen > most) {
        snprintf(note, DT_THREAD_NOTE, "using %s instead of %lld: %s leaves %.0f MB",
                 in_words(most, now), (long long)chosen, limits->space.by,
                 1e-6 * (double)limits->space.bytes);
        chosen = most;
    } else if (wish->asked == 0 && asked > part) {
        note_too_many(wish, limits, part, quota, note);
    } else if (asked == 0 && quota) {
        snprintf(note, DT_THREAD_NOTE,
                 "using %s on %d processors: limited by the CPU quota of %.3g processors (%s)",
                 in_words(chosen, now), limits->processors, limits->quota.processors,
                 limits->quota.by);
    }
    *threads = (int)chosen;
    return DT_OK;
}

dt_status dt_plan_threads(const dt_thread_wish *wish, int *threads, char note[DT_THREAD_NOTE])
{
    const dt_thread_limits limits = {.processors = dt_processors_allowed(),
                                     .quota = dt_cpu_quota_read(""),
                                     .space = dt_address_space(""),
                                     .thread = space_of_thread(),
                                     .omp_num_threads = getenv("OMP_NUM_THREADS")};
    DT_TRY(dt_choose_threads(wish, &limits, threads, note));
#ifdef M_ARENA_MAX
    if (limits.space.bytes < INT64_MAX) /* otherwise each thread reserves an arena of 64 MiB */
        mallopt(M_ARENA_MAX, 1);
#endif
    return DT_OK;
}
