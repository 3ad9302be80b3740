/* The processor cores that this process may use and the GPUs of this machine, read from sysfs, and
 * the division of the cores among ranks. */
#ifndef DT_LAUNCH_MACHINE_H
#define DT_LAUNCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MACHINE_CPUS 4096
#define DT_MACHINE_GPUS 64

/* A CPU as the kernel schedules it: a core, or one hardware thread of a core. */
typedef struct {
    int32_t cpu;  /* number used by the kernel */
    int32_t core; /* 0 …, equal for the hardware threads of one core */
    int32_t node; /* NUMA node; 0 if unknown */
} dt_cpu;

typedef struct {
    dt_cpu *cpu; /* CPUs that this process may use, by node, then by core */
    int32_t cpus;
    int32_t cores;
    int32_t gpu_node[DT_MACHINE_GPUS]; /* NUMA node of each NVIDIA GPU, in the order of PCI
                                          addresses; -1: unknown */
    int32_t gpus;
} dt_machine;

/* Reads the machine; dt_machine_free() frees it.
 *   root     "" for this machine; tests pass a folder that contains sys/
 *   allowed  (DT_MACHINE_CPUS) whether each CPU may be used; NULL: as the kernel allows */
dt_status dt_machine_read(const char *root, const bool *allowed, dt_machine *out);
void dt_machine_free(dt_machine *machine);

/* Lists the GPUs that programs see, as indices in machine->gpu_node (DT_MACHINE_GPUS of them fit): those
 * of CUDA_VISIBLE_DEVICES (`visible`), or -1 where it identifies one in another way than by number;
 * NULL: not set, all. Returns their number. */
int32_t dt_machine_visible_gpus(const dt_machine *machine, const char *visible, int32_t *gpu);

/* The CPUs of each rank: whole cores. */
typedef struct {
    char **list; /* one text per rank, "0-3,16-19" */
    int32_t ranks;
    int32_t cores; /* cores of the rank that has fewest */
} dt_rank_cpus;

/* Divides the cores among ranks.
 *   gpu  the GPU of each rank (-1: unknown), or NULL: the ranks share the cores of all nodes evenly, in
 *        order
 * Ranks with a GPU share the cores of its node evenly; if that is impossible (a node is unknown, or
 * has fewer allowed cores than ranks), all ranks share all cores evenly. DT_ERR_USAGE if there are
 * fewer cores than ranks. dt_rank_cpus_free() frees the result. */
dt_status dt_machine_divide(const dt_machine *machine, int32_t ranks, const int32_t *gpu,
                            dt_rank_cpus *out);
void dt_rank_cpus_free(dt_rank_cpus *cpus);

#endif
