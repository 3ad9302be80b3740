#include "ranks/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "model/params.h"

/* ---- a sum ----------------------------------------------------------------------------------- */

/* bf16 has every whole number up to 256: a number gets contributions of at most this many ranks. */
#define MOST_CONTRIBUTORS 64

/* 1, 2 or 3, without a period that a wrong offset might meet. */
static float value_of(int64_t i)
{
    return (float)(1 + ((uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) >> 32) % 3);
}

/* Returns how many ranks take turns in contributing to a number. */
static int32_t turns_of(int32_t ranks)
{
    return (ranks + MOST_CONTRIBUTORS - 1) / MOST_CONTRIBUTORS;
}

float dt_sums_part(int32_t rank, int32_t ranks, int64_t i)
{
    return (rank + i) % turns_of(ranks) == 0 ? value_of(i) : 0.0f;
}

float dt_sums_whole(int32_t ranks, int64_t i)
{
    const int32_t turns = turns_of(ranks);
    const int32_t first = (int32_t)((turns - i % turns) % turns); /* that contributes */
    const int32_t contributors = (ranks - 1 - first) / turns + 1;
    return (float)contributors * value_of(i);
}

/* Sums the first `count` gradients over the ranks, and waits for it. */
static dt_status sum_once(dt_comm *comm, dt_backend *backend, int64_t count)
{
    if (backend->ops->event_record)
        backend->ops->event_record(backend, 0);
    DT_TRY(comm->ops->all_reduce_start(comm, backend, 0, count, 0));
    DT_TRY(comm->ops->all_reduce_finish(comm, backend));
    return backend->ops->sync(backend);
}

static dt_status compare(const dt_comm *comm, const float *values, int64_t count)
{
    const int32_t ranks = comm->world_size;
    for (int64_t i = 0; i < count; ++i) {
        const float expected = dt_sums_whole(ranks, i);
        if (values[i] != expected)
            return dt_fail(DT_ERR_COMM,
                           "a sum of %lld numbers over %d ranks is wrong: number %lld is %.9g, not "
                           "%.9g: the library of --comm (%s), its driver or the hardware is at "
                           "fault; see `deeptaxa selftest`",
                           (long long)count, ranks, (long long)i, (double)values[i],
                           (double)expected, comm->name);
    }
    return DT_OK;
}

dt_status dt_sums_check(dt_comm *comm, dt_backend *backend, float *values, int64_t count,
                        bool *agreed)
{
    for (int64_t i = 0; i < count; ++i)
        values[i] = dt_sums_part(comm->world_rank, comm->world_size, i);
    DT_TRY(dt_params_write(backend, DT_GRADIENTS, 0, count, values));
    DT_TRY(sum_once(comm, backend, count));
    DT_TRY(dt_params_read(backend, DT_GRADIENTS, 0, count, values));
    const dt_status status = dt_agree(comm, compare(comm, values, count), agreed);
    memset(values, 0, (size_t)count * sizeof *values);
    return status == DT_OK ? dt_params_write(backend, DT_GRADIENTS, 0, count, values) : status;
}

dt_status dt_sums_time(dt_comm *comm, dt_backend *backend, int64_t count, int32_t repeats,
                       double *seconds)
{
    DT_TRY(comm->ops->barrier(comm));
    const double began = dt_seconds();
    for (int32_t i = 0; i < repeats; ++i)
        DT_TRY(sum_once(comm, backend, count));
    *seconds = (dt_seconds() - began) / repeats;
    return DT_OK;
}

double dt_sums_bytes(const dt_comm *comm, const dt_backend *backend, int64_t count)
{
    return (double)count * (comm->grad_dtype == DT_GRAD_BF16 ? 2 : backend->master_size);
}

double dt_bus_bandwidth(double bytes, double seconds, int32_t ranks)
{
    return bytes / seconds * 2.0 * (ranks - 1.0) / ranks;
}

/* ---- what is usual --------------------------------------------------------------------------- */

/* Bytes per second that a sum reaches easily. NVLink: half of the slowest generation in use (one
 * bridge of 56 GB/s). PCIe: half of generation 3 with 16 lanes. MPI: one core adds the numbers. */
#define NVLINK_RATE 25e9
#define PCIE_RATE 6e9
#define MPI_RATE 1e9
#define UNKNOWN_NETWORK_RATE 0.125e9 /* 1 Gb/s */

/* Seconds of one of the 2 (n − 1) steps of a ring beside its bytes. The MPI thread polls once a
 * millisecond at the slowest. */
#define GPU_STEP 20e-6
#define MPI_STEP 1e-3

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

double dt_sums_usual(const dt_comm *comm, double rate, double bytes)
{
    const bool by_mpi = strcmp(comm->name, "mpi") == 0;
    const int32_t ranks = comm->world_size;
    double usual;
    if (comm->link == DT_LINK_NVLINK)
        usual = NVLINK_RATE;
    else if (comm->link == DT_LINK_PCIE)
        usual = PCIE_RATE;
    else if (comm->link == DT_LINK_NETWORK && rate <= 0.0)
        usual = UNKNOWN_NETWORK_RATE;
    else if (comm->link == DT_LINK_NETWORK)
        usual = by_mpi ? smaller(rate, MPI_RATE) : rate;
    else if (comm->link == DT_LINK_MEMORY)
        usual = MPI_RATE;
    else
        return 0.0;
    return bytes * 2.0 * (ranks - 1.0) / ranks / usual +
           2.0 * (ranks - 1.0) * (by_mpi ? MPI_STEP : GPU_STEP);
}

