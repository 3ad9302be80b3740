#include "heartbeat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "mpi_world.h"
#include "watchdog.h"

enum { BEAT, SHUTDOWN }; /* message tags */

typedef struct {
    int32_t rank;
    double last_heard; /* time of the last message */
    bool shut_down;    /* it announced its shutdown */
    bool notified;     /* we announced ours */
} peer;

struct dt_heartbeat {
    MPI_Comm comm;
    double timeout, period;
    double next_beat, last_poll;
    bool shutting_down;
    int peers; /* on rank 0: all other ranks; elsewhere: rank 0 */
    peer *peer;
    MPI_Request *receiving; /* (peers); MPI_REQUEST_NULL: no receive is posted */
    MPI_Request *sending;
    char (*host)[DT_HOST_NAME]; /* (ranks) */
};

static dt_status receive_next(dt_heartbeat *h, int p)
{
    return dt_mpi_check(
        MPI_Irecv(NULL, 0, MPI_BYTE, h->peer[p].rank, MPI_ANY_TAG, h->comm, &h->receiving[p]),
        "MPI_Irecv of a heartbeat");
}

static dt_status send_message(dt_heartbeat *h, int p, int tag)
{
    return dt_mpi_check(MPI_Isend(NULL, 0, MPI_BYTE, h->peer[p].rank, tag, h->comm, &h->sending[p]),
                        "MPI_Isend of a heartbeat");
}

static dt_status allocate(dt_heartbeat *h, int ranks)
{
    DT_TRY(DT_NEW(h->peer, (size_t)h->peers));
    DT_TRY(DT_NEW(h->receiving, (size_t)h->peers));
    DT_TRY(DT_NEW(h->sending, (size_t)h->peers));
    return dt_calloc((void **)&h->host, (size_t)ranks, DT_HOST_NAME, "host names");
}

static dt_status begin(dt_heartbeat *h, MPI_Comm comm, const char *host)
{
    int rank;
    int ranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    h->peers = rank == 0 ? ranks - 1 : 1;
    DT_TRY(allocate(h, ranks));
    DT_TRY(dt_mpi_check(MPI_Comm_dup(comm, &h->comm), "MPI_Comm_dup"));
    DT_TRY(dt_mpi_check(
        MPI_Allgather(host, DT_HOST_NAME, MPI_CHAR, h->host, DT_HOST_NAME, MPI_CHAR, h->comm),
        "MPI_Allgather of host names"));
    h->last_poll = dt_seconds();
    for (int p = 0; p < h->peers; ++p) {
        h->peer[p] = (peer){.rank = rank == 0 ? p + 1 : 0, .last_heard = h->last_poll};
        h->sending[p] = MPI_REQUEST_NULL;
        DT_TRY(receive_next(h, p));
    }
    return DT_OK;
}

dt_status dt_heartbeat_start(dt_heartbeat **out, MPI_Comm comm, const char *host, double timeout)
{
    dt_heartbeat *h;
    *out = NULL;
    DT_TRY(DT_NEW(h, 1));
    h->timeout = timeout;
    h->period = timeout / 6.0;
    *out = h; /* also on failure: MPI may still use its memory */
    return begin(h, comm, host);
}

/* ---- heartbeats of other ranks --------------------------------------------------------------- */

static dt_status receive_heartbeats(dt_heartbeat *h, double now)
{
    for (int p = 0; p < h->peers; ++p) {
        int came = 1;
        while (came && !h->peer[p].shut_down) {
            MPI_Status status;
            DT_TRY(dt_mpi_check(MPI_Test(&h->receiving[p], &came, &status), "a heartbeat"));
            if (!came)
                break;
            h->peer[p].last_heard = now;
            h->peer[p].shut_down = status.MPI_TAG == SHUTDOWN;
            if (!h->peer[p].shut_down)
                DT_TRY(receive_next(h, p));
        }
    }
    return DT_OK;
}

static dt_status check_timeouts(const dt_heartbeat *h, double now)
{
    for (int p = 0; p < h->peers; ++p) {
        const peer *other = &h->peer[p];
        if (!other->shut_down && now - other->last_heard > h->timeout)
            return dt_fail(DT_ERR_COMM,
                           "no heartbeat from rank %d on %s for %g seconds: its process is stopped "
                           "or its host is unreachable",
                           other->rank, h->host[other->rank], h->timeout);
    }
    return DT_OK;
}

/* ---- own heartbeats -------------------------------------------------------------------------- */

/* At most one message to a peer is in flight. */
static dt_status sent(dt_heartbeat *h, int p, bool *free_to_send)
{
    int done = 1;
    if (h->sending[p] != MPI_REQUEST_NULL)
        DT_TRY(dt_mpi_check(MPI_Test(&h->sending[p], &done, MPI_STATUS_IGNORE), "a heartbeat"));
    *free_to_send = done;
    return DT_OK;
}

static dt_status send_to_all(dt_heartbeat *h, int tag)
{
    for (int p = 0; p < h->peers; ++p) {
        bool free_to_send;
        if (h->peer[p].notified)
            continue;
        DT_TRY(sent(h, p, &free_to_send));
        if (!free_to_send && tag == BEAT)
            continue;
        if (!free_to_send)
            MPI_Request_free(&h->sending[p]);
        DT_TRY(send_message(h, p, tag));
        h->peer[p].notified = tag == SHUTDOWN;
    }
    return DT_OK;
}

dt_status dt_heartbeat_poll(dt_heartbeat *h)
{
    const double now = dt_seconds();
    const double step = h->period < 4.0 ? h->period / 4.0 : 1.0;
    if (now - h->last_poll < step && !h->shutting_down)
        return DT_OK;
    if (now - h->last_poll > h->timeout / 2.0)
        for (int p = 0; p < h->peers; ++p)
            h->peer[p].last_heard = now; /* this process was stopped */
    h->last_poll = now;
    DT_TRY(receive_heartbeats(h, now));
    if (now >= h->next_beat) {
        h->next_beat = now + h->period;
        DT_TRY(send_to_all(h, BEAT));
    }
    return check_timeouts(h, now);
}

/* ---- shutdown -------------------------------------------------------------------------------- */

dt_status dt_heartbeat_shutdown(dt_heartbeat *h)
{
    h->shutting_down = true; /* no more polls are skipped */
    return send_to_all(h, SHUTDOWN);
}

bool dt_heartbeat_is_shut_down(const dt_heartbeat *h)
{
    for (int p = 0; p < h->peers; ++p)
        if (!h->peer[p].shut_down)
            return false;
    return true;
}

void dt_heartbeat_free(dt_heartbeat *h)
{
    if (!h)
        return;
    for (int p = 0; p < h->peers; ++p)
        if (h->sending[p] != MPI_REQUEST_NULL)
            MPI_Wait(&h->sending[p], MPI_STATUS_IGNORE);
    MPI_Comm_free(&h->comm);
    free(h->peer);
    free(h->receiving);
    free(h->sending);
    free(h->host);
    free(h);
}
