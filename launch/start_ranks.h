/* `deeptaxa train --gpus 4` and `--ranks 4`: a command that starts itself as several ranks on this
 * machine with mpiexec, each bound to its own cores, near its GPU if it has one; and `--hosts a:8,b:8`,
 * the same on several machines.
 *
 * The command line for 2 ranks, and with --hosts (MPICH's mpiexec takes -hosts, and passes all variables
 * on by itself):
 *
 *     mpiexec --bind-to none -np 2 <program> <arguments>
 *     mpiexec --bind-to none -np 16 --host a:8,b:8 --wdir <folder> -x <variable> … <program> <arguments>
 *
 * The ranks bind themselves (launch/bind.h). One command for all ranks, not one for each with ":"
 * between: for that, Open MPI 5 as packaged by Debian 13 and Ubuntu 25.04 ends in a segmentation fault
 * (open-mpi/ompi issue 13303). mpiexec, not mpirun: Intel MPI's mpirun is a script, which a signal ends.
 *
 * Signals: on SIGTERM mpiexec kills the ranks after two seconds; raising that time (Open MPI's
 * odls_base_sigkill_timeout) would delay the end of every run, including crashes, by twice as much.
 * Therefore this process stays and converts SIGTERM and a first Ctrl-C to SIGUSR1, which mpiexec
 * forwards to the ranks: they save and exit with status 75. A second Ctrl-C ends the run at once.
 * If this process is killed, mpiexec and the ranks end too.
 */
#ifndef DT_LAUNCH_START_RANKS_H
#define DT_LAUNCH_START_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/machine.h"
#include "options/options.h"
#include "core/launcher.h"

typedef struct {
    const dt_parsed *parsed; /* of this command; its arguments are passed to the ranks */
    int32_t gpus;            /* --gpus: number of ranks, each with a GPU; 0: not given */
    int32_t ranks;           /* --ranks: number of ranks; 0: not given */
    const char *hosts; /* --hosts (launch/hosts.h); NULL: not given. At most one of the three */
    bool device_given; /* --device names a device, not auto */

    /* Called with `options` before ranks with GPUs are started, once it is known that there are as
     * many: a failure is that of dt_start_ranks(). NULL: nothing to check. */
    dt_status (*check)(const void *options);
    const void *options;
} dt_start;

/* Starts the ranks and exits with their exit status; returns only on failure. DT_ERR_USAGE: inside
 * another launch, as root without permission, or more ranks than cores or GPUs. */
dt_status dt_start_ranks(const dt_start *start);

/* ---- individual steps, for tests ------------------------------------------------------------- */

/* Sets gpu[0 … start->gpus - 1] to the GPUs of the ranks, the first that dt_machine_visible_gpus() lists.
 * gpu: DT_MACHINE_GPUS of them fit. DT_ERR_USAGE if there are too few. */
dt_status dt_start_gpus(const dt_start *start, const dt_machine *machine, const char *visible,
                        int32_t *gpu);

/* Builds the command line for `ranks` ranks in all, ended by NULL; the caller frees *out with
 * dt_words_free(). With --hosts: open_mpi: mpiexec is Open MPI's; environment: the variables of this
 * process, ended by NULL, of which other machines get those that dt_hosts_passes_on(). */
dt_status dt_start_command(const dt_start *start, const char *program, int32_t ranks, bool open_mpi,
                           char *const *environment, char ***out);
void dt_words_free(char **words);

/* DT_ERR_USAGE if this process was itself started by mpiexec, by srun or in a batch job, according
 * to `lookup` (core/launcher.h), or if it is root (`uid` 0) and mpiexec is Open MPI's, which does
 * not run as root without explicit permission. `mpiexec` is the output of `mpiexec --version`. */
dt_status dt_start_allowed(dt_environment lookup, uint32_t uid, const char *mpiexec);

#endif
