#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/device.cuh"

/* ---- errors --------------------------------------------------------------------------------- */

void dt_cuda_fail(dt_cuda *cuda, dt_status code, const char *format, ...)
{
    if (cuda->error)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cuda->message, sizeof cuda->message, format, arguments);
    va_end(arguments);
    cuda->error = code;
}

bool dt_cuda_ok(dt_cuda *cuda, cudaError_t code, const char *doing)
{
    if (code == cudaSuccess)
        return true;
    dt_cuda_fail(cuda, code == cudaErrorMemoryAllocation ? DT_ERR_MEMORY : DT_ERR_DEVICE,
                 "GPU %d failed at %s: %s", cuda->device, doing, cudaGetErrorString(code));
    return false;
}

void dt_cuda_launched(dt_cuda *cuda, const char *kernel)
{
    dt_cuda_ok(cuda, cudaGetLastError(), kernel);
}

bool dt_cuda_ready(dt_cuda *cuda)
{
    return !cuda->error && dt_cuda_ok(cuda, cudaSetDevice(cuda->device), "choosing the device");
}

static dt_status check(dt_backend *backend)
{
    const dt_cuda *cuda = dt_cuda_of(backend);
    return cuda->error ? dt_fail(cuda->error, "%s", cuda->message) : DT_OK;
}

static dt_status op_sync(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamSynchronize(cuda->stream), "waiting for its work");
    return check(backend);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void op_memory(dt_backend *backend, int64_t *available, int64_t *total)
{
    size_t free_bytes = 0;
    size_t all = 0;
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaMemGetInfo(&free_bytes, &all), "asking for its memory");
    *available = (int64_t)free_bytes;
    *total = (int64_t)all;
}

dt_status dt_cuda_alloc(dt_cuda *cuda, void **out, int64_t bytes)
{
    *out = NULL;
    if (!dt_cuda_ready(cuda))
        return check(&cuda->base);
    const size_t size = bytes > 0 ? (size_t)bytes : 1;
    const cudaError_t code = cudaMalloc(out, size);
    if (code == cudaErrorMemoryAllocation) {
        int64_t available;
        int64_t total;
        cudaGetLastError(); /* running out is reported, not sticky: the caller may ask for less */
        op_memory(&cuda->base, &available, &total);
        return dt_fail(DT_ERR_MEMORY,
                       "%.1f MB of GPU memory were asked for, and %.1f MB of %.1f MB are left",
                       (double)bytes / 1e6, (double)available / 1e6, (double)total / 1e6);
    }
    if (dt_cuda_ok(cuda, code, "getting memory"))
        dt_cuda_ok(cuda, cudaMemsetAsync(*out, 0, size, cuda->stream), "clearing memory");
    return check(&cuda->base);
}

static dt_status op_alloc(dt_backend *backend, void **out, int64_t bytes)
{
    return dt_cuda_alloc(dt_cuda_of(backend), out, bytes);
}

static void op_free(dt_backend *backend, void *memory)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (memory && cudaSetDevice(cuda->device) == cudaSuccess)
        cudaFree(memory);
}

/* From pageable memory: the call returns when the host's bytes have been taken. */
static void op_upload(dt_backend *backend, void *device, const void *host, int64_t bytes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (cuda->recording) /* a replay would read the host's bytes again, whatever they are by then */
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "host memory is uploaded while a step is recorded");
    if (bytes > 0 && dt_cuda_ready(cuda))
        dt_cuda_ok(
            cuda,
            cudaMemcpyAsync(device, host, (size_t)bytes, cudaMemcpyHostToDevice, cuda->stream),
            "an upload");
}

static void op_download(dt_backend *backend, void *host, const void *device, int64_t bytes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (bytes <= 0 || !dt_cuda_ready(cuda))
        return;
    if (dt_cuda_ok(
            cuda,
            cudaMemcpyAsync(host, device, (size_t)bytes, cudaMemcpyDeviceToHost, cuda->stream),
            "a download"))
        dt_cuda_ok(cuda, cudaStreamSynchronize(cuda->stream), "a download");
}

/* ---- flat vectors --------------------------------------------------------------------------- */

