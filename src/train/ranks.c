#include "train/ranks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/version.h"

/* ---- gathering ------------------------------------------------------------------------------ */

static void read_processors(dt_rank_info *info)
{
    size_t size;
    cpu_set_t *set = dt_affinity(&size);
    if (!set)
        return;
    info->processor_set = DT_HASH_START; /* over the processors' numbers */
    info->first_processor = -1;
    for (int i = 0; i < (int)size * CHAR_BIT; ++i) {
        if (!CPU_ISSET_S(i, size, set))
            continue;
        if (info->first_processor < 0)
            info->first_processor = i;
        info->processors++;
        info->processor_set = dt_hash_add(info->processor_set, (uint64_t)i);
    }
    CPU_FREE(set);
}

static dt_rank_info own_info(const dt_comm *comm, const dt_backend *backend)
{
    dt_rank_info info = {0};
    const dt_cpu_quota quota = dt_cpu_quota_read("");
    snprintf(info.host, sizeof info.host, "%s", comm->host);
    snprintf(info.version, sizeof info.version, "%s", dt_version());
    if (backend) {
        snprintf(info.device, sizeof info.device, "%s", backend->description);
        snprintf(info.kind, sizeof info.kind, "%s in %s%s%s", backend->name,
                 dt_precision_name(backend->precision),
                 comm->grad_dtype == DT_GRAD_BF16 ? ", gradients in bf16" : "",
                 comm->shares ? ", shared moments" : "");
    }
    read_processors(&info);
    memcpy(info.quota, quota.by, sizeof info.quota);
    return info;
}

static dt_status gather_infos(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend)
{
    const dt_rank_info own = own_info(comm, backend);
    DT_TRY(DT_NEW(*infos, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, &own, sizeof own, *infos);
    if (status != DT_OK) {
        free(*infos);
        *infos = NULL;
    }
    return status;
}

static bool share_processors(const dt_rank_info *a, const dt_rank_info *b)
{
    return strcmp(a->host, b->host) == 0 && a->processors == b->processors &&
           a->processor_set == b->processor_set;
}

dt_status dt_ranks_share(dt_comm *comm, dt_ranks_sharing *sharing)
{
    dt_rank_info *infos;
    *sharing = (dt_ranks_sharing){.processors = 1, .quota = 1};
    if (comm->world_size == 1)
        return DT_OK;
    DT_TRY(gather_infos(&infos, comm, NULL));
    const dt_rank_info *own = &infos[comm->world_rank];
    *sharing = (dt_ranks_sharing){0};
    for (int32_t q = 0; q < comm->world_size; ++q) {
        sharing->processors += share_processors(&infos[q], own);
        sharing->quota +=
            strcmp(infos[q].host, own->host) == 0 && strcmp(infos[q].quota, own->quota) == 0;
    }
    free(infos);
    return DT_OK;
}

/* Fails if rank q is incompatible with rank 0. */
static dt_status check_compatible(const dt_rank_info *first, const dt_rank_info *other, int32_t q)
{
    if (strcmp(first->version, other->version) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "rank 0 on %s runs version %s, but rank %d on %s runs version %s: install "
                       "the same version on all hosts",
                       first->host, first->version, q, other->host, other->version);
    if (strcmp(first->kind, other->kind) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "rank 0 on %s computes with %s, but rank %d on %s with %s: use the same "
                       "--device, --precision and --grad-dtype on all ranks",
                       first->host, first->kind, q, other->host, other->kind);
    return DT_OK;
}

dt_status dt_ranks_gather(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend,
                          bool *agreed)
{
    dt_status status = DT_OK;
    DT_TRY(gather_infos(infos, comm, backend));
    for (int32_t q = 1; q < comm->world_size && status == DT_OK; ++q)
        status = check_compatible(&(*infos)[0], &(*infos)[q], q);
    if (status != DT_OK) {
        free(*infos);
        *infos = NULL;
        *agreed = true;
    }
    return status;
}

/* ---- output --------------------------------------------------------------------------------- */

/* Returns whether a rank before `q` is like rank `q`. */
static bool shown_before(const dt_rank_info *infos, int32_t q,
                         bool (*alike)(const dt_rank_info *, const dt_rank_info *))
{
    for (int32_t p = 0; p < q; ++p)
        if (alike(&infos[p], &infos[q]))
            return true;
    return false;
}

static bool same_host(const dt_rank_info *a, const dt_rank_info *b)
{
    return strcmp(a->host, b->host) == 0;
}

static bool same_device(const dt_rank_info *a, const dt_rank_info *b)
{
    return same_host(a, b) && strcmp(a->device, b->device) == 0;
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

static void notice_shared_processors(const dt_rank_info *infos, int32_t world_size)
{
    for (int32_t q = 0; q < world_size; ++q) {
        int32_t sharing = 0;
        if (infos[q].processors != 1 || shown_before(infos, q, share_processors))
            continue;
        for (int32_t p = q; p < world_size; ++p)
            sharing += share_processors(&infos[p], &infos[q]);
        if (sharing > 1)
            dt_notice("%d ranks on %s are bound to the same processor (number %d): bind each rank "
                      "to its own (mpirun --bind-to core, srun --cpu-bind=cores)",
                      sharing, infos[q].host, infos[q].first_processor);
    }
}

dt_status dt_ranks_report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos,
                          int32_t batch_size)
{
    const int32_t size = comm->world_size;
    int32_t hosts = 0;
    for (int32_t q = 0; q < size; ++q)
        hosts += !shown_before(infos, q, same_host);
    DT_TRY(dt_text_addf(out, "Ranks: %d on %d host%s\nCommunication: %s\n", size, hosts,
                        hosts == 1 ? "" : "s", comm->description));
    for (int32_t q = 0; q < size; ++q) {
        if (shown_before(infos, q, same_device))
            continue;
        DT_TRY(dt_text_addf(out, "  %s, ranks ", infos[q].host));
        DT_TRY(add_ranks_like(out, infos, size, q));
        DT_TRY(dt_text_addf(out, ": %s\n", infos[q].device));
    }
    notice_shared_processors(infos, size);
    return dt_text_addf(out,
                        "Shares: each batch of %d sequences is divided equally by tokens, on "
                        "average %.4g sequences per rank\n",
                        batch_size, (double)batch_size / size);
}
