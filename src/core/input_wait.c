#include "core/input_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/stop.h"

enum { POLL_MS = 100 }; /* another thread may receive the signal */

int dt_input_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

dt_status dt_input_wait(int fd, const char *name)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int ready = 0;
    while (ready == 0 || (ready < 0 && errno == EINTR)) {
        const int signal_number = atomic_load(&dt_stop_signal);
        if (signal_number)
            return dt_fail(DT_STOPPED,
                           "stopped by %s while reading %s: start again with the same "
                           "command",
                           dt_signal_name(signal_number), name);
        ready = poll(&wanted, 1, POLL_MS); /* a file is always ready */
    }
    return DT_OK; /* read() reports the errors of poll() */
}