/* Bytes of the copy of the parameters in the type of activations. */
static int64_t low_bytes(const dt_backend *backend, int64_t count)
{
    return backend->precision == DT_PRECISION_FP32 ? 0 : count * backend->activation_size;
}

static int64_t vectors_bytes(dt_backend *backend, int64_t count, bool training)
{
    const int64_t vectors = training ? DT_VECTORS : 1;
    return vectors * count * (int64_t)sizeof(float) + low_bytes(backend, count) +
           (training ? dt_cuda_update_bytes(count) : 0);
}

static void vectors_free(dt_cuda *cuda)
{
    for (int i = 0; i < DT_VECTORS; ++i) {
        cudaFree(cuda->vector[i]);
        cuda->vector[i] = NULL;
    }
    cudaFree(cuda->low);
    cudaFree(cuda->norm_sums);
    cuda->low = NULL;
    cuda->norm_sums = NULL;
}

static dt_status vectors_alloc(dt_backend *backend, int64_t count, bool training)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const int64_t low = low_bytes(backend, count);
    dt_status status = DT_OK;
    cuda->count = count;
    for (int i = 0; status == DT_OK && i < (training ? DT_VECTORS : 1); ++i)
        status = dt_cuda_alloc(cuda, (void **)&cuda->vector[i], count * (int64_t)sizeof(float));
    if (status == DT_OK && low > 0)
        status = dt_cuda_alloc(cuda, &cuda->low, low);
    if (status == DT_OK && training)
        status = dt_cuda_alloc(cuda, (void **)&cuda->norm_sums, dt_cuda_update_bytes(count));
    if (status != DT_OK)
        vectors_free(cuda);
    return status;
}

static void vector_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         const void *host)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    op_upload(backend, cuda->vector[which] + offset, host, count * (int64_t)sizeof(float));
    if (which == DT_PARAMETERS)
        dt_cuda_refresh_low(cuda, offset, count);
}

static void vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                        void *host)
{
    op_download(backend, host, dt_cuda_of(backend)->vector[which] + offset,
                count * (int64_t)sizeof(float));
}

static void *vector_data(dt_backend *backend, dt_vector which)
{
    return dt_cuda_of(backend)->vector[which];
}

static void gradients_zero(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda,
                   cudaMemsetAsync(cuda->vector[DT_GRADIENTS], 0,
                                   (size_t)cuda->count * sizeof(float), cuda->stream),
                   "clearing gradients");
}

/* ---- events --------------------------------------------------------------------------------- */

static void *event_handle(dt_backend *backend, int32_t slot)
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

/* Within a recorded step an event is part of the graph, for streams outside to wait on after each
 * launch; without the flag it would only order the recording itself. */
static void event_record(dt_backend *backend, int32_t slot)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    cudaEvent_t event = (cudaEvent_t)event_handle(backend, slot);
    const unsigned flags = cuda->recording ? cudaEventRecordExternal : cudaEventRecordDefault;
    if (event && dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaEventRecordWithFlags(event, cuda->stream, flags),
                   "recording an event");
}

static void event_wait(dt_backend *backend, void *native_event)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamWaitEvent(cuda->stream, (cudaEvent_t)native_event, 0),
                   "waiting for an event");
}

static double event_seconds(dt_backend *backend, int32_t from, int32_t to)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const cudaEvent_t first = (cudaEvent_t)event_handle(backend, from);
    const cudaEvent_t last = (cudaEvent_t)event_handle(backend, to);
    float milliseconds = 0.0f;
    if (first && last && dt_cuda_ready(cuda) &&
        dt_cuda_ok(cuda, cudaEventSynchronize(first), "waiting for an event") &&
        dt_cuda_ok(cuda, cudaEventSynchronize(last), "waiting for an event"))
        dt_cuda_ok(cuda, cudaEventElapsedTime(&milliseconds, first, last), "reading two events");
    return 1e-3 * (double)milliseconds;
}

/* ---- the table ------------------------------------------------------------------------------ */

