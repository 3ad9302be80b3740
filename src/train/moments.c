#include "train/moments.h"

#include <stdlib.h>

#include "model/params.h"

#define PIECE ((int64_t)1 << 18) /* elements that rank 0 asks for at a time */

/* What rank 0 broadcasts; without elements: it needs no more. */
typedef struct {
    int64_t vector; /* dt_vector */
    dt_range range;
} request;

void dt_moments_share(dt_moments *m, dt_comm *comm, dt_backend *backend, int64_t elements)
{
    const dt_range own = dt_local_share(elements, comm->local_size, comm->local_rank);
    *m = (dt_moments){.comm = comm, .backend = backend, .elements = elements};
    if (comm->local_size > 1)
        backend->ops->moments_share(backend, own.begin, dt_range_count(own));
}

dt_status dt_moments_plan(dt_text *out, const dt_moments *m)
{
    const int32_t ranks = m->elements > 0 ? m->comm->local_size : 1;
    const int64_t own = ranks == 1 ? 0 : dt_range_count(dt_local_share(m->elements, ranks, 0));
    return ranks == 1 ? DT_OK
                      : dt_text_addf(out,
                                     "Optimizer: the moments are shared by the %d ranks of a host, "
                                     "%.3f GB on each instead of %.3f GB\n",
                                     ranks, 2e-9 * (double)(own * m->backend->master_size),
                                     2e-9 * (double)(m->elements * m->backend->master_size));
}

dt_status dt_moments_open(dt_moments *m)
{
    const dt_comm *comm = m->comm;
    dt_range own = {0, 0};
    if (comm->local_first == 0)
        own = dt_local_share(m->elements, comm->local_size, comm->local_rank);
    DT_TRY(DT_NEW(m->share, (size_t)comm->world_size));
    DT_TRY(DT_NEW(m->bytes, (size_t)comm->world_size));
    DT_TRY(DT_NEW(m->piece, (size_t)PIECE));
    return dt_gather_all(m->comm, &own, sizeof own, m->share);
}

void dt_moments_free(dt_moments *m)
{
    free(m->share);
    free(m->bytes);
    free(m->piece);
    *m = (dt_moments){0};
}

/* Sends this rank's part of a piece to rank 0, where `out` gets all of it. Ranks of a host are in the
 * order of their shares. */
static dt_status send_part(dt_moments *m, const request *asked, float *out)
{
    const int32_t own = m->comm->world_rank;
    const dt_range part = dt_range_common(asked->range, m->share[own]);
    for (int32_t q = 0; q < m->comm->world_size; ++q)
        m->bytes[q] =
            dt_range_count(dt_range_common(asked->range, m->share[q])) * (int64_t)sizeof *m->piece;
    if (m->bytes[own] > 0 && m->failed == DT_OK)
        m->failed = dt_params_read(m->backend, (dt_vector)asked->vector, part.begin,
                                   dt_range_count(part), m->piece);
    return m->comm->ops->gather(m->comm, m->piece, m->bytes, out, 0);
}

static dt_status ask(dt_moments *m, request *asked)
{
    return m->comm->ops->broadcast(m->comm, asked, sizeof *asked, 0);
}

static dt_status read_moments(void *context, dt_vector which, int64_t offset, int64_t count,
                              float *out)
{
    dt_moments *m = context;
    const int64_t end = offset + count;
    for (int64_t at = offset; at < end; at += PIECE) {
        request piece = {which, {at, at + PIECE < end ? at + PIECE : end}};
        DT_TRY(ask(m, &piece));
        DT_TRY(send_part(m, &piece, out + (at - offset)));
    }
    return m->failed;
}

dt_moment_reader dt_moments_reader(dt_moments *m)
{
    return (dt_moment_reader){.read = m->elements > 0 ? read_moments : NULL, .context = m};
}

dt_status dt_moments_end(dt_moments *m)
{
    request none = {0};
    DT_TRY(ask(m, &none));
    return m->failed;
}

dt_status dt_moments_answer(dt_moments *m)
{
    for (;;) {
        request asked;
        DT_TRY(ask(m, &asked));
        if (dt_range_count(asked.range) == 0)
            return m->failed;
        DT_TRY(send_part(m, &asked, NULL));
    }
}
