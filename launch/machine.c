#include "launch/machine.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

/* ---- reading the kernel's files ------------------------------------------------------------- */

/* Returns the number in <folder>/<name>, decimal or 0x…; `otherwise` if there is none. */
static long read_number(const char *folder, const char *name, long otherwise)
{
    char path[PATH_MAX];
    char text[64];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return otherwise;
    FILE *file = fopen(path, "r");
    if (!file)
        return otherwise;
    char *end = text;
    long number = otherwise;
    if (fgets(text, sizeof text, file)) {
        number = strtol(text, &end, 0);
        if (end == text)
            number = otherwise;
    }
    fclose(file);
    return number;
}

/* Returns the node K of an entry nodeK in a CPU's folder; 0 if there is none. */
static int32_t node_of(const char *folder)
{
    int node = 0;
    DIR *entries = opendir(folder);
    if (!entries)
        return 0;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (sscanf(entry->d_name, "node%d", &node) == 1)
            break;
    closedir(entries);
    return node;
}

static void kernel_allows(bool *allowed)
{
    size_t size;
    cpu_set_t *set = dt_affinity(&size);
    memset(allowed, 0, DT_MACHINE_CPUS * sizeof *allowed);
    for (size_t i = 0; set && i < DT_MACHINE_CPUS; ++i)
        allowed[i] = CPU_ISSET_S(i, size, set); /* false beyond its size */
    CPU_FREE(set);
}

/* A CPU with the kernel's package and core numbers, before cores are counted. */
typedef struct {
    dt_cpu cpu;
    long package, core;
} found_cpu;

/* Orders by node, then package, core, CPU: hardware threads of a core are adjacent. */
static int compare_cpus(const void *left, const void *right)
{
    const found_cpu *a = left, *b = right;
    const long pairs[][2] = {{a->cpu.node, b->cpu.node},
                             {a->package, b->package},
                             {a->core, b->core},
                             {a->cpu.cpu, b->cpu.cpu}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i)
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1] ? -1 : 1;
    return 0;
}

static found_cpu look_at_cpu(const char *root, int32_t number)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/sys/devices/system/cpu/cpu%d", root, number);
    return (found_cpu){.cpu = {.cpu = number, .node = node_of(folder)},
                       .package = read_number(folder, "topology/physical_package_id", 0),
                       .core = read_number(folder, "topology/core_id", number)};
}

static dt_status read_cpus(const char *root, const bool *allowed, dt_machine *out)
{
    found_cpu *found;
    DT_TRY(DT_NEW(found, DT_MACHINE_CPUS));
    for (int32_t i = 0; i < DT_MACHINE_CPUS; ++i)
        if (allowed[i])
            found[out->cpus++] = look_at_cpu(root, i);
    qsort(found, (size_t)out->cpus, sizeof *found, compare_cpus);
    const dt_status status = DT_NEW(out->cpu, (size_t)out->cpus);
    for (int32_t i = 0; status == DT_OK && i < out->cpus; ++i) {
        const bool same = i > 0 && found[i].cpu.node == found[i - 1].cpu.node &&
                          found[i].package == found[i - 1].package &&
                          found[i].core == found[i - 1].core;
        out->cores += !same;
        out->cpu[i] = found[i].cpu;
        out->cpu[i].core = out->cores - 1;
    }
    free(found);
    return status;
}

/* NVIDIA's display (0x0300…) and 3D (0x0302…) controllers. scandir() sorts by PCI address. */
static void read_gpus(const char *root, dt_machine *out)
{
    char devices[PATH_MAX];
    struct dirent **entry = NULL;
    snprintf(devices, sizeof devices, "%s/sys/bus/pci/devices", root);
    const int count = scandir(devices, &entry, NULL, alphasort);
    for (int i = 0; i < count; ++i) {
        char folder[PATH_MAX + 256];
        snprintf(folder, sizeof folder, "%s/%s", devices, entry[i]->d_name);
        const long class = read_number(folder, "class", 0) >> 8;
        if (read_number(folder, "vendor", 0) == 0x10de && (class == 0x0300 || class == 0x0302) &&
            out->gpus < DT_MACHINE_GPUS)
            out->gpu_node[out->gpus++] = (int32_t)read_number(folder, "numa_node", -1);
        free(entry[i]);
    }
    free(entry);
}

dt_status dt_machine_read(const char *root, const bool *allowed, dt_machine *out)
{
    *out = (dt_machine){0};
    bool *kernel;
    DT_TRY(DT_NEW(kernel, DT_MACHINE_CPUS));
    if (!allowed)
        kernel_allows(kernel);
    const dt_status status = read_cpus(root, allowed ? allowed : kernel, out);
    free(kernel);
    read_gpus(root, out);
    return status;
}

void dt_machine_free(dt_machine *machine)
{
    free(machine->cpu);
    *machine = (dt_machine){0};
}

/* ---- dividing ------------------------------------------------------------------------------- */

