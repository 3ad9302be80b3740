/* Operations on one vector per sequence: the vector at position 0, the mean over the tokens, the
 * fusion of the two branches, ReLU and dropout, the classification heads. */
#include <string.h>

#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"

void dt_cpu_gather_first_forward(dt_backend *backend, void *y, const void *x,
                                 const dt_device_batch *batch, int32_t hidden)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int32_t *first = dt_cpu_batch_of(batch)->cu_seqlens;
    for (int64_t b = 0; b < batch->size.sequences; ++b)
        memcpy((dt_real *)y + b * hidden, (const dt_real *)x + (int64_t)first[b] * hidden,
               (size_t)hidden * sizeof(dt_real));
}

void dt_cpu_gather_first_backward(dt_backend *backend, void *dx, const void *dy,
                                  const dt_device_batch *batch, int32_t hidden)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int32_t *first = dt_cpu_batch_of(batch)->cu_seqlens;
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        dt_real *out = (dt_real *)dx + (int64_t)first[b] * hidden;
        const dt_real *in = (const dt_real *)dy + b * hidden;
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] += in[i];
    }
}

void dt_cpu_mean_forward(dt_backend *backend, void *y, const void *x, const dt_device_batch *batch,
                         int32_t hidden)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const int32_t *first = dt_cpu_batch_of(batch)->cu_seqlens;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        dt_real *out = (dt_real *)y + b * hidden;
        const dt_real share = (dt_real)1 / (dt_real)(first[b + 1] - first[b]);
        memset(out, 0, (size_t)hidden * sizeof *out);
        for (int64_t row = first[b]; row < first[b + 1]; ++row) {
            const dt_real *in = (const dt_real *)x + row * hidden;
            DT_SIMD
            for (int64_t i = 0; i < hidden; ++i)
                out[i] += in[i];
        }
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] *= share;
    }
}

void dt_cpu_mean_backward(dt_backend *backend, void *dx, const void *dy,
                          const dt_device_batch *batch, int32_t hidden)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < batch->size.rows; ++row) {
        const int32_t sequence = b->sequence_of_row[row];
        const int32_t tokens = b->cu_seqlens[sequence + 1] - b->cu_seqlens[sequence];
        const dt_real share = (dt_real)1 / (dt_real)tokens;
        dt_real *out = (dt_real *)dx + row * hidden;
        const dt_real *in = (const dt_real *)dy + (int64_t)sequence * hidden;
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] = in[i] * share;
    }
}

/* Returns the mask of one block of columns in the row of a sequence. */
static dt_mask part_mask(const dt_device_batch *batch, const dt_activation *activation,
                         int64_t item)
{
    dt_dropout dropout = activation->dropout;
    dropout.stream += (uint32_t)(item % activation->parts);
    return dt_cpu_mask(dt_cpu_batch_of(batch), &dropout, item / activation->parts, 0);
}

void dt_cpu_activate_forward(dt_backend *backend, void *y, const void *x,
                             const dt_device_batch *batch, const dt_activation *activation)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const int64_t columns = activation->columns;
    if (cpu->error || !dt_cpu_fits_scratch(cpu, columns, "the width of a head"))
        return;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t item = 0; item < (int64_t)batch->size.sequences * activation->parts; ++item) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = part_mask(batch, activation, item);
        const dt_real *in = (const dt_real *)x + item * columns;
        dt_real *out = (dt_real *)y + item * columns;
        dt_dropout_row(factor, &mask, 0, columns);
        const dt_real least = activation->relu ? 0 : -(dt_real)INFINITY;
        DT_SIMD
        for (int64_t i = 0; i < columns; ++i)
            out[i] = (in[i] < least ? least : in[i]) * factor[i];
    }
}

void dt_cpu_activate_backward(dt_backend *backend, void *dx, const void *dy, const void *y,
                              const dt_device_batch *batch, const dt_activation *activation)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const int64_t columns = activation->columns;
    if (cpu->error || !dt_cpu_fits_scratch(cpu, columns, "the width of a head"))
        return;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t item = 0; item < (int64_t)batch->size.sequences * activation->parts; ++item) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = part_mask(batch, activation, item);
        const dt_real *in = (const dt_real *)dy + item * columns;
        const dt_real *result = (const dt_real *)(activation->relu ? y : dy) + item * columns;
        dt_real *out = (dt_real *)dx + item * columns;
        dt_dropout_row(factor, &mask, 0, columns);
        const bool always = !activation->relu;
        DT_SIMD
        for (int64_t i = 0; i < columns; ++i)
            out[i] = (always | (result[i] > 0)) ? in[i] * factor[i] : 0;
    }
}

