/* Output of a child process, passed on to where this process writes. When who reads it goes away
 * the rest is thrown away: the child writes as before (mpirun would die of it, and the ranks with
 * it). */
#ifndef DT_LAUNCH_RELAY_H
#define DT_LAUNCH_RELAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/status.h"

typedef struct {
    int from; /* what the child writes to `end` comes here */
    int end;  /* the child's */
    int to;
    pthread_t thread;
    int running;
    atomic_int writing; /* the thread is giving away what it has read */
} dt_relay;

/* Before the child is made: a pipe, which leads to descriptor `to`. */
dt_status dt_relay_open(dt_relay *relay, int to);
/* In the child: its descriptor `to` is the pipe from now on. */
void dt_relay_take(const dt_relay *relay);
/* In the parent, after the child was made; the program must ignore SIGPIPE. */
dt_status dt_relay_start(dt_relay *relay);
/* After the child has ended: waits until the rest of what it wrote has been read, however slowly,
 * but not for processes that it left behind: `relay` must then stay where it is. Takes one that was
 * not opened (all zero), too. */
void dt_relay_close(dt_relay *relay);

#endif
