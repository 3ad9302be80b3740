#include "gpu_cost.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* ---- machine files --------------------------------------------------------------------------- */

static dt_status read_constant(double *out, json_t *constants, const char *name, const char *path)
{
    json_t *entry = json_object_get(constants, name);
    const char *source = json_string_value(json_object_get(entry, "source"));
    *out = json_number_value(json_object_get(entry, "value"));
    if (*out > 0.0 && source && *source)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: %s needs a positive value and a source", path, name);
}

static dt_status read_name(char name[64], json_t *root, const char *path)
{
    const char *text = json_string_value(json_object_get(root, "name"));
    if (!text)
        return dt_fail(DT_ERR_INPUT, "%s: no name", path);
    snprintf(name, 64, "%s", text);
    return DT_OK;
}

static dt_status load(json_t **root, const char *path)
{
    json_error_t error;
    *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    return *root ? DT_OK : dt_fail(DT_ERR_INPUT, "%s: %s", path, error.text);
}

#define READ(constant) DT_TRY_OR(done, read_constant(&out->constant, constants, #constant, path));

dt_status dt_gpu_read(dt_gpu *out, const char *path)
{
    json_t *root;
    dt_status status;
    *out = (dt_gpu){0};
    DT_TRY(load(&root, path));
    json_t *constants = json_object_get(root, "constants");
    DT_TRY_OR(done, read_name(out->name, root, path));
    DT_GPU_CONSTANTS(READ)
done:
    json_decref(root);
    return status;
}

dt_status dt_network_read(dt_network *out, const char *path)
{
    json_t *root;
    dt_status status;
    DT_TRY(load(&root, path));
    json_t *constants = json_object_get(root, "constants");
    DT_TRY_OR(done, read_name(out->name, root, path));
    DT_NETWORK_CONSTANTS(READ)
done:
    json_decref(root);
    return status;
}

/* ---- time -------------------------------------------------------------------------------------- */

#define RESOURCES 9
#define TENSOR_CORES 4 /* place in the list */

typedef struct {
    const char *name;
    double use, peak, fraction;
} resource;

/* Lists what a launch uses, each with the GPU's peak per second. */
static void list_resources(resource (*list)[RESOURCES], const dt_gpu *g, const dt_gpu_cost *c)
{
    const double clocks = g->sms * g->clock_mhz * 1e6; /* of all SMs */
    const resource all[RESOURCES] = {
        {"memory", c->bytes, g->bandwidth_gbs * 1e9, g->bandwidth_fraction},
        {"L2", c->l2, g->l2_gbs * 1e9, g->l2_fraction},
        {"shared memory", c->shared, g->shared_bytes_per_sm_clock * clocks, g->issue_fraction},
        {"host link", c->link, g->host_link_gbs * 1e9, g->host_link_fraction},
        {"tensor cores", c->matrix, g->matrix_tflops * 1e12, g->matrix_fraction},
        {"fp32", c->fp32, g->fp32_per_sm_clock * clocks, g->issue_fraction},
        {"integer", c->integer, g->integer_per_sm_clock * clocks, g->issue_fraction},
        {"special", c->special, g->special_per_sm_clock * clocks, g->issue_fraction},
        {"issue", c->fp32 + c->integer + c->special + c->other, g->issue_per_sm_clock * clocks,
         g->issue_fraction},
    };
    for (int i = 0; i < RESOURCES; ++i)
        (*list)[i] = all[i];
}

double dt_gpu_floor(const dt_gpu *gpu, const dt_gpu_cost *cost)
{
    resource list[RESOURCES];
    double longest = 0.0;
    list_resources(&list, gpu, cost);
    for (int i = 0; i < RESOURCES; ++i)
        longest = fmax(longest, list[i].use / list[i].peak);
    return longest;
}

double dt_gpu_expected(const dt_gpu *gpu, const dt_gpu_cost *cost, const char **bound)
{
    resource list[RESOURCES];
    const double share = cost->share > 0.0 ? cost->share : 1.0;
    /* even a short kernel loads an address, what is there, and stores */
    double longest = fmax(cost->chain, 3.0 * gpu->memory_latency_clocks) / (gpu->clock_mhz * 1e6);
    const char *name = "latency";
    list_resources(&list, gpu, cost);
    if (cost->matrix_share > 0.0)
        list[TENSOR_CORES].fraction *= cost->matrix_share;
    for (int i = 0; i < RESOURCES; ++i) {
        const double seconds = list[i].use / (list[i].peak * list[i].fraction * share);
        if (seconds > longest) {
            longest = seconds;
            name = list[i].name;
        }
    }
    if (bound)
        *bound = name;
    return longest;
}

double dt_gpu_resident(const dt_gpu *gpu, double threads, double registers, double shared_bytes)
{
    const double by_threads = floor(gpu->threads_per_sm / threads);
    const double by_registers = floor(gpu->registers_per_sm / (threads * registers));
    const double reserved = 1024.0; /* of each block, by the system */
    const double by_shared = floor(gpu->shared_kb_per_sm * 1024.0 / (shared_bytes + reserved));
    return fmax(1.0, fmin(fmin(by_threads, by_registers), fmin(by_shared, gpu->blocks_per_sm)));
}
