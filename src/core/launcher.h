/* Who started this process: a launcher of many (mpirun, srun), or the user alone.
 *
 * Launchers tell a process about its run through the environment. What counts is the innermost one:
 *
 *   OMPI_COMM_WORLD_SIZE, _RANK         Open MPI's mpirun, also where it was called inside a Slurm
 *                                       job or step, whose variables are still there
 *   SLURM_STEP_ID, SLURM_STEP_NUM_TASKS srun: the process belongs to a job step
 *   PMI_SIZE, PMI_RANK                  MPICH's and Intel MPI's mpiexec (srun --mpi=pmi2 sets them
 * too) PMIX_RANK                           another launcher with PMIx; it does not say how many
 *
 * An sbatch script and the shell of salloc have SLURM_JOB_ID, SLURM_NTASKS (when asked for),
 * SLURM_PROCID and SLURM_LOCALID, but no step's variables: a command there stands alone. A shell
 * that srun started (srun --pty bash, salloc with use_interactive_step) is a step of one task.
 */
#ifndef DT_CORE_LAUNCHER_H
#define DT_CORE_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char
        *launcher;  /* "mpirun", "srun", "mpiexec", "PMIx"; NULL: none, the process is alone */
    int32_t rank;   /* of this process among those started together; 0 when unknown */
    int32_t size;   /* processes started together; 0: the launcher does not say */
    bool connected; /* the launcher offers a way to find the others (PMI, PMIx) */
} dt_launch;

/* Looks a variable up: getenv(), or a table in tests. NULL: not set. */
typedef char *(*dt_environment)(const char *name);

dt_launch dt_launch_of(dt_environment lookup);

#endif
