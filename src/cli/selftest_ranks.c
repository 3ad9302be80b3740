#include "cli/selftest_ranks.h"

#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "model/params.h"

/* ---- the network of a host ------------------------------------------------------------------- */

/* Reads the first line of a file of the kernel; "" if it cannot be read. */
static void read_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(out, (int)size, file))
        out[0] = '\0';
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

/* Writes the first InfiniBand (or RoCE) adapter and its rate: "mlx5_0, 400 Gb/sec (4X NDR), of 4". */
static bool find_infiniband(char *out, size_t size)
{
    static const char root[] = "/sys/class/infiniband";
    char path[PATH_MAX];
    char rate[64];
    struct dirent **entry = NULL;
    const char *first = NULL;
    int adapters = 0;
    const int count = scandir(root, &entry, NULL, alphasort);
    for (int i = 0; i < count; ++i)
        if (entry[i]->d_name[0] != '.' && adapters++ == 0)
            first = entry[i]->d_name;
    if (first) {
        snprintf(path, sizeof path, "%s/%s/ports/1/rate", root, first);
        read_line(path, rate, sizeof rate);
        snprintf(out, size, "%.24s, %.40s, of %d", first, rate, adapters);
    }
    for (int i = 0; i < count; ++i)
        free(entry[i]);
    free(entry);
    return adapters > 0;
}

/* Writes the first interface that is up and no loopback: "eth0, 10000 Mb/s". */
static void find_interface(char *out, size_t size)
{
    struct ifaddrs *all = NULL;
    char path[PATH_MAX];
    char speed[32];
    snprintf(out, size, "none");
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        const unsigned flags = i->ifa_flags;
        if (!i->ifa_addr || (flags & IFF_LOOPBACK) || !(flags & IFF_UP))
            continue;
        snprintf(path, sizeof path, "/sys/class/net/%s/speed", i->ifa_name);
        read_line(path, speed, sizeof speed);
        if (isdigit((unsigned char)speed[0]))
            snprintf(out, size, "%.24s, %.16s Mb/s", i->ifa_name, speed);
        else
            snprintf(out, size, "%s", i->ifa_name);
        break;
    }
    freeifaddrs(all);
}

/* ---- the ranks ------------------------------------------------------------------------------- */

typedef struct {
    char host[64];
    char device[256];
    char pci[32];
    char network[96];
} rank_facts;

dt_status dt_ranks_print(dt_comm *comm, const dt_backend *backend)
{
    rank_facts own = {0};
    rank_facts *all;
    snprintf(own.host, sizeof own.host, "%s", comm->host);
    snprintf(own.device, sizeof own.device, "%s", backend->description);
    snprintf(own.pci, sizeof own.pci, "%s", backend->device_id[0] ? backend->device_id : "-");
    if (!find_infiniband(own.network, sizeof own.network))
        find_interface(own.network, sizeof own.network);
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    dt_status status = dt_gather_all(comm, &own, sizeof own, all);
    if (status == DT_OK && comm->world_rank == 0) {
        printf("Communication: %s\n\n", comm->description);
        printf("Rank  Host              PCI address   Device; network\n");
        for (int32_t q = 0; q < comm->world_size; ++q)
            printf("%4d  %-16s  %-12s  %s; %s\n", q, all[q].host, all[q].pci, all[q].device,
                   all[q].network);
        status = dt_print("");
    }
    free(all);
    return status;
}

/* ---- the results ----------------------------------------------------------------------------- */

typedef struct {
    int32_t checks;
    char failure[512]; /* "": passed */
} rank_result;

