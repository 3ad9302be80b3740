#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/backend_cuda.h"

/* ---- events --------------------------------------------------------------------------------- */

void *dt_cuda_event_handle(dt_backend *backend, int32_t slot)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (slot < 0 || slot >= DT_CUDA_EVENTS) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "there is no event %d", slot);
        return NULL;
    }
    if (!cuda->event[slot] && dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaEventCreateWithFlags(&cuda->event[slot], cudaEventDefault),
                   "making an event");
    return cuda->event[slot];
}

/* In a recorded step the event becomes part of the graph, so that other streams can wait for it
 * after each launch; without the flag it would only order operations within the capture. */
void dt_cuda_event_record(dt_backend *backend, int32_t slot)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    cudaEvent_t event = (cudaEvent_t)dt_cuda_event_handle(backend, slot);
    const unsigned flags = cuda->recording ? cudaEventRecordExternal : cudaEventRecordDefault;
    if (event && dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaEventRecordWithFlags(event, cuda->stream, flags),
                   "recording an event");
}

void dt_cuda_event_wait(dt_backend *backend, void *native_event)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamWaitEvent(cuda->stream, (cudaEvent_t)native_event, 0),
                   "waiting for an event");
}

double dt_cuda_event_seconds(dt_backend *backend, int32_t from, int32_t to)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const cudaEvent_t first = (cudaEvent_t)dt_cuda_event_handle(backend, from);
    const cudaEvent_t last = (cudaEvent_t)dt_cuda_event_handle(backend, to);
    float milliseconds = 0.0f;
    if (first && last && dt_cuda_ready(cuda) &&
        dt_cuda_ok(cuda, cudaEventSynchronize(first), "waiting for an event") &&
        dt_cuda_ok(cuda, cudaEventSynchronize(last), "waiting for an event"))
        dt_cuda_ok(cuda, cudaEventElapsedTime(&milliseconds, first, last), "reading two events");
    return 1e-3 * (double)milliseconds;
}

/* ---- the table ------------------------------------------------------------------------------ */

void dt_cuda_destroy(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!cuda)
        return;
    if (cudaSetDevice(cuda->device) == cudaSuccess) {
        for (cudaStream_t stream : {cuda->stream, cuda->other.stream})
            if (stream)
                cudaStreamSynchronize(stream);
        dt_cuda_steps_close(cuda);
        dt_cuda_branch_close(cuda);
        dt_cuda_batch_free(cuda);
        dt_cuda_downloads_free(cuda);
        dt_cuda_cudnn_close(cuda);
        dt_cuda_products_close(cuda);
        dt_cuda_vectors_free(cuda);
        cudaFree(cuda->state);
        cudaFree(cuda->sums);
        for (int i = 0; i < DT_CUDA_EVENTS; ++i)
            if (cuda->event[i])
                cudaEventDestroy(cuda->event[i]);
        if (cuda->stream)
            cudaStreamDestroy(cuda->stream);
    }
    free(cuda);
}

/* Returns the table of operations for one type of activations. */
template <typename T> static dt_backend_ops make_table()
{
    dt_backend_ops table = {};
#define ENTRY(name) table.name = dt_cuda_##name;
#define TEMPLATE_ENTRY(name) table.name = dt_cuda_##name<T>;
    DT_SERVICE_OPERATIONS(ENTRY)
    DT_LAYER_OPERATIONS(TEMPLATE_ENTRY)
    DT_LAYER_QUERIES(TEMPLATE_ENTRY)
    DT_LOSS_OPERATIONS(ENTRY)
    DT_OPTIONAL_OPERATIONS(ENTRY)
    return table;
}

static const dt_backend_ops table_fp32 = make_table<float>();
static const dt_backend_ops table_bf16 = make_table<__nv_bfloat16>();
static const dt_backend_ops table_fp16 = make_table<__half>();

/* ---- opening -------------------------------------------------------------------------------- */

/* Ampere: the oldest architecture with bf16 tensor cores and the oldest that this module is built
 * for. */
#define OLDEST_MAJOR 8

