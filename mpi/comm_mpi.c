/* The communicator of several ranks (src/comm.h), built on the thread that calls MPI
 * (mpi_thread.h), collectives on host memory (host_ops.h) and a gradient reducer (reduce.h). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "core/launcher.h"
#include "core/log.h"
#include "core/memory.h"
#include "host_ops.h"
#include "reduce_mpi.h"

/* Seconds after MPI_Abort until this process exits by itself. */
#define ABORT_SECONDS 5

typedef struct {
    dt_comm base; /* first */
    dt_comm_options options;
    dt_mpi_info info;
    dt_mpi_thread *thread;
    dt_reducer *reducer; /* NULL before attach() */
    atomic_flag aborting;
} mpi_comm;

static mpi_comm *of(dt_comm *comm)
{
    return (mpi_comm *)comm;
}

static void detach(mpi_comm *c)
{
    dt_mpi_ask_device(c->thread, NULL, NULL);
    if (c->reducer)
        c->reducer->ops->destroy(c->reducer);
    c->reducer = NULL;
}

static void destroy(dt_comm *comm)
{
    mpi_comm *c = of(comm);
    detach(c);
    dt_mpi_thread_stop(c->thread);
    free(c);
}

/* ---- gradients ------------------------------------------------------------------------------ */

static void describe(mpi_comm *c, const char *why)
{
    const dt_mpi_info *f = &c->info;
    const char *sums = strcmp(c->base.name, "mpi") == 0 ? "MPI" : c->reducer->library;
    char *out = c->base.description;
    const size_t size = sizeof c->base.description;
    const char *format = c->base.grad_dtype == DT_GRAD_BF16 ? " in bf16" : "";
    const int length = snprintf(out, size, "%s, %d ranks on %d host%s", f->library, f->world_size,
                                f->hosts, f->hosts == 1 ? "" : "s");
    if (length < 0 || (size_t)length >= size)
        return;
    if (why)
        snprintf(out + length, size - (size_t)length, "; gradients are summed%s by %s: %s", format,
                 sums, why);
    else if (*format)
        snprintf(out + length, size - (size_t)length, "; gradients are summed%s", format);
}

static void device_activity(void *context, dt_activity *activity)
{
    dt_reducer *reducer = context;
    reducer->ops->activity(reducer, activity);
}

static dt_status attach(dt_comm *comm, dt_backend *backend)
{
    mpi_comm *c = of(comm);
    const dt_comm_options options = c->options;
    char why[192];
    const dt_reducer_module *module;
    detach(c);
    comm->link = c->info.hosts > 1 ? DT_LINK_NETWORK : DT_LINK_MEMORY;
    DT_TRY(dt_choose_reducer(comm, backend, &options, &module, why, sizeof why));
    if (module)
        DT_TRY(module->open(comm, backend, &options, &c->reducer));
    else
        DT_TRY(dt_reduce_mpi_open(c->thread, &c->base, backend, &options, &c->reducer));
    if (c->reducer->ops->activity)
        dt_mpi_ask_device(c->thread, device_activity, c->reducer);
    comm->name = c->reducer->name;
    describe(c, why);
    return DT_OK;
}

static dt_status all_reduce_start(dt_comm *comm, dt_backend *backend, int64_t offset, int64_t count,
                                  int32_t slot)
{
    (void)backend;
    dt_reducer *reducer = of(comm)->reducer;
    return reducer->ops->start(reducer, offset, count, slot);
}

static dt_status all_reduce_finish(dt_comm *comm, dt_backend *backend)
{
    (void)backend;
    dt_reducer *reducer = of(comm)->reducer;
    return reducer->ops->finish(reducer);
}

static dt_status all_gather(dt_comm *comm, dt_backend *backend, int64_t count)
{
    (void)backend;
    dt_reducer *reducer = of(comm)->reducer;
    return reducer->ops->all_gather(reducer, count);
}

/* ---- host memory ---------------------------------------------------------------------------- */

