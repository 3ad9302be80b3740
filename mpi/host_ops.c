#include "host_ops.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* MPI counts are ints: longer messages are sent in chunks of this many bytes. */
#define CHUNK ((int64_t)1 << 28)

/* Maximum number of values of all ranks in memory at a time. */
#define MAX_VALUES ((int64_t)1 << 20)

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- sum ------------------------------------------------------------------------------------ */

typedef struct {
    int32_t world_size;
    double *values;
    double *all; /* (world_size, block) */
    int64_t count, block;
} sum_call;

/* Gathers the values of all ranks on every rank and adds them in rank order. */
static dt_status sum_block(dt_mpi_thread *thread, const sum_call *c, double *values, int count)
{
    MPI_Request request;
    DT_TRY(dt_mpi_check(MPI_Iallgather(values, count, MPI_DOUBLE, c->all, count, MPI_DOUBLE,
                                       dt_mpi_comm(thread), &request),
                        "MPI_Iallgather"));
    DT_TRY(dt_mpi_wait(thread, &request, 1));
    memcpy(values, c->all, (size_t)count * sizeof *values);
    for (int32_t q = 1; q < c->world_size; ++q)
        for (int i = 0; i < count; ++i)
            values[i] += c->all[(int64_t)q * count + i];
    return DT_OK;
}

static dt_status sum_work(dt_mpi_thread *thread, void *context)
{
    const sum_call *c = context;
    for (int64_t i = 0; i < c->count; i += c->block)
        DT_TRY(sum_block(thread, c, c->values + i, (int)smaller(c->block, c->count - i)));
    return DT_OK;
}

dt_status dt_mpi_sum(dt_mpi_thread *thread, int32_t world_size, double *values, int64_t count)
{
    sum_call call = {.world_size = world_size, .values = values, .count = count};
    if (count <= 0)
        return DT_OK;
    call.block = smaller(count, MAX_VALUES / world_size + 1);
    DT_TRY(DT_NEW(call.all, (size_t)(call.block * world_size)));
    const dt_status status = dt_mpi_run(thread, "a sum over the ranks", sum_work, &call);
    free(call.all);
    return status;
}

/* ---- broadcast ------------------------------------------------------------------------------ */

typedef struct {
    char *bytes;
    int64_t count;
    int32_t root;
} broadcast_call;

static dt_status broadcast_work(dt_mpi_thread *thread, void *context)
{
    const broadcast_call *c = context;
    for (int64_t i = 0; i < c->count; i += CHUNK) {
        MPI_Request request;
        DT_TRY(dt_mpi_check(MPI_Ibcast(c->bytes + i, (int)smaller(CHUNK, c->count - i), MPI_BYTE,
                                       c->root, dt_mpi_comm(thread), &request),
                            "MPI_Ibcast"));
        DT_TRY(dt_mpi_wait(thread, &request, 1));
    }
    return DT_OK;
}

dt_status dt_mpi_broadcast(dt_mpi_thread *thread, void *bytes, int64_t count, int32_t root)
{
    broadcast_call call = {.bytes = bytes, .count = count, .root = root};
    return dt_mpi_run(thread, "a broadcast", broadcast_work, &call);
}

/* ---- gather --------------------------------------------------------------------------------- */

typedef struct {
    const dt_mpi_info *info;
    const char *bytes;
    const int64_t *counts;
    char *out;
    int32_t root;
    MPI_Request *requests; /* (world_size), root only */
} gather_call;

static dt_status send_all(dt_mpi_thread *thread, const gather_call *c)
{
    const int64_t count = c->counts[c->info->world_rank];
    for (int64_t i = 0; i < count; i += CHUNK) {
        MPI_Request request;
        DT_TRY(dt_mpi_check(MPI_Isend(c->bytes + i, (int)smaller(CHUNK, count - i), MPI_BYTE,
                                      c->root, 0, dt_mpi_comm(thread), &request),
                            "MPI_Isend"));
        DT_TRY(dt_mpi_wait(thread, &request, 1));
    }
    return DT_OK;
}

/* Receives the next chunk of every rank that has more than `done` bytes. *some: there was one. */
static dt_status receive_chunks(dt_mpi_thread *thread, const gather_call *c, int64_t done,
                                bool *some)
{
    char *to = c->out;
    int n = 0;
    for (int32_t q = 0; q < c->info->world_size; to += c->counts[q++])
        if (q != c->root && c->counts[q] > done)
            DT_TRY(dt_mpi_check(MPI_Irecv(to + done, (int)smaller(CHUNK, c->counts[q] - done),
                                          MPI_BYTE, q, 0, dt_mpi_comm(thread), &c->requests[n++]),
                                "MPI_Irecv"));
    *some = n > 0;
    return dt_mpi_wait(thread, c->requests, n);
}

static dt_status gather_work(dt_mpi_thread *thread, void *context)
{
    const gather_call *c = context;
    if (c->info->world_rank != c->root)
        return send_all(thread, c);
    bool some = true;
    for (int64_t done = 0; some; done += CHUNK)
        DT_TRY(receive_chunks(thread, c, done, &some));
    return DT_OK;
}

dt_status dt_mpi_gather(dt_mpi_thread *thread, const dt_mpi_info *info, const void *bytes,
                        const int64_t *counts, void *out, int32_t root)
{
    gather_call call = {.info = info, .bytes = bytes, .counts = counts, .out = out, .root = root};
    dt_status status = DT_OK;
    if (info->world_rank == root) {
        DT_TRY_OR(end, DT_NEW(call.requests, (size_t)info->world_size));
        char *mine = out;
        for (int32_t q = 0; q < root; ++q)
            mine += counts[q];
        if (counts[root] > 0)
            memmove(mine, bytes, (size_t)counts[root]);
    }
    status = dt_mpi_run(thread, "a gather", gather_work, &call);
end:
    free(call.requests);
    return status;
}

/* ---- barrier -------------------------------------------------------------------------------- */

static dt_status barrier_work(dt_mpi_thread *thread, void *context)
{
    (void)context;
    MPI_Request request;
    DT_TRY(dt_mpi_check(MPI_Ibarrier(dt_mpi_comm(thread), &request), "MPI_Ibarrier"));
    return dt_mpi_wait(thread, &request, 1);
}

dt_status dt_mpi_barrier(dt_mpi_thread *thread)
{
    return dt_mpi_run(thread, "a barrier", barrier_work, NULL);
}