/* The module that sums gradients over GPUs. */
#ifndef DT_CUDA_COMM_MODULE
#define DT_CUDA_COMM_MODULE "nccl"
#endif

/* The oldest driver for this toolkit and all others of its major version. */
#define OLDEST_DRIVER (CUDART_VERSION >= 13000 ? "580" : "525.60")

/* Writes " (CUDA_VISIBLE_DEVICES is '...')" if it is set, else "". */
static const char *visible_devices(char *text, size_t size)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    text[0] = '\0';
    if (visible)
        snprintf(text, size, " (CUDA_VISIBLE_DEVICES is '%s')", visible);
    return text;
}

/* Selects the GPU, which another process may have taken. */
static dt_status take_device(int number, const char *name)
{
    const cudaError_t code = cudaSetDevice(number);
    if (code == cudaErrorDevicesUnavailable)
        return dt_fail(DT_ERR_DEVICE,
                       "GPU %d (%s) is used by another process, and its compute mode allows only "
                       "one (nvidia-smi -q -d COMPUTE): wait for that process, choose another GPU "
                       "with CUDA_VISIBLE_DEVICES, or use --device cpu",
                       number, name);
    return code == cudaSuccess ? DT_OK
                               : dt_fail(DT_ERR_DEVICE, "GPU %d (%s) cannot be used: %s", number,
                                         name, cudaGetErrorString(code));
}

/* Finds the requested GPU; fails if it, or a suitable driver, is missing. */
static dt_status find_device(const dt_backend_options *options, int *number,
                             cudaDeviceProp *properties)
{
    int wanted = options->device;
    int driver = 0;
    int devices = 0;
    char visible[512];
    cudaDriverGetVersion(&driver);
    if (driver == 0)
        return dt_fail(DT_ERR_DEVICE, "no NVIDIA driver is installed on this machine: install one, "
                                      "or use --device cpu");
    const cudaError_t code = cudaGetDeviceCount(&devices);
    if (code == cudaErrorInsufficientDriver)
        return dt_fail(DT_ERR_DEVICE,
                       "the NVIDIA driver is too old: it supports CUDA %d.%d, but CUDA %d is "
                       "needed; update the driver to %s or later, or use --device cpu",
                       driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, OLDEST_DRIVER);
    if (code != cudaSuccess || devices == 0)
        return dt_fail(DT_ERR_DEVICE,
                       "no usable GPU: %s%s; use --device cpu, or check nvidia-smi",
                       code == cudaSuccess ? "the driver finds none" : cudaGetErrorString(code),
                       visible_devices(visible, sizeof visible));
    if (options->round_robin && wanted >= 0)
        wanted %= devices;
    if (wanted < 0 || wanted >= devices)
        return dt_fail(DT_ERR_DEVICE, "there is no GPU %d: this process sees %d, numbered from 0%s",
                       wanted, devices, visible_devices(visible, sizeof visible));
    if (cudaGetDeviceProperties(properties, wanted) != cudaSuccess)
        return dt_fail(DT_ERR_DEVICE, "GPU %d does not respond: %s", wanted,
                       cudaGetErrorString(cudaGetLastError()));
    if (properties->major < OLDEST_MAJOR)
        return dt_fail(DT_ERR_DEVICE,
                       "GPU %d (%s) is too old: it has compute capability %d.%d, but %d.0 is "
                       "needed (A100 or later); use --device cpu",
                       wanted, properties->name, properties->major, properties->minor,
                       OLDEST_MAJOR);
    *number = wanted;
    return take_device(wanted, properties->name);
}

/* Reads the version of the driver, which CUDA does not tell: it has only the newest CUDA version that
 * the driver supports. */
