/* Sums gradients and exchanges parameters with NCCL on the GPUs: a separate module, which the
 * communicator loads if the backend names it (dt_backend.comm_module).
 *
 * Each range is summed on a stream of this module, after the backend's event for it; the backend's
 * stream waits for the last sum. The host does not wait, so that a missing rank would only show
 * later as a host that hangs in the CUDA driver. A watcher thread therefore checks NCCL for errors,
 * and a callback on the stream tells it which steps are summed. If sums fail or exceed the timeout,
 * the watcher aborts the run. It does not call ncclCommAbort, after which the backend's stream
 * would continue with an incomplete sum.
 *
 * The watcher makes no CUDA calls, because many of them are forbidden while another thread captures
 * a step.
 *
 * Equal buckets on equal GPUs give equal bits on all ranks: NCCL chooses the algorithm, and with it
 * the order of additions, by size and topology.
 *
 * The source also compiles as C++, which the tests use.
 */
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "reduce.h"
#include "watchdog.h"

/* Large enough for NCCL's full speed, and a fraction of a layer's gradients. */
#define DEFAULT_BUCKET_BYTES ((int64_t)16 << 20)

#define WATCH_PERIOD 0.2 /* seconds */

typedef struct {
    dt_reducer base; /* first */
    dt_comm *comm;
    dt_backend *backend;
    int device;
    ncclComm_t nccl;
    ncclComm_t local; /* the ranks of this host, for all_gather(); may be `nccl` */
    cudaStream_t stream;
    cudaEvent_t done;
    dt_buckets buckets;
    bool narrow; /* gradients are transferred as bf16 */
    void *bf16;  /* device (buckets.size): transfer buffer, if narrow */
    double timeout;

    pthread_t watcher;
    bool watching;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* protected by the mutex */
    const char *doing;    /* operation that may hang; NULL: none */
    double since;         /* start time of that operation */
    bool in_step;         /* between the first range and finish() */
    int64_t begun, ended; /* operations: the sums of a step, the exchange of parameters */
    double last_summed;   /* time at which a step was summed; 0: none was */
    double step;          /* usual seconds of a step; 0: unknown */
    bool connected;       /* nccl can be checked for errors */
    bool stopping;
} nccl_reducer;

static dt_status cuda_check(cudaError_t code, const char *doing)
{
    return code == cudaSuccess
               ? DT_OK
               : dt_fail(DT_ERR_DEVICE, "CUDA failed in %s: %s", doing, cudaGetErrorString(code));
}

static dt_status nccl_check(const nccl_reducer *r, ncclResult_t code, const char *doing)
{
    if (code == ncclSuccess)
        return DT_OK;
    const char *more = r->nccl ? ncclGetLastError(r->nccl) : NULL;
    return dt_fail(DT_ERR_COMM, "NCCL failed in %s: %s%s%s (NCCL_DEBUG=INFO prints details)", doing,
                   ncclGetErrorString(code), more && *more ? ": " : "", more ? more : "");
}

/* ---- the watcher ----------------------------------------------------------------------------- */

static void begin(nccl_reducer *r, const char *doing)
{
    pthread_mutex_lock(&r->mutex);
    r->doing = doing;
    r->since = dt_seconds();
    pthread_mutex_unlock(&r->mutex);
}

/* Begins an operation, or goes on with one until its last call. The timeout counts from that: the
 * host may be several steps ahead of the device. */
static void begin_in_step(nccl_reducer *r, const char *doing, bool last)
{
    begin(r, doing);
    pthread_mutex_lock(&r->mutex);
    if (!r->in_step)
        ++r->begun;
    r->in_step = !last;
    pthread_mutex_unlock(&r->mutex);
}

/* Runs on the stream when an operation is done. */
static void CUDART_CB operation_is_done(void *context)
{
    nccl_reducer *r = (nccl_reducer *)context;
    pthread_mutex_lock(&r->mutex);
    if (++r->ended == r->begun)
        r->doing = NULL;
    pthread_mutex_unlock(&r->mutex);
}

/* The same for all sums of a step. */
static void CUDART_CB step_is_summed(void *context)
{
    nccl_reducer *r = (nccl_reducer *)context;
    const double now = dt_seconds();
    pthread_mutex_lock(&r->mutex);
    if (r->last_summed > 0)
        r->step = dt_usual(r->step, now - r->last_summed);
    r->last_summed = now;
    pthread_mutex_unlock(&r->mutex);
    operation_is_done(r);
}