static dt_status sum(dt_comm *comm, double *values, int64_t count)
{
    return dt_mpi_sum(of(comm)->thread, comm->world_size, values, count);
}

static dt_status broadcast(dt_comm *comm, void *bytes, int64_t count, int32_t root)
{
    return dt_mpi_broadcast(of(comm)->thread, bytes, count, root);
}

static dt_status gather(dt_comm *comm, const void *bytes, const int64_t *counts, void *out,
                        int32_t root)
{
    return dt_mpi_gather(of(comm)->thread, &of(comm)->info, bytes, counts, out, root);
}

static dt_status barrier(dt_comm *comm)
{
    return dt_mpi_barrier(of(comm)->thread);
}

/* ---- abort ----------------------------------------------------------------------------------- */

static void abort_run(dt_comm *comm, dt_status status, const char *message)
{
    mpi_comm *c = of(comm);
    const int exit_status = dt_exit_status(status) ? dt_exit_status(status) : 1;
    dt_watchdog_set(dt_mpi_watchdog(c->thread), 2 * ABORT_SECONDS, exit_status, message);
    if (!atomic_flag_test_and_set(&c->aborting)) {
        char text[1200];
        snprintf(text, sizeof text, "rank %d on %s: %s", comm->world_rank, comm->host, message);
        dt_mpi_thread_abort(c->thread, exit_status, text);
    }
    sleep(ABORT_SECONDS);
    _exit(exit_status);
}

/* ---- opening -------------------------------------------------------------------------------- */

static const dt_comm_ops table = {
    .destroy = destroy,
    .attach = attach,
    .all_reduce_start = all_reduce_start,
    .all_reduce_finish = all_reduce_finish,
    .all_gather = all_gather,
    .sum = sum,
    .broadcast = broadcast,
    .gather = gather,
    .barrier = barrier,
    .abort = abort_run,
};

/* Without a connection to the other ranks Open MPI ends the process, with advice that addresses
 * those who build Slurm. */
static dt_status check_launch(const dt_launch *launch)
{
#ifdef OPEN_MPI
    if (launch->launcher && !launch->connected)
        return dt_fail(DT_ERR_COMM,
                       "%s started %d processes without a way to connect: use " DT_MPI_SRUN
                       " (srun --mpi=list shows the types of this Slurm), or mpirun inside sbatch",
                       launch->launcher, launch->size);
#endif
    (void)launch;
    return DT_OK;
}

static void copy_info(mpi_comm *c)
{
    dt_comm *base = &c->base;
    const dt_mpi_info *f = &c->info;
    snprintf(base->host, sizeof base->host, "%s", f->host);
    base->world_rank = f->world_rank;
    base->world_size = f->world_size;
    base->local_rank = f->local_rank;
    base->local_size = f->local_size;
    base->local_first = f->local_first;
    if (f->world_size == 1) /* nothing is transferred */
        c->options.grad_dtype = DT_GRAD_FP32;
    base->grad_dtype = c->options.grad_dtype;
    base->shares = c->options.shares && f->world_size > 1;
    describe(c, NULL);
}

static dt_status open_comm(const dt_comm_options *options, dt_comm **out)
{
    mpi_comm *c;
    const dt_launch launch = dt_launch_of(getenv);
    *out = NULL;
    DT_TRY(check_launch(&launch));
    DT_TRY(DT_NEW(c, 1));
    c->base = (dt_comm){.ops = &table, .name = "mpi"};
    c->options = *options;
    atomic_flag_clear(&c->aborting);
    const dt_status status = dt_mpi_thread_start(&c->thread, &c->info, options, launch.size);
    if (status != DT_OK) {
        free(c);
        return status;
    }
    copy_info(c);
    *out = &c->base;
    return DT_OK;
}

extern const dt_comm_module dt_comm_module_symbol __asm__("dt_comm_module")
    __attribute__((visibility("default")));
const dt_comm_module dt_comm_module_symbol = {.contract = DT_COMM_CONTRACT, .open = open_comm};
