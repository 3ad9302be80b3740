/* Sums gradients and exchanges parameters with MPI. Gradients are summed in place if they are in host
 * memory and are transferred unchanged, else through a copy.
 *
 * On a host, a bucket is posted to the MPI thread as soon as it is complete, and is summed while
 * the backward pass continues. On a device, everything is copied at the end: backend operations are
 * called from one thread, and a copy to the host waits for all of the device's work, so that an
 * earlier copy would stall the backward pass. Copying a bucket overlaps with the sum of the
 * previous one. This reducer is for ranks that share a GPU, and for GPUs without NCCL.
 *
 * The backend rounds gradients to bf16 before the transfer and converts them back after all sums.
 */
#include "reduce_mpi.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define DEFAULT_BUCKET_BYTES ((int64_t)4 << 20)
#define PIECE ((int64_t)1 << 18) /* elements of each share that are exchanged at a time */

/* A bucket that is summed in a copy. */
typedef struct {
    int64_t offset;
    int32_t count;
    char *copy;      /* transfer buffer in host memory; reused by later steps */
    size_t capacity; /* of `copy`, in bytes */
} staged_bucket;

typedef struct {
    dt_reducer base; /* first */
    dt_mpi_thread *thread;
    const dt_comm *comm;
    dt_backend *backend;
    dt_buckets buckets;
    dt_mpi_number number; /* type of the transferred numbers */
    size_t size;          /* of a number, in bytes */
    staged_bucket
        *staged; /* the first staged_count are of this step; the rest keep their buffers */
    size_t staged_count, staged_capacity;
    void *bf16;            /* device (buckets.size): transfer buffer */
    MPI_Request *requests; /* (local_size) of all_gather() */
    char *pieces;          /* (local_size, PIECE) copies of parameters; NULL: in host memory */
} mpi_reducer;

static bool is_bf16(const mpi_reducer *r)
{
    return r->number == DT_MPI_NUMBER_BF16;
}

/* ---- copies between the backend and MPI ------------------------------------------------------ */

static dt_status stage(mpi_reducer *r, int64_t offset, int32_t count, staged_bucket **out)
{
    const size_t had = r->staged_capacity;
    DT_TRY(DT_GROW(r->staged, r->staged_capacity, r->staged_count + 1));
    memset(r->staged + had, 0, (r->staged_capacity - had) * sizeof *r->staged);
    staged_bucket *p = &r->staged[r->staged_count];
    DT_TRY(DT_GROW(p->copy, p->capacity, (size_t)count * r->size));
    p->offset = offset;
    p->count = count;
    ++r->staged_count;
    *out = p;
    return DT_OK;
}

static dt_status post_or_stage(mpi_reducer *r, int64_t offset, int32_t count)
{
    dt_backend *backend = r->backend;
    const bool host = backend->host_memory;
    staged_bucket *p;
    if (host && !is_bf16(r)) {
        char *gradients = backend->ops->vector_data(backend, DT_GRADIENTS);
        return dt_mpi_post(r->thread, gradients + (size_t)offset * r->size, count, r->number);
    }
    DT_TRY(stage(r, offset, count, &p));
    if (!host)
        return DT_OK; /* fetched in finish() */
    backend->ops->gradients_to_bf16(backend, p->copy, offset, count, NULL);
    DT_TRY(backend->ops->check(backend));
    return dt_mpi_post(r->thread, p->copy, count, r->number);
}

/* Copies a bucket from the device and posts it. */
static dt_status fetch(mpi_reducer *r, const staged_bucket *p)
{
    dt_backend *backend = r->backend;
    const dt_backend_ops *ops = backend->ops;
    if (is_bf16(r)) {
        ops->gradients_to_bf16(backend, r->bf16, p->offset, p->count, NULL);
        ops->download(backend, p->copy, r->bf16, (int64_t)((size_t)p->count * r->size));
    } else {
        ops->vector_read(backend, DT_GRADIENTS, p->offset, p->count, p->copy);
    }
    DT_TRY(ops->check(backend));
    return dt_mpi_post(r->thread, p->copy, p->count, r->number);
}

