/* A communicator whose ranks are threads of one process, each with a backend of its own on the
 * host: for tests of what many ranks do together, without MPI. */
#ifndef DT_TESTS_THREAD_COMM_H
#define DT_TESTS_THREAD_COMM_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "comm.h"
#include "test.h"

#define MOST_RANKS 4
#define MOST_RANGES 512

/* What the ranks of a run share. */
typedef struct {
    int32_t size;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int32_t waiting;  /* ranks at the meeting point */
    int64_t meetings; /* that are over */
    bool aborted;
    int32_t aborted_by;
    const void *given[MOST_RANKS]; /* what each rank brought to this meeting */
    dt_backend *backend[MOST_RANKS];
    int64_t offset[MOST_RANKS][MOST_RANGES]; /* ranges of the reduction under way */
    int64_t count[MOST_RANKS][MOST_RANGES];
    int32_t ranges[MOST_RANKS];
    int64_t sums;       /* calls of sum so far, by rank 0 */
    int64_t stop_after; /* the sum at which *stop is set; 0: never */
    atomic_int *stop;
    int64_t fail_after; /* the sum of rank 1 that fails before it meets the others; 0: none */
    int64_t sums_of_1;
    bool attach_fails; /* on rank 1, before it meets the others */
} thread_world;

typedef struct {
    dt_comm base;
    thread_world *world;
} thread_comm;

static inline void thread_world_init(thread_world *world, int32_t size)
{
    *world = (thread_world){.size = size, .aborted_by = -1};
    pthread_mutex_init(&world->mutex, NULL);
    pthread_cond_init(&world->changed, NULL);
}

static inline thread_world *world_of(dt_comm *comm)
{
    return ((thread_comm *)comm)->world;
}

/* Waits until all ranks are here. */
static inline dt_status meet(dt_comm *comm)
{
    thread_world *w = world_of(comm);
    pthread_mutex_lock(&w->mutex);
    const int64_t meeting = w->meetings;
    if (++w->waiting == w->size) {
        w->waiting = 0;
        w->meetings++;
        pthread_cond_broadcast(&w->changed);
    }
    while (w->meetings == meeting && !w->aborted)
        pthread_cond_wait(&w->changed, &w->mutex);
    const bool aborted = w->meetings == meeting;
    pthread_mutex_unlock(&w->mutex);
    return aborted ? dt_fail(DT_ERR_COMM, "another rank has given up") : DT_OK;
}

/* Meets with `mine` in hand; all look at it until they meet again. */
static inline dt_status show(dt_comm *comm, const void *mine)
{
    world_of(comm)->given[comm->world_rank] = mine;
    return meet(comm);
}

static inline dt_status thread_sum(dt_comm *comm, double *values, int64_t count)
{
    thread_world *w = world_of(comm);
    double own[64];
    assert(count <= 64);
    memcpy(own, values, (size_t)count * sizeof *own);
    if (comm->world_rank == 0 && w->stop && ++w->sums == w->stop_after)
        atomic_store(w->stop, 10);
    if (comm->world_rank == 1 && ++w->sums_of_1 == w->fail_after)
        return dt_fail(DT_ERR_DEVICE, "the device of rank 1 is gone");
    DT_TRY(show(comm, own));
    for (int64_t i = 0; i < count; ++i) {
        values[i] = 0.0;
        for (int32_t q = 0; q < w->size; ++q)
            values[i] += ((const double *)w->given[q])[i];
    }
    return meet(comm);
}

static inline dt_status thread_broadcast(dt_comm *comm, void *bytes, int64_t count, int32_t root)
{
    DT_TRY(show(comm, bytes));
    if (comm->world_rank != root)
        memcpy(bytes, world_of(comm)->given[root], (size_t)count);
    return meet(comm);
}

static inline dt_status thread_gather(dt_comm *comm, const void *bytes, const int64_t *counts,
                                      void *out, int32_t root)
{
    thread_world *w = world_of(comm);
    char *to = out;
    DT_TRY(show(comm, bytes));
    for (int32_t q = 0; q < w->size && comm->world_rank == root; ++q) {
        memcpy(to, w->given[q], (size_t)counts[q]);
        to += counts[q];
    }
    return meet(comm);
}