/* ---- the preflight --------------------------------------------------------------------------- */

#define BUCKET_BYTES ((int64_t)4 << 20)
#define GPU_BUCKET_BYTES ((int64_t)16 << 20)

/* The time of a sum is suspicious from this many times what is usual. */
#define SLOW 4.0

/* Seconds and number of the sums that are timed after a first one. */
#define TIMING_SECONDS 0.2
#define LEAST_REPEATS 1
#define MOST_REPEATS 20

static const char *const link_names[] = {
    [DT_LINK_UNKNOWN] = "an unknown connection",
    [DT_LINK_MEMORY] = "the memory of one host",
    [DT_LINK_NVLINK] = "NVLink",
    [DT_LINK_PCIE] = "PCIe",
    [DT_LINK_NETWORK] = "the network",
};

/* Times sums one by one, as many as rank 0 finds time for, and takes the fastest: others may be
 * delayed by what else the hosts do. */
static dt_status time_sums(dt_comm *comm, dt_backend *backend, int64_t count, double *seconds)
{
    double again;
    DT_TRY(dt_sums_time(comm, backend, count, 1, seconds));
    const double most = TIMING_SECONDS / *seconds;
    int32_t repeats = most < LEAST_REPEATS  ? LEAST_REPEATS
                      : most > MOST_REPEATS ? MOST_REPEATS
                                            : (int32_t)most;
    DT_TRY(comm->ops->broadcast(comm, &repeats, sizeof repeats, 0));
    for (int32_t i = 0; i < repeats; ++i) {
        DT_TRY(dt_sums_time(comm, backend, count, 1, &again));
        *seconds = smaller(*seconds, again);
    }
    return DT_OK;
}

/* Returns the rank whose network is slowest; one of unknown rate only if all are. */
static int32_t slowest_network(const dt_rank_info *infos, int32_t ranks)
{
    int32_t slowest = 0;
    for (int32_t q = 1; q < ranks; ++q)
        if (infos[q].network.rate > 0.0 && (infos[slowest].network.rate <= 0.0 ||
                                            infos[q].network.rate < infos[slowest].network.rate))
            slowest = q;
    return slowest;
}

/* Writes the settings of NCCL that keep it from its fastest connections. */
static void name_variables(char *out, size_t size)
{
    static const char *const names[] = {"NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_IB_DISABLE",
                                        "NCCL_NET", "NCCL_SOCKET_IFNAME"};
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names && length < size; ++i)
        if (getenv(names[i]))
            length += (size_t)snprintf(out + length, size - length, "; %s=%.20s is set", names[i],
                                       getenv(names[i]));
}

static dt_status report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos, double bytes,
                        double seconds)
{
    char link[256];
    char variables[320] = "";
    const dt_rank_info *slowest = &infos[slowest_network(infos, comm->world_size)];
    const double usual = dt_sums_usual(comm, slowest->network.rate, bytes);
    const double speed = 1e-9 * dt_bus_bandwidth(bytes, seconds, comm->world_size);
    snprintf(link, sizeof link, "%s", link_names[comm->link]);
    if (comm->link == DT_LINK_NETWORK)
        snprintf(link, sizeof link, "%s (%s on %s)", link_names[comm->link], slowest->network.name,
                 slowest->host);
    if (strcmp(comm->name, "nccl") == 0)
        name_variables(variables, sizeof variables);
    if (usual > 0.0 && seconds > SLOW * usual)
        dt_warn("sums of gradients are slow: %.3g MB take %.2f ms (%.3g GB/s), usual over %s are "
                "%.2f ms%s: see \"Slow sums\" in docs/parallel.md",
                1e-6 * bytes, 1e3 * seconds, speed, link, 1e3 * usual, variables);
    return dt_text_addf(out, "Sums: exact; %.3g MB in %.2f ms (%.3g GB/s) over %s\n", 1e-6 * bytes,
                        1e3 * seconds, speed, link);
}

dt_status dt_sums_preflight(dt_text *out, dt_comm *comm, dt_backend *backend, int64_t gradients,
                            const dt_rank_info *infos, bool *agreed)
{
    const int64_t bucket = backend->host_memory ? BUCKET_BYTES : GPU_BUCKET_BYTES;
    const int64_t most = bucket / (int64_t)dt_sums_bytes(comm, backend, 1);
    const int64_t count = gradients < most ? gradients : most;
    float *values;
    double seconds;
    if (comm->world_size == 1)
        return DT_OK;
    DT_TRY(DT_NEW(values, (size_t)count));
    const dt_status status = dt_sums_check(comm, backend, values, count, agreed);
    free(values);
    DT_TRY(status);
    DT_TRY(time_sums(comm, backend, count, &seconds));
    return comm->world_rank == 0
               ? report(out, comm, infos, dt_sums_bytes(comm, backend, count), seconds)
               : DT_OK;
}
