#include "heartbeat.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "mpi_world.h"
#include "notice.h"

#define MOST_BETWEEN_POLLS 0.25 /* seconds */
#define ASK_PERIOD 1.0          /* seconds between questions while this rank waits */
#define LONG_STOP 3.0           /* seconds without a poll that are worth a line */

enum { BEAT, SHUTDOWN }; /* message tags */

typedef struct {
    int32_t rank;
    double last_heard; /* time of the last message */
    bool shut_down;    /* it announced its shutdown */
    bool notified;     /* we announced ours */
    dt_report in, out; /* the messages that are being transferred */
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
    int rank, ranks;
    double asked;       /* when this rank last told that it waits; 0: not in this wait */
    bool question;      /* rank 0 waits, and has not been answered */
    double woke;        /* end of the last time during which this process was stopped */
    dt_rank_seen *seen; /* (ranks), on rank 0 */
    dt_late late;
    dt_notice_printer *printer; /* on rank 0 */
};

static dt_status receive_next(dt_heartbeat *h, int p)
{
    peer *from = &h->peer[p];
    return dt_mpi_check(MPI_Irecv(&from->in, (int)sizeof from->in, MPI_BYTE, from->rank,
                                  MPI_ANY_TAG, h->comm, &h->receiving[p]),
                        "MPI_Irecv of a heartbeat");
}

static dt_status send_message(dt_heartbeat *h, int p, int tag, const dt_report *report)
{
    peer *to = &h->peer[p];
    to->out = *report;
    return dt_mpi_check(
        MPI_Isend(&to->out, (int)sizeof to->out, MPI_BYTE, to->rank, tag, h->comm, &h->sending[p]),
        "MPI_Isend of a heartbeat");
}

static dt_status allocate(dt_heartbeat *h, int ranks)
{
    if (h->rank == 0) {
        DT_TRY(DT_NEW(h->seen, (size_t)ranks));
        DT_TRY(dt_notice_printer_create(&h->printer));
    }
    DT_TRY(DT_NEW(h->peer, (size_t)h->peers));
    DT_TRY(DT_NEW(h->receiving, (size_t)h->peers));
    DT_TRY(DT_NEW(h->sending, (size_t)h->peers));
    return dt_calloc((void **)&h->host, (size_t)ranks, DT_HOST_NAME, "host names");
}

