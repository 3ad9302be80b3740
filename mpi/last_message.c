#include "last_message.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "mpi_world.h"

/* Seconds to wait for rank 0's answer. Its MPI thread polls twice a second or more often. */
#define PATIENCE 4.0

enum { MESSAGE, ANSWER }; /* message tags */

typedef struct {
    int32_t exit_status;
    char text[1200];
} message;

struct dt_last_message {
    MPI_Comm comm;
    bool first; /* this is rank 0 */
    message in, out;
    MPI_Request receiving; /* rank 0: the message of any rank; others: rank 0's answer */
    bool sent;
    atomic_bool given;    /* `out` is complete */
    atomic_bool answered; /* rank 0 has it */
    atomic_flag printed;
};

static void print(dt_last_message *m, const char *text)
{
    if (atomic_flag_test_and_set(&m->printed))
        return;
    dt_log_quiet(false);
    dt_info("%s", text);
}

/* ---- the MPI thread -------------------------------------------------------------------------- */

static dt_status receive(dt_last_message *m)
{
    const int size = m->first ? (int)sizeof m->in : 0;
    return dt_mpi_check(MPI_Irecv(&m->in, size, MPI_BYTE, m->first ? MPI_ANY_SOURCE : 0,
                                  m->first ? MESSAGE : ANSWER, m->comm, &m->receiving),
                        "MPI_Irecv of a last message");
}

/* The run ends: nobody waits for the end of this transfer. */
static dt_status send(dt_last_message *m, const void *bytes, int size, int to, int tag)
{
    MPI_Request request;
    DT_TRY(dt_mpi_check(MPI_Isend(bytes, size, MPI_BYTE, to, tag, m->comm, &request),
                        "MPI_Isend of a last message"));
    MPI_Request_free(&request);
    return DT_OK;
}

dt_status dt_last_message_start(dt_last_message **out, MPI_Comm comm)
{
    dt_last_message *m;
    int rank;
    *out = NULL;
    DT_TRY(DT_NEW(m, 1));
    *out = m; /* also on failure: MPI may still use its memory */
    atomic_flag_clear(&m->printed);
    MPI_Comm_rank(comm, &rank);
    m->first = rank == 0;
    DT_TRY(dt_mpi_check(MPI_Comm_dup(comm, &m->comm), "MPI_Comm_dup"));
    return receive(m);
}

dt_status dt_last_message_poll(dt_last_message *m, int *exit_status)
{
    int came;
    MPI_Status from;
    if (!m->first && !m->sent && atomic_load(&m->given)) {
        m->sent = true;
        DT_TRY(send(m, &m->out, sizeof m->out, 0, MESSAGE));
    }
    DT_TRY(dt_mpi_check(MPI_Test(&m->receiving, &came, &from), "a last message"));
    if (!came || atomic_load(&m->answered))
        return DT_OK;
    if (!m->first) {
        atomic_store(&m->answered, true);
        return DT_OK;
    }
    print(m, m->in.text);
    *exit_status = m->in.exit_status;
    DT_TRY(send(m, NULL, 0, from.MPI_SOURCE, ANSWER));
    return receive(m);
}

void dt_last_message_free(dt_last_message *m)
{
    if (!m)
        return;
    MPI_Cancel(&m->receiving);
    MPI_Wait(&m->receiving, MPI_STATUS_IGNORE);
    MPI_Comm_free(&m->comm);
    free(m);
}

/* ---- any thread ------------------------------------------------------------------------------ */

void dt_last_message_give(dt_last_message *m, int exit_status, const char *text)
{
    if (m->first) {
        print(m, text);
        return;
    }
    m->out.exit_status = exit_status;
    snprintf(m->out.text, sizeof m->out.text, "%s", text);
    atomic_store(&m->given, true);
}

void dt_last_message_await(dt_last_message *m)
{
    const double end = dt_seconds() + PATIENCE;
    if (m->first)
        return;
    while (!atomic_load(&m->answered) && dt_seconds() < end)
        usleep(1000);
    if (!atomic_load(&m->answered))
        print(m, m->out.text);
}

bool dt_last_message_pending(const dt_last_message *m)
{
    return !m->first && atomic_load(&m->given) && !atomic_load(&m->answered);
}
