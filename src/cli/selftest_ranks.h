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

/* Prints a table of the ranks, and how sums are made (ranks/report.h). */
dt_status dt_ranks_print(dt_comm *comm, const dt_backend *backend);

/* Prints a line for each rank: the number of checks and what failed. `verdict` and the calling
 * thread's error message are those of this rank's self-test. Rank 0's error names the ranks that do
 * not arrive. */
dt_status dt_results_print(dt_comm *comm, const dt_selftest *result, dt_status verdict);

/* Checks sums of several sizes, and prints their time and bus bandwidth (ranks/sums.h). DT_ERR_COMM on
 * all ranks, with *agreed set: a sum is wrong. */
dt_status dt_sums_test(dt_comm *comm, dt_backend *backend, bool *agreed);

#endif
