/* How ranks are started on one machine: their cores, their GPUs, the command line. */
#include "test.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/train_options.h"
#include "launch/start_ranks.h"
#include "core/file.h"

/* ---- machines: a sys/ in a folder of the test -------------------------------------------------*/

static char root[] = "/tmp/deeptaxa-test-XXXXXX";

static void make_file(const char *path, const char *text)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; ++slash) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    ASSERT_OK(dt_write_file(whole, text, strlen(text)));
}

static void make_cpu(int cpu, int node, int package, int core)
{
    char path[128];
    char text[16];
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/node%d/cpulist", cpu, node);
    make_file(path, "");
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
    snprintf(text, sizeof text, "%d\n", package);
    make_file(path, text);
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    snprintf(text, sizeof text, "%d\n", core);
    make_file(path, text);
}

static void make_device(const char *address, const char *vendor, const char *class,
                        const char *node)
{
    char path[128];
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/vendor", address);
    make_file(path, vendor);
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/class", address);
    make_file(path, class);
    snprintf(path, sizeof path, "sys/bus/pci/devices/%s/numa_node", address);
    make_file(path, node);
}

/* Two sockets of four cores with two hardware threads each: CPUs 0-3 and 8-11 on node 0, 4-7 and
 * 12-15 on node 1, core numbers anew on each. GPUs 0 and 1 hang at node 1, GPU 2 at node 0; then
 * NVIDIA's sound device, which is no GPU, and another maker's GPU. */
static int make_machine(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    for (int thread = 0; thread < 2; ++thread)
        for (int core = 0; core < 8; ++core)
            make_cpu(8 * thread + core, core / 4, core / 4, core % 4);
    make_device("0000:17:00.0", "0x10de\n", "0x030200\n", "1\n");
    make_device("0000:31:00.0", "0x10de\n", "0x030000\n", "1\n");
    make_device("0000:ca:00.0", "0x10de\n", "0x030200\n", "0\n");
    make_device("0000:ca:00.1", "0x10de\n", "0x040300\n", "0\n");
    make_device("0000:e1:00.0", "0x1002\n", "0x030000\n", "0\n");
    return 0;
}

static int remove_machine(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static dt_machine read_machine(int first, int last)
{
    static bool allowed[DT_MACHINE_CPUS];
    dt_machine machine;
    for (int i = 0; i < DT_MACHINE_CPUS; ++i)
        allowed[i] = i >= first && i <= last;
    ASSERT_OK(dt_machine_read(root, allowed, &machine));
    return machine;
}

/* The CPUs of each rank, separated by blanks; then the cores of the smallest. */
static void assert_divided(const dt_machine *machine, int32_t ranks, const int32_t *gpu,
                           const char *expected, int32_t cores)
{
    dt_rank_cpus cpus;
    char text[256] = "";
    ASSERT_OK(dt_machine_divide(machine, ranks, gpu, &cpus));
    for (int32_t r = 0; r < ranks; ++r)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", r ? " " : "",
                 cpus.list[r]);
    assert_string_equal(text, expected);
    assert_int_equal(cpus.cores, cores);
    dt_rank_cpus_free(&cpus);
}

static void machine_is_read_as_it_is(void **state)
{
    (void)state;
    dt_machine machine = read_machine(0, 15);
    assert_int_equal(machine.cpus, 16);
    assert_int_equal(machine.cores, 8);
    assert_int_equal(machine.gpus, 3);
    const int32_t nodes[] = {1, 1, 0};
    assert_memory_equal(machine.gpu_node, nodes, sizeof nodes);
    dt_machine_free(&machine);
    ASSERT_OK(dt_machine_read("", NULL, &machine)); /* this one */
    assert_true(machine.cores >= 1 && machine.cores <= machine.cpus);
    dt_machine_free(&machine);
}

