/* Basic services for the other files: the sticky error, thread scratch memory, memory and
 * copies. */
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/backend_cpu.h"
#include "cpu/host.h"

/* ---- errors, scratch ------------------------------------------------------------------------ */

void dt_cpu_fail(dt_cpu *cpu, dt_status code, const char *format, ...)
{
    if (cpu->error)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cpu->message, sizeof cpu->message, format, arguments);
    va_end(arguments);
    cpu->error = code;
}

dt_status dt_cpu_check(dt_backend *backend)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    return cpu->error ? dt_fail(cpu->error, "%s", cpu->message) : DT_OK;
}

/* Operations are complete when they return. */
dt_status dt_cpu_sync(dt_backend *backend)
{
    return dt_cpu_check(backend);
}

int64_t dt_cpu_thread(void)
{
    return omp_get_thread_num();
}

dt_real *dt_cpu_scratch(const dt_cpu *cpu, int which)
{
    return cpu->scratch + (dt_cpu_thread() * DT_CPU_ROWS + which) * cpu->scratch_row;
}

bool dt_cpu_fits_scratch(dt_cpu *cpu, int64_t count, const char *what)
{
    if (cpu->scratch && count <= cpu->scratch_row)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "%s of %lld exceeds the %lld that the CPU backend supports",
                what, (long long)count, (long long)cpu->scratch_row);
    return false;
}

/* ---- memory --------------------------------------------------------------------------------- */

void dt_cpu_zero(const dt_cpu *cpu, void *memory, int64_t bytes)
{
    const int64_t chunk = (int64_t)1 << 20;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < bytes; first += chunk)
        memset((char *)memory + first, 0, (size_t)(bytes - first < chunk ? bytes - first : chunk));
}

#define HUGE_PAGE ((int64_t)2 << 20)

dt_status dt_cpu_memory_new(const dt_cpu *cpu, void **out, int64_t bytes)
{
    const int64_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : 256;
    const int64_t size = (bytes / alignment + 1) * alignment;
    int64_t available;
    int64_t total;
    dt_host_memory(&available, &total);
    *out = size <= available ? aligned_alloc((size_t)alignment, (size_t)size) : NULL;
    if (!*out)
        return dt_fail(DT_ERR_MEMORY, "cannot allocate %.1f MB of memory: %.1f MB are available",
                       (double)bytes / 1e6, (double)available / 1e6);
    if (alignment == HUGE_PAGE)
        madvise(*out, (size_t)size, MADV_HUGEPAGE); /* only a hint */
    dt_cpu_zero(cpu, *out, size);
    return DT_OK;
}

dt_status dt_cpu_alloc(dt_backend *backend, void **out, int64_t bytes)
{
    return dt_cpu_memory_new(dt_cpu_of(backend), out, bytes);
}

void dt_cpu_free(dt_backend *backend, void *memory)
{
    (void)backend;
    free(memory);
}

void dt_cpu_memory(dt_backend *backend, int64_t *available, int64_t *total)
{
    (void)backend;
    dt_host_memory(available, total);
}

void dt_cpu_copy(void *to, const void *from, int64_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, (size_t)bytes);
}

void dt_cpu_upload(dt_backend *backend, void *device, const void *host, int64_t bytes)
{
    if (!dt_cpu_of(backend)->error)
        dt_cpu_copy(device, host, bytes);
}

void dt_cpu_download(dt_backend *backend, void *host, const void *device, int64_t bytes)
{
    if (!dt_cpu_of(backend)->error)
        dt_cpu_copy(host, device, bytes);
}

/* ---- downloads in slots: copied at once, with the rules of an asynchronous device ---------- */

static bool is_slot(dt_cpu *cpu, int32_t slot)
{
    if (slot >= 0 && slot < DT_DOWNLOAD_SLOTS)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "there is no download slot %d", slot);
    return false;
}

dt_status dt_cpu_download_reserve(dt_backend *backend, int32_t slot, int64_t bytes)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!is_slot(cpu, slot))
        return dt_cpu_check(backend);
    if (cpu->copy[slot].busy)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is reserved while in use", slot);
    else if (cpu->copy[slot].capacity < bytes)
        cpu->copy[slot].capacity = bytes;
    return dt_cpu_check(backend);
}

void dt_cpu_download_start(dt_backend *backend, void *host, const void *device, int64_t rows,
                           int64_t bytes, int64_t stride, int32_t slot)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !is_slot(cpu, slot))
        return;
    dt_cpu_transfer *download = &cpu->copy[slot];
    if (download->busy || rows * bytes > download->capacity) {
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is %s", slot,
                    download->busy ? "started twice" : "too small for the copy");
        return;
    }
    download->busy = true;
    for (int64_t row = 0; row < rows; ++row)
        dt_cpu_copy((char *)host + row * bytes, (const char *)device + row * stride, bytes);
}

void dt_cpu_download_finish(dt_backend *backend, int32_t slot)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!is_slot(cpu, slot))
        return;
    if (!cpu->copy[slot].busy)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is finished before it is started",
                    slot);
    cpu->copy[slot].busy = false;
}
