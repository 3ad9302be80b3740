/* Asynchronous copies to the host. They go to pinned memory in stream order, so that later work in
 * the stream may overwrite the source, and from there to the caller's memory when the caller
 * waits. */
#include <stdlib.h>
#include <string.h>

#include "cuda/backend_cuda.h"

static bool is_slot(dt_cuda *cuda, int32_t slot)
{
    if (slot >= 0 && slot < DT_DOWNLOAD_SLOTS)
        return true;
    dt_cuda_fail(cuda, DT_ERR_INTERNAL, "there is no download slot %d", slot);
    return false;
}

static void grow(dt_cuda *cuda, dt_cuda_transfer *download, int64_t bytes)
{
    cudaFreeHost(download->pinned);
    download->pinned = NULL;
    download->capacity = 0;
    const cudaError_t code = cudaMallocHost((void **)&download->pinned, (size_t)bytes);
    if (code != cudaSuccess) {
        cudaGetLastError();
        download->pinned = NULL;
        dt_cuda_fail(cuda, DT_ERR_MEMORY, "no %.1f MB of pinned host memory for results",
                     (double)bytes / 1e6);
        return;
    }
    download->capacity = bytes;
}

dt_status dt_cuda_download_reserve(dt_backend *backend, int32_t slot, int64_t bytes)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!is_slot(cuda, slot) || !dt_cuda_ready(cuda))
        return dt_cuda_check(backend);
    dt_cuda_transfer *download = &cuda->copy[slot];
    if (download->busy) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "download slot %d is reserved while in use", slot);
        return dt_cuda_check(backend);
    }
    /* a waiting thread sleeps: the cores are needed for reading sequences and writing results */
    if (!download->copied)
        dt_cuda_ok(cuda,
                   cudaEventCreateWithFlags(&download->copied,
                                            cudaEventDisableTiming | cudaEventBlockingSync),
                   "making an event");
    if (download->capacity < bytes)
        grow(cuda, download, bytes);
    return dt_cuda_check(backend);
}

void dt_cuda_downloads_free(dt_cuda *cuda)
{
    for (int i = 0; i < DT_DOWNLOAD_SLOTS; ++i) {
        dt_cuda_transfer *download = &cuda->copy[i];
        cudaFreeHost(download->pinned);
        if (download->copied)
            cudaEventDestroy(download->copied);
        memset(download, 0, sizeof *download);
    }
}

void dt_cuda_download_start(dt_backend *backend, void *host, const void *device, int64_t rows,
                            int64_t bytes, int64_t stride, int32_t slot)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!is_slot(cuda, slot) || !dt_cuda_ready(cuda))
        return;
    dt_cuda_transfer *download = &cuda->copy[slot];
    if (download->busy || rows * bytes > download->capacity) {
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "download slot %d is %s", slot,
                     download->busy ? "started twice" : "too small for the copy");
        return;
    }
    download->host = host;
    download->bytes = rows * bytes;
    download->busy = true;
    if (download->bytes > 0 &&
        dt_cuda_ok(cuda,
                   cudaMemcpy2DAsync(download->pinned, (size_t)bytes, device, (size_t)stride,
                                     (size_t)bytes, (size_t)rows, cudaMemcpyDeviceToHost,
                                     cuda->stream),
                   "a download"))
        dt_cuda_ok(cuda, cudaEventRecord(download->copied, cuda->stream), "a download");
}

void dt_cuda_download_finish(dt_backend *backend, int32_t slot)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!is_slot(cuda, slot))
        return;
    dt_cuda_transfer *download = &cuda->copy[slot];
    if (!download->busy)
        dt_cuda_fail(cuda, DT_ERR_INTERNAL, "download slot %d is finished before it is started",
                     slot);
    download->busy = false;
    if (dt_cuda_ready(cuda) && download->bytes > 0 &&
        dt_cuda_ok(cuda, cudaEventSynchronize(download->copied), "a download"))
        memcpy(download->host, download->pinned, (size_t)download->bytes);
}
