#include "choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/module.h"
#include "nvlink.h"

#define WHY 192

/* Sent by every rank to rank 0. */
typedef struct {
    char host[64];
    char device[32];
    char obstacle[WHY]; /* why this rank cannot use the module; "": it can */
} rank_info;

/* Sent back by rank 0. */
typedef struct {
    int32_t on_device;
    int32_t link; /* dt_link, if on_device */
    char why[WHY];
} decision;

/* Returns the module that sums this backend's gradients on its device; NULL, with the reason in
 * `obstacle`, if there is none. */
static const dt_reducer_module *find_module(const dt_comm *comm, const dt_backend *backend,
                                            char *obstacle)
{
    void *symbol;
    if (!backend->comm_module || !backend->device_id[0]) {
        snprintf(obstacle, WHY, "rank %d computes on %s", comm->world_rank,
                 backend->host_memory ? "the CPU" : "a device without a collective library");
        return NULL;
    }
    if (!dt_module_present(backend->comm_module)) {
        snprintf(obstacle, WHY, "this installation lacks the module '%s'", backend->comm_module);
        return NULL;
    }
    if (dt_module_symbol(backend->comm_module, "dt_reducer_module", &symbol) != DT_OK) {
        snprintf(obstacle, WHY, "rank %d: %.120s", comm->world_rank, dt_error_message());
        return NULL;
    }
    const dt_reducer_module *module = symbol;
    if (module->contract == DT_COMM_CONTRACT)
        return module;
    snprintf(obstacle, WHY, "module '%s' is from another version of DeepTaxa-MPI",
             backend->comm_module);
    return NULL;
}

/* GPUs of one host can be asked; between hosts there is a network. */
static dt_link find_link(const rank_info *info, int32_t ranks)
{
    dt_link link = DT_LINK_UNKNOWN;
    char(*device)[32];
    for (int32_t q = 1; q < ranks; ++q)
        if (strcmp(info[q].host, info[0].host) != 0)
            return DT_LINK_NETWORK;
    if (DT_NEW(device, (size_t)ranks) != DT_OK)
        return DT_LINK_UNKNOWN;
    for (int32_t q = 0; q < ranks; ++q)
        memcpy(device[q], info[q].device, sizeof device[q]);
    link = dt_link_of_gpus(ranks, device);
    free(device);
    return link;
}

static decision decide(const rank_info *info, int32_t ranks)
{
    decision d = {.on_device = 1, .why = "each rank has its own GPU"};
    for (int32_t q = 0; q < ranks && d.on_device; ++q) {
        if (info[q].obstacle[0]) {
            d.on_device = 0;
            memcpy(d.why, info[q].obstacle, sizeof d.why);
        }
        for (int32_t p = 0; p < q && d.on_device; ++p)
            if (strcmp(info[p].host, info[q].host) == 0 &&
                strcmp(info[p].device, info[q].device) == 0) {
                d.on_device = 0;
                snprintf(d.why, sizeof d.why,
                         "ranks %d and %d share GPU %s on %s, and NCCL requires one for each rank",
                         p, q, info[q].device, info[q].host);
            }
    }
    if (d.on_device)
        d.link = (int32_t)find_link(info, ranks);
    return d;
}

static dt_status decide_on_all_ranks(dt_comm *comm, const rank_info *mine, decision *d)
{
    const size_t ranks = (size_t)comm->world_size;
    rank_info *all = NULL;
    int64_t *counts = NULL;
    dt_status status = DT_OK;
    DT_TRY_OR(done, DT_NEW(counts, ranks));
    DT_TRY_OR(done, DT_NEW(all, ranks));
    for (size_t q = 0; q < ranks; ++q)
        counts[q] = sizeof *mine;
    DT_TRY_OR(done, comm->ops->gather(comm, mine, counts, all, 0));
    if (comm->world_rank == 0)
        *d = decide(all, comm->world_size);
    DT_TRY_OR(done, comm->ops->broadcast(comm, d, sizeof *d, 0));
done:
    free(all);
    free(counts);
    return status;
}

dt_status dt_choose_reducer(dt_comm *comm, const dt_backend *backend,
                            const dt_comm_options *options, const dt_reducer_module **module,
                            char *why, size_t why_size)
{
    rank_info mine = {0};
    decision d = {0};
    *module = NULL;
    snprintf(why, why_size, "as requested");
    if (options->kind == DT_COMM_MPI)
        return DT_OK;
    snprintf(mine.host, sizeof mine.host, "%s", comm->host);
    memcpy(mine.device, backend->device_id, sizeof mine.device);
    const dt_reducer_module *found = find_module(comm, backend, mine.obstacle);
    DT_TRY(decide_on_all_ranks(comm, &mine, &d));
    if (d.on_device) {
        *module = found;
        comm->link = (dt_link)d.link;
    } else if (options->kind == DT_COMM_NCCL) {
        return dt_fail(DT_ERR_USAGE, "--comm nccl: %s; omit the flag or use --comm mpi", d.why);
    }
    snprintf(why, why_size, "%s", d.why);
    return DT_OK;
}
