/* Sums gradients with MPI: in place if they are in host memory and are transferred unchanged, else
 * through a copy.
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
    dt_backend *backend;
    dt_buckets buckets;
    dt_mpi_number number; /* type of the transferred numbers */
    size_t size;          /* of a number, in bytes */
    staged_bucket
        *staged; /* the first staged_count are of this step; the rest keep their buffers */
    size_t staged_count, staged_capacity;
    void *bf16; /* device (buckets.size): transfer buffer */
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

static void destroy(dt_reducer *reducer)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    for (size_t i = 0; i < r->staged_capacity; ++i)
        free(r->staged[i].copy);
    free(r->staged);
    r->backend->ops->free(r->backend, r->bf16);
    free(r);
}

dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, dt_backend *backend,
                             const dt_comm_options *options, dt_reducer **out)
{
    static const dt_reducer_ops ops = {.destroy = destroy, .start = start, .finish = finish};
    mpi_reducer *r;
    DT_TRY(DT_NEW(r, 1));
    const bool narrow = options->grad_dtype == DT_GRAD_BF16;
    const int64_t bytes = options->bucket_bytes > 0 ? options->bucket_bytes : DEFAULT_BUCKET_BYTES;
    const int64_t element = narrow ? (int64_t)sizeof(uint16_t) : backend->master_size;
    const int64_t size = bytes / element;
    *r = (mpi_reducer){.base = {.ops = &ops, .name = "mpi"},
                       .thread = thread,
                       .backend = backend,
                       .number = narrow                      ? DT_MPI_NUMBER_BF16
                                 : backend->master_size == 8 ? DT_MPI_NUMBER_DOUBLE
                                                             : DT_MPI_NUMBER_FLOAT,
                       .size = (size_t)element,
                       .buckets.size = size < 1           ? 1
                                       : size > INT32_MAX ? INT32_MAX
                                                          : size};
    *out = &r->base; /* also on failure: the caller destroys it */
    return narrow && !backend->host_memory
               ? backend->ops->alloc(backend, &r->bf16, r->buckets.size * element)
               : DT_OK;
}
