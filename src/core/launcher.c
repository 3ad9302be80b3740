#include "core/launcher.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the number in a variable, or `otherwise` if it is not set or not a number. */
static int32_t number(dt_environment lookup, const char *name, int32_t otherwise)
{
    const char *text = lookup(name);
    char *end;
    if (!text || !*text)
        return otherwise;
    errno = 0;
    const long value = strtol(text, &end, 10);
    return *end || errno || value < 0 || value > INT32_MAX ? otherwise : (int32_t)value;
}

static bool any_set(dt_environment lookup, const char *const *names)
{
    for (; *names; ++names)
        if (lookup(*names))
            return true;
    return false;
}

/* Returns true in a step of a heterogeneous job whose nodes are not those of one component. */
static bool spans_components(dt_environment lookup)
{
    const int32_t components = number(lookup, "SLURM_HET_SIZE", 0);
    const char *nodes = lookup("SLURM_STEP_NODELIST");
    for (int32_t i = 0; i < components && nodes; ++i) {
        char name[64];
        snprintf(name, sizeof name, "SLURM_JOB_NODELIST_HET_GROUP_%d", i);
        const char *own = lookup(name);
        if (own && strcmp(own, nodes) == 0)
            return false;
    }
    return components > 1;
}

dt_launch dt_launch_of(dt_environment lookup)
{
    static const char *const ways[] = {"PMIX_RANK", "PMI_RANK", "PMI_FD", "PMI2_FD", NULL};
    const int32_t ompi = number(lookup, "OMPI_COMM_WORLD_SIZE", 0);
    if (ompi > 0)
        return (dt_launch){.launcher = "mpirun",
                           .rank = number(lookup, "OMPI_COMM_WORLD_RANK", 0),
                           .size = ompi,
                           .connected = true};
    const int32_t tasks = number(lookup, "SLURM_STEP_NUM_TASKS", 0);
    const int32_t pmi = number(lookup, "PMI_SIZE", 0);
    if (tasks > 0 && lookup("SLURM_STEP_ID") && pmi <= tasks)
        return (dt_launch){.launcher = "srun",
                           .rank = number(lookup, "SLURM_PROCID", 0),
                           .size = tasks,
                           .connected = any_set(lookup, ways),
                           .heterogeneous = spans_components(lookup)};
    if (pmi > 0)
        return (dt_launch){.launcher = "mpiexec",
                           .rank = number(lookup, "PMI_RANK", 0),
                           .size = pmi,
                           .connected = true};
    if (lookup("PMIX_RANK"))
        return (dt_launch){
            .launcher = "PMIx", .rank = number(lookup, "PMIX_RANK", 0), .connected = true};
    return (dt_launch){0};
}
