#include "ranks/report.h"

#include <stdio.h>
#include <string.h>

/* Returns whether a rank before `q` is like rank `q`. */
static bool shown_before(const dt_rank_info *infos, int32_t q,
                         bool (*alike)(const dt_rank_info *, const dt_rank_info *))
{
    for (int32_t p = 0; p < q; ++p)
        if (alike(&infos[p], &infos[q]))
            return true;
    return false;
}

static bool same_device(const dt_rank_info *a, const dt_rank_info *b)
{
    return dt_ranks_same_host(a, b) && strcmp(a->device, b->device) == 0;
}

/* Adds the ranks on the same host and device as rank q, in the form "0-3, 8". */
static dt_status add_ranks_like(dt_text *out, const dt_rank_info *infos, int32_t world_size,
                                int32_t q)
{
    const char *separator = "";
    for (int32_t p = q; p < world_size; ++p) {
        if (!same_device(&infos[p], &infos[q]))
            continue;
        int32_t last = p;
        while (last + 1 < world_size && same_device(&infos[last + 1], &infos[q]))
            last++;
        DT_TRY(dt_text_addf(out, last > p ? "%s%d-%d" : "%s%d", separator, p, last));
        separator = ", ";
        p = last;
    }
    return DT_OK;
}

dt_status dt_ranks_report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos,
                          int32_t batch_size)
{
    const int32_t size = comm->world_size;
    int32_t hosts = 0;
    for (int32_t q = 0; q < size; ++q)
        hosts += !shown_before(infos, q, dt_ranks_same_host);
    DT_TRY(dt_text_addf(out, "Ranks: %d on %d host%s\nCommunication: %s\n", size, hosts,
                        hosts == 1 ? "" : "s", comm->description));
    for (int32_t q = 0; q < size; ++q) {
        if (shown_before(infos, q, same_device))
            continue;
        DT_TRY(dt_text_addf(out, "  %s, ranks ", infos[q].host));
        DT_TRY(add_ranks_like(out, infos, size, q));
        DT_TRY(dt_text_addf(out, ": %s\n", infos[q].device));
    }
    return dt_text_addf(out,
                        "Shares: each batch of %d sequences is divided equally by tokens, on "
                        "average %.4g sequences per rank\n",
                        batch_size, (double)batch_size / size);
}

dt_status dt_ranks_table(dt_text *out, const dt_comm *comm, const dt_rank_info *infos)
{
    DT_TRY(dt_text_addf(out,
                        "Communication: %s\n\n"
                        "Rank  Host              PCI address   Processors  "
                        "Device; network; version\n",
                        comm->description));
    for (int32_t q = 0; q < comm->world_size; ++q) {
        const dt_rank_info *rank = &infos[q];
        DT_TRY(dt_text_addf(out, "%4d  %-16s  %-12s  %-10s  %s; %s; %s\n", q, rank->host,
                            rank->device_id[0] ? rank->device_id : "-", rank->processor_list,
                            rank->device, rank->network.name, rank->program));
    }
    return DT_OK;
}
