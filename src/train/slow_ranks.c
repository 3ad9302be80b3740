#include "train/slow_ranks.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"

#define LEAST_SECONDS 3.0
#define LEAST_SHARE 0.2
#define MOST_NAMES 3

/* Names the ranks that waited less than `limit`. */
static void name(const double *waiting, const dt_rank_info *infos, int32_t ranks, double limit,
                 char *out, size_t size)
{
    size_t length = 0;
    int count = 0;
    for (int32_t q = 0; q < ranks; ++q)
        if (waiting[q] < limit && ++count <= MOST_NAMES && length < size)
            length += (size_t)snprintf(out + length, size - length, "%srank %d on %s",
                                       count > 1 ? ", " : "", q, infos[q].host);
    if (count > MOST_NAMES && length < size)
        snprintf(out + length, size - length, " and %d more", count - MOST_NAMES);
}

static void notice(const double *waiting, const dt_rank_info *infos, int32_t ranks, int32_t epoch,
                   double seconds)
{
    char names[320] = "";
    double least = waiting[0];
    double most = waiting[0];
    for (int32_t q = 1; q < ranks; ++q) {
        least = waiting[q] < least ? waiting[q] : least;
        most = waiting[q] > most ? waiting[q] : most;
    }
    if (most - least < LEAST_SECONDS || most - least < LEAST_SHARE * seconds)
        return;
    name(waiting, infos, ranks, 0.5 * (least + most), names, sizeof names);
    dt_notice("epoch %d: ranks waited up to %.0f s of %.0f s for %s, which is slower: other "
              "programs on its host, or a slower processor",
              epoch, most - least, seconds, names);
}

dt_status dt_slow_ranks_notice(dt_comm *comm, const dt_rank_info *infos, int32_t epoch,
                               double waiting, double seconds)
{
    double *all;
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, &waiting, sizeof waiting, all);
    if (status == DT_OK && comm->world_rank == 0)
        notice(all, infos, comm->world_size, epoch, seconds);
    free(all);
    return status;
}
