#include "profile/profiled_comm.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"

typedef struct {
    dt_comm base; /* must be first */
    dt_comm *own;
    dt_profile *profile;
} wrapper;

static wrapper *of(dt_comm *comm)
{
    return (wrapper *)comm;
}

static void destroy(dt_comm *comm)
{
    wrapper *s = of(comm);
    s->own->ops->destroy(s->own);
    free(s);
}

/* Copies the communicator's fields again, since attach() changes them. */
static dt_status attach(dt_comm *comm, dt_backend *backend)
{
    wrapper *s = of(comm);
    const dt_comm_ops *ops = s->base.ops;
    dt_profile_begin(s->profile, DT_TRACK_MAIN, DT_CATEGORY_RANKS);
    const dt_status status = s->own->ops->attach(s->own, backend);
    dt_profile_end(s->profile, DT_TRACK_MAIN);
    s->base = *s->own;
    s->base.ops = ops;
    return status;
}

static void abort_run(dt_comm *comm, dt_status status, const char *message)
{
    of(comm)->own->ops->abort(of(comm)->own, status, message);
}

#define MEASURED(name, category, parameters, arguments)                                            \
    static dt_status name parameters                                                               \
    {                                                                                              \
        wrapper *s = of(c);                                                                        \
        dt_profile_begin(s->profile, DT_TRACK_MAIN, category);                                     \
        const dt_status status = s->own->ops->name arguments;                                      \
        dt_profile_end(s->profile, DT_TRACK_MAIN);                                                 \
        return status;                                                                             \
    }

MEASURED(all_reduce_start, DT_CATEGORY_SUMS,
         (dt_comm * c, dt_backend *backend, int64_t offset, int64_t count, int32_t slot),
         (s->own, backend, offset, count, slot))
MEASURED(all_reduce_finish, DT_CATEGORY_SUMS, (dt_comm * c, dt_backend *backend), (s->own, backend))
MEASURED(all_gather, DT_CATEGORY_RANKS, (dt_comm * c, dt_backend *backend, int64_t count),
         (s->own, backend, count))
MEASURED(sum, DT_CATEGORY_RANKS, (dt_comm * c, double *values, int64_t count),
         (s->own, values, count))
MEASURED(broadcast, DT_CATEGORY_RANKS, (dt_comm * c, void *bytes, int64_t count, int32_t root),
         (s->own, bytes, count, root))
MEASURED(gather, DT_CATEGORY_RANKS,
         (dt_comm * c, const void *bytes, const int64_t *counts, void *out, int32_t root),
         (s->own, bytes, counts, out, root))
MEASURED(barrier, DT_CATEGORY_RANKS, (dt_comm * c), (s->own))

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

dt_status dt_profiled_comm(dt_comm **comm, dt_profile *profile)
{
    wrapper *s;
    if (!profile || (*comm)->world_size == 1)
        return DT_OK;
    DT_TRY((*comm)->ops->barrier(*comm));
    dt_profile_clear(profile);
    DT_TRY(DT_NEW(s, 1));
    s->base = **comm;
    s->base.ops = &table;
    s->own = *comm;
    s->profile = profile;
    *comm = &s->base;
    return DT_OK;
}
