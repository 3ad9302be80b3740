/* The processor cores that this process may use and the GPUs of this machine, from the files of the
 * kernel (sysfs), so that ranks are given cores near their GPU. */
#ifndef DT_LAUNCH_MACHINE_H
#define DT_LAUNCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MACHINE_CPUS 4096
#define DT_MACHINE_GPUS 64

/* A CPU is what the kernel schedules on: a core, or one of a core's hardware threads. */
typedef struct {
    int32_t cpu;  /* the kernel's number */
    int32_t core; /* 0 …, equal for the hardware threads of one core */
    int32_t node; /* NUMA node; 0 where the kernel tells none */
} dt_cpu;

typedef struct {
    dt_cpu *cpu; /* those that this process may use, by node, then by core */
    int32_t cpus;
    int32_t cores;
    int32_t gpu_node[DT_MACHINE_GPUS]; /* NUMA node of each NVIDIA GPU in the order of their PCI
                                          addresses; -1: the kernel does not tell */
    int32_t gpus;
} dt_machine;

/* Reads the machine; dt_machine_free() frees it.
 *   root     "" for this machine; tests give a folder with a sys/ of their own
 *   allowed  whether CPU i may be used, DT_MACHINE_CPUS of them; NULL: as the kernel allows */
dt_status dt_machine_read(const char *root, const bool *allowed, dt_machine *out);
void dt_machine_free(dt_machine *machine);

/* Which CPUs each rank gets: whole cores. */
typedef struct {
    char **list; /* one text a rank, "0-3,16-19", as taskset -c takes it */
    int32_t ranks;
    int32_t cores; /* of the rank that has fewest */
} dt_rank_cpus;

/* Divides the cores among ranks.
 *   gpu  the GPU of each rank, or NULL: ranks share the cores of all nodes evenly, in order
 * Ranks with a GPU share the cores of its node evenly; where that cannot be (a node unknown, or
 * with fewer allowed cores than ranks) all share all cores evenly. DT_ERR_USAGE when there are
 * fewer cores than ranks. dt_rank_cpus_free() frees it. */
dt_status dt_machine_divide(const dt_machine *machine, int32_t ranks, const int32_t *gpu,
                            dt_rank_cpus *out);
void dt_rank_cpus_free(dt_rank_cpus *cpus);

#endif