int32_t dt_machine_visible_gpus(const dt_machine *machine, const char *visible, int32_t *gpu)
{
    int32_t count = 0;
    for (; !visible && count < machine->gpus; ++count)
        gpu[count] = count;
    for (const char *at = visible; at && *at && count < DT_MACHINE_GPUS; ++count) {
        char *end;
        const long number = strtol(at, &end, 10);
        const bool plain =
            end > at && (*end == '\0' || *end == ',') && number >= 0 && number < machine->gpus;
        gpu[count] = plain ? (int32_t)number : -1;
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return count;
}

/* Consecutive cores of the machine. */
typedef struct {
    int32_t first, count;
} core_range;

/* Returns the cores of a NUMA node, which are consecutive. */
static core_range cores_of_node(const dt_machine *machine, int32_t node)
{
    core_range range = {0};
    for (int32_t i = 0; i < machine->cpus; ++i) {
        if (machine->cpu[i].node != node)
            continue;
        if (range.count == 0)
            range.first = machine->cpu[i].core;
        range.count = machine->cpu[i].core - range.first + 1;
    }
    return range;
}

/* Returns part `part` of `parts` (at least 1) of a range, in sizes as equal as possible. */
static core_range part_of(core_range whole, int32_t part, int32_t parts)
{
    const int32_t first = (int32_t)((int64_t)whole.count * part / parts);
    const int32_t end = (int32_t)((int64_t)whole.count * (part + 1) / parts);
    return (core_range){.first = whole.first + first, .count = end - first};
}

/* Returns the NUMA node of a GPU; -1: unknown. */
static int32_t node_of_gpu(const dt_machine *machine, int32_t gpu)
{
    return gpu < 0 ? -1 : machine->gpu_node[gpu];
}

/* Returns the cores of `rank` near its GPU; count 0 if the node is unknown or too small. */
static core_range near_gpu(const dt_machine *machine, int32_t rank, int32_t ranks,
                           const int32_t *gpu)
{
    const int32_t node = node_of_gpu(machine, gpu[rank]);
    int32_t sharing = 1, before = 0; /* ranks at this node; those before `rank` */
    for (int32_t r = 0; r < ranks; ++r) {
        if (r == rank || node_of_gpu(machine, gpu[r]) != node)
            continue;
        ++sharing;
        before += r < rank;
    }
    return part_of(cores_of_node(machine, node), before, sharing);
}

/* Lists the CPUs of the cores as "0-3,16-19". */
static dt_status list_cpus(const dt_machine *machine, core_range cores, char **out)
{
    bool *taken;
    dt_text text = {0};
    dt_status status = DT_NEW(taken, DT_MACHINE_CPUS + 1);
    if (status != DT_OK)
        return status;
    for (int32_t i = 0; i < machine->cpus; ++i)
        if (machine->cpu[i].core >= cores.first && machine->cpu[i].core < cores.first + cores.count)
            taken[machine->cpu[i].cpu] = true;
    for (int32_t i = 0; status == DT_OK && i < DT_MACHINE_CPUS; ++i) {
        const int32_t first = i;
        if (!taken[i])
            continue;
        while (taken[i + 1])
            ++i;
        status =
            dt_text_addf(&text, i > first ? "%s%d-%d" : "%s%d", text.length ? "," : "", first, i);
    }
    free(taken);
    *out = text.data;
    return status;
}

static bool all_near_gpus(const dt_machine *machine, int32_t ranks, const int32_t *gpu)
{
    if (!gpu)
        return false;
    for (int32_t r = 0; r < ranks; ++r)
        if (near_gpu(machine, r, ranks, gpu).count == 0)
            return false;
    return true;
}

dt_status dt_machine_divide(const dt_machine *machine, int32_t ranks, const int32_t *gpu,
                            dt_rank_cpus *out)
{
    const core_range whole = {.count = machine->cores};
    const bool near = all_near_gpus(machine, ranks, gpu);
    *out = (dt_rank_cpus){.ranks = ranks, .cores = INT32_MAX};
    if (machine->cores < ranks)
        return dt_fail(DT_ERR_USAGE,
                       "%d ranks: each needs a processor core, and this process may use only %d",
                       ranks, machine->cores);
    DT_TRY(DT_NEW(out->list, (size_t)ranks));
    for (int32_t r = 0; r < ranks; ++r) {
        const core_range cores = near ? near_gpu(machine, r, ranks, gpu) : part_of(whole, r, ranks);
        DT_TRY(list_cpus(machine, cores, &out->list[r]));
        if (cores.count < out->cores)
            out->cores = cores.count;
    }
    return DT_OK;
}

void dt_rank_cpus_free(dt_rank_cpus *cpus)
{
    for (int32_t r = 0; cpus->list && r < cpus->ranks; ++r)
        free(cpus->list[r]);
    free(cpus->list);
    *cpus = (dt_rank_cpus){0};
}
