#include "cli/threads.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Address space for the program's work beside its threads, and for what a thread allocates. */
#define LEAST_FOR_WORK ((int64_t)48 << 20)
#define THREADS_OWN ((int64_t)4 << 20)

/* The first number of OMP_NUM_THREADS, which may be a list by nesting; 0: none. */
static int64_t from_environment(const char *text)
{
    char *end;
    if (!text)
        return 0;
    const long number = strtol(text, &end, 10);
    return end > text && number > 0 && number <= INT_MAX ? number : 0;
}

/* "1 thread", "3 threads" */
static const char *in_words(int64_t threads, char out[32])
{
    snprintf(out, 32, "%lld thread%s", (long long)threads, threads == 1 ? "" : "s");
    return out;
}

/* The processors that are this process's part; *quota where the quota decides. */
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

/* What a thread takes: its stack, of the system's default size, and what it allocates. There are as
 * many threads that tokenise as threads that compute. */
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

static dt_status no_room(const dt_thread_limits *limits)
{
    return dt_fail(DT_ERR_MEMORY,
                   "%s leaves %.0f MB, and to begin with %.0f MB are needed: raise the limit "
                   "(ulimit -v unlimited, or the batch system's)",
                   limits->space.by, 1e-6 * (double)limits->space.bytes,
                   1e-6 * (double)(LEAST_FOR_WORK + limits->thread));
}

/* More than there are processors for: told, not changed. */
static void note_too_many(const dt_thread_wish *wish, const dt_thread_limits *limits, int64_t part,
                          bool quota, char *note)
{
    char there[DT_LIMIT_NAME + 64];
    const char *whose = wish->ranks.processors > 1 ? "each of its ranks" : "this process";
    if (quota)
        snprintf(there, sizeof there, "%.3g processors (%s)",
                 limits->quota.processors / wish->ranks.quota, limits->quota.by);
    else
        snprintf(there, sizeof there, "%lld processor%s", (long long)part, part == 1 ? "" : "s");
    snprintf(note, DT_THREAD_NOTE,
             "OMP_NUM_THREADS=%.40s: there %s %s for %s; more threads than processors wait for "
             "each other (--threads N chooses)",
             limits->omp_num_threads, !quota && part == 1 ? "is" : "are", there, whose);
}

dt_status dt_choose_threads(const dt_thread_wish *wish, const dt_thread_limits *limits,
                            int *threads, char note[DT_THREAD_NOTE])
{
    bool quota;
    char now[32];
    const int64_t part = own_part(wish, limits, &quota);
    const int64_t asked = wish->asked > 0 ? wish->asked : from_environment(limits->omp_num_threads);
    const int64_t room = (limits->space.bytes - LEAST_FOR_WORK) / limits->thread;
    int64_t chosen = asked > 0 ? asked : part;
    note[0] = '\0';
    if (room < 1)
        return no_room(limits);
    if (chosen > room) {
        snprintf(note, DT_THREAD_NOTE, "%s, not %lld: %s leaves %.0f MB", in_words(room, now),
                 (long long)chosen, limits->space.by, 1e-6 * (double)limits->space.bytes);
        chosen = room;
    } else if (wish->asked == 0 && asked > part) {
        note_too_many(wish, limits, part, quota, note);
    } else if (asked == 0 && quota) {
        snprintf(note, DT_THREAD_NOTE,
                 "%s on %d processors: limited by the CPU quota of %.3g processors (%s)",
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
    if (limits.space.bytes < INT64_MAX) /* each thread would take 64 MiB for what it allocates */
        mallopt(M_ARENA_MAX, 1);
#endif
    return DT_OK;
}
