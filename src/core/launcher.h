/* Detects what started this process: a launcher of several processes (mpirun, srun), or the user.
 *
 * Launchers set environment variables. The innermost launcher counts:
 *
 *   OMPI_COMM_WORLD_SIZE, _RANK          Open MPI's mpirun, also inside a Slurm job or step, whose
 *                                        variables remain set
 *   SLURM_STEP_ID, SLURM_STEP_NUM_TASKS  srun: the process belongs to a job step
 *   PMI_SIZE, PMI_RANK                   mpiexec of MPICH and Intel MPI (also srun --mpi=pmi2). In a
 *                                        Slurm job mpiexec starts a step of one task for each host,
 *                                        and that task the ranks: then PMI_SIZE is more than the step's
 *   PMIX_RANK                            another launcher with PMIx; it does not report the number
 *
 * An sbatch script and the shell of salloc have SLURM_JOB_ID, SLURM_NTASKS (if requested),
 * SLURM_PROCID and SLURM_LOCALID, but no step variables: a command there runs as a single process.
 * A shell started by srun (srun --pty bash, salloc with use_interactive_step) is a step of one
 * task.
 *
 * A heterogeneous job of Slurm (components separated by ':', each with nodes of its own) has
 * SLURM_HET_SIZE and SLURM_JOB_NODELIST_HET_GROUP_0 …, also in its steps. A step of one component
 * has that component's nodes in SLURM_STEP_NODELIST.
 */
#ifndef DT_CORE_LAUNCHER_H
#define DT_CORE_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *launcher; /* "mpirun", "srun", "mpiexec", "PMIx"; NULL: none */
    int32_t rank;         /* of this process among those started together; 0 if unknown */
    int32_t size;         /* processes started together; 0: unknown */
    bool connected;       /* the launcher lets processes connect (PMI, PMIx) */
    bool heterogeneous;   /* srun started them on several components of a heterogeneous job, or on
                             part of the nodes of one */
} dt_launch;

/* Looks up a variable: getenv(), or a table in tests. NULL: not set. */
typedef char *(*dt_environment)(const char *name);

dt_launch dt_launch_of(dt_environment lookup);

#endif
