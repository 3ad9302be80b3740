#include "watchdog.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"

struct dt_watchdog {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char prefix[96]; /* "rank 3 on node7: " */
    /* protected by the mutex */
    double end; /* deadline as dt_seconds(); 0: none */
    bool stopping;
    int exit_status;
    char message[640];
};

/* Signals caused by a fault of the thread itself stay unblocked. */
int dt_start_thread_without_signals(pthread_t *thread, void *(*run)(void *), void *context)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i)
        sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const int code = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void end_process(const dt_watchdog *w)
{
    if (w->message[0])
        dprintf(STDERR_FILENO, "%s%s\n", w->prefix, w->message);
    _exit(w->exit_status);
}

static void *watch(void *context)
{
    dt_watchdog *w = context;
    pthread_mutex_lock(&w->mutex);
    while (!w->stopping) {
        if (w->end == 0) {
            pthread_cond_wait(&w->changed, &w->mutex);
            continue;
        }
        if (dt_seconds() >= w->end)
            end_process(w);
        const struct timespec until = {.tv_sec = (time_t)w->end,
                                       .tv_nsec = (long)(1e9 * (w->end - (double)(time_t)w->end))};
        pthread_cond_timedwait(&w->changed, &w->mutex, &until);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

void dt_watchdog_set(dt_watchdog *w, double seconds, int exit_status, const char *message)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    if (w->end == 0) {
        w->end = dt_seconds() + seconds;
        w->exit_status = exit_status;
        snprintf(w->message, sizeof w->message, "%s", message);
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void free_watchdog(dt_watchdog *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

dt_status dt_watchdog_start(dt_watchdog **out, int32_t world_rank, const char *host)
{
    dt_watchdog *w;
    *out = NULL;
    DT_TRY(DT_NEW(w, 1));
    snprintf(w->prefix, sizeof w->prefix, "rank %d on %s: ", world_rank, host);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (dt_start_thread_without_signals(&w->thread, watch, w)) {
        free_watchdog(w);
        return dt_fail(DT_ERR_MEMORY, "cannot start a thread");
    }
    *out = w;
    return DT_OK;
}

void dt_watchdog_stop(dt_watchdog *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    free_watchdog(w);
}
