/* Conversion of gradients to bf16 for communication, and back. */
#include "core/bf16.h"
#include "cpu/backend_cpu.h"

static bool takes(dt_cpu *cpu, const void *native_stream)
{
    if (native_stream)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "the CPU has no streams");
    return !cpu->error;
}

void dt_cpu_gradients_to_bf16(dt_backend *backend, void *out, int64_t offset, int64_t count,
                              void *native_stream)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_real *gradient = dt_cpu_gradient(cpu, offset);
    uint16_t *bf16 = out;
    if (!takes(cpu, native_stream))
        return;
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < count; ++i)
        bf16[i] = dt_bf16_of((float)gradient[i]);
}

void dt_cpu_gradients_from_bf16(dt_backend *backend, const void *in, int64_t offset, int64_t count,
                                void *native_stream)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    dt_real *gradient = dt_cpu_gradient(cpu, offset);
    const uint16_t *bf16 = in;
    if (!takes(cpu, native_stream))
        return;
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < count; ++i)
        gradient[i] = dt_bf16_value(bf16[i]);
}
