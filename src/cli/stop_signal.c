#include "cli/stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

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

static void note(int signal_number)
{
    static atomic_llong first; /* now() of the first SIGINT or SIGTERM; 0: none */
    long long none = 0;
    const int error = errno;
    atomic_store(&dt_stop_signal, signal_number);
    if ((signal_number == SIGINT || signal_number == SIGTERM) &&
        !atomic_compare_exchange_strong(&first, &none, now()) && now() - none > ONE_REQUEST) {
        signal(signal_number, SIG_DFL);
        raise(signal_number); /* delivered when the handler returns */
    }
    errno = error;
}

void dt_stop_signal_watch(void)
{
    static const int signals[] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

void dt_outlive_log_reader(void)
{
    signal(SIGPIPE, SIG_IGN); /* for what is lost then, see core/log.h */
}
