/* NVIDIA's management library, for tests: NVLINK=1: NVLink connects all GPUs; 0: none. */
#include <stdlib.h>

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **device);
int nvmlDeviceGetP2PStatus(void *a, void *b, int capability, int *status);

int nvmlInit_v2(void)
{
    return getenv("NVLINK") ? 0 : 9; /* no driver */
}

int nvmlShutdown(void)
{
    return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **device)
{
    *device = (void *)address;
    return 0;
}

/* The fifth status: not supported. */
int nvmlDeviceGetP2PStatus(void *a, void *b, int capability, int *status)
{
    *status = capability == 2 && a != b && atoi(getenv("NVLINK")) ? 0 : 5;
    return 0;
}