static void write_back(mpi_reducer *r, const staged_bucket *p)
{
    dt_backend *backend = r->backend;
    const dt_backend_ops *ops = backend->ops;
    const void *from = p->copy;
    if (!is_bf16(r)) {
        ops->vector_write(backend, DT_GRADIENTS, p->offset, p->count, from);
        return;
    }
    if (!backend->host_memory) {
        ops->upload(backend, r->bf16, from, (int64_t)((size_t)p->count * r->size));
        from = r->bf16;
    }
    ops->gradients_from_bf16(backend, from, p->offset, p->count, NULL);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static dt_status process_buckets(mpi_reducer *r, bool flush)
{
    int64_t offset;
    int64_t count;
    while (dt_buckets_next(&r->buckets, flush, &offset, &count))
        DT_TRY(post_or_stage(r, offset, (int32_t)count));
    return DT_OK;
}

static dt_status start(dt_reducer *reducer, int64_t offset, int64_t count, int32_t slot)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    (void)slot; /* host memory is ready; device memory is read in finish() */
    if (!dt_buckets_add(&r->buckets, offset, count)) {
        DT_TRY(process_buckets(r, true));
        dt_buckets_add(&r->buckets, offset, count);
    }
    return process_buckets(r, false);
}

static dt_status finish(dt_reducer *reducer)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    DT_TRY(process_buckets(r, true));
    for (size_t i = 0; !r->backend->host_memory && i < r->staged_count; ++i)
        DT_TRY(fetch(r, &r->staged[i]));
    DT_TRY(dt_mpi_wait_posted(r->thread, -1));
    for (size_t i = 0; i < r->staged_count; ++i)
        write_back(r, &r->staged[i]);
    r->staged_count = 0;
    return r->backend->ops->check(r->backend);
}

/* ---- the exchange of parameters -------------------------------------------------------------- */

/* Pieces begin … end-1 of each share of `count` parameters. */
typedef struct {
    const mpi_reducer *r;
    int64_t count, begin, end;
} exchange;

/* Returns piece number `i` of a local rank's share; may be empty. */
static dt_range piece_of(const exchange *e, int32_t part, int64_t i)
{
    dt_range piece = dt_local_share(e->count, e->r->comm->local_size, part);
    const int64_t end = piece.end;
    piece.begin = piece.begin + i * PIECE < end ? piece.begin + i * PIECE : end;
    piece.end = piece.begin + PIECE < end ? piece.begin + PIECE : end;
    return piece;
}

static char *piece_memory(const exchange *e, int32_t part, dt_range piece)
{
    dt_backend *backend = e->r->backend;
    if (e->r->pieces)
        return e->r->pieces + part * PIECE * backend->master_size;
    return (char *)backend->ops->vector_data(backend, DT_PARAMETERS) +
           piece.begin * backend->master_size;
}

static dt_status broadcast_pieces(dt_mpi_thread *thread, const exchange *e, int64_t i)
{
    int requests = 0;
    for (int32_t p = 0; p < e->r->comm->local_size; ++p) {
        const dt_range piece = piece_of(e, p, i);
        const int bytes = (int)(dt_range_count(piece) * e->r->backend->master_size);
        if (bytes > 0)
            DT_TRY(dt_mpi_check(MPI_Ibcast(piece_memory(e, p, piece), bytes, MPI_BYTE, p,
                                           dt_mpi_local_comm(thread), &e->r->requests[requests++]),
                                "MPI_Ibcast"));
    }
    return dt_mpi_wait(thread, e->r->requests, requests);
}

static dt_status exchange_work(dt_mpi_thread *thread, void *context)
{
    const exchange *e = context;
    for (int64_t i = e->begin; i < e->end; ++i)
        DT_TRY(broadcast_pieces(thread, e, i));
    return DT_OK;
}

