#include "cpu/backend_cpu.h"
#include "cpu/gemm.h"

void dt_cpu_column_sums(const dt_cpu *cpu, dt_real *out, const dt_real *x, int64_t rows,
                        int64_t columns, int64_t stride)
{
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < columns; first += DT_SUM_COLUMNS) {
        const int64_t width = columns - first < DT_SUM_COLUMNS ? columns - first : DT_SUM_COLUMNS;
        dt_real total[DT_SUM_COLUMNS] = {0};
        for (int64_t block = 0; block < rows; block += DT_SUM_ROWS) {
            const int64_t end = rows - block < DT_SUM_ROWS ? rows : block + DT_SUM_ROWS;
            dt_real part[DT_SUM_COLUMNS] = {0};
            for (int64_t row = block; row < end; ++row)
                for (int64_t c = 0; c < width; ++c)
                    part[c] += x[row * stride + first + c];
            for (int64_t c = 0; c < width; ++c)
                total[c] += part[c];
        }
        for (int64_t c = 0; c < width; ++c)
            out[first + c] += total[c];
    }
}

void dt_cpu_linear_forward(dt_backend *backend, void *y, const void *x, dt_param weight,
                           dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    dt_cpu_linear_gelu_forward(backend, NULL, y, x, weight, bias, rows, in, out);
}

/* u and y as in dt_bf16_product. */
static void linear_bf16(dt_cpu *cpu, void *y, void *u, const void *x, dt_param weight,
                        dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    const dt_bf16_product product = {
        .rows = rows,
        .in = in,
        .out = out,
        .x = x,
        .weight = (const void *)dt_cpu_param(cpu, weight),
        .bias = (const void *)dt_cpu_param(cpu, bias),
        .u = u,
        .y = y,
    };
    const dt_status status = cpu->bf16_ops->multiply(cpu->bf16, &product);
    if (status != DT_OK)
        dt_cpu_fail(cpu, status, "%s", dt_error_message());
}

void dt_cpu_linear_gelu_forward(dt_backend *backend, void *y, void *u, const void *x,
                                dt_param weight, dt_param bias, int64_t rows, int32_t in,
                                int32_t out)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    if (cpu->bf16) {
        linear_bf16(cpu, y, u, x, weight, bias, rows, in, out);
        return;
    }
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = rows,
                            .n = out,
                            .k = in,
                            .a = x,
                            .lda = in,
                            .b = dt_cpu_param(cpu, weight),
                            .ldb = in,
                            .transpose_b = true,
                            .c = u ? u : y,
                            .ldc = out,
                            .bias = dt_cpu_param(cpu, bias),
                            .gelu = y,
                        });
}

void dt_cpu_linear_backward(dt_backend *backend, void *dx, bool add_dx, const void *dy,
                            const void *x, dt_param weight, dt_param bias, int64_t rows, int32_t in,
                            int32_t out)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    if (dx)
        dt_gemm(&cpu->gemm, &(dt_product){
                                .m = rows,
                                .n = in,
                                .k = out,
                                .a = dy,
                                .lda = out,
                                .b = dt_cpu_param(cpu, weight),
                                .ldb = in,
                                .c = dx,
                                .ldc = in,
                                .add = add_dx,
                            });
    dt_gemm(&cpu->gemm, &(dt_product){
                            .m = out,
                            .n = in,
                            .k = rows,
                            .a = dy,
                            .lda = out,
                            .transpose_a = true,
                            .b = x,
                            .ldb = in,
                            .c = dt_cpu_gradient(cpu, weight),
                            .ldc = in,
                            .add = true,
                        });
    if (bias != DT_NO_PARAM)
        dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, bias), dy, rows, out, out);
}

void dt_cpu_gelu_backward(dt_backend *backend, void *du_dy, const void *u, dt_param bias,
                          int64_t rows, int32_t columns)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    dt_real *gradient = du_dy;
    const dt_real *input = u;
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows * columns; ++i)
        gradient[i] *= dt_gelu_slope(input[i]);
    dt_cpu_column_sums(cpu, dt_cpu_gradient(cpu, bias), gradient, rows, columns, columns);
}
