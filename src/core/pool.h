/* A pool of threads for work that is split into numbered pieces: tokenising, packing, drawing
 * initial values. Numbers are computed elsewhere (the backends have threads of their own).
 */
#ifndef DT_CORE_POOL_H
#define DT_CORE_POOL_H

#include <stdint.h>

#include "core/status.h"

typedef struct dt_pool dt_pool;

/* A pool in which `threads` threads work (the caller of dt_pool_run is one of them, so
 * threads - 1 are started; 1 starts none). */
dt_status dt_pool_create(dt_pool **out, int threads);
void dt_pool_destroy(dt_pool *pool); /* NULL is fine */

/* Number of threads that work, the caller's included. */
int dt_pool_threads(const dt_pool *pool);

/* Calls work(context, piece, worker) for every piece in 0 … pieces-1, in any order, each once;
 * worker is 0 … threads-1 and no two calls of one worker overlap. Returns when all are done. A
 * failing piece stops the handing out of further ones; its status and message become the caller's
 * (of several failures, that of the lowest piece). One dt_pool_run at a time. */
typedef dt_status (*dt_pool_work)(void *context, int64_t piece, int worker);
dt_status dt_pool_run(dt_pool *pool, dt_pool_work work, void *context, int64_t pieces);

#endif