static dt_status check_comm(const nccl_reducer *r, ncclComm_t comm, const char *doing)
{
    ncclResult_t error = ncclSuccess;
    const bool failed = ncclCommGetAsyncError(comm, &error) == ncclSuccess &&
                        error != ncclSuccess && error != ncclInProgress;
    return failed ? nccl_check(r, error, doing) : DT_OK;
}

/* Returns the error of NCCL, or of a timeout. Call with the mutex held. */
static dt_status check_health(nccl_reducer *r)
{
    if (r->connected)
        DT_TRY(check_comm(r, r->nccl, "the sum of gradients"));
    if (r->connected && r->local && r->local != r->nccl)
        DT_TRY(check_comm(r, r->local, "the exchange of parameters"));
    if (r->doing && r->timeout > 0 && dt_seconds() - r->since > r->timeout)
        return dt_fail(DT_ERR_COMM,
                       "waited %g seconds for the other ranks in %s: one of them hangs or is "
                       "unreachable (--collective-timeout sets the limit)",
                       r->timeout, r->doing);
    return DT_OK;
}

static void *watch(void *context)
{
    nccl_reducer *r = (nccl_reducer *)context;
    dt_status status = DT_OK;
    pthread_mutex_lock(&r->mutex);
    while (!r->stopping && status == DT_OK) {
        struct timespec until;
        const double end = dt_seconds() + WATCH_PERIOD;
        until.tv_sec = (time_t)end;
        until.tv_nsec = (long)(1e9 * (end - (double)until.tv_sec));
        pthread_cond_timedwait(&r->changed, &r->mutex, &until);
        status = check_health(r);
    }
    pthread_mutex_unlock(&r->mutex);
    if (status != DT_OK)
        r->comm->ops->abort(r->comm, status, dt_error_message());
    return NULL;
}

static dt_status start_watching(nccl_reducer *r)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (dt_start_thread_without_signals(&r->watcher, watch, r) != 0)
        return dt_fail(DT_ERR_MEMORY, "cannot start a thread");
    r->watching = true;
    return DT_OK;
}

