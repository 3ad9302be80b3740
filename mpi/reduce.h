/* Reducers: sum the gradients of one backend over the ranks, and exchange its parameters on a host,
 * with MPI (reduce_mpi.c) or on the device with its vendor's library (reduce_nccl.c, a separate
 * module, because it needs that library).
 *
 * The functions correspond to those of dt_comm_ops; see src/comm.h.
 */
#ifndef DT_MPI_REDUCE_H
#define DT_MPI_REDUCE_H

#include "comm.h"
#include "late.h"

typedef struct dt_reducer dt_reducer;

typedef struct {
    void (*destroy)(dt_reducer *reducer);
    dt_status (*start)(dt_reducer *reducer, int64_t offset, int64_t count, int32_t slot);
    dt_status (*finish)(dt_reducer *reducer);
    /* Also called by the only rank of a host, for which it is an operation like any (late.h). */
    dt_status (*all_gather)(dt_reducer *reducer, int64_t count);
    /* Adds the operations that were begun on the device, and the wait in one, to what this rank does.
     * Called from another thread; does not wait. NULL: MPI sums the gradients. */
    void (*activity)(dt_reducer *reducer, dt_activity *activity);
} dt_reducer_ops;

struct dt_reducer {
    const dt_reducer_ops *ops;
    const char *name;
    char library[64]; /* name and version of the library */
};

/* Exported by a module under the name "dt_reducer_module". open() is collective: ranks connect
 * through comm->ops->broadcast. Even if it fails, it may leave a reducer in *out that the caller
 * must destroy. The backend must outlive the reducer. */
typedef struct {
    int32_t contract; /* DT_COMM_CONTRACT of its build */
    dt_status (*open)(dt_comm *comm, dt_backend *backend, const dt_comm_options *options,
                      dt_reducer **out);
} dt_reducer_module;

/* ---- buckets --------------------------------------------------------------------------------- */

/* Ranges of the gradient vector are summed in buckets of equal size: long ranges are split,
 * adjacent short ones are merged. `begin` … `end` is not yet in a full bucket. */
typedef struct {
    int64_t size; /* elements */
    int64_t begin, end;
} dt_buckets;

/* Adds a range. Returns false if it does not continue the pending range: flush first. */
static inline bool dt_buckets_add(dt_buckets *b, int64_t offset, int64_t count)
{
    if (b->begin == b->end)
        b->begin = b->end = offset;
    if (offset != b->end)
        return false;
    b->end += count;
    return true;
}

/* Returns the next full bucket, with `flush` also a partial one; false if there is none. */
static inline bool dt_buckets_next(dt_buckets *b, bool flush, int64_t *offset, int64_t *count)
{
    const int64_t waiting = b->end - b->begin;
    if (waiting == 0 || (waiting < b->size && !flush))
        return false;
    *offset = b->begin;
    *count = waiting < b->size ? waiting : b->size;
    b->begin += *count;
    return true;
}

#endif