dt_status dt_results_print(dt_comm *comm, const dt_selftest *result, dt_status verdict)
{
    rank_result own = {.checks = result->checks};
    rank_result *all;
    int64_t *counts;
    dt_status status = DT_OK;
    if (verdict != DT_OK)
        snprintf(own.failure, sizeof own.failure, "%s", dt_error_message());
    DT_TRY(DT_NEW(counts, (size_t)comm->world_size));
    DT_TRY_OR(end_counts, DT_NEW(all, (size_t)comm->world_size));
    for (int32_t q = 0; q < comm->world_size; ++q)
        counts[q] = sizeof own;
    DT_TRY_OR(end, comm->ops->gather(comm, &own, counts, all, 0));
    if (comm->world_rank == 0) {
        printf("\nRank  Self-test\n");
        for (int32_t q = 0; q < comm->world_size; ++q)
            if (all[q].failure[0])
                printf("%4d  FAILED: %s\n", q, all[q].failure);
            else
                printf("%4d  passed, %d checks\n", q, all[q].checks);
        status = dt_print("");
    }
end:
    free(all);
end_counts:
    free(counts);
    return status;
}

/* ---- the sums -------------------------------------------------------------------------------- */

static const int64_t sizes[] = {1 << 18, 1 << 21, 1 << 24}; /* elements of 4 bytes: 1, 8, 64 MiB */
#define SIZES (sizeof sizes / sizeof *sizes)
#define REPEATS 5

dt_status dt_sums_open(dt_backend **backend, const char *device, const dt_backend_options *options)
{
    DT_TRY(dt_backend_open(device, options, backend));
    return (*backend)->ops->vectors_alloc(*backend, sizes[SIZES - 1], true);
}

/* Small whole numbers, of which every sum is exact. */
static float value_of(int64_t i)
{
    return (float)(1 + i % 7);
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

/* Fills the gradients with (rank + 1) · value_of(i), and checks the sum of all ranks. */
static dt_status check_sum(dt_comm *comm, dt_backend *backend, float *values, int64_t count)
{
    const float ranks = (float)comm->world_size;
    const float factor = ranks * (ranks + 1.0f) / 2.0f;
    for (int64_t i = 0; i < count; ++i)
        values[i] = (float)(comm->world_rank + 1) * value_of(i);
    DT_TRY(dt_params_write(backend, DT_GRADIENTS, 0, count, values));
    DT_TRY(sum_once(comm, backend, count));
    DT_TRY(dt_params_read(backend, DT_GRADIENTS, 0, count, values));
    for (int64_t i = 0; i < count; ++i)
        if (values[i] != factor * value_of(i))
            return dt_fail(DT_ERR_COMM,
                           "a sum of %lld numbers over %d ranks is wrong: number %lld is %.9g, not "
                           "%.9g",
                           (long long)count, comm->world_size, (long long)i, (double)values[i],
                           (double)(factor * value_of(i)));
    return DT_OK;
}

static dt_status test_size(dt_comm *comm, dt_backend *backend, float *values, int64_t count)
{
    const double ranks = comm->world_size;
    const double bytes = (double)count * backend->master_size;
    DT_TRY(check_sum(comm, backend, values, count));
    DT_TRY(comm->ops->barrier(comm));
    const double began = dt_seconds();
    for (int i = 0; i < REPEATS; ++i)
        DT_TRY(sum_once(comm, backend, count));
    const double seconds = (dt_seconds() - began) / REPEATS;
    if (comm->world_rank > 0)
        return DT_OK;
    printf("%6.0f MiB  %9.3f ms  %8.2f GB/s  exact\n", bytes / (1 << 20), 1e3 * seconds,
           1e-9 * bytes / seconds * 2.0 * (ranks - 1.0) / ranks);
    return dt_print("");
}

dt_status dt_sums_test(dt_comm *comm, dt_backend *backend)
{
    float *values;
    dt_status status = DT_OK;
    DT_TRY(DT_NEW(values, (size_t)sizes[SIZES - 1]));
    if (comm->world_rank == 0)
        printf("\n  Vector         Time  Bus bandwidth  Sum\n");
    for (size_t i = 0; status == DT_OK && i < SIZES; ++i)
        status = test_size(comm, backend, values, sizes[i]);
    free(values);
    return status;
}
