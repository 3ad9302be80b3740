/* The input of convolution layers: embedding rows or one-hot vectors, on padded matrices (P = B · L
 * rows). */
#include <string.h>

#include "cpu/backend_cpu.h"
#include "layers.h"

/* Returns false, with a sticky error, if a sequence of the batch is longer than L. */
static bool lengths_fit(dt_cpu *cpu, const dt_device_batch *batch, int32_t max_length)
{
    if (batch->size.longest <= max_length)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "a sequence of %d tokens is longer than %d",
                batch->size.longest, max_length);
    return false;
}

void dt_cpu_lookup_forward(dt_backend *backend, void *y, const dt_device_batch *batch,
                           const dt_lookup *lookup)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !lengths_fit(cpu, batch, lookup->max_length) ||
        !dt_cpu_ids_in(cpu, b, lookup->vocabulary))
        return;
    const int64_t dim = lookup->dim;
    const int64_t length = lookup->max_length;
    const dt_real *table = lookup->table == DT_NO_PARAM ? NULL : dt_cpu_param(cpu, lookup->table);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < batch->size.sequences * length; ++row) {
        const int64_t sequence = row / length;
        const int64_t token = b->cu_seqlens[sequence] + row % length;
        dt_real *out = (dt_real *)y + row * dim;
        const bool inside = token < b->cu_seqlens[sequence + 1];
        const int64_t id = inside ? b->token_ids[token] : -1;
        if (inside && table) {
            memcpy(out, table + id * dim, (size_t)dim * sizeof *out);
            continue;
        }
        memset(out, 0, (size_t)dim * sizeof *out);
        if (id >= 0 && id < dim)
            out[id] = 1;
    }
}

/* Each row of the table is written by one thread, which sums the tokens with this id in order. */
void dt_cpu_lookup_backward(dt_backend *backend, const void *dy, const dt_device_batch *batch,
                            const dt_lookup *lookup)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error)
        return;
    const int64_t dim = lookup->dim;
    dt_real *gradient = dt_cpu_gradient(cpu, lookup->table);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic, 8)
    for (int32_t group = 0; group < b->groups; ++group) {
        const int32_t *token = b->order + b->group_first[group];
        const int32_t *end = b->order + b->group_first[group + 1];
        const int32_t id = b->token_ids[*token];
        if (id == lookup->frozen_row)
            continue;
        dt_real *out = gradient + id * dim;
        for (; token < end; ++token) {
            const int64_t sequence = b->sequence_of_row[*token];
            const int64_t row = sequence * lookup->max_length + *token - b->cu_seqlens[sequence];
            const dt_real *in = (const dt_real *)dy + row * dim;
            DT_SIMD
            for (int64_t i = 0; i < dim; ++i)
                out[i] += in[i];
        }
    }
}
