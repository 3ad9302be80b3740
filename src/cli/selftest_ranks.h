/* What `deeptaxa selftest` tells of several ranks: who computes where, the results of their
 * self-tests, and the sums of gradients, checked and timed. Rank 0 prints to standard output. All
 * functions but dt_sums_open() are collective. */
#ifndef DT_CLI_SELFTEST_RANKS_H
#define DT_CLI_SELFTEST_RANKS_H

#include "backend.h"
#include "comm.h"
#include "selftest/selftest.h"

/* Opens a backend with the vectors that dt_sums_test() sums; the caller destroys it, also after a
 * failure. */
dt_status dt_sums_open(dt_backend **backend, const char *device, const dt_backend_options *options);

/* Prints a table of the ranks: host, device and its PCI address, network; and how sums are made. */
dt_status dt_ranks_print(dt_comm *comm, const dt_backend *backend);

/* Prints a line for each rank: the number of checks and what failed. `verdict` and the calling
 * thread's error message are those of this rank's self-test. Rank 0's error names the ranks that do
 * not arrive. */
dt_status dt_results_print(dt_comm *comm, const dt_selftest *result, dt_status verdict);

/* Sums known values over the ranks, checks the sums to the last bit, and prints the time and the
 * bandwidth for vectors of several sizes. Bus bandwidth is bytes / time · 2 (n − 1) / n for n ranks,
 * the rate at which each rank's connection is used whatever n is (as nccl-tests counts).
 * DT_ERR_COMM: a sum is wrong. */
dt_status dt_sums_test(dt_comm *comm, dt_backend *backend);

#endif
