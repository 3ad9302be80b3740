#include "core/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct dt_pool {
    int threads;
    int started; /* threads besides the caller */
    pthread_t *handles;
    pthread_mutex_t mutex;
    pthread_cond_t work_ready;
    pthread_cond_t work_done;
    uint64_t round; /* number of dt_pool_run calls; each thread works once per round */
    bool quit;

    /* the current round */
    dt_pool_work work;
    void *context;
    int64_t tasks;
    int64_t next_piece;
    int busy;
    int64_t failed_task; /* -1: none */
    dt_status status;
    char message[2048];
};

typedef struct {
    dt_pool *pool;
    int worker;
} thread_start;

/* Runs tasks until none is left. The mutex is held on entry and on return. */
static void work_through(dt_pool *pool, int worker)
{
    while (pool->next_piece < pool->tasks && pool->failed_task < 0) {
        const int64_t task = pool->next_piece++;
        pthread_mutex_unlock(&pool->mutex);
        const dt_status status = pool->work(pool->context, task, worker);
        pthread_mutex_lock(&pool->mutex);
        if (status != DT_OK && (pool->failed_task < 0 || task < pool->failed_task)) {
            pool->failed_task = task;
            pool->status = status;
            strncpy(pool->message, dt_error_message(), sizeof pool->message - 1);
        }
    }
}

static void *run_thread(void *argument)
{
    thread_start start = *(thread_start *)argument;
    free(argument);
    dt_pool *pool = start.pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (!pool->quit && pool->round == seen)
            pthread_cond_wait(&pool->work_ready, &pool->mutex);
        if (pool->quit)
            break;
        seen = pool->round;
        work_through(pool, start.worker);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->work_done);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static dt_status start_thread(dt_pool *pool, int worker)
{
    thread_start *start;
    DT_TRY(DT_NEW(start, 1));
    *start = (thread_start){.pool = pool, .worker = worker};
    if (pthread_create(&pool->handles[worker - 1], NULL, run_thread, start) != 0) {
        free(start);
        return dt_fail(DT_ERR_MEMORY, "cannot start thread %d of %d: lower the number of threads",
                       worker + 1, pool->threads);
    }
    pool->started++;
    return DT_OK;
}

dt_status dt_pool_create(dt_pool **out, int threads)
{
    dt_pool *pool;
    DT_TRY(DT_NEW(pool, 1));
    pool->threads = threads < 1 ? 1 : threads;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work_ready, NULL);
    pthread_cond_init(&pool->work_done, NULL);
    dt_status status = DT_NEW(pool->handles, (size_t)pool->threads);
    for (int worker = 1; status == DT_OK && worker < pool->threads; ++worker)
        status = start_thread(pool, worker);
    if (status != DT_OK) {
        dt_pool_destroy(pool);
        pool = NULL;
    }
    *out = pool;
    return status;
}

void dt_pool_destroy(dt_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->quit = true;
    pthread_cond_broadcast(&pool->work_ready);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->started; ++i)
        pthread_join(pool->handles[i], NULL);
    pthread_cond_destroy(&pool->work_done);
    pthread_cond_destroy(&pool->work_ready);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->handles);
    free(pool);
}

int dt_pool_threads(const dt_pool *pool)
{
    return pool->threads;
}

dt_status dt_pool_run(dt_pool *pool, dt_pool_work work, void *context, int64_t tasks)
{
    pthread_mutex_lock(&pool->mutex);
    pool->work = work;
    pool->context = context;
    pool->tasks = tasks;
    pool->next_piece = 0;
    pool->failed_task = -1;
    pool->status = DT_OK;
    pool->busy = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->work_ready);
    work_through(pool, 0);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->work_done, &pool->mutex);
    const dt_status status = pool->status;
    pthread_mutex_unlock(&pool->mutex);
    return status == DT_OK ? DT_OK : dt_fail(status, "%s", pool->message);
}
