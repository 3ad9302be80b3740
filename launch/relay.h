/* Forwards the output of a child process to a descriptor of this process. If its reader goes away,
 * the rest is discarded while the child continues to write (otherwise mpiexec, and with it the
 * ranks, would die of SIGPIPE). */
#ifndef DT_LAUNCH_RELAY_H
#define DT_LAUNCH_RELAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/status.h"

typedef struct {
    int from; /* read end of the pipe */
    int end;  /* write end, for the child */
    int to;   /* destination */
    pthread_t thread;
    int running;
    atomic_int writing; /* the thread is writing what it has read */
} dt_relay;

/* Creates a pipe that leads to descriptor `to`. Call it before the child is created. */
dt_status dt_relay_open(dt_relay *relay, int to);
/* In the child: makes its descriptor `to` the pipe. */
void dt_relay_take(const dt_relay *relay);
/* In the parent, after creating the child: starts forwarding. The program must ignore SIGPIPE. */
dt_status dt_relay_start(dt_relay *relay);
/* After the child has ended: waits until the rest of its output has been read, however slowly, but
 * not for processes that it left behind, for whose sake `relay` must remain valid. A
 * zero-initialised relay is allowed. */
void dt_relay_close(dt_relay *relay);

#endif
