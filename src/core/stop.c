#include "core/stop.h"

#include <signal.h>

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