static void ranks_get_whole_cores_near_their_gpu(void **state)
{
    (void)state;
    dt_machine machine = read_machine(0, 15);
    assert_divided(&machine, 3, (const int32_t[]){0, 1, 2}, "4-5,12-13 6-7,14-15 0-3,8-11", 2);
    assert_divided(&machine, 1, (const int32_t[]){2}, "0-3,8-11", 4);
    assert_divided(&machine, 2, NULL, "0-3,8-11 4-7,12-15", 4);
    assert_divided(&machine, 3, NULL, "0-1,8-9 2-4,10-12 5-7,13-15", 2);
    dt_machine_free(&machine);
}

/* Only CPUs 0-4 allowed: one core at node 1 cannot serve two GPUs there. */
static void ranks_share_all_cores_where_a_node_has_too_few(void **state)
{
    (void)state;
    dt_machine machine = read_machine(0, 4);
    assert_int_equal(machine.cores, 5);
    assert_divided(&machine, 2, (const int32_t[]){0, 1}, "0-1 2-4", 2);
    assert_divided(&machine, 2, (const int32_t[]){0, 2}, "4 0-3", 1);
    dt_rank_cpus cpus;
    ASSERT_FAILS(DT_ERR_USAGE,
                 "6 ranks: each needs a processor core, and this process may use only 5",
                 dt_machine_divide(&machine, 6, NULL, &cpus));
    machine.gpu_node[0] = -1;
    assert_divided(&machine, 1, (const int32_t[]){0}, "0-4", 5);
    dt_machine_free(&machine);
}

static void visible_gpus_are_taken_in_their_order(void **state)
{
    (void)state;
    int32_t gpu[DT_MACHINE_GPUS];
    dt_machine machine = read_machine(0, 15);
    dt_start start = {.gpus = 2};
    ASSERT_OK(dt_start_gpus(&start, &machine, NULL, gpu));
    assert_int_equal(gpu[0], 0);
    assert_int_equal(gpu[1], 1);
    ASSERT_OK(dt_start_gpus(&start, &machine, "2,0,1", gpu));
    assert_int_equal(gpu[0], 2);
    assert_int_equal(gpu[1], 0);
    ASSERT_OK(dt_start_gpus(&start, &machine, "GPU-8932f937,GPU-1ab", gpu));
    assert_int_equal(gpu[0], -1);
    assert_int_equal(gpu[1], -1);
    ASSERT_FAILS(DT_ERR_USAGE, "--gpus 2: there is 1 NVIDIA GPU in CUDA_VISIBLE_DEVICES",
                 dt_start_gpus(&start, &machine, "2", gpu));
    start.gpus = 4;
    ASSERT_FAILS(DT_ERR_USAGE, "--gpus 4: there are 3 NVIDIA GPUs in this machine",
                 dt_start_gpus(&start, &machine, NULL, gpu));
    dt_machine_free(&machine);
}

/* ---- the command line -------------------------------------------------------------------------*/

static void assert_command(const dt_start *start, int32_t ranks, bool open_mpi,
                           const char *expected)
{
    char *environment[] = {"HOME=/root", "NCCL_DEBUG=INFO", "OMP_NUM_THREADS=2", NULL};
    char **words;
    char text[512] = "";
    ASSERT_OK(dt_start_command(start, "/bin/deeptaxa-train", ranks, open_mpi, environment, &words));
    for (char **word = words; *word; ++word)
        if (word == words || strcmp(word[-1], "--wdir") != 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                     word == words ? "" : " ", *word);
    assert_string_equal(text, expected);
    dt_words_free(words);
}

static void command_keeps_the_words_but_its_own(void **state)
{
    (void)state;
    char *words[] = {"train", "--data", "d", "--gpus", "2", "--epochs=3"};
    char *with_equals[] = {"train", "--ranks=2", "--data", "d"};
    const dt_parsed parsed = {.command = &dt_train_command, .argc = 6, .argv = words};
    const dt_parsed parsed_equals = {.command = &dt_train_command, .argc = 4, .argv = with_equals};
    assert_command(&(dt_start){.parsed = &parsed, .gpus = 2}, 2, true,
                   "mpiexec --bind-to none -np 2 /bin/deeptaxa-train --data d --epochs=3 "
                   "--device=cuda");
    assert_command(&(dt_start){.parsed = &parsed, .gpus = 1, .device_given = true}, 1, true,
                   "/bin/deeptaxa-train --data d --epochs=3");
    assert_command(&(dt_start){.parsed = &parsed_equals, .ranks = 2}, 2, false,
                   "mpiexec --bind-to none -np 2 /bin/deeptaxa-train --data d");
}