static void destroy(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!cuda)
        return;
    if (cudaSetDevice(cuda->device) == cudaSuccess) {
        if (cuda->stream)
            cudaStreamSynchronize(cuda->stream);
        dt_cuda_steps_close(cuda);
        dt_cuda_batch_free(cuda);
        dt_cuda_downloads_free(cuda);
        dt_cuda_cudnn_close(cuda);
        dt_cuda_products_close(cuda);
        vectors_free(cuda);
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

/* The operations for one type of activations. */
template <typename T> static dt_backend_ops make_table()
{
    dt_backend_ops table = {};
    table.destroy = destroy;
    table.check = check;
    table.sync = op_sync;
    table.alloc = op_alloc;
    table.free = op_free;
    table.memory = op_memory;
    table.upload = op_upload;
    table.download = op_download;
    table.download_reserve = dt_cuda_download_reserve;
    table.download_start = dt_cuda_download_start;
    table.download_finish = dt_cuda_download_finish;
    table.vectors_alloc = vectors_alloc;
    table.vectors_bytes = vectors_bytes;
    table.vector_write = vector_write;
    table.vector_read = vector_read;
    table.vector_data = vector_data;
    table.gradients_to_bf16 = dt_cuda_gradients_to_bf16;
    table.gradients_from_bf16 = dt_cuda_gradients_from_bf16;
    table.gradients_zero = gradients_zero;
    table.batch_reserve = dt_cuda_batch_reserve;
    table.batch_bytes = dt_cuda_batch_bytes;
    table.batch_upload = dt_cuda_batch_upload;
    table.embedding_forward = dt_cuda_embedding_forward<T>;
    table.embedding_backward = dt_cuda_embedding_backward<T>;
    table.linear_forward = dt_cuda_linear_forward<T>;
    table.linear_backward = dt_cuda_linear_backward<T>;
    table.linear_gelu_forward = dt_cuda_linear_gelu_forward<T>;
    table.gelu_backward = dt_cuda_gelu_backward<T>;
    table.attention_check = dt_cuda_attention_check<T>;
    table.attention_forward = dt_cuda_attention_forward<T>;
    table.attention_backward = dt_cuda_attention_backward<T>;
    table.add_norm_forward = dt_cuda_add_norm_forward<T>;
    table.add_norm_backward = dt_cuda_add_norm_backward<T>;
    table.gather_first_forward = dt_cuda_gather_first_forward<T>;
    table.gather_first_backward = dt_cuda_gather_first_backward<T>;
    table.mean_forward = dt_cuda_mean_forward<T>;
    table.mean_backward = dt_cuda_mean_backward<T>;
    table.activate_forward = dt_cuda_activate_forward<T>;
    table.activate_backward = dt_cuda_activate_backward<T>;
    table.conv_max_forward = dt_cuda_conv_max_forward<T>;
    table.conv_max_backward = dt_cuda_conv_max_backward<T>;
    table.conv_max_scratch = dt_cuda_conv_max_scratch<T>;
    table.lookup_forward = dt_cuda_lookup_forward<T>;
    table.lookup_backward = dt_cuda_lookup_backward<T>;
    table.conv_layer_forward = dt_cuda_conv_layer_forward<T>;
    table.conv_layer_backward = dt_cuda_conv_layer_backward<T>;
    table.conv_layer_scratch = dt_cuda_conv_layer_scratch<T>;
    table.position_max_forward = dt_cuda_position_max_forward<T>;
    table.position_max_backward = dt_cuda_position_max_backward<T>;
    table.fuse_forward = dt_cuda_fuse_forward<T>;
    table.fuse_backward = dt_cuda_fuse_backward<T>;
    table.heads_forward = dt_cuda_heads_forward<T>;
    table.heads_backward = dt_cuda_heads_backward<T>;
    table.loss = dt_cuda_loss;
    table.classify = dt_cuda_classify;
    table.update = dt_cuda_update;
    table.state_write = dt_cuda_state_write;
    table.state_read = dt_cuda_state_read;
    table.event_record = event_record;
    table.event_handle = event_handle;
    table.event_wait = event_wait;
    table.event_seconds = event_seconds;
    table.step_begin = dt_cuda_step_begin;
    table.step_end = dt_cuda_step_end;
    return table;
}

static const dt_backend_ops table_fp32 = make_table<float>();
static const dt_backend_ops table_bf16 = make_table<__nv_bfloat16>();
static const dt_backend_ops table_fp16 = make_table<__half>();

/* ---- opening -------------------------------------------------------------------------------- */

/* Ampere: the oldest that has bf16 tensor cores and that this module is built for. */
#define OLDEST_MAJOR 8

/* What sums gradients over GPUs. */
#ifndef DT_CUDA_COMM_MODULE
#define DT_CUDA_COMM_MODULE "nccl"
#endif

/* The wanted GPU must be there, with a driver that this module can work with. */
static dt_status find_device(const dt_backend_options *options, int *number,
                             cudaDeviceProp *properties)
{
    int wanted = options->device;
    int driver = 0;
    int devices = 0;
    cudaDriverGetVersion(&driver);
    if (driver == 0)
        return dt_fail(DT_ERR_DEVICE, "no NVIDIA driver is installed on this machine: install one, "
                                      "or use --device cpu");
    const cudaError_t code = cudaGetDeviceCount(&devices);
    if (code == cudaErrorInsufficientDriver)
        return dt_fail(DT_ERR_DEVICE,
                       "the NVIDIA driver is too old: it offers CUDA %d.%d, and CUDA %d.%d is "
                       "needed; update the driver, or use --device cpu",
                       driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                       CUDART_VERSION % 1000 / 10);
    if (code != cudaSuccess || devices == 0) {
        const char *visible = getenv("CUDA_VISIBLE_DEVICES");
        return dt_fail(DT_ERR_DEVICE,
                       "no GPU can be used: %s%s%s%s; use --device cpu, or look at nvidia-smi",
                       code == cudaSuccess ? "the driver finds none" : cudaGetErrorString(code),
                       visible ? " (CUDA_VISIBLE_DEVICES is '" : "", visible ? visible : "",
                       visible ? "')" : "");
    }
    if (options->round_robin && wanted >= 0)
        wanted %= devices;
    if (wanted < 0 || wanted >= devices)
        return dt_fail(DT_ERR_DEVICE, "there is no GPU %d: this machine has %d, numbered from 0",
                       wanted, devices);
    if (cudaGetDeviceProperties(properties, wanted) != cudaSuccess)
        return dt_fail(DT_ERR_DEVICE, "GPU %d does not answer: %s", wanted,
                       cudaGetErrorString(cudaGetLastError()));
    if (properties->major < OLDEST_MAJOR)
        return dt_fail(DT_ERR_DEVICE,
                       "GPU %d (%s) is too old: it has compute capability %d.%d, and %d.0 is "
                       "needed (A100 and later); use --device cpu",
                       wanted, properties->name, properties->major, properties->minor,
                       OLDEST_MAJOR);
    *number = wanted;
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

/* What `auto` means here. */
static dt_precision precision_of(const dt_backend_options *options)
{
    if (options->precision != DT_PRECISION_AUTO)
        return options->precision;
    return options->gpu_default != DT_PRECISION_AUTO ? options->gpu_default : DT_PRECISION_BF16;
}

static dt_status prepare(dt_cuda *cuda, dt_attention_method attention,
                         const dt_update_state *start)
{
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking),
                   "making a stream");
    DT_TRY(check(&cuda->base));
    DT_TRY(dt_cuda_steps_open(cuda));
    DT_TRY(dt_cuda_products_open(cuda));
    if (attention == DT_ATTENTION_CUDNN)
        DT_TRY(dt_cuda_cudnn_open(cuda));
    DT_TRY(dt_cuda_alloc(cuda, (void **)&cuda->sums, DT_CUDA_SUMS * (int64_t)sizeof(float)));
    DT_TRY(dt_cuda_alloc(cuda, (void **)&cuda->state, sizeof(dt_cuda_state)));
    dt_cuda_state_write(&cuda->base, start);
    return check(&cuda->base);
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
        destroy(&cuda->base);
        return status;
    }
    *out = &cuda->base;
    return DT_OK;
}

extern "C" {
extern const dt_backend_module dt_backend_module_symbol __asm__("dt_backend_module")
    __attribute__((visibility("default")));
const dt_backend_module dt_backend_module_symbol = {DT_BACKEND_CONTRACT, open_backend};
}
