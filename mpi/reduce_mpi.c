/* Gradients summed by MPI: in place where the backend's memory is the host's, else through a copy.
 *
 * In place, a bucket goes to the MPI thread as soon as it is complete, and is summed while the
 * backward pass goes on. From a device everything is copied at the end: the backend's operations
 * are called from one thread, and vector_read waits for all of the device's work, so that copying
 * earlier would stop the backward pass. The copy of a bucket goes on while the one before is
 * summed. This way is for two ranks that share a GPU, and for GPUs without NCCL. */
#include "reduce_mpi.h"

#include <stdlib.h>

#include "core/memory.h"

#define DEFAULT_BUCKET_BYTES ((int64_t)4 << 20)

typedef struct {
    int64_t offset;
    int32_t count;
} piece;

typedef struct {
    dt_reducer base; /* first */
    dt_mpi_thread *thread;
    dt_backend *backend;
    dt_buckets buckets;
    /* of a device: what is to be summed at the end of this step, and its copy */
    piece *pieces;
    size_t piece_count, piece_capacity;
    char *copy;
    size_t copy_capacity;
} mpi_reducer;

static dt_status post(mpi_reducer *r, void *data, int64_t count)
{
    return dt_mpi_post(r->thread, data, (int32_t)count, r->backend->master_size == 8);
}

static dt_status take(mpi_reducer *r, int64_t offset, int64_t count)
{
    if (r->backend->host_memory) {
        char *gradients = r->backend->ops->vector_data(r->backend, DT_GRADIENTS);
        return post(r, gradients + offset * r->backend->master_size, count);
    }
    DT_TRY(DT_GROW(r->pieces, r->piece_capacity, r->piece_count + 1));
    r->pieces[r->piece_count++] = (piece){.offset = offset, .count = (int32_t)count};
    return DT_OK;
}

static dt_status take_buckets(mpi_reducer *r, bool flush)
{
    int64_t offset;
    int64_t count;
    while (dt_buckets_next(&r->buckets, flush, &offset, &count))
        DT_TRY(take(r, offset, count));
    return DT_OK;
}

static dt_status start(dt_reducer *reducer, int64_t offset, int64_t count, int32_t slot)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    (void)slot; /* host memory is ready; a device is asked at the end */
    if (!dt_buckets_add(&r->buckets, offset, count)) {
        DT_TRY(take_buckets(r, true));
        dt_buckets_add(&r->buckets, offset, count);
    }
    return take_buckets(r, false);
}

static dt_status sum_copies(mpi_reducer *r)
{
    const size_t size = (size_t)r->backend->master_size;
    size_t total = 0;
    for (size_t i = 0; i < r->piece_count; ++i)
        total += (size_t)r->pieces[i].count * size;
    DT_TRY(DT_GROW(r->copy, r->copy_capacity, total));
    char *at = r->copy;
    for (size_t i = 0; i < r->piece_count; ++i) {
        const piece *p = &r->pieces[i];
        r->backend->ops->vector_read(r->backend, DT_GRADIENTS, p->offset, p->count, at);
        DT_TRY(r->backend->ops->check(r->backend));
        DT_TRY(post(r, at, p->count));
        at += (size_t)p->count * size;
    }
    return DT_OK;
}

static dt_status write_copies(mpi_reducer *r)
{
    const char *at = r->copy;
    for (size_t i = 0; i < r->piece_count; ++i) {
        const piece *p = &r->pieces[i];
        r->backend->ops->vector_write(r->backend, DT_GRADIENTS, p->offset, p->count, at);
        at += (size_t)p->count * (size_t)r->backend->master_size;
    }
    r->piece_count = 0;
    return r->backend->ops->check(r->backend);
}

static dt_status finish(dt_reducer *reducer)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    DT_TRY(take_buckets(r, true));
    if (r->backend->host_memory)
        return dt_mpi_wait_posted(r->thread, -1);
    DT_TRY(sum_copies(r));
    DT_TRY(dt_mpi_wait_posted(r->thread, -1));
    return write_copies(r);
}

static void destroy(dt_reducer *reducer)
{
    mpi_reducer *r = (mpi_reducer *)reducer;
    free(r->pieces);
    free(r->copy);
    free(r);
}

dt_status dt_reduce_mpi_open(dt_mpi_thread *thread, dt_backend *backend, int64_t bucket_bytes,
                             dt_reducer **out)
{
    static const dt_reducer_ops ops = {.destroy = destroy, .start = start, .finish = finish};
    mpi_reducer *r;
    DT_TRY(DT_NEW(r, 1));
    const int64_t bytes = bucket_bytes > 0 ? bucket_bytes : DEFAULT_BUCKET_BYTES;
    const int64_t size = bytes / backend->master_size;
    *r = (mpi_reducer){.base = {.ops = &ops, .name = "mpi"},
                       .thread = thread,
                       .backend = backend,
                       .buckets.size = size < 1           ? 1
                                       : size > INT32_MAX ? INT32_MAX
                                                          : size};
    *out = &r->base;
    return DT_OK;
}
