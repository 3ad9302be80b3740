/* The maximum over the positions of each sequence, on padded matrices (P = B · L rows). */
#include <string.h>

#include "cpu/backend_cpu.h"
#include "layers.h"

static int64_t positions_of(const dt_cpu_batch *batch, const dt_position_max *max, int64_t sequence)
{
    return max->mask_padding ? batch->cu_seqlens[sequence + 1] - batch->cu_seqlens[sequence]
                             : max->max_length;
}

void dt_cpu_position_max_forward(dt_backend *backend, void *y, int32_t *position, const void *x,
                                 const dt_device_batch *batch, const dt_position_max *max)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int64_t channels = max->channels;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        const dt_real *in = (const dt_real *)x + b * max->max_length * channels;
        dt_real *best = (dt_real *)y + b * channels;
        int32_t *where = position + b * channels;
        memcpy(best, in, (size_t)channels * sizeof *best);
        memset(where, 0, (size_t)channels * sizeof *where);
        const int64_t positions = positions_of(dt_cpu_batch_of(batch), max, b);
        for (int64_t t = 1; t < positions; ++t) {
            DT_SIMD
            for (int64_t c = 0; c < channels; ++c) {
                const dt_real v = in[t * channels + c];
                const bool better = (v > best[c]) | (v != v); /* NaN is kept so that it is
                                                                 noticed */
                best[c] = better ? v : best[c];
                where[c] = better ? (int32_t)t : where[c];
            }
        }
    }
}

void dt_cpu_position_max_backward(dt_backend *backend, void *dx, const void *dy,
                                  const int32_t *position, const dt_device_batch *batch,
                                  const dt_position_max *max)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int64_t channels = max->channels;
    const int64_t elements = max->max_length * channels;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        dt_real *out = (dt_real *)dx + b * elements;
        memset(out, 0, (size_t)elements * sizeof *out);
        for (int64_t c = 0; c < channels; ++c)
            out[position[b * channels + c] * channels + c] =
                ((const dt_real *)dy)[b * channels + c];
    }
}
