/* A thread pool for work that is divided into numbered tasks, such as tokenising, packing and
 * drawing initial values. Backends have their own threads for numerical work.
 */
#ifndef DT_CORE_POOL_H
#define DT_CORE_POOL_H

#include <stdint.h>

#include "core/status.h"

typedef struct dt_pool dt_pool;

/* Creates a pool of `threads` threads, including the caller of dt_pool_run(): threads - 1 are
 * started. */
dt_status dt_pool_create(dt_pool **out, int threads);
void dt_pool_destroy(dt_pool *pool); /* NULL is allowed */

/* Returns the number of threads, including the caller. */
int dt_pool_threads(const dt_pool *pool);

/* Calls work(context, task, worker) once for every task in 0 … tasks-1, in any order; worker is
 * 0 … threads-1, and the calls of one worker do not overlap. Returns when all are done. After a
 * failure no further tasks are started; the status and message of the lowest failed task become the
 * caller's. Only one dt_pool_run() at a time. */
typedef dt_status (*dt_pool_work)(void *context, int64_t task, int worker);
dt_status dt_pool_run(dt_pool *pool, dt_pool_work work, void *context, int64_t tasks);

#endif
