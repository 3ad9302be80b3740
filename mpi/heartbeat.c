#include "heartbeat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "mpi_thread.h"
#include "watchdog.h"

enum { BEAT, FAREWELL }; /* what a message says, as its tag */

typedef struct {
    int32_t rank;
    double heard; /* when the last sign came */
    bool gone;    /* it said farewell */
    bool told;    /* we did */
} peer;

struct dt_heartbeat {
    MPI_Comm comm;
    double silence, period;
    double next_beat, last_poll;
    bool leaving;
    int peers; /* rank 0: all others; the others: rank 0 */
    peer *peer;
    MPI_Request *receiving; /* (peers); null when none is awaited */
    MPI_Request *sending;
    char (*host)[DT_HOST_NAME]; /* (ranks) */
};

static dt_status await_sign(dt_heartbeat *h, int p)
{
    return dt_mpi_check(
        MPI_Irecv(NULL, 0, MPI_BYTE, h->peer[p].rank, MPI_ANY_TAG, h->comm, &h->receiving[p]),
        "MPI_Irecv of a sign of life");
}

static dt_status send_sign(dt_heartbeat *h, int p, int tag)
{
    return dt_mpi_check(MPI_Isend(NULL, 0, MPI_BYTE, h->peer[p].rank, tag, h->comm, &h->sending[p]),
                        "MPI_Isend of a sign of life");
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
        h->peer[p] = (peer){.rank = rank == 0 ? p + 1 : 0, .heard = h->last_poll};
        h->sending[p] = MPI_REQUEST_NULL;
        DT_TRY(await_sign(h, p));
    }
    return DT_OK;
}

dt_status dt_heartbeat_start(dt_heartbeat **out, MPI_Comm comm, const char *host, double silence)
{
    dt_heartbeat *h;
    *out = NULL;
    DT_TRY(DT_NEW(h, 1));
    h->silence = silence;
    h->period = silence / 6.0;
    *out = h; /* also when it fails: the memory is in MPI's hands */
    return begin(h, comm, host);
}

/* ---- signs of the others -------------------------------------------------------------------- */

static dt_status receive_signs(dt_heartbeat *h, double now)
{
    for (int p = 0; p < h->peers; ++p) {
        int came = 1;
        while (came && !h->peer[p].gone) {
            MPI_Status status;
            DT_TRY(dt_mpi_check(MPI_Test(&h->receiving[p], &came, &status), "a sign of life"));
            if (!came)
                break;
            h->peer[p].heard = now;
            h->peer[p].gone = status.MPI_TAG == FAREWELL;
            if (!h->peer[p].gone)
                DT_TRY(await_sign(h, p));
        }
    }
    return DT_OK;
}

static dt_status check_silence(const dt_heartbeat *h, double now)
{
    for (int p = 0; p < h->peers; ++p) {
        const peer *other = &h->peer[p];
        if (!other->gone && now - other->heard > h->silence)
            return dt_fail(DT_ERR_COMM,
                           "rank %d on %s has given no sign of life for %g seconds: its process is "
                           "stopped, or its host cannot be reached",
                           other->rank, h->host[other->rank], h->silence);
    }
    return DT_OK;
}

/* ---- our own -------------------------------------------------------------------------------- */

/* A message that is still under way is not followed by another. */
static dt_status sent(dt_heartbeat *h, int p, bool *free_to_send)
{
    int done = 1;
    if (h->sending[p] != MPI_REQUEST_NULL)
        DT_TRY(dt_mpi_check(MPI_Test(&h->sending[p], &done, MPI_STATUS_IGNORE), "a sign of life"));
    *free_to_send = done;
    return DT_OK;
}

static dt_status send_signs(dt_heartbeat *h, int tag)
{
    for (int p = 0; p < h->peers; ++p) {
        bool free_to_send;
        if (h->peer[p].told)
            continue;
        DT_TRY(sent(h, p, &free_to_send));
        if (!free_to_send && tag == BEAT)
            continue;
        if (!free_to_send)
            MPI_Request_free(&h->sending[p]);
        DT_TRY(send_sign(h, p, tag));
        h->peer[p].told = tag == FAREWELL;
    }
    return DT_OK;
}

dt_status dt_heartbeat_poll(dt_heartbeat *h)
{
    const double now = dt_seconds();
    const double step = h->period < 4.0 ? h->period / 4.0 : 1.0;
    if (now - h->last_poll < step && !h->leaving)
        return DT_OK;
    if (now - h->last_poll > h->silence / 2.0)
        for (int p = 0; p < h->peers; ++p)
            h->peer[p].heard = now; /* we stood still */
    h->last_poll = now;
    DT_TRY(receive_signs(h, now));
    if (now >= h->next_beat) {
        h->next_beat = now + h->period;
        DT_TRY(send_signs(h, BEAT));
    }
    return check_silence(h, now);
}

/* ---- the end -------------------------------------------------------------------------------- */

dt_status dt_heartbeat_farewell(dt_heartbeat *h)
{
    h->leaving = true; /* from now on every poll looks */
    return send_signs(h, FAREWELL);
}

bool dt_heartbeat_over(const dt_heartbeat *h)
{
    for (int p = 0; p < h->peers; ++p)
        if (!h->peer[p].gone)
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
