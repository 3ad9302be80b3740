/* Who started the process: environments as launchers leave them. */
#include "test.h"

#include "core/launcher.h"

typedef struct {
    const char *name, *value;
} variable;

static const variable *environment;

static char *lookup(const char *name)
{
    for (const variable *v = environment; v->name; ++v)
        if (strcmp(v->name, name) == 0)
            return (char *)v->value;
    return NULL;
}

static dt_launch in(const variable *variables)
{
    environment = variables;
    return dt_launch_of(lookup);
}

static void check(dt_launch launch, const char *launcher, int rank, int size, bool connected)
{
    if (launcher)
        assert_string_equal(launch.launcher, launcher);
    else
        assert_null(launch.launcher);
    assert_int_equal(launch.rank, rank);
    assert_int_equal(launch.size, size);
    assert_int_equal(launch.connected, connected);
}

#define ENV(...) ((const variable[]){__VA_ARGS__, {NULL, NULL}})

/* What every process of a Slurm job has, step or not. */
#define SLURM_JOB                                                                                  \
    {"SLURM_JOB_ID", "17"}, {"SLURM_NTASKS", "8"}, {"SLURM_NPROCS", "8"}, {"SLURM_NNODES", "2"},   \
    {                                                                                              \
        "SLURM_TASKS_PER_NODE", "4(x2)"                                                            \
    }

static void alone_without_launcher(void **state)
{
    (void)state;
    check(in(ENV({"HOME", "/root"})), NULL, 0, 0, false);
}

/* sbatch gives its script a process number and task numbers of its own, but no step. */
static void alone_in_a_batch_script_and_in_the_shell_of_salloc(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}, {"SLURM_NODEID", "0"},
                 {"SLURM_TASK_PID", "99"})),
          NULL, 0, 0, false);
    check(in(ENV(SLURM_JOB)), NULL, 0, 0, false);
}

static void a_shell_that_srun_started_is_a_step_of_one(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "4294967290"}, {"SLURM_STEP_NUM_TASKS", "1"},
                 {"SLURM_PROCID", "0"}, {"PMIX_RANK", "0"})),
          "srun", 0, 1, true);
}

static void a_step_counts_its_own_tasks(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "3"},
                 {"SLURM_PROCID", "2"}, {"PMIX_RANK", "2"}, {"PMIX_NAMESPACE", "slurm.pmix.17.0"})),
          "srun", 2, 3, true);
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "1"}, {"SLURM_STEP_NUM_TASKS", "8"},
                 {"SLURM_PROCID", "7"}, {"PMI_FD", "5"}, {"PMI_RANK", "7"}, {"PMI_SIZE", "8"})),
          "srun", 7, 8, true);
}

static void a_step_without_pmi_is_not_connected(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "8"},
                 {"SLURM_PROCID", "3"})),
          "srun", 3, 8, false);
}

/* As Slurm 22.05 leaves them in a job of two components, on node n1 and on nodes n2 and n3. */
static void a_step_over_components_of_a_heterogeneous_job_is_seen(void **state)
{
    (void)state;
    static const char *const nodes[] = {"n[1-3]", "n[2-3]", "n1", "n2"};
    static const bool expected[] = {true, false, false, true};
    for (int i = 0; i < 4; ++i)
        assert_int_equal(in(ENV(SLURM_JOB, {"SLURM_HET_SIZE", "2"}, {"SLURM_STEP_ID", "1"},
                                {"SLURM_STEP_NUM_TASKS", "3"}, {"SLURM_STEP_NODELIST", nodes[i]},
                                {"SLURM_JOB_NODELIST_HET_GROUP_0", "n1"},
                                {"SLURM_JOB_NODELIST_HET_GROUP_1", "n[2-3]"}))
                             .heterogeneous,
                         expected[i]);
    assert_false(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "1"}, {"SLURM_STEP_NUM_TASKS", "3"},
                        {"SLURM_STEP_NODELIST", "n[1-3]"}))
                     .heterogeneous);
}

/* mpirun starts its daemons as a step, one a node, and they the processes. */
static void mpirun_counts_before_the_step_it_runs_in(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"},
                 {"SLURM_PROCID", "1"}, {"OMPI_COMM_WORLD_SIZE", "8"},
                 {"OMPI_COMM_WORLD_RANK", "5"}, {"PMIX_RANK", "5"})),
          "mpirun", 5, 8, true);
}

/* mpiexec of MPICH starts a proxy as a step of one task for each host, and it the processes. */
static void mpiexec_counts_before_the_step_it_runs_in(void **state)
{
    (void)state;
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"},
                 {"SLURM_PROCID", "0"}, {"PMI_RANK", "2"}, {"PMI_SIZE", "3"}, {"PMI_FD", "7"})),
          "mpiexec", 2, 3, true);
    /* a step that a shell of srun --mpi=pmi2 started */
    check(in(ENV(SLURM_JOB, {"SLURM_STEP_ID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"},
                 {"SLURM_PROCID", "3"}, {"PMI_RANK", "0"}, {"PMI_SIZE", "1"}, {"PMIX_RANK", "3"})),
          "srun", 3, 4, true);
}

static void other_launchers(void **state)
{
    (void)state;
    check(in(ENV({"PMI_RANK", "1"}, {"PMI_SIZE", "4"})), "mpiexec", 1, 4, true);
    check(in(ENV({"PMIX_RANK", "3"})), "PMIx", 3, 0, true);
}

static void what_is_no_number_is_not_there(void **state)
{
    (void)state;
    check(in(ENV({"OMPI_COMM_WORLD_SIZE", ""})), NULL, 0, 0, false);
    check(in(ENV({"PMI_SIZE", "four"}, {"OMPI_COMM_WORLD_SIZE", "-2"})), NULL, 0, 0, false);
    check(in(ENV({"PMI_SIZE", "99999999999999999999"})), NULL, 0, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_without_launcher),
        cmocka_unit_test(alone_in_a_batch_script_and_in_the_shell_of_salloc),
        cmocka_unit_test(a_shell_that_srun_started_is_a_step_of_one),
        cmocka_unit_test(a_step_counts_its_own_tasks),
        cmocka_unit_test(a_step_over_components_of_a_heterogeneous_job_is_seen),
        cmocka_unit_test(a_step_without_pmi_is_not_connected),
        cmocka_unit_test(mpirun_counts_before_the_step_it_runs_in),
        cmocka_unit_test(mpiexec_counts_before_the_step_it_runs_in),
        cmocka_unit_test(other_launchers),
        cmocka_unit_test(what_is_no_number_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
