#include "cli/stop_signal.h"

#include <signal.h>
#include <stddef.h>

static atomic_int asked; /* a handler reaches nothing but what is global */

static void note(int signal_number)
{
    if (atomic_exchange(&asked, signal_number) == SIGINT && signal_number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* comes when the handler returns */
    }
}

const atomic_int *dt_stop_signal_watch(void)
{
    static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        sigaction(signals[i], &action, NULL);
    return &asked;
}
