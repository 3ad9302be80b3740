/* The flat vectors: parameters, gradients and moments. */
#include <stdlib.h>

#include "cpu/backend_cpu.h"

void dt_cpu_moments_share(dt_backend *backend, int64_t offset, int64_t count)
{
    dt_cpu_of(backend)->share = (dt_range){offset, offset + count};
}

/* Returns the number of elements of a vector that are stored, of `count`. */
static int64_t stored(const dt_cpu *cpu, int which, int64_t count)
{
    return dt_range_count(dt_vector_stored(cpu->share, (dt_vector)which, 0, count));
}

static dt_real *place(const dt_cpu *cpu, dt_vector which, int64_t element)
{
    return cpu->vector[which] + dt_vector_place(cpu->share, which, element);
}

int64_t dt_cpu_vectors_bytes(dt_backend *backend, int64_t count, bool training)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    const int64_t narrow = cpu->bf16 ? count * (int64_t)sizeof(uint16_t) : 0; /* at most */
    int64_t elements = count;
    for (int i = 1; training && i < DT_VECTORS; ++i)
        elements += stored(cpu, i, count);
    return elements * (int64_t)sizeof(dt_real) + (training ? dt_cpu_update_bytes(count) : narrow);
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
        status = dt_cpu_memory_new(cpu, (void **)&cpu->vector[i],
                                   stored(cpu, i, count) * (int64_t)sizeof(dt_real));
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
    const dt_range here = dt_vector_stored(cpu->share, which, offset, count);
    if (cpu->error || dt_range_count(here) == 0)
        return;
    dt_cpu_copy(place(cpu, which, here.begin), (const dt_real *)host + (here.begin - offset),
                dt_range_count(here) * (int64_t)sizeof(dt_real));
    if (cpu->bf16 && which == DT_PARAMETERS)
        cpu->bf16_ops->forget(cpu->bf16);
}

void dt_cpu_vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                        void *host)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (dt_range_count(dt_vector_stored(cpu->share, which, offset, count)) != count)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "moments outside of this rank's share are read");
    if (!cpu->error)
        dt_cpu_copy(host, place(cpu, which, offset), count * (int64_t)sizeof(dt_real));
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
