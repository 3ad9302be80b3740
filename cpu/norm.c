#include "cpu/backend_cpu.h"
#include "cpu/dropout.h"
#include "cpu/norm.h"

#include <math.h>

void dt_norm_row(dt_real *y, dt_real *statistics, const dt_real *s, const dt_real *gamma,
                 const dt_real *beta, int64_t hidden, double eps)
{
    dt_real sum = 0;
    DT_SIMD_SUM(sum)
    for (int64_t i = 0; i < hidden; ++i)
        sum += s[i];
    const dt_real mean = sum / (dt_real)hidden;
    dt_real squares = 0;
    DT_SIMD_SUM(squares)
    for (int64_t i = 0; i < hidden; ++i)
        squares += (s[i] - mean) * (s[i] - mean);
    const dt_real scale = (dt_real)(1.0 / sqrt((double)squares / (double)hidden + eps));
    DT_SIMD
    for (int64_t i = 0; i < hidden; ++i)
        y[i] = (s[i] - mean) * scale * gamma[i] + beta[i];
    statistics[0] = mean;
    statistics[1] = scale;
}

void dt_norm_row_backward(dt_real *ds, const dt_real *dy, const dt_real *s,
                          const dt_real *statistics, const dt_real *gamma, int64_t hidden)
{
    const dt_real mean = statistics[0];
    const dt_real scale = statistics[1];
    dt_real sum = 0;
    dt_real product = 0;
    DT_SIMD_SUM(sum, product)
    for (int64_t i = 0; i < hidden; ++i) {
        const dt_real g = dy[i] * gamma[i];
        sum += g;
        product += g * ((s[i] - mean) * scale);
    }
    sum /= (dt_real)hidden;
    product /= (dt_real)hidden;
    DT_SIMD
    for (int64_t i = 0; i < hidden; ++i)
        ds[i] = scale * (dy[i] * gamma[i] - sum - (s[i] - mean) * scale * product);
}

void dt_cpu_add_norm_forward(dt_backend *backend, void *y, void *x_s, void *statistics,
                             const void *residual, const dt_device_batch *batch,
                             const dt_add_norm *norm)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, norm->hidden, "the hidden size"))
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    const int64_t hidden = norm->hidden;
    const int64_t rows = norm->rows == DT_ROWS_TOKENS ? batch->size.tokens : batch->size.sequences;
    const dt_real *gamma = dt_cpu_param(cpu, norm->gamma);
    const dt_real *beta = dt_cpu_param(cpu, norm->beta);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = dt_cpu_row_mask(b, &norm->dropout, norm->rows, row);
        dt_dropout_row(factor, &mask, 0, hidden);
        dt_real *s = (dt_real *)x_s + row * hidden;
        const dt_real *other = (const dt_real *)residual + row * hidden;
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            s[i] = s[i] * factor[i] + other[i];
        dt_norm_row((dt_real *)y + row * hidden, (dt_real *)statistics + 2 * row, s, gamma, beta,
                    hidden, norm->eps);
    }
}

/* Accumulates the gradients of gamma and beta over all rows, column by column. */
static void scale_gradients(const dt_cpu *cpu, const dt_add_norm *norm, const dt_real *dy,
                            const dt_real *s, const dt_real *statistics, int64_t rows)
{
    const int64_t hidden = norm->hidden;
    dt_real *dgamma = dt_cpu_gradient(cpu, norm->gamma);
    dt_real *dbeta = dt_cpu_gradient(cpu, norm->beta);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < hidden; first += DT_SUM_COLUMNS) {
        const int64_t width = hidden - first < DT_SUM_COLUMNS ? hidden - first : DT_SUM_COLUMNS;
        for (int64_t block = 0; block < rows; block += DT_SUM_ROWS) {
            const int64_t end = rows - block < DT_SUM_ROWS ? rows : block + DT_SUM_ROWS;
            dt_real gamma_part[DT_SUM_COLUMNS] = {0};
            dt_real beta_part[DT_SUM_COLUMNS] = {0};
            for (int64_t row = block; row < end; ++row) {
                const dt_real *dy_row = dy + row * hidden + first;
                const dt_real *s_row = s + row * hidden + first;
                const dt_real mean = statistics[2 * row];
                const dt_real scale = statistics[2 * row + 1];
                for (int64_t c = 0; c < width; ++c) {
                    gamma_part[c] += dy_row[c] * ((s_row[c] - mean) * scale);
                    beta_part[c] += dy_row[c];
                }
            }
            for (int64_t c = 0; c < width; ++c) {
                dgamma[first + c] += gamma_part[c];
                dbeta[first + c] += beta_part[c];
            }
        }
    }
}

void dt_cpu_add_norm_backward(dt_backend *backend, void *dx, void *dresidual, const void *dy,
                              const void *s, const void *statistics, const dt_device_batch *batch,
                              const dt_add_norm *norm)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !dt_cpu_fits_scratch(cpu, norm->hidden, "the hidden size"))
        return;
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    const int64_t hidden = norm->hidden;
    const int64_t rows = norm->rows == DT_ROWS_TOKENS ? batch->size.tokens : batch->size.sequences;
    scale_gradients(cpu, norm, dy, s, statistics, rows); /* must come first, since dresidual may
                                                            overwrite dy */
    const dt_real *gamma = dt_cpu_param(cpu, norm->gamma);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
        dt_real *factor = dt_cpu_scratch(cpu, 0);
        const dt_mask mask = dt_cpu_row_mask(b, &norm->dropout, norm->rows, row);
        dt_dropout_row(factor, &mask, 0, hidden);
        dt_real *ds = (dt_real *)dresidual + row * hidden;
        dt_real *dx_row = (dt_real *)dx + row * hidden;
        dt_norm_row_backward(ds, (const dt_real *)dy + row * hidden,
                             (const dt_real *)s + row * hidden,
                             (const dt_real *)statistics + 2 * row, gamma, hidden);
        DT_SIMD
        for (int64_t i = 0; i < hidden; ++i)
            dx_row[i] = ds[i] * factor[i];
    }
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, norm->bias), dx, rows, hidden, hidden);
}
