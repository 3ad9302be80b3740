/* A dummy libcuda.so.1 for test_cudnn_plans: it reports no GPU and pretends to load kernels, so
 * that cuDNN can finish a plan for a GPU that exists only as a description. */
#define NO_DEVICE 100
#define REFUSED 1

int cuInit(unsigned flags);
int cuLibraryLoadData(void **library);
int cuLibraryGetKernel(void **kernel);
int cuLibraryUnload(void *library);

static char something; /* handles point here */

int cuInit(unsigned flags)
{
    (void)flags;
    return NO_DEVICE;
}

int cuLibraryLoadData(void **library)
{
    *library = &something;
    return 0;
}

int cuLibraryGetKernel(void **kernel)
{
    *kernel = &something;
    return 0;
}

int cuLibraryUnload(void *library)
{
    (void)library;
    return 0;
}

/* Functions that the library looks up but does not call for a plan. */
#define NOT_CALLED(name)                                                                           \
    int name(void);                                                                                \
    int name(void)                                                                                 \
    {                                                                                              \
        return REFUSED;                                                                            \
    }
NOT_CALLED(cuCtxGetCurrent)
NOT_CALLED(cuCtxGetLimit)
NOT_CALLED(cuCtxPopCurrent)
NOT_CALLED(cuCtxPushCurrent)
NOT_CALLED(cuDeviceGet)
NOT_CALLED(cuDeviceGetCount)
NOT_CALLED(cuDriverGetVersion)
NOT_CALLED(cuGetErrorName)
NOT_CALLED(cuGetErrorString)
NOT_CALLED(cuKernelGetAttribute)
NOT_CALLED(cuKernelSetAttribute)
NOT_CALLED(cuLaunchCooperativeKernel)
NOT_CALLED(cuLaunchKernel)
NOT_CALLED(cuLaunchKernelEx)
NOT_CALLED(cuLibraryLoadFromFile)
NOT_CALLED(cuLinkAddData)
NOT_CALLED(cuLinkComplete)
NOT_CALLED(cuLinkCreate)
NOT_CALLED(cuLinkDestroy)
NOT_CALLED(cuOccupancyMaxPotentialClusterSize)
NOT_CALLED(cuStreamGetCtx)
