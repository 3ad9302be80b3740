#include "cli/selftest_ranks.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/memory.h"
#include "ranks/report.h"
#include "ranks/sums.h"

dt_status dt_ranks_print(dt_comm *comm, const dt_backend *backend)
{
    dt_rank_info *infos;
    dt_text text = {0};
    dt_status status = DT_OK;
    DT_TRY(dt_ranks_gather(&infos, comm, backend));
    if (comm->world_rank == 0) {
        status = dt_ranks_table(&text, comm, infos);
        if (status == DT_OK)
            status = dt_print(text.data);
    }
    dt_text_free(&text);
    free(infos);
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

static dt_status test_size(dt_comm *comm, dt_backend *backend, float *values, int64_t count,
                           bool *agreed)
{
    double seconds;
    const double bytes = dt_sums_bytes(comm, backend, count);
    DT_TRY(dt_sums_check(comm, backend, values, count, agreed));
    DT_TRY(dt_sums_time(comm, backend, count, REPEATS, &seconds));
    if (comm->world_rank > 0)
        return DT_OK;
    printf("%6.0f MiB  %9.3f ms  %8.2f GB/s  exact\n", bytes / (1 << 20), 1e3 * seconds,
           1e-9 * dt_bus_bandwidth(bytes, seconds, comm->world_size));
    return dt_print("");
}

dt_status dt_sums_test(dt_comm *comm, dt_backend *backend, bool *agreed)
{
    float *values;
    dt_status status = DT_OK;
    DT_TRY(DT_NEW(values, (size_t)sizes[SIZES - 1]));
    if (comm->world_rank == 0)
        printf("\n  Vector         Time  Bus bandwidth  Sum\n");
    for (size_t i = 0; status == DT_OK && i < SIZES; ++i)
        status = test_size(comm, backend, values, sizes[i], agreed);
    free(values);
    return status;
}