static inline dt_status thread_attach(dt_comm *comm, dt_backend *backend)
{
    world_of(comm)->backend[comm->world_rank] = backend;
    if (comm->world_rank == 1 && world_of(comm)->attach_fails)
        return dt_fail(DT_ERR_DEVICE, "rank 1 cannot attach");
    return meet(comm);
}

static inline dt_status thread_start(dt_comm *comm, dt_backend *backend, int64_t offset,
                                     int64_t count, int32_t slot)
{
    thread_world *w = world_of(comm);
    const int32_t range = w->ranges[comm->world_rank]++;
    (void)backend, (void)slot;
    if (range >= MOST_RANGES)
        return dt_fail(DT_ERR_INTERNAL, "too many ranges");
    w->offset[comm->world_rank][range] = offset;
    w->count[comm->world_rank][range] = count;
    return DT_OK;
}

/* Rank 0 sums, in the order of the ranks; all must have given the same ranges. */
static inline dt_status thread_finish(dt_comm *comm, dt_backend *backend)
{
    thread_world *w = world_of(comm);
    dt_status status = DT_OK;
    (void)backend;
    DT_TRY(meet(comm));
    for (int32_t k = 0; comm->world_rank == 0 && k < w->ranges[0]; ++k) {
        for (int32_t q = 1; q < w->size; ++q)
            if (w->ranges[q] != w->ranges[0] || w->offset[q][k] != w->offset[0][k] ||
                w->count[q][k] != w->count[0][k])
                status = dt_fail(DT_ERR_INTERNAL, "the ranks reduce different ranges");
        for (int64_t i = w->offset[0][k]; i < w->offset[0][k] + w->count[0][k]; ++i) {
            float *value[MOST_RANKS];
            float sum = 0.0F;
            for (int32_t q = 0; q < w->size; ++q) {
                value[q] =
                    (float *)w->backend[q]->ops->vector_data(w->backend[q], DT_GRADIENTS) + i;
                sum += *value[q];
            }
            for (int32_t q = 0; q < w->size; ++q)
                *value[q] = sum;
        }
    }
    DT_TRY(meet(comm));
    w->ranges[comm->world_rank] = 0;
    DT_TRY(meet(comm));
    return status;
}

static inline void thread_abort(dt_comm *comm, dt_status status, const char *message)
{
    thread_world *w = world_of(comm);
    (void)status, (void)message;
    pthread_mutex_lock(&w->mutex);
    if (!w->aborted)
        w->aborted_by = comm->world_rank;
    w->aborted = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

static inline void thread_destroy(dt_comm *comm)
{
    (void)comm;
}

static inline thread_comm thread_comm_of(thread_world *world, int32_t rank)
{
    static const dt_comm_ops ops = {.destroy = thread_destroy,
                                    .attach = thread_attach,
                                    .all_reduce_start = thread_start,
                                    .all_reduce_finish = thread_finish,
                                    .sum = thread_sum,
                                    .broadcast = thread_broadcast,
                                    .gather = thread_gather,
                                    .barrier = meet,
                                    .abort = thread_abort};
    return (thread_comm){.base = {.ops = &ops,
                                  .name = "threads",
                                  .world_rank = rank,
                                  .world_size = world->size,
                                  .local_rank = rank,
                                  .local_size = world->size,
                                  .host = "here",
                                  .description = "threads of one process"},
                         .world = world};
}

/* Calls `work` as each rank, in a thread of its own, and waits for all. */
typedef void (*rank_work)(dt_comm *comm, void *context);

typedef struct {
    thread_comm comm;
    rank_work work;
    void *context;
} rank_thread;

static inline void *run_rank(void *argument)
{
    rank_thread *rank = argument;
    rank->work(&rank->comm.base, rank->context);
    return NULL;
}

static inline void run_ranks(thread_world *world, rank_work work, void *context)
{
    pthread_t thread[MOST_RANKS];
    rank_thread rank[MOST_RANKS];
    for (int32_t q = 0; q < world->size; ++q) {
        rank[q] = (rank_thread){thread_comm_of(world, q), work, context};
        assert_int_equal(pthread_create(&thread[q], NULL, run_rank, &rank[q]), 0);
    }
    for (int32_t q = 0; q < world->size; ++q)
        pthread_join(thread[q], NULL);
}

#endif
