/* Basic services for the other files: the sticky error, memory, copies and the flat vectors. */
#include <stdarg.h>
#include <stdio.h>

#include "cuda/backend_cuda.h"

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
    return !cuda->error && dt_cuda_ok(cuda, cudaSetDevice(cuda->device), "selecting the device");
}

dt_status dt_cuda_check(dt_backend *backend)
{
    const dt_cuda *cuda = dt_cuda_of(backend);
    return cuda->error ? dt_fail(cuda->error, "%s", cuda->message) : DT_OK;
}

dt_status dt_cuda_sync(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaStreamSynchronize(cuda->stream), "waiting for its work");
    return dt_cuda_check(backend);
}

/* ---- memory --------------------------------------------------------------------------------- */

void dt_cuda_memory(dt_backend *backend, int64_t *available, int64_t *total)
{
    size_t free_bytes = 0;
    size_t all = 0;
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda, cudaMemGetInfo(&free_bytes, &all), "querying its memory");
    *available = (int64_t)free_bytes;
    *total = (int64_t)all;
}

dt_status dt_cuda_memory_new(dt_cuda *cuda, void **out, int64_t bytes)
{
    *out = NULL;
    if (!dt_cuda_ready(cuda))
        return dt_cuda_check(&cuda->base);
    const size_t size = bytes > 0 ? (size_t)bytes : 1;
    const cudaError_t code = cudaMalloc(out, size);
    if (code == cudaErrorMemoryAllocation) {
        int64_t available;
        int64_t total;
        cudaGetLastError(); /* running out of memory is reported but not sticky: the caller may try
                               a smaller size */
        dt_cuda_memory(&cuda->base, &available, &total);
        return dt_fail(DT_ERR_MEMORY,
                       "cannot allocate %.1f MB of GPU memory: %.1f MB of %.1f MB are available",
                       (double)bytes / 1e6, (double)available / 1e6, (double)total / 1e6);
    }
    if (dt_cuda_ok(cuda, code, "allocating memory"))
        dt_cuda_ok(cuda, cudaMemsetAsync(*out, 0, size, cuda->stream), "clearing memory");
    return dt_cuda_check(&cuda->base);
}

dt_status dt_cuda_alloc(dt_backend *backend, void **out, int64_t bytes)
{
    return dt_cuda_memory_new(dt_cuda_of(backend), out, bytes);
}

void dt_cuda_free(dt_backend *backend, void *memory)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (memory && cudaSetDevice(cuda->device) == cudaSuccess)
        cudaFree(memory);
}

/* The source is pageable memory: the call returns when it has been copied. */
void dt_cuda_upload(dt_backend *backend, void *device, const void *host, int64_t bytes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (cuda->recording) /* a replay would read the host memory again, whatever its content then */
        dt_cuda_fail(cuda, DT_ERR_INTERNAL,
                     "host memory is uploaded while a step is being recorded");
    if (bytes > 0 && dt_cuda_ready(cuda))
        dt_cuda_ok(
            cuda,
            cudaMemcpyAsync(device, host, (size_t)bytes, cudaMemcpyHostToDevice, cuda->stream),
            "an upload");
}

void dt_cuda_download(dt_backend *backend, void *host, const void *device, int64_t bytes)
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

/* Returns the bytes of the low-precision copy of the parameters. */
static int64_t low_bytes(const dt_backend *backend, int64_t count)
{
    return backend->precision == DT_PRECISION_FP32 ? 0 : count * backend->activation_size;
}

void dt_cuda_moments_share(dt_backend *backend, int64_t offset, int64_t count)
{
    dt_cuda_of(backend)->share = {offset, offset + count};
}

/* Returns the bytes of a vector that are stored, of `count` elements. */
static int64_t stored_bytes(const dt_cuda *cuda, int which, int64_t count)
{
    const dt_range here = dt_vector_stored(cuda->share, (dt_vector)which, 0, count);
    return dt_range_count(here) * (int64_t)sizeof(float);
}

static float *place(const dt_cuda *cuda, dt_vector which, int64_t element)
{
    return cuda->vector[which] + dt_vector_place(cuda->share, which, element);
}

int64_t dt_cuda_vectors_bytes(dt_backend *backend, int64_t count, bool training)
{
    int64_t bytes = low_bytes(backend, count) + (training ? dt_cuda_update_bytes(count) : 0);
    for (int i = 0; i < (training ? DT_VECTORS : 1); ++i)
        bytes += stored_bytes(dt_cuda_of(backend), i, count);
    return bytes;
}

void dt_cuda_vectors_free(dt_cuda *cuda)
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

dt_status dt_cuda_vectors_alloc(dt_backend *backend, int64_t count, bool training)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const int64_t low = low_bytes(backend, count);
    dt_status status = DT_OK;
    cuda->count = count;
    for (int i = 0; status == DT_OK && i < (training ? DT_VECTORS : 1); ++i)
        status =
            dt_cuda_memory_new(cuda, (void **)&cuda->vector[i], stored_bytes(cuda, i, count));
    if (status == DT_OK && low > 0)
        status = dt_cuda_memory_new(cuda, &cuda->low, low);
    if (status == DT_OK && training)
        status = dt_cuda_memory_new(cuda, (void **)&cuda->norm_sums, dt_cuda_update_bytes(count));
    if (status != DT_OK)
        dt_cuda_vectors_free(cuda);
    return status;
}

void dt_cuda_vector_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                          const void *host)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_range here = dt_vector_stored(cuda->share, which, offset, count);
    if (dt_range_count(here) > 0)
        dt_cuda_upload(backend, place(cuda, which, here.begin),
                       (const float *)host + (here.begin - offset),
                       dt_range_count(here) * (int64_t)sizeof(float));
    if (which == DT_PARAMETERS)
        dt_cuda_parameters_refresh(backend, offset, count);
}

void dt_cuda_vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         void *host)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_range_count(dt_vector_stored(cuda->share, which, offset, count)) != count)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "moments outside of this rank's share are read");
    dt_cuda_download(backend, host, place(cuda, which, offset), count * (int64_t)sizeof(float));
}

void *dt_cuda_vector_data(dt_backend *backend, dt_vector which)
{
    return dt_cuda_of(backend)->vector[which];
}

static void clear_gradients(dt_cuda *cuda, dt_param offset, int64_t count)
{
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda,
                   cudaMemsetAsync(dt_cuda_gradient(cuda, offset), 0, (size_t)count * sizeof(float),
                                   cuda->stream),
                   "clearing gradients");
}

void dt_cuda_gradients_zero(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    clear_gradients(cuda, 0, cuda->count);
}

void dt_cuda_gradients_replace(dt_backend *backend, bool replace)
{
    dt_cuda_of(backend)->replace = replace;
}

void dt_cuda_gradients_start(dt_cuda *cuda, dt_param offset, int64_t count)
{
    if (cuda->replace)
        clear_gradients(cuda, offset, count);
}
