/* `deeptaxa train --gpus 4` and `--ranks 4`: a command that starts itself as several ranks on this
 * machine with mpiexec, each bound to its own cores, near its GPU if it has one.
 *
 * The command line for 2 ranks on 8 cores, with OMP_NUM_THREADS=4 and DEEPTAXA_RANK_CPUS="0-3 4-7":
 *
 *     mpiexec --bind-to none -np 2 <program> <arguments>
 *
 * The ranks bind themselves, by that list (dt_start_bind()): mpiexec does not know about GPUs, and this
 * works in the same way with every MPI, in containers and under any restriction of the CPUs. One
 * command for all ranks, not one for each with ":" between: for that, Open MPI 5 as packaged by Debian
 * 13 and Ubuntu 25.04 ends in a segmentation fault (open-mpi/ompi issue 13303). mpiexec, not mpirun:
 * Intel MPI's mpirun is a script, which a signal ends.
 *
 * Signals: on SIGTERM mpiexec kills the ranks after two seconds; raising that time (Open MPI's
 * odls_base_sigkill_timeout) would delay the end of every run, including crashes, by twice as much.
 * Therefore this process stays and converts SIGTERM and a first Ctrl-C to SIGUSR1, which mpiexec
 * forwards to the ranks: they save and exit with status 75. A second Ctrl-C ends the run at once.
 * If this process is killed, mpiexec and the ranks end too.
 */
#ifndef DT_LAUNCH_START_RANKS_H
#define DT_LAUNCH_START_RANKS_H

#include <sched.h>
#include <stdint.h>

#include "launch/machine.h"
#include "options/options.h"
#include "core/launcher.h"

typedef struct {
    const dt_parsed *parsed; /* of this command; its arguments are passed to the ranks */
    int32_t gpus;            /* --gpus: number of ranks, each with a GPU; 0: not given */
    int32_t ranks;           /* --ranks: number of ranks; 0: not given. Not both */
    bool device_given;       /* --device names a device, not auto */

    /* Called with `options` before ranks with GPUs are started, once it is known that there are as
     * many: a failure is that of dt_start_ranks(). NULL: nothing to check. */
    dt_status (*check)(const void *options);
    const void *options;
} dt_start;

/* Starts the ranks and exits with their exit status; returns only on failure. DT_ERR_USAGE: inside
 * another launch, as root without permission, or more ranks than cores or GPUs. */
dt_status dt_start_ranks(const dt_start *start);

/* In a rank that dt_start_ranks() started, before it has other threads: binds it to its cores. Does
 * nothing in other processes. DT_ERR_COMM: it cannot. */
dt_status dt_start_bind(void);

/* ---- individual steps, for tests ------------------------------------------------------------- */

/* Chooses the GPU (index in machine->gpu_node) of each of start->gpus ranks: those that
 * CUDA_VISIBLE_DEVICES lists (`visible`, NULL: not set), else the first ones; -1 if `visible`
 * identifies GPUs in another way than by number. DT_ERR_USAGE if there are too few. */
dt_status dt_start_gpus(const dt_start *start, const dt_machine *machine, const char *visible,
                        int32_t *gpu);

/* Builds the command line, ended by NULL; the caller frees *out with dt_words_free(). */
dt_status dt_start_command(const dt_start *start, const char *program, int32_t ranks, char ***out);
void dt_words_free(char **words);

/* Sets the CPUs of `rank` in "0-3,16-19 4-7,20-23" (`size`: of the set, in bytes). False: none. */
bool dt_start_rank_cpus(const char *lists, int32_t rank, size_t size, cpu_set_t *set);

/* DT_ERR_USAGE if this process was itself started by mpiexec, by srun or in a batch job, according
 * to `lookup` (core/launcher.h), or if it is root (`uid` 0) and mpiexec is Open MPI's, which does
 * not run as root without explicit permission. `mpiexec` is the output of `mpiexec --version`. */
dt_status dt_start_allowed(dt_environment lookup, uint32_t uid, const char *mpiexec);

#endif
