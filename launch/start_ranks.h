/* `deeptaxa train --gpus 4`, `--ranks 4`: a command that starts itself as several ranks of this
 * machine with mpirun, each bound to cores of its own, near its GPU where it has one.
 *
 * What is started for 2 ranks on 8 cores, with OMP_NUM_THREADS=4:
 *
 *     mpirun --bind-to none -np 1 taskset -c 0-3 <program> <words> : -np 1 taskset -c 4-7 <program>
 * …
 *
 * Binding is taskset's, not mpirun's: mpirun knows nothing of GPUs, and this works alike with every
 * MPI, in containers and under any restriction of the CPUs.
 *
 * Signals: mpirun answers SIGTERM by killing the ranks two seconds later; raising that time (Open
 * MPI's odls_base_sigkill_timeout) delays every end of a run, a crash too, by twice as much. So
 * this process stays, and turns SIGTERM and a first Ctrl-C into SIGUSR1, which mpirun passes to the
 * ranks: they save and end with status 75. A second Ctrl-C ends the run at once. If this process is
 * killed, mpirun and the ranks end too.
 */
#ifndef DT_LAUNCH_START_RANKS_H
#define DT_LAUNCH_START_RANKS_H

#include <stdint.h>

#include "launch/machine.h"
#include "options/options.h"
#include "core/launcher.h"

typedef struct {
    const dt_parsed *parsed; /* of the command: its words become the ranks' */
    int32_t gpus;            /* --gpus: this many ranks, each with a GPU; 0: not given */
    int32_t ranks;           /* --ranks: this many ranks; 0: not given. Not both */
    bool device_given;       /* --device stands on the command line */
} dt_start;

/* Starts the ranks and ends this process with their exit status; returns only when it cannot.
 * DT_ERR_USAGE: inside another launch, as root without leave, more ranks than cores or GPUs. */
dt_status dt_start_ranks(const dt_start *start);

/* ---- the steps, for the tests ----------------------------------------------------------------*/

/* The GPU (place in machine->gpu_node) of each of start->gpus ranks: those of CUDA_VISIBLE_DEVICES
 * (`visible`, NULL: not set), else the first ones. Places are -1 where `visible` names GPUs by
 * other than their number. DT_ERR_USAGE when there are too few. */
dt_status dt_start_gpus(const dt_start *start, const dt_machine *machine, const char *visible,
                        int32_t *gpu);

/* The command line, ended by NULL. *out and its texts belong to the caller: dt_words_free(). */
dt_status dt_start_command(const dt_start *start, const char *program, const dt_rank_cpus *cpus,
                           char ***out);
void dt_words_free(char **words);

/* DT_ERR_USAGE when `lookup` (core/launcher.h) shows that this process was itself
 * started by mpirun, srun or in a batch job, or is root (`uid` 0) without the leave that Open MPI's
 * mpirun wants. Others (MPICH, Intel MPI) ask for none. mpirun: what `mpirun --version` says. */
dt_status dt_start_allowed(dt_environment lookup, uint32_t uid, const char *mpirun);

#endif
