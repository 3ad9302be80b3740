/* Opening a communicator, and the communicator of a single process. */
#include "comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/launcher.h"
#include "core/memory.h"
#include "core/module.h"

static void single_destroy(dt_comm *comm)
{
    free(comm);
}

static dt_status single_attach(dt_comm *comm, dt_backend *backend)
{
    (void)comm, (void)backend;
    return DT_OK;
}

static dt_status single_all_reduce_start(dt_comm *comm, dt_backend *backend, int64_t offset,
                                         int64_t count, int32_t slot)
{
    (void)comm, (void)backend, (void)offset, (void)count, (void)slot;
    return DT_OK;
}

static dt_status single_all_reduce_finish(dt_comm *comm, dt_backend *backend)
{
    (void)comm, (void)backend;
    return DT_OK;
}

static dt_status single_all_gather(dt_comm *comm, dt_backend *backend, int64_t count)
{
    (void)comm, (void)backend, (void)count;
    return DT_OK;
}

static dt_status single_sum(dt_comm *comm, double *values, int64_t count)
{
    (void)comm, (void)values, (void)count;
    return DT_OK;
}

static dt_status single_broadcast(dt_comm *comm, void *bytes, int64_t count, int32_t root)
{
    (void)comm, (void)bytes, (void)count, (void)root;
    return DT_OK;
}

static dt_status single_gather(dt_comm *comm, const void *bytes, const int64_t *counts, void *out,
                               int32_t root)
{
    (void)comm, (void)root;
    memcpy(out, bytes, (size_t)counts[0]);
    return DT_OK;
}

static dt_status single_barrier(dt_comm *comm)
{
    (void)comm;
    return DT_OK;
}

static void single_abort(dt_comm *comm, dt_status status, const char *message)
{
    (void)comm, (void)status, (void)message; /* the caller returns its status up to main */
}

static const dt_comm_ops single_ops = {
    .destroy = single_destroy,
    .attach = single_attach,
    .all_reduce_start = single_all_reduce_start,
    .all_reduce_finish = single_all_reduce_finish,
    .all_gather = single_all_gather,
    .sum = single_sum,
    .broadcast = single_broadcast,
    .gather = single_gather,
    .barrier = single_barrier,
    .abort = single_abort,
};

dt_status dt_comm_single(dt_comm **out)
{
    DT_TRY(DT_NEW(*out, 1));
    **out = (dt_comm){.ops = &single_ops,
                      .name = "single",
                      .world_size = 1,
                      .local_size = 1,
                      .description = "one process"};
    gethostname((*out)->host, sizeof(*out)->host - 1);
    return DT_OK;
}

/* ---- helpers built on these operations ------------------------------------------------------- */

dt_status dt_gather_all(dt_comm *comm, const void *mine, int64_t size, void *all)
{
    int64_t *counts;
    DT_TRY(DT_NEW(counts, (size_t)comm->world_size));
    for (int32_t q = 0; q < comm->world_size; ++q)
        counts[q] = size;
    dt_status status = comm->ops->gather(comm, mine, counts, all, 0);
    free(counts);
    if (status == DT_OK)
        status = comm->ops->broadcast(comm, all, size * comm->world_size, 0);
    return status;
}

/* The status with which a rank calls dt_agree(). */
typedef struct {
    int32_t status;
    char host[64];
    char message[1024];
} rank_status;

dt_status dt_agree(dt_comm *comm, dt_status mine, bool *agreed)
{
    if (comm->world_size == 1) {
        *agreed = mine != DT_OK;
        return mine;
    }
    double failed = mine != DT_OK;
    DT_TRY(comm->ops->sum(comm, &failed, 1));
    if (failed == 0.0)
        return DT_OK;
    rank_status own = {.status = mine};
    rank_status *all;
    snprintf(own.host, sizeof own.host, "%s", comm->host);
    if (mine != DT_OK)
        snprintf(own.message, sizeof own.message, "%s", dt_error_message());
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    dt_status status = dt_gather_all(comm, &own, sizeof own, all);
    if (status == DT_OK) {
        int32_t first = 0;
        while (first < comm->world_size - 1 && all[first].status == DT_OK)
            first++;
        *agreed = true;
        if (first == 0)
            status = dt_fail((dt_status)all[0].status, "%s", all[0].message);
        else
            status = dt_fail((dt_status)all[first].status, "rank %d on %s: %s", first,
                             all[first].host, all[first].message);
    }
    free(all);
    return status;
}

