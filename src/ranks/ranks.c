#include "ranks/ranks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/version.h"

/* ---- the start ------------------------------------------------------------------------------- */

dt_status dt_ranks_same_program(dt_comm *comm, bool *agreed)
{
    dt_text text = {0};
    dt_status status =
        dt_text_addf(&text,
                     "version %s of commit %s\ncontract %d of backends\ncontract %d of "
                     "communicators\n",
                     dt_version(), dt_commit(), DT_BACKEND_CONTRACT, DT_COMM_CONTRACT);
    if (status == DT_OK)
        status = dt_agree_on(comm, text.data, "install the same build on all hosts", agreed);
    dt_text_free(&text);
    return status;
}

/* Seconds between the first and the last start that are worth a notice. */
#define LATE 3.0

typedef struct {
    char host[64];
    double waited; /* seconds from the start of the process until all ranks were there */
} rank_start;

dt_status dt_ranks_started(dt_comm *comm, double began)
{
    rank_start own = {0};
    rank_start *all;
    int32_t first = 0;
    int32_t last = 0;
    if (comm->world_size == 1)
        return DT_OK;
    DT_TRY(comm->ops->barrier(comm));
    own.waited = dt_seconds() - began;
    snprintf(own.host, sizeof own.host, "%s", comm->host);
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    const dt_status status = dt_gather_all(comm, &own, sizeof own, all);
    for (int32_t q = 1; status == DT_OK && q < comm->world_size; ++q) {
        first = all[q].waited > all[first].waited ? q : first;
        last = all[q].waited < all[last].waited ? q : last;
    }
    if (status == DT_OK && all[first].waited - all[last].waited > LATE)
        dt_notice("rank %d on %s was started last, %.1f s after rank %d on %s", last,
                  all[last].host, all[first].waited - all[last].waited, first, all[first].host);
    free(all);
    return status;
}

/* ---- gathering ------------------------------------------------------------------------------ */

/* Returns the first hardware thread of a processor's core; the processor if that is unknown. */
static int core_of(int processor)
{
    char path[96];
    int first = processor;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             processor);
    FILE *file = fopen(path, "r");
    if (!file)
        return processor;
    if (fscanf(file, "%d", &first) != 1)
        first = processor;
    fclose(file);
    return first;
}

/* Appends a range of processors to a list, unless it is too long. */
static void add_range(char *list, size_t size, int first, int last)
{
    const size_t length = strlen(list);
    char range[32];
    snprintf(range, sizeof range, first == last ? "%s%d" : "%s%d-%d", length ? "," : "", first,
             last);
    if (length + strlen(range) + sizeof "…" <= size)
        snprintf(list + length, size - length, "%s", range);
    else if (length < 3 || strcmp(list + length - 3, "…") != 0)
        snprintf(list + length, size - length, "…");
}

static void read_processors(dt_rank_info *info)
{
    size_t size;
    cpu_set_t *set = dt_affinity(&size);
    int begin = -1; /* of the range that is not yet listed */
    if (!set)
        return;
    info->processor_set = DT_HASH_START; /* over the processors' numbers */
    info->first_processor = -1;
    for (int i = 0; i <= (int)size * CHAR_BIT; ++i) {
        const bool there = i < (int)size * CHAR_BIT && CPU_ISSET_S(i, size, set);
        if (!there && begin >= 0)
            add_range(info->processor_list, sizeof info->processor_list, begin, i - 1);
        begin = !there ? -1 : begin < 0 ? i : begin;
        if (!there)
            continue;
        if (info->first_processor < 0)
            info->first_processor = i;
        info->processors++;
        info->processor_set = dt_hash_add(info->processor_set, (uint64_t)i);
        const int core = core_of(i);
        if (core < DT_RANK_CORES)
            info->cores[core / 64] |= (uint64_t)1 << core % 64;
    }
    CPU_FREE(set);
}

static dt_rank_info own_info(const dt_comm *comm, const dt_backend *backend)
{
    dt_rank_info info = {0};
    const dt_cpu_quota quota = dt_cpu_quota_read("");
    snprintf(info.host, sizeof info.host, "%s", comm->host);
    snprintf(info.program, sizeof info.program, "%s (%s)", dt_version(), dt_commit());
    if (backend) {
        dt_network_find("", &info.network);
        snprintf(info.device_id, sizeof info.device_id, "%s", backend->device_id);
        snprintf(info.device, sizeof info.device, "%s", backend->description);
        snprintf(info.kind, sizeof info.kind, "%s in %s", backend->name,
                 dt_precision_name(backend->precision));
    }
    read_processors(&info);
    memcpy(info.quota, quota.by, sizeof info.quota);
    return info;
}

dt_status dt_ranks_gather(dt_rank_info **infos, dt_comm *comm, const dt_backend *backend)
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

bool dt_ranks_same_host(const dt_rank_info *a, const dt_rank_info *b)
{
    return strcmp(a->host, b->host) == 0;
}

static bool share_processors(const dt_rank_info *a, const dt_rank_info *b)
{
    return dt_ranks_same_host(a, b) && a->processors == b->processors &&
           a->processor_set == b->processor_set;
}

dt_status dt_ranks_share(dt_comm *comm, dt_ranks_sharing *sharing)
{
    dt_rank_info *infos;
    *sharing = (dt_ranks_sharing){.processors = 1, .quota = 1};
    if (comm->world_size == 1)
        return DT_OK;
    DT_TRY(dt_ranks_gather(&infos, comm, NULL));
    const dt_rank_info *own = &infos[comm->world_rank];
    *sharing = (dt_ranks_sharing){0};
    for (int32_t q = 0; q < comm->world_size; ++q) {
        sharing->processors += share_processors(&infos[q], own);
        sharing->quota +=
            dt_ranks_same_host(&infos[q], own) && strcmp(infos[q].quota, own->quota) == 0;
    }
    free(infos);
    return DT_OK;
}

