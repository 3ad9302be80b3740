#include "nvlink.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* Declarations of nvml.h, which need not be installed; their values are part of its ABI. */
#define NVML_P2P_CAPS_INDEX_NVLINK 2
#define NVML_SUCCESS 0
#define NVML_P2P_STATUS_OK 0
typedef void *nvml_device;

typedef struct {
    int (*init)(void);
    int (*shutdown)(void);
    int (*by_address)(const char *address, nvml_device *device);
    int (*p2p_status)(nvml_device a, nvml_device b, int capability, int *status);
} nvml;

/* ISO C has no conversion from an object pointer to a function pointer. */
static bool look_up(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

static bool load(nvml *n)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    return library && look_up(library, "nvmlInit_v2", &n->init) &&
           look_up(library, "nvmlShutdown", &n->shutdown) &&
           look_up(library, "nvmlDeviceGetHandleByPciBusId_v2", &n->by_address) &&
           look_up(library, "nvmlDeviceGetP2PStatus", &n->p2p_status);
}

static dt_link link_of(const nvml *n, int32_t count, const nvml_device *handle)
{
    dt_link link = DT_LINK_NVLINK;
    for (int32_t a = 0; a < count; ++a)
        for (int32_t b = a + 1; b < count; ++b) {
            int status;
            if (n->p2p_status(handle[a], handle[b], NVML_P2P_CAPS_INDEX_NVLINK, &status) !=
                NVML_SUCCESS)
                return DT_LINK_UNKNOWN;
            if (status != NVML_P2P_STATUS_OK)
                link = DT_LINK_PCIE;
        }
    return link;
}

dt_link dt_link_of_gpus(int32_t count, char (*device)[32])
{
    nvml n;
    nvml_device *handle;
    dt_link link = DT_LINK_UNKNOWN;
    int32_t found = 0;
    if (!load(&n) || n.init() != NVML_SUCCESS)
        return DT_LINK_UNKNOWN;
    if (DT_NEW(handle, (size_t)count) == DT_OK) {
        while (found < count && n.by_address(device[found], &handle[found]) == NVML_SUCCESS)
            ++found;
        if (found == count)
            link = link_of(&n, count, handle);
        free(handle);
    }
    n.shutdown();
    return link;
}