/* Copies this rank's piece from the device, or those of the others to it. */
static dt_status copy_pieces(const exchange *e, bool own)
{
    dt_backend *backend = e->r->backend;
    const dt_comm *comm = e->r->comm;
    for (int32_t p = 0; p < comm->local_size; ++p) {
        const dt_range piece = piece_of(e, p, e->begin);
        void *memory = piece_memory(e, p, piece);
        if (own && p == comm->local_rank)
            backend->ops->vector_read(backend, DT_PARAMETERS, piece.begin, dt_range_count(piece),
                                      memory);
        if (!own && p != comm->local_rank)
            backend->ops->vector_write(backend, DT_PARAMETERS, piece.begin, dt_range_count(piece),
                                       memory);
    }
    return backend->ops->check(backend);
}

static dt_status all_gather(dt_reducer *reducer, int64_t count)
{
    static const char what[] = "the exchange of parameters";
    mpi_reducer *r = (mpi_reducer *)reducer;
    const int32_t last = r->comm->local_size - 1; /* its share is the largest */
    const int64_t most = dt_range_count(dt_local_share(count, last + 1, last));
    exchange e = {.r = r, .count = count, .end = (most + PIECE - 1) / PIECE};
    if (last == 0) /* nothing to exchange */
        e.end = 0;
    if (!r->pieces || last == 0)
        return dt_mpi_run(r->thread, what, exchange_work, &e);
    for (const int64_t end = e.end; e.begin < end; ++e.begin) {
        e.end = e.begin + 1;
        DT_TRY(copy_pieces(&e, true));
        DT_TRY((e.begin == 0 ? dt_mpi_run : dt_mpi_continue)(r->thread, what, exchange_work, &e));
        DT_TRY(copy_pieces(&e, false));
    }
    return DT_OK;
}

static dt_status reserve_exchange(mpi_reducer *r)
{
    const size_t ranks = (size_t)r->comm->local_size;
    DT_TRY(DT_NEW(r->requests, ranks));
    return r->backend->host_memory
               ? DT_OK
               : DT_NEW(r->pieces, ranks * (size_t)(PIECE * r->backend->master_size));
}

/* ---- opening --------------------------------------------------------------------------------- */

static void destroy(dt_reducer *reducer)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    for (size_t i = 0; i < r->staged_capacity; ++i)
        free(r->staged[i].copy);
    free(r->staged);
    free(r->requests);
    free(r->pieces);
    r->backend->ops->free(r->backend, r->bf16);
    free(r);
}

dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, const dt_comm *comm, dt_backend *backend,
                             const dt_comm_options *options, dt_reducer **out)
{
    static const dt_reducer_ops ops = {
        .destroy = destroy, .start = start, .finish = finish, .all_gather = all_gather};
    mpi_reducer *r;
    DT_TRY(DT_NEW(r, 1));
    const bool narrow = options->grad_dtype == DT_GRAD_BF16;
    const int64_t bytes = options->bucket_bytes > 0 ? options->bucket_bytes : DEFAULT_BUCKET_BYTES;
    const int64_t element = narrow ? (int64_t)sizeof(uint16_t) : backend->master_size;
    const int64_t size = bytes / element;
    *r = (mpi_reducer){.base = {.ops = &ops, .name = "mpi"},
                       .thread = thread,
                       .comm = comm,
                       .backend = backend,
                       .number = narrow                      ? DT_MPI_NUMBER_BF16
                                 : backend->master_size == 8 ? DT_MPI_NUMBER_DOUBLE
                                                             : DT_MPI_NUMBER_FLOAT,
                       .size = (size_t)element,
                       .buckets.size = size < 1           ? 1
                                       : size > INT32_MAX ? INT32_MAX
                                                          : size};
    *out = &r->base; /* also on failure: the caller destroys it */
    if (narrow && !backend->host_memory)
        DT_TRY(backend->ops->alloc(backend, &r->bf16, r->buckets.size * element));
    return options->shares ? reserve_exchange(r) : DT_OK;
}