static void stop_watching(nccl_reducer *r)
{
    if (r->watching) {
        pthread_mutex_lock(&r->mutex);
        r->stopping = true;
        pthread_cond_signal(&r->changed);
        pthread_mutex_unlock(&r->mutex);
        pthread_join(r->watcher, NULL);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
}

/* The device waits since the last call, or since it summed a step, whichever is later. */
static void activity(dt_reducer *reducer, dt_activity *a)
{
    nccl_reducer *r = (nccl_reducer *)reducer;
    pthread_mutex_lock(&r->mutex);
    a->begun += r->begun;
    a->step = r->step;
    if (!a->what && r->doing) {
        a->what = r->doing;
        a->gradients = r->begun > r->ended;
        a->since = r->since > r->last_summed ? r->since : r->last_summed;
    }
    pthread_mutex_unlock(&r->mutex);
}

/* ---- sums ----------------------------------------------------------------------------------- */

static dt_status sum_numbers(nccl_reducer *r, void *numbers, int64_t count, ncclDataType_t type)
{
    return nccl_check(
        r, ncclAllReduce(numbers, numbers, (size_t)count, type, ncclSum, r->nccl, r->stream),
        "ncclAllReduce");
}

/* Buckets follow each other on the stream, so that one transfer buffer suffices. */
static dt_status sum_in_bf16(nccl_reducer *r, int64_t offset, int64_t count)
{
    const dt_backend_ops *ops = r->backend->ops;
    ops->gradients_to_bf16(r->backend, r->bf16, offset, count, r->stream);
    DT_TRY(sum_numbers(r, r->bf16, count, ncclBfloat16));
    ops->gradients_from_bf16(r->backend, r->bf16, offset, count, r->stream);
    return ops->check(r->backend);
}

static dt_status sum_buckets(nccl_reducer *r, bool flush)
{
    float *gradients = (float *)r->backend->ops->vector_data(r->backend, DT_GRADIENTS);
    int64_t offset;
    int64_t count;
    while (dt_buckets_next(&r->buckets, flush, &offset, &count))
        DT_TRY(r->narrow ? sum_in_bf16(r, offset, count)
                         : sum_numbers(r, gradients + offset, count, ncclFloat));
    return DT_OK;
}

static dt_status start(dt_reducer *reducer, int64_t offset, int64_t count, int32_t slot)
{
    nccl_reducer *r = (nccl_reducer *)reducer;
    begin_in_step(r, "the sum of gradients", false);
    DT_TRY(cuda_check(cudaSetDevice(r->device), "cudaSetDevice"));
    cudaEvent_t ready = (cudaEvent_t)r->backend->ops->event_handle(r->backend, slot);
    DT_TRY(r->backend->ops->check(r->backend));
    if (!dt_buckets_add(&r->buckets, offset, count)) {
        DT_TRY(sum_buckets(r, true));
        dt_buckets_add(&r->buckets, offset, count);
    }
    DT_TRY(cuda_check(cudaStreamWaitEvent(r->stream, ready, 0), "cudaStreamWaitEvent"));
    return sum_buckets(r, false);
}

/* Makes the backend wait for all that is on the stream. */
static dt_status end_on_stream(nccl_reducer *r, cudaHostFn_t is_done)
{
    DT_TRY(cuda_check(cudaEventRecord(r->done, r->stream), "cudaEventRecord"));
    DT_TRY(cuda_check(cudaLaunchHostFunc(r->stream, is_done, r), "cudaLaunchHostFunc"));
    r->backend->ops->event_wait(r->backend, r->done);
    return r->backend->ops->check(r->backend);
}

static dt_status finish(dt_reducer *reducer)
{
    nccl_reducer *r = (nccl_reducer *)reducer;
    begin_in_step(r, "the sum of gradients", true);
    DT_TRY(cuda_check(cudaSetDevice(r->device), "cudaSetDevice"));
    DT_TRY(sum_buckets(r, true));
    return end_on_stream(r, step_is_summed);
}

/* ---- the exchange of parameters -------------------------------------------------------------- */

/* ncclAllGather() takes equal shares: the rest of the last one is sent beside it. */
static dt_status gather_shares(nccl_reducer *r, float *parameters, int64_t count)
{
    const int32_t ranks = r->comm->local_size;
    const int64_t each = dt_local_share(count, ranks, 0).end;
    const int64_t rest = count - ranks * each;
    float *own = parameters + r->comm->local_rank * each;
    float *end = parameters + ranks * each;
    DT_TRY(nccl_check(r, ncclGroupStart(), "ncclGroupStart"));
    DT_TRY(nccl_check(r,
                      ncclAllGather(own, parameters, (size_t)each, ncclFloat, r->local, r->stream),
                      "ncclAllGather"));
    if (rest > 0)
        DT_TRY(nccl_check(
            r, ncclBroadcast(end, end, (size_t)rest, ncclFloat, ranks - 1, r->local, r->stream),
            "ncclBroadcast"));
    return nccl_check(r, ncclGroupEnd(), "ncclGroupEnd");
}

static dt_status all_gather(dt_reducer *reducer, int64_t count)
{
    nccl_reducer *r = (nccl_reducer *)reducer;
    const dt_backend_ops *ops = r->backend->ops;
    begin_in_step(r, "the exchange of parameters", true);
    if (r->comm->local_size == 1) {
        operation_is_done(r);
        return DT_OK;
    }
    DT_TRY(cuda_check(cudaSetDevice(r->device), "cudaSetDevice"));
    ops->event_record(r->backend, DT_UPDATE_SLOT);
    cudaEvent_t updated = (cudaEvent_t)ops->event_handle(r->backend, DT_UPDATE_SLOT);
    DT_TRY(ops->check(r->backend));
    DT_TRY(cuda_check(cudaStreamWaitEvent(r->stream, updated, 0), "cudaStreamWaitEvent"));
    DT_TRY(gather_shares(r, (float *)ops->vector_data(r->backend, DT_PARAMETERS), count));
    DT_TRY(end_on_stream(r, operation_is_done));
    ops->parameters_refresh(r->backend, 0, count);
    return ops->check(r->backend);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void destroy(dt_reducer *reducer)
{
    nccl_reducer *r = (nccl_reducer *)reducer;
    if (cudaSetDevice(r->device) == cudaSuccess) {
        if (r->stream)
            cudaStreamSynchronize(r->stream);
        stop_watching(r);
        if (r->local && r->local != r->nccl)
            ncclCommDestroy(r->local);
        if (r->nccl)
            ncclCommDestroy(r->nccl);
        if (r->done)
            cudaEventDestroy(r->done);
        if (r->stream)
            cudaStreamDestroy(r->stream);
    } else {
        stop_watching(r);
    }
    r->backend->ops->free(r->backend, r->bf16);
    free(r);
}

/* The first rank of each host creates the id with which those of the host connect. */
static dt_status connect_local(nccl_reducer *r)
{
    dt_comm *comm = r->comm;
    ncclUniqueId mine = {{0}};
    ncclUniqueId *all = NULL;
    if (comm->local_size == comm->world_size) {
        r->local = r->nccl;
        return DT_OK;
    }
    if (comm->local_rank == 0)
        DT_TRY(nccl_check(r, ncclGetUniqueId(&mine), "ncclGetUniqueId"));
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    dt_status status = dt_gather_all(comm, &mine, sizeof mine, all);
    if (status == DT_OK && comm->local_size > 1)
        status = nccl_check(
            r,
            ncclCommInitRank(&r->local, comm->local_size, all[comm->local_first], comm->local_rank),
            "ncclCommInitRank");
    free(all);
    return status;
}

/* Rank 0 creates the id with which the ranks connect. */
static dt_status connect(nccl_reducer *r, bool shares)
{
    ncclUniqueId id;
    const dt_comm *comm = r->comm;
    if (comm->world_rank == 0)
        DT_TRY(nccl_check(r, ncclGetUniqueId(&id), "ncclGetUniqueId"));
    DT_TRY(comm->ops->broadcast(r->comm, &id, sizeof id, 0));
    begin(r, "the start of NCCL");
    DT_TRY(nccl_check(r, ncclCommInitRank(&r->nccl, comm->world_size, id, comm->world_rank),
                      "ncclCommInitRank"));
    if (shares)
        DT_TRY(connect_local(r));
    pthread_mutex_lock(&r->mutex);
    r->doing = NULL;
    r->connected = true;
    pthread_mutex_unlock(&r->mutex);
    return DT_OK;
}

/* The stream has a higher priority than the backend's: a delayed sum delays the step, a delayed
 * kernel does not. */
static dt_status prepare(nccl_reducer *r, bool shares)
{
    DT_TRY(start_watching(r));
    DT_TRY(cuda_check(cudaDeviceGetByPCIBusId(&r->device, r->backend->device_id),
                      "cudaDeviceGetByPCIBusId"));
    DT_TRY(cuda_check(cudaSetDevice(r->device), "cudaSetDevice"));
    DT_TRY(cuda_check(cudaStreamCreateWithPriority(&r->stream, cudaStreamNonBlocking, -1),
                      "cudaStreamCreateWithPriority"));
    DT_TRY(cuda_check(cudaEventCreateWithFlags(&r->done, cudaEventDisableTiming),
                      "cudaEventCreateWithFlags"));
    if (r->narrow)
        DT_TRY(r->backend->ops->alloc(r->backend, &r->bf16,
                                      r->buckets.size * (int64_t)sizeof(uint16_t)));
    return connect(r, shares);
}

static const dt_reducer_ops operations = {destroy, start, finish, all_gather, activity};

static dt_status open_reducer(dt_comm *comm, dt_backend *backend, const dt_comm_options *options,
                              dt_reducer **out)
{
    nccl_reducer *r = NULL;
    int version = 0;
    DT_TRY(DT_NEW(r, 1));
    r->narrow = options->grad_dtype == DT_GRAD_BF16;
    const int64_t bytes = options->bucket_bytes > 0 ? options->bucket_bytes : DEFAULT_BUCKET_BYTES;
    const int64_t size = (int64_t)(r->narrow ? sizeof(uint16_t) : sizeof(float));
    r->base.ops = &operations;
    r->base.name = "nccl";
    ncclGetVersion(&version);
    snprintf(r->base.library, sizeof r->base.library, "NCCL %d.%d.%d", version / 10000,
             version % 10000 / 100, version % 100);
    r->comm = comm;
    r->backend = backend;
    r->timeout = options->collective_timeout;
    r->buckets.size = bytes < size ? 1 : bytes / size;
    *out = &r->base; /* also on failure: the caller destroys it */
    return prepare(r, options->shares);
}

extern const dt_reducer_module dt_reducer_module_symbol __asm__("dt_reducer_module")
    __attribute__((visibility("default")));
const dt_reducer_module dt_reducer_module_symbol = {DT_COMM_CONTRACT, open_reducer};
