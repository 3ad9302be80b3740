/* The flat vectors: parameters, gradients and moments. */
#include <stdlib.h>

#include "cpu/backend_cpu.h"

int64_t dt_cpu_vectors_bytes(dt_backend *backend, int64_t count, bool training)
{
    const int64_t narrow =
        dt_cpu_of(backend)->bf16 ? count * (int64_t)sizeof(uint16_t) : 0; /* at most */
    return training ? DT_VECTORS * count * (int64_t)sizeof(dt_real) + dt_cpu_update_bytes(count)
                    : count * (int64_t)sizeof(dt_real) + narrow;
}

void dt_cpu_vectors_free(dt_cpu *cpu)
{
    for (int i = 0; i < DT_VECTORS; ++i) {
        free(cpu->vector[i]);
        cpu->vector[i] = NULL;
    }
    free(cpu->norm_sums);
    cpu->norm_sums = NULL;
}

dt_status dt_cpu_vectors_alloc(dt_backend *backend, int64_t count, bool training)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    dt_status status = DT_OK;
    if (training && cpu->bf16)
        return dt_fail(DT_ERR_INTERNAL, "a CPU backend in bf16 cannot train");
    cpu->count = count;
    for (int i = 0; status == DT_OK && i < (training ? DT_VECTORS : 1); ++i)
        status = dt_cpu_memory_new(cpu, (void **)&cpu->vector[i], count * (int64_t)sizeof(dt_real));
    if (status == DT_OK && training)
        status = dt_cpu_memory_new(cpu, (void **)&cpu->norm_sums, dt_cpu_update_bytes(count));
    if (status != DT_OK)
        dt_cpu_vectors_free(cpu);
    return status;
}

void dt_cpu_vector_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         const void *host)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    dt_cpu_copy(cpu->vector[which] + offset, host, count * (int64_t)sizeof(dt_real));
    if (cpu->bf16 && which == DT_PARAMETERS)
        cpu->bf16_ops->forget(cpu->bf16);
}

void dt_cpu_vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                        void *host)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu->error)
        dt_cpu_copy(host, cpu->vector[which] + offset, count * (int64_t)sizeof(dt_real));
}

void *dt_cpu_vector_data(dt_backend *backend, dt_vector which)
{
    return dt_cpu_of(backend)->vector[which];
}

void dt_cpu_gradients_zero(dt_backend *backend)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu->error)
        dt_cpu_zero(cpu, cpu->vector[DT_GRADIENTS], cpu->count * (int64_t)sizeof(dt_real));
}
