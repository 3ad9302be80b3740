#include "io/input_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/stop.h"

enum { LOOK_EVERY = 100 }; /* ms; a signal may reach another thread than the one that waits */

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
        const int signal_number = atomic_load(&dt_stop_asked);
        if (signal_number)
            return dt_fail(DT_STOPPED,
                           "stopped by %s while %s was read: start it again the same "
                           "way",
                           dt_signal_name(signal_number), name);
        ready = poll(&wanted, 1, LOOK_EVERY); /* a file is always ready */
    }
    return DT_OK; /* what poll() cannot do, read() tells */
}

static dt_status read_on(int fd, const char *path, char **bytes, size_t *length, size_t *capacity)
{
    enum { BLOCK = 65536 };
    for (;;) {
        DT_TRY(dt_input_wait(fd, path));
        DT_TRY(dt_grow((void **)bytes, capacity, *length + BLOCK + 1, 1, path));
        const ssize_t got = read(fd, *bytes + *length, BLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dt_fail(DT_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        *length += (size_t)got;
        (*bytes)[*length] = '\0';
        if (got == 0)
            return DT_OK;
    }
}

dt_status dt_input_read_all(const char *path, char **bytes, size_t *length)
{
    size_t capacity = 0;
    *bytes = NULL;
    *length = 0;
    const int fd = dt_input_open(path);
    if (fd < 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    const dt_status status = read_on(fd, path, bytes, length, &capacity);
    close(fd);
    if (status != DT_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}
