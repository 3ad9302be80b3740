#include "launch/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, LEFT_BEHIND = 3 /* seconds to wait for the rest */ };

dt_status dt_relay_open(dt_relay *relay, int to)
{
    int ends[2];
    if (pipe(ends) != 0)
        return dt_fail(DT_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    *relay = (dt_relay){.from = ends[0], .end = ends[1], .to = to};
    return DT_OK;
}

void dt_relay_take(const dt_relay *relay)
{
    dup2(relay->end, relay->to);
    close(relay->end);
    close(relay->from);
}

static bool write_all(int to, const char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(to, bytes, length);
        if (written < 0 && errno != EINTR)
            return false;
        bytes += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static void *pass_on(void *argument)
{
    dt_relay *relay = argument;
    char block[BLOCK];
    bool lost = false;
    ssize_t got;
    while ((got = read(relay->from, block, sizeof block)) > 0 || (got < 0 && errno == EINTR)) {
        atomic_store(&relay->writing, 1);
        lost = lost || (got > 0 && !write_all(relay->to, block, (size_t)got));
        atomic_store(&relay->writing, 0);
    }
    return NULL;
}

dt_status dt_relay_start(dt_relay *relay)
{
    close(relay->end);
    const int error = pthread_create(&relay->thread, NULL, pass_on, relay);
    if (error)
        return dt_fail(DT_ERR_MEMORY, "cannot start a thread: %s", strerror(error));
    relay->running = 1;
    return DT_OK;
}

void dt_relay_close(dt_relay *relay)
{
    int waited = ETIMEDOUT;
    if (!relay->running)
        return;
    do {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LEFT_BEHIND;
        waited = pthread_timedjoin_np(relay->thread, NULL, &until);
    } while (waited == ETIMEDOUT && atomic_load(&relay->writing)); /* while a slow reader reads */
    if (waited == 0)
        close(relay->from);
    relay->running = 0;
}
