#include "core/stop.h"

#include <signal.h>
#include <unistd.h>

atomic_int dt_stop_signal;

const char *dt_signal_name(int number)
{
    switch (number) {
    case SIGUSR1:
        return "SIGUSR1";
    case SIGTERM:
        return "SIGTERM";
    case SIGINT:
        return "SIGINT";
    case SIGHUP:
        return "SIGHUP";
    default:
        return "a signal";
    }
}

enum { OPEN, ENDING, RESULT };
static atomic_int outcome = OPEN;

bool dt_stop_may_end(void)
{
    int expected = OPEN;
    return atomic_compare_exchange_strong(&outcome, &expected, ENDING);
}

void dt_stop_too_late(void)
{
    int expected = OPEN;
    if (!atomic_compare_exchange_strong(&outcome, &expected, RESULT) && expected == ENDING)
        while (true)
            pause(); /* another thread ends the process */
}

void dt_stop_not_too_late(void)
{
    int expected = RESULT;
    atomic_compare_exchange_strong(&outcome, &expected, OPEN);
}
