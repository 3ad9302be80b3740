#include "cli/stop_signal.h"

#include <signal.h>
#include <stddef.h>

#include "core/stop.h"

static void note(int signal_number)
{
    static atomic_int interrupts;
    atomic_store(&dt_stop_signal, signal_number);
    if (signal_number == SIGINT && atomic_fetch_add(&interrupts, 1) > 0) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* delivered when the handler returns */
    }
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