static void command_for_several_machines_passes_settings_on(void **state)
{
    (void)state;
    char *words[] = {"train", "--data", "d", "--hosts", "a:2,b", "--epochs=3"};
    const dt_parsed parsed = {.command = &dt_train_command, .argc = 6, .argv = words};
    const dt_start start = {.parsed = &parsed, .hosts = "a:2,b"};
    assert_command(&start, 3, true,
                   "mpiexec --bind-to none -np 3 --host a:2,b --wdir -x NCCL_DEBUG "
                   "-x OMP_NUM_THREADS /bin/deeptaxa-train --data d --epochs=3");
    assert_command(&start, 3, false,
                   "mpiexec --bind-to none -np 3 -hosts a:2,b /bin/deeptaxa-train --data d "
                   "--epochs=3");
    assert_command(&start, 1, false,
                   "mpiexec --bind-to none -np 1 -hosts a:2,b /bin/deeptaxa-train --data d "
                   "--epochs=3");
}

/* ---- where ranks may be started ---------------------------------------------------------------*/

static char *in_nothing(const char *name)
{
    (void)name;
    return NULL;
}

static char *in_mpirun(const char *name)
{
    return strcmp(name, "OMPI_COMM_WORLD_SIZE") == 0 ? "2" : NULL;
}

static char *in_slurm(const char *name)
{
    return strcmp(name, "SLURM_JOB_ID") == 0 ? "17" : NULL;
}

static char *with_leave(const char *name)
{
    return strncmp(name, "OMPI_ALLOW_RUN_AS_ROOT", 22) == 0 ? "1" : NULL;
}

static void refused_inside_a_launch_and_as_root(void **state)
{
    (void)state;
    const char *const open_mpi[] = {"mpirun (Open MPI) 4.1.4\n", "mpirun (Open MPI) 5.0.3\n",
                                    "mpirun.real (OpenRTE) 4.0.3\n", "prterun (PRTE) 3.0.5\n"};
    const char *const others[] = {"HYDRA build details:\n    Version: 4.0.2\n",
                                  "Intel(R) MPI Library for Linux* OS, Version 2021.11\n", ""};
    for (size_t i = 0; i < sizeof open_mpi / sizeof *open_mpi; ++i) {
        ASSERT_OK(dt_start_allowed(in_nothing, 1000, open_mpi[i]));
        ASSERT_OK(dt_start_allowed(with_leave, 0, open_mpi[i]));
        ASSERT_FAILS(DT_ERR_USAGE, "OMPI_ALLOW_RUN_AS_ROOT=1",
                     dt_start_allowed(in_nothing, 0, open_mpi[i]));
        ASSERT_FAILS(DT_ERR_USAGE, "started by mpirun",
                     dt_start_allowed(in_mpirun, 1000, open_mpi[i]));
        ASSERT_FAILS(DT_ERR_USAGE, "srun --mpi=pmix", dt_start_allowed(in_slurm, 1000, ""));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        ASSERT_OK(dt_start_allowed(in_nothing, 0, others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_is_read_as_it_is),
        cmocka_unit_test(ranks_get_whole_cores_near_their_gpu),
        cmocka_unit_test(ranks_share_all_cores_where_a_node_has_too_few),
        cmocka_unit_test(visible_gpus_are_taken_in_their_order),
        cmocka_unit_test(command_keeps_the_words_but_its_own),
        cmocka_unit_test(command_for_several_machines_passes_settings_on),
        cmocka_unit_test(refused_inside_a_launch_and_as_root),
    };
    return cmocka_run_group_tests(tests, make_machine, remove_machine);
}
