#include "launch/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

#define RANK_CPUS "DEEPTAXA_RANK_CPUS"
#define EACH_HOST "each-host"

static dt_status set_variable(const char *name, const char *value, bool replace)
{
    return setenv(name, value, replace) == 0
               ? DT_OK
               : dt_fail(DT_ERR_MEMORY, "out of memory for the environment");
}

/* Sets the threads of each of the machine's ranks, unless the user has, or a CPU quota allows fewer,
 * which the ranks divide themselves (cli/threads.h). */
static dt_status set_threads(const dt_rank_cpus *cpus)
{
    char threads[16];
    const dt_cpu_quota quota = dt_cpu_quota_read("");
    if (quota.processors > 0.0 && dt_quota_threads(quota.processors / cpus->ranks) < cpus->cores)
        return DT_OK;
    snprintf(threads, sizeof threads, "%d", cpus->cores);
    return set_variable("OMP_NUM_THREADS", threads, false);
}

dt_status dt_bind_prepare(const dt_rank_cpus *cpus)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    if (!cpus)
        return set_variable(RANK_CPUS, EACH_HOST, true);
    DT_TRY(set_threads(cpus));
    if (cpus->ranks <= 1)
        return DT_OK;
    for (int32_t r = 0; status == DT_OK && r < cpus->ranks; ++r)
        status = dt_text_addf(&text, "%s%s", r > 0 ? " " : "", cpus->list[r]);
    if (status == DT_OK)
        status = set_variable(RANK_CPUS, text.data, true);
    dt_text_free(&text);
    return status;
}

/* Reads a list of CPUs that ends at a blank. */
static bool read_cpu_list(const char *at, size_t size, cpu_set_t *set)
{
    char *end = NULL;
    for (; *at && *at != ' '; at = end + (*end == ',')) {
        const long first = strtol(at, &end, 10);
        const bool number = end > at;
        const long last = number && *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (!number || first < 0 || last < first || last >= DT_MACHINE_CPUS)
            return false;
        for (long cpu = first; cpu <= last; ++cpu)
            CPU_SET_S((size_t)cpu, size, set);
    }
    return end != NULL;
}

bool dt_bind_cpus(const char *lists, int32_t rank, size_t size, cpu_set_t *set)
{
    CPU_ZERO_S(size, set);
    for (int32_t r = 0; lists && r < rank; ++r)
        lists = strchr(lists, ' ') ? strchr(lists, ' ') + 1 : NULL;
    return lists && read_cpu_list(lists, size, set);
}

static dt_status bind_to(const char *lists, int32_t rank)
{
    const size_t size = CPU_ALLOC_SIZE(DT_MACHINE_CPUS);
    cpu_set_t *set = CPU_ALLOC(DT_MACHINE_CPUS);
    dt_status status = DT_OK;
    if (!set)
        return dt_fail(DT_ERR_MEMORY, "out of memory for a set of CPUs");
    errno = EINVAL;
    if (!dt_bind_cpus(lists, rank, size, set) || sched_setaffinity(0, size, set) != 0)
        status = dt_fail(DT_ERR_COMM, "cannot bind to the cores of rank %d in \"%s\": %s", rank,
                         lists, strerror(errno));
    CPU_FREE(set);
    return status;
}

bool dt_bind_local_rank(dt_environment lookup, int32_t *rank, int32_t *size)
{
    static const char *const names[][2] = {
        {"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        {"MPI_LOCALRANKID", "MPI_LOCALNRANKS"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        const char *own = lookup(names[i][0]);
        const char *all = lookup(names[i][1]);
        if (!own || !all)
            continue;
        *rank = (int32_t)strtol(own, NULL, 10);
        *size = (int32_t)strtol(all, NULL, 10);
        return *rank >= 0 && *rank < *size;
    }
    return false;
}

dt_status dt_bind_divide(const dt_machine *machine, int32_t size, const char *visible,
                         dt_rank_cpus *out)
{
    int32_t gpu[DT_MACHINE_GPUS];
    const int32_t gpus = dt_machine_visible_gpus(machine, visible, gpu);
    return dt_machine_divide(machine, size, size <= gpus ? gpu : NULL, out);
}

static dt_status bind_by_machine(int32_t rank, int32_t size)
{
    dt_machine machine = {0};
    dt_rank_cpus cpus = {0};
    dt_status status;
    DT_TRY_OR(end, dt_machine_read("", NULL, &machine));
    DT_TRY_OR(end, dt_bind_divide(&machine, size, getenv("CUDA_VISIBLE_DEVICES"), &cpus));
    DT_TRY_OR(end, set_threads(&cpus));
    DT_TRY_OR(end, bind_to(cpus.list[rank], 0));
end:
    dt_rank_cpus_free(&cpus);
    dt_machine_free(&machine);
    return status;
}

dt_status dt_bind_rank(void)
{
    const char *lists = getenv(RANK_CPUS);
    if (!lists)
        return DT_OK;
    const dt_launch launch = dt_launch_of(getenv);
    const bool each_host = strcmp(lists, EACH_HOST) == 0;
    int32_t rank = launch.rank, size = launch.size;
    if (!launch.launcher || (each_host && !dt_bind_local_rank(getenv, &rank, &size)))
        return dt_fail(DT_ERR_COMM, "mpiexec gave its processes no number that deeptaxa knows: put "
                                    "the mpiexec of the MPI library that deeptaxa was built with "
                                    "first on the PATH");
    const dt_status status = each_host ? bind_by_machine(rank, size) : bind_to(lists, rank);
    unsetenv(RANK_CPUS);
    return status;
}