static dt_status begin(dt_heartbeat *h, MPI_Comm comm, const char *host)
{
    MPI_Comm_rank(comm, &h->rank);
    MPI_Comm_size(comm, &h->ranks);
    h->peers = h->rank == 0 ? h->ranks - 1 : 1;
    DT_TRY(allocate(h, h->ranks));
    DT_TRY(dt_mpi_check(MPI_Comm_dup(comm, &h->comm), "MPI_Comm_dup"));
    DT_TRY(dt_mpi_check(
        MPI_Allgather(host, DT_HOST_NAME, MPI_CHAR, h->host, DT_HOST_NAME, MPI_CHAR, h->comm),
        "MPI_Allgather of host names"));
    h->last_poll = dt_seconds();
    for (int q = 0; q < h->ranks && h->seen; ++q)
        h->seen[q] = (dt_rank_seen){.host = h->host[q], .heard = h->last_poll};
    for (int p = 0; p < h->peers; ++p) {
        h->peer[p] = (peer){.rank = h->rank == 0 ? p + 1 : 0, .last_heard = h->last_poll};
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

static void take(dt_heartbeat *h, peer *from, double now, bool left)
{
    from->last_heard = now;
    from->shut_down = left;
    if (h->seen)
        h->seen[from->rank] = (dt_rank_seen){
            .report = from->in, .heard = now, .left = left, .host = h->host[from->rank]};
    else if (from->in.waits)
        h->question = true;
}

static dt_status receive_heartbeats(dt_heartbeat *h, double now)
{
    for (int p = 0; p < h->peers; ++p) {
        int came = 1;
        while (came && !h->peer[p].shut_down) {
            MPI_Status status;
            DT_TRY(dt_mpi_check(MPI_Test(&h->receiving[p], &came, &status), "a heartbeat"));
            if (!came)
                break;
            take(h, &h->peer[p], now, status.MPI_TAG == SHUTDOWN);
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

static dt_status send_to_all(dt_heartbeat *h, int tag, const dt_report *report)
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
        DT_TRY(send_message(h, p, tag, report));
        h->peer[p].notified = tag == SHUTDOWN;
    }
    return DT_OK;
}

/* Returns whether this rank must say now what it does: rank 0 repeatedly while it waits, another
 * rank once in each wait, and when it was asked. */
static bool must_tell(dt_heartbeat *h, const dt_activity *mine, double now)
{
    const bool asked_before = mine->what && h->asked >= mine->since;
    const double since = asked_before ? h->asked : mine->since;
    const bool ask = mine->what && now - since >= ASK_PERIOD && (h->rank == 0 || !asked_before);
    const bool tell = ask || h->question;
    if (ask)
        h->asked = now;
    h->question = false;
    return tell;
}

static dt_status tell(dt_heartbeat *h, const dt_activity *mine, double now)
{
    const bool now_due = must_tell(h, mine, now);
    if (now < h->next_beat && !now_due)
        return DT_OK;
    const dt_report report = {.begun = mine->begun,
                              .waits = mine->what != NULL,
                              .gradients = mine->what && mine->gradients};
    h->next_beat = now + h->period;
    return send_to_all(h, BEAT, &report);
}

/* ---- late ranks ------------------------------------------------------------------------------ */

int dt_heartbeat_late(const dt_heartbeat *h, const dt_activity *mine, char *names, size_t size)
{
    names[0] = '\0';
    return h->seen ? dt_late_names(mine, h->seen, h->ranks, dt_seconds(), names, size) : 0;
}

/* After this process was stopped, it knows nothing about the others. */
static void wake(dt_heartbeat *h, double stopped, double now)
{
    h->woke = now;
    for (int q = 1; q < h->ranks && h->seen; ++q)
        h->seen[q].heard = now;
    if (h->rank == 0)
        dt_notice_print(h->printer, "rank 0 on %s is back after %.0f s: its process was stopped",
                        h->host[0], stopped);
}

static void look_for_late(dt_heartbeat *h, const dt_activity *mine, double now)
{
    char line[320];
    if (h->seen && dt_late_look(&h->late, mine, h->seen, h->ranks, now, line, sizeof line))
        dt_notice_print(h->printer, "%s", line);
}

dt_status dt_heartbeat_poll(dt_heartbeat *h, const dt_activity *mine)
{
    const double now = dt_seconds();
    const double step = h->period < 4.0 * MOST_BETWEEN_POLLS ? h->period / 4.0 : MOST_BETWEEN_POLLS;
    dt_activity since_woken = *mine;
    const bool wait_over = h->late.reported && !mine->what;
    if (now - h->last_poll < step && !h->shutting_down && !wait_over)
        return DT_OK;
    if (now - h->last_poll > LONG_STOP)
        wake(h, now - h->last_poll, now);
    if (now - h->last_poll > h->timeout / 2.0)
        for (int p = 0; p < h->peers; ++p)
            h->peer[p].last_heard = now; /* this process was stopped */
    h->last_poll = now;
    if (since_woken.since < h->woke)
        since_woken.since = h->woke;
    DT_TRY(receive_heartbeats(h, now));
    DT_TRY(tell(h, &since_woken, now));
    look_for_late(h, &since_woken, now);
    return check_timeouts(h, now);
}

/* ---- shutdown -------------------------------------------------------------------------------- */

dt_status dt_heartbeat_shutdown(dt_heartbeat *h)
{
    h->shutting_down = true; /* no more polls are skipped */
    return send_to_all(h, SHUTDOWN, &(dt_report){0});
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
    free(h->seen);
    dt_notice_printer_free(h->printer);
    free(h);
}
