/* The sums of gradients over the ranks, checked and timed on numbers of known sum. All functions that
 * have a communicator are collective; its attach() must have been called with this backend. */
#ifndef DT_RANKS_SUMS_H
#define DT_RANKS_SUMS_H

#include "backend.h"
#include "comm.h"
#include "core/memory.h"
#include "ranks/ranks.h"

/* Return what a rank contributes to number i of a sum that is checked, and what the sum must be. */
float dt_sums_part(int32_t rank, int32_t ranks, int64_t i);
float dt_sums_whole(int32_t ranks, int64_t i);

/* Sums the first `count` gradients, small whole numbers of which every sum is exact in fp32 and bf16,
 * and compares the sums to the last bit. Leaves the gradients at zero. DT_ERR_COMM on all ranks, with
 * *agreed set: a sum is wrong on one. `values` (count): memory to work in. */
dt_status dt_sums_check(dt_comm *comm, dt_backend *backend, float *values, int64_t count,
                        bool *agreed);

/* Sets *seconds to the mean time of `repeats` sums of `count` gradients. */
dt_status dt_sums_time(dt_comm *comm, dt_backend *backend, int64_t count, int32_t repeats,
                       double *seconds);

/* Returns the bytes that a rank contributes to a sum of `count` gradients. */
double dt_sums_bytes(const dt_comm *comm, const dt_backend *backend, int64_t count);

/* Returns bytes / time · 2 (n − 1) / n for n ranks: the rate at which each rank's connection is used
 * whatever n is (as nccl-tests counts). */
double dt_bus_bandwidth(double bytes, double seconds, int32_t ranks);

/* Returns the time of a sum that is usual over this kind of link, `rate` being that of the network
 * in bytes per second (0: unknown, taken for 1 Gb/s); 0: not known. */
double dt_sums_usual(const dt_comm *comm, double rate, double bytes);

/* Checks and times the sum of one bucket, the first of `gradients` numbers; adds a line about it to
 * `out` on rank 0. Warns if it takes several times as long as usual over its kind of link, naming
 * the link. DT_ERR_COMM on all ranks, with *agreed set: a sum is wrong. */
dt_status dt_sums_preflight(dt_text *out, dt_comm *comm, dt_backend *backend, int64_t gradients,
                            const dt_rank_info *infos, bool *agreed);

#endif