/* What dt_agree_on() compares first. */
typedef struct {
    uint64_t hash;
    int64_t length;
    char host[64];
} text_stamp;

/* Fails with the first line of `mine`, rank 0's text, that `theirs`, rank q's, has otherwise. */
static dt_status first_difference(const char *mine, const char *theirs, int32_t q,
                                  const text_stamp *all, const char *advice)
{
    size_t a = strcspn(mine, "\n");
    size_t b = strcspn(theirs, "\n");
    while (a == b && mine[a] && theirs[b] && memcmp(mine, theirs, a) == 0) {
        mine += a + 1;
        theirs += b + 1;
        a = strcspn(mine, "\n");
        b = strcspn(theirs, "\n");
    }
    return dt_fail(DT_ERR_USAGE, "rank 0 on %s has %.*s, but rank %d on %s has %.*s: %s",
                   all[0].host, a ? (int)a : 7, a ? mine : "nothing", q, all[q].host,
                   b ? (int)b : 7, b ? theirs : "nothing", advice);
}

/* Rank 0 gets the text of rank q, the first whose stamp is another, and says what differs. */
static dt_status explain_difference(dt_comm *comm, const char *text, int32_t q,
                                    const text_stamp *all, const char *advice)
{
    char *theirs = NULL;
    int64_t *counts;
    dt_status status;
    DT_TRY(DT_NEW(counts, (size_t)comm->world_size));
    counts[q] = all[q].length + 1;
    if (comm->world_rank == 0)
        DT_TRY_OR(end, DT_NEW(theirs, (size_t)counts[q]));
    DT_TRY_OR(end, comm->ops->gather(comm, text, counts, theirs, 0));
    status = theirs ? first_difference(text, theirs, q, all, advice) : DT_OK;
end:
    free(theirs);
    free(counts);
    return status;
}

dt_status dt_agree_on(dt_comm *comm, const char *text, const char *advice, bool *agreed)
{
    text_stamp *all;
    text_stamp own = {.hash = dt_hash_text(DT_HASH_START, text), .length = (int64_t)strlen(text)};
    int32_t q = 1;
    if (comm->world_size == 1)
        return DT_OK;
    snprintf(own.host, sizeof own.host, "%s", comm->host);
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    dt_status status = dt_gather_all(comm, &own, sizeof own, all);
    while (status == DT_OK && q < comm->world_size && all[q].hash == all[0].hash &&
           all[q].length == all[0].length)
        ++q;
    if (status == DT_OK && q < comm->world_size)
        status = dt_agree(comm, explain_difference(comm, text, q, all, advice), agreed);
    free(all);
    return status;
}

/* ---- opening a communicator ------------------------------------------------------------------ */

static dt_status no_module(const dt_launch *launch)
{
    if (!launch->launcher)
        return dt_fail(DT_ERR_COMM,
                       "--comm: this installation has no MPI module; rebuild it with an "
                       "MPI library (Debian: libopenmpi-dev) and -DDEEPTAXA_MPI=ON");
    return dt_fail(DT_ERR_COMM,
                   "%s started %d processes, but this installation has no MPI module to "
                   "connect them: start one process, or rebuild with an MPI library (Debian: "
                   "libopenmpi-dev) and -DDEEPTAXA_MPI=ON",
                   launch->launcher, launch->size);
}

dt_status dt_comm_open(const dt_comm_options *options, dt_comm **out)
{
    const dt_launch launch = dt_launch_of(getenv);
    const bool alone = !launch.launcher || launch.size == 1;
    if (alone && options->kind == DT_COMM_AUTO)
        return dt_comm_single(out);
    if (launch.heterogeneous)
        return dt_fail(DT_ERR_COMM,
                       "srun started %d processes over the components of a heterogeneous job "
                       "(SLURM_HET_SIZE=%s), but all ranks must be alike: start them on all nodes "
                       "of one component (srun --het-group=0), or submit a job without components",
                       launch.size, getenv("SLURM_HET_SIZE"));
    if (!dt_module_present("mpi"))
        return no_module(&launch);
    void *symbol;
    dt_backend_let_waiting_threads_sleep();
    DT_TRY(dt_module_symbol("mpi", "dt_comm_module", &symbol));
    const dt_comm_module *module = symbol;
    if (dt_module_check("mpi", module->contract, DT_COMM_CONTRACT) != DT_OK)
        return DT_ERR_COMM;
    return module->open(options, out);
}