/* Fails if rank q is incompatible with rank 0. */
static dt_status check_compatible(const dt_rank_info *first, const dt_rank_info *other, int32_t q)
{
    if (strcmp(first->kind, other->kind) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "rank 0 on %s computes with %s, but rank %d on %s with %s: use the same "
                       "--device and --precision on all ranks",
                       first->host, first->kind, q, other->host, other->kind);
    return DT_OK;
}

dt_status dt_ranks_check(const dt_rank_info *infos, int32_t world_size)
{
    for (int32_t q = 1; q < world_size; ++q)
        DT_TRY(check_compatible(&infos[0], &infos[q], q));
    return DT_OK;
}

/* ---- sharing --------------------------------------------------------------------------------- */

static bool share_gpu(const dt_rank_info *a, const dt_rank_info *b)
{
    return a->device_id[0] && dt_ranks_same_host(a, b) && strcmp(a->device_id, b->device_id) == 0;
}

static int32_t count_cores(const dt_rank_info *info)
{
    int32_t count = 0;
    for (size_t i = 0; i < sizeof info->cores / sizeof *info->cores; ++i)
        count += __builtin_popcountll(info->cores[i]);
    return count;
}

static bool share_cores(const dt_rank_info *a, const dt_rank_info *b)
{
    uint64_t common = 0;
    if (!dt_ranks_same_host(a, b))
        return false;
    for (size_t i = 0; i < sizeof a->cores / sizeof *a->cores; ++i)
        common |= a->cores[i] & b->cores[i];
    return common != 0;
}

/* Ranks that are not bound have the same set: they only share too little if it has fewer cores than
 * ranks. Other sets that overlap are a mistake of binding. */
static bool share_too_little(const dt_rank_info *infos, int32_t world_size, int32_t p, int32_t q)
{
    int32_t ranks = 0;
    if (!share_cores(&infos[p], &infos[q]))
        return false;
    if (!share_processors(&infos[p], &infos[q]))
        return true;
    for (int32_t i = 0; i < world_size; ++i)
        ranks += share_processors(&infos[i], &infos[p]);
    return count_cores(&infos[p]) < ranks;
}

static bool share_one_gpu(const dt_rank_info *infos, int32_t world_size, int32_t p, int32_t q)
{
    (void)world_size;
    return share_gpu(&infos[p], &infos[q]);
}

/* Finds the first two ranks with `relation`; returns the number of hosts that have such ranks. */
static int32_t find_pair(const dt_rank_info *infos, int32_t world_size,
                         bool (*relation)(const dt_rank_info *, int32_t, int32_t, int32_t),
                         int32_t pair[2])
{
    int32_t hosts = 0;
    const char *host = ""; /* the last one that has such ranks: those of a host follow each other */
    for (int32_t p = 0; p < world_size; ++p)
        for (int32_t q = p + 1; q < world_size && strcmp(infos[p].host, host) != 0; ++q)
            if (relation(infos, world_size, p, q)) {
                if (hosts++ == 0)
                    pair[0] = p, pair[1] = q;
                host = infos[p].host;
            }
    return hosts;
}

/* Writes what is said of further hosts with the same mistake. */
static const char *further_hosts(int32_t hosts, char out[64])
{
    snprintf(out, 64, hosts > 1 ? " (and others on %d more hosts)" : "", hosts - 1);
    return out;
}

static void notice_cores(const dt_rank_info *a, const dt_rank_info *b, const int32_t pair[2],
                         const char *further)
{
    static const char advice[] = "bind each rank to cores of its own (--ranks N, mpirun --bind-to "
                                 "core, srun --cpu-bind=cores), and start no more ranks than cores";
    if (share_processors(a, b))
        dt_notice("ranks %d and %d on %s%s share the core%s of processor%s %s: %s", pair[0],
                  pair[1], a->host, further, count_cores(a) > 1 ? "s" : "",
                  a->processors > 1 ? "s" : "", a->processor_list, advice);
    else
        dt_notice("ranks %d and %d on %s%s share cores, with processors %s and %s: %s", pair[0],
                  pair[1], a->host, further, a->processor_list, b->processor_list, advice);
}

void dt_ranks_notice_shared(const dt_rank_info *infos, int32_t world_size)
{
    int32_t pair[2] = {0};
    char text[64];
    int32_t hosts = find_pair(infos, world_size, share_one_gpu, pair);
    if (hosts > 0)
        dt_notice("ranks %d and %d on %s%s share GPU %s: start one rank for each GPU (--gpus N; "
                  "srun --ntasks-per-node=N --gpus-per-node=N)",
                  pair[0], pair[1], infos[pair[0]].host, further_hosts(hosts, text),
                  infos[pair[0]].device_id);
    hosts = find_pair(infos, world_size, share_too_little, pair);
    if (hosts > 0)
        notice_cores(&infos[pair[0]], &infos[pair[1]], pair, further_hosts(hosts, text));
}

void dt_ranks_notice_unlike(const dt_rank_info *infos, int32_t world_size)
{
    int32_t unlike = 0;
    int32_t first = 0;
    for (int32_t q = 1; q < world_size; ++q)
        if (strcmp(infos[q].device, infos[0].device) != 0 && unlike++ == 0)
            first = q;
    if (unlike > 0)
        dt_notice("%d of %d ranks compute otherwise than rank 0: rank 0 on %s with %s, rank %d on "
                  "%s with %s: the slowest sets the pace, and results are rounded otherwise than "
                  "on equal ranks",
                  unlike, world_size, infos[0].host, infos[0].device, first, infos[first].host,
                  infos[first].device);
}