void dt_cpu_fuse_forward(dt_backend *backend, void *y, const void *cnn, const void *bert,
                         dt_param w_cnn, dt_param w_bert, const dt_device_batch *batch,
                         int32_t hidden, const dt_dropout *dropout)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, hidden, "the hidden size"))
        return;
    const dt_real cnn_share = *dt_cpu_param(cpu, w_cnn);
    const dt_real bert_share = *dt_cpu_param(cpu, w_bert);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = dt_cpu_mask(dt_cpu_batch_of(batch), dropout, b, 0);
        dt_dropout_row(factor, &mask, 0, hidden);
        const dt_real *from_cnn = (const dt_real *)cnn + b * hidden;
        const dt_real *from_bert = (const dt_real *)bert + b * hidden;
        dt_real *out = (dt_real *)y + b * hidden;
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            out[i] =
                (cnn_share * from_cnn[i] + bert_share * from_bert[i] + from_bert[i]) * factor[i];
    }
}

void dt_cpu_fuse_backward(dt_backend *backend, void *dcnn, void *dbert, const void *dy,
                          const void *cnn, const void *bert, dt_param w_cnn, dt_param w_bert,
                          const dt_device_batch *batch, int32_t hidden, const dt_dropout *dropout)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, hidden, "the hidden size"))
        return;
    const dt_real cnn_share = *dt_cpu_param(cpu, w_cnn);
    const dt_real bert_share = *dt_cpu_param(cpu, w_bert);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = dt_cpu_mask(dt_cpu_batch_of(batch), dropout, b, 0);
        dt_dropout_row(factor, &mask, 0, hidden);
        const dt_real *in = (const dt_real *)dy + b * hidden;
        const dt_real *from_cnn = (const dt_real *)cnn + b * hidden;
        const dt_real *from_bert = (const dt_real *)bert + b * hidden;
        dt_real *to_cnn = (dt_real *)dcnn + b * hidden;
        dt_real *to_bert = (dt_real *)dbert + b * hidden;
        double cnn_sum = 0.0;
        double bert_sum = 0.0;
        DT_SIMD_SUM(cnn_sum, bert_sum)
        for (int64_t i = 0; i < hidden; ++i) {
            const dt_real g = in[i] * factor[i];
            cnn_sum += (double)(g * from_cnn[i]);
            bert_sum += (double)(g * from_bert[i]);
            to_cnn[i] = cnn_share * g;
            to_bert[i] = (bert_share + 1) * g;
        }
        cpu->sequence_sums[2 * b] = cnn_sum;
        cpu->sequence_sums[2 * b + 1] = bert_sum;
    }
    double cnn_total = 0.0;
    double bert_total = 0.0;
    for (int64_t b = 0; b < batch->size.sequences; ++b) {
        cnn_total += cpu->sequence_sums[2 * b];
        bert_total += cpu->sequence_sums[2 * b + 1];
    }
    *dt_cpu_gradient(cpu, w_cnn) += (dt_real)cnn_total;
    *dt_cpu_gradient(cpu, w_bert) += (dt_real)bert_total;
}

/* On the CPU, statistics have the same type as activations. */

void dt_cpu_heads_forward(dt_backend *backend, void *logits, const void *x, int32_t sequences,
                          const dt_heads *heads)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = sequences,
                            .n = heads->classes,
                            .k = heads->hidden,
                            .a = x,
                            .lda = heads->x_stride,
                            .b = dt_cpu_param(cpu, heads->weight),
                            .ldb = heads->hidden,
                            .transpose_b = true,
                            .c = logits,
                            .ldc = heads->logit_stride,
                            .bias = dt_cpu_param(cpu, heads->bias),
                        });
}

void dt_cpu_heads_backward(dt_backend *backend, void *dx, const void *dlogits, const void *x,
                           int32_t sequences, const dt_heads *heads)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = sequences,
                            .n = heads->hidden,
                            .k = heads->classes,
                            .a = dlogits,
                            .lda = heads->logit_stride,
                            .b = dt_cpu_param(cpu, heads->weight),
                            .ldb = heads->hidden,
                            .c = dx,
                            .ldc = heads->x_stride,
                        });
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = heads->classes,
                            .n = heads->hidden,
                            .k = sequences,
                            .a = dlogits,
                            .lda = heads->logit_stride,
                            .transpose_a = true,
                            .b = x,
                            .ldb = heads->x_stride,
                            .c = dt_cpu_gradient(cpu, heads->weight),
                            .ldc = heads->hidden,
                            .add = true,
                        });
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, heads->bias), dlogits, sequences, heads->classes,
                       heads->logit_stride);
}
