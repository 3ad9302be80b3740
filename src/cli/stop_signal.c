#include "cli/stop_signal.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/stop.h"

/* timeout(1), schedulers and launchers may deliver one request twice, to the process and its group. */
#define ONE_REQUEST 500 /* milliseconds */

/* Milliseconds of a monotonic clock; in a signal handler, hence without core/clock.h. */
static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1000LL * time.tv_sec + time.tv_nsec / 1000000;
}

static const int stop_signals[] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
#define STOP_SIGNALS (sizeof stop_signals / sizeof *stop_signals)

static atomic_bool ends;  /* dt_stop_signal_end() is in force */
static atomic_int end_by; /* the signal that ends the process */
static sem_t end_asked;   /* posted by it */

static void note(int signal_number)
{
    static atomic_llong first; /* now() of the first SIGINT or SIGTERM; 0: none */
    long long none = 0;
    const int error = errno;
    if (atomic_load(&ends)) {
        atomic_store(&end_by, signal_number);
        sem_post(&end_asked);
    } else {
        atomic_store(&dt_stop_signal, signal_number);
    }
    if ((signal_number == SIGINT || signal_number == SIGTERM) &&
        !atomic_compare_exchange_strong(&first, &none, now()) && now() - none > ONE_REQUEST) {
        signal(signal_number, SIG_DFL);
        raise(signal_number); /* delivered when the handler returns */
    }
    errno = error;
}

static void take_signals(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < STOP_SIGNALS; ++i)
        if (sigaction(stop_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(stop_signals[i], &action, NULL);
}

void dt_stop_signal_watch(void)
{
    atomic_store(&ends, false);
    take_signals();
}

/* ---- the end of a command that cannot go on later --------------------------------------------- */

static const char last_words[] = "stopped by %s; no file was written";

dt_status dt_stopped_for_good(void)
{
    return dt_fail(DT_ERR_IO, last_words, dt_signal_name(atomic_load(&dt_stop_signal)));
}

/* A thread, since a signal handler may do next to nothing. */
static void *end_when_asked(void *context)
{
    const dt_command *command = context;
    char words[sizeof last_words + 16];
    do
        while (sem_wait(&end_asked) != 0) {
        }
    while (!dt_stop_may_end());
    snprintf(words, sizeof words, last_words, dt_signal_name(atomic_load(&end_by)));
    dt_log_error("deeptaxa %s: %s", command->name, words);
    dt_remove_own_unfinished();
    _exit(dt_exit_status(DT_ERR_IO));
}

void dt_stop_signal_end(const dt_command *command)
{
    enum { STACK = 256 << 10 }; /* the default of 8 MB counts against a limit of memory */
    pthread_t thread;
    pthread_attr_t small;
    sigset_t all;
    sigset_t before;
    sem_init(&end_asked, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread shall take no signal of others */
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    const int failed = pthread_create(&thread, &small, end_when_asked, (void *)command);
    pthread_attr_destroy(&small);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return; /* signals do what they do by default */
    pthread_detach(thread);
    atomic_store(&ends, true);
    take_signals();
}

void dt_outlive_log_reader(void)
{
    signal(SIGPIPE, SIG_IGN); /* for what is lost then, see core/log.h */
}
