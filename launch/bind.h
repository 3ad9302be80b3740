/* Binding of the ranks that `deeptaxa train` starts (launch/start_ranks.h): each binds itself to its
 * cores, since mpiexec does not know about GPUs, and this works in the same way with every MPI, in
 * containers and under any restriction of the CPUs.
 *
 * The variable DEEPTAXA_RANK_CPUS tells the ranks how:
 *
 *     0-3,16-19 4-7,20-23   the CPUs of each rank of this machine, in order
 *     each-host             on several machines: only there the cores and GPUs are known. Each rank
 *                           divides those of its own machine by its number there, as mpiexec gives it
 */
#ifndef DT_LAUNCH_BIND_H
#define DT_LAUNCH_BIND_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/launcher.h"
#include "core/status.h"
#include "launch/machine.h"

/* In the process that starts ranks: sets the variable for them (for one rank: none), and
 * OMP_NUM_THREADS. cpus: those of the ranks of this machine; NULL: each divides its machine. */
dt_status dt_bind_prepare(const dt_rank_cpus *cpus);

/* In a rank started so, before it has other threads: binds it to its cores. Does nothing in other
 * processes. DT_ERR_COMM: it cannot. DT_ERR_USAGE: its machine has fewer cores than ranks. */
dt_status dt_bind_rank(void);

/* ---- individual steps, for tests ------------------------------------------------------------- */

/* Sets the CPUs of `rank` in "0-3,16-19 4-7,20-23" (`size`: of the set, in bytes). False: none. */
bool dt_bind_cpus(const char *lists, int32_t rank, size_t size, cpu_set_t *set);

/* The rank's number on its machine and the number of ranks there, as Open MPI
 * (OMPI_COMM_WORLD_LOCAL_RANK, _SIZE) and Hydra (MPI_LOCALRANKID, MPI_LOCALNRANKS) tell. False:
 * unknown. */
bool dt_bind_local_rank(dt_environment lookup, int32_t *rank, int32_t *size);

/* The cores of a machine's `size` ranks: near the GPU of their number if there is one for each
 * (`visible` as in dt_machine_visible_gpus()), otherwise an equal part of all. */
dt_status dt_bind_divide(const dt_machine *machine, int32_t size, const char *visible,
                         dt_rank_cpus *out);

#endif