static void read_driver(char *out, size_t size)
{
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    if (!file || !fgets(out, (int)size, file))
        snprintf(out, size, "unknown");
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

static dt_status identify(const dt_backend_options *options, char *out, size_t size)
{
    cudaDeviceProp properties;
    char version[256];
    int number = 0;
    int driver = 0;
    int devices = 0;
    out[0] = '\0';
    cudaDriverGetVersion(&driver);
    if (driver == 0 || cudaGetDeviceCount(&devices) == cudaErrorNoDevice)
        return DT_OK;
    DT_TRY(find_device(options, &number, &properties));
    read_driver(version, sizeof version);
    snprintf(out, size, "%.120s, %.0f MB, CUDA %d for %d, cuBLASLt %d, driver: %s",
             properties.name, (double)properties.totalGlobalMem / 1e6, CUDART_VERSION, driver,
             (int)cublasLtGetVersion(), version);
    return DT_OK;
}

static void set_precision(dt_cuda *cuda, dt_precision precision)
{
    dt_backend *base = &cuda->base;
    base->name = "cuda";
    base->statistic_size = sizeof(float);
    base->master_size = sizeof(float);
    base->host_memory = false;
    base->precision = precision;
    cuda->half = precision == DT_PRECISION_FP16;
    base->activation_size = precision == DT_PRECISION_FP32 ? 4 : 2;
    base->row_multiple = DT_CUDA_ROW_UNIT;
    base->ops = precision == DT_PRECISION_FP32   ? &table_fp32
                : precision == DT_PRECISION_FP16 ? &table_fp16
                                                 : &table_bf16;
}

/* Resolves `auto`. */
static dt_precision precision_of(const dt_backend_options *options)
{
    if (options->precision != DT_PRECISION_AUTO)
        return options->precision;
    return options->gpu_default != DT_PRECISION_AUTO ? options->gpu_default : DT_PRECISION_BF16;
}

static dt_status prepare(dt_cuda *cuda, dt_attention_method attention, const dt_update_state *start)
{
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking),
                   "making a stream");
    DT_TRY(dt_cuda_check(&cuda->base));
    DT_TRY(dt_cuda_steps_open(cuda));
    DT_TRY(dt_cuda_products_open(cuda));
    DT_TRY(dt_cuda_branch_open(cuda));
    if (attention == DT_ATTENTION_CUDNN)
        DT_TRY(dt_cuda_cudnn_open(cuda));
    DT_TRY(dt_cuda_memory_new(cuda, (void **)&cuda->sums, DT_CUDA_SUMS * (int64_t)sizeof(float)));
    DT_TRY(dt_cuda_memory_new(cuda, (void **)&cuda->state, sizeof(dt_cuda_state)));
    dt_cuda_state_write(&cuda->base, start);
    return dt_cuda_check(&cuda->base);
}

static dt_status open_backend(const dt_backend_options *options, dt_backend **out)
{
    cudaDeviceProp properties;
    int number = 0;
    DT_TRY(find_device(options, &number, &properties));
    dt_cuda *cuda = (dt_cuda *)calloc(1, sizeof *cuda);
    if (!cuda)
        return dt_fail(DT_ERR_MEMORY, "no memory for the CUDA backend");
    cuda->device = number;
    cuda->share.end = INT64_MAX;
    cuda->base.comm_module = DT_CUDA_COMM_MODULE;
    if (cudaDeviceGetPCIBusId(cuda->base.device_id, sizeof cuda->base.device_id, number) !=
        cudaSuccess)
        cuda->base.device_id[0] = '\0';
    cuda->multiprocessors = properties.multiProcessorCount;
    cuda->attention = options->attention;
    set_precision(cuda, precision_of(options));
    snprintf(cuda->base.description, sizeof cuda->base.description,
             "%.120s, %.0f GB (CUDA %d.%d, cuBLASLt %d)", properties.name,
             (double)properties.totalGlobalMem / 1e9, CUDART_VERSION / 1000,
             CUDART_VERSION % 1000 / 10, (int)cublasLtGetVersion());
    dt_update_state start = {};
    start.loss_scale = 1.0;
    const dt_status status = prepare(cuda, options->attention, &start);
    if (status != DT_OK) {
        dt_cuda_destroy(&cuda->base);
        return status;
    }
    *out = &cuda->base;
    return DT_OK;
}

extern "C" {
extern const dt_backend_entry dt_backend_module __attribute__((visibility("default")));
const dt_backend_entry dt_backend_module = {DT_BACKEND_CONTRACT, open_backend, identify};
}
