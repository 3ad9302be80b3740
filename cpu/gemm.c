#include "cpu/gemm.h"

#include <omp.h>
#include <string.h>

#include "cpu/vector_math.h"

/* Returns the number of tile rows in a grid of `threads` tiles that minimises the rows of A and
 * columns of B that a thread reads. */
static int grid_rows(int threads, int64_t m, int64_t n)
{
    int best = 1;
    double least = 0.0;
    for (int rows = 1; rows <= threads; ++rows) {
        if (threads % rows != 0 || (rows > 1 && rows > m))
            continue;
        const int columns = threads / rows;
        if (columns > 1 && columns > n)
            continue;
        const double reads = (double)m / rows + (double)n / columns;
        if (least == 0.0 || reads < least) {
            least = reads;
            best = rows;
        }
    }
    return best;
}

/* Returns the start of part `part` when `count` elements are divided into `parts`; a multiple of
 * 16. */
static int64_t part_start(int64_t count, int part, int parts)
{
    return part == parts ? count : count * part / parts / 16 * 16;
}

static void compute_tile(dt_real *scratch, const dt_product *p, int64_t row, int64_t rows,
                         int64_t column, int64_t columns)
{
    const dt_real *a = p->a + (p->transpose_a ? row : row * p->lda);
    const dt_real *b = p->b + (p->transpose_b ? column * p->ldb : column);
    dt_real *c = p->c + row * p->ldc + column;
    if (p->bias)
        for (int64_t i = 0; i < rows; ++i)
            memcpy(c + i * p->ldc, p->bias + column, (size_t)columns * sizeof *c);
    dt_gemm_tile(scratch, p->transpose_a, p->transpose_b, rows, columns, p->k, 1, a, p->lda, b,
                 p->ldb, p->add || p->bias, c, p->ldc);
    if (!p->gelu)
        return;
    for (int64_t i = 0; i < rows; ++i) {
        const dt_real *u = c + i * p->ldc;
        dt_real *y = p->gelu + (row + i) * p->ldc + column;
        DT_SIMD
        for (int64_t j = 0; j < columns; ++j)
            y[j] = dt_gelu(u[j]);
    }
}

dt_real *dt_gemm_scratch(const dt_gemm_threads *threads)
{
    return threads->scratch + omp_get_thread_num() * DT_GEMM_SCRATCH;
}

void dt_gemm(const dt_gemm_threads *threads, const dt_product *p)
{
    const int tile_rows = grid_rows(threads->threads, p->m, p->n);
    const int tile_columns = threads->threads / tile_rows;
#pragma omp parallel for num_threads(threads->threads) schedule(static, 1)
    for (int tile = 0; tile < tile_rows * tile_columns; ++tile) {
        dt_real *scratch = dt_gemm_scratch(threads);
        const int64_t end = part_start(p->m, tile / tile_columns + 1, tile_rows);
        const int64_t column = part_start(p->n, tile % tile_columns, tile_columns);
        const int64_t columns = part_start(p->n, tile % tile_columns + 1, tile_columns) - column;
        /* finish the rows of one packed block, including bias and GELU, before the next */
        for (int64_t row = part_start(p->m, tile / tile_columns, tile_rows);
             row < end && columns > 0; row += DT_GEMM_BLOCK_M)
            compute_tile(scratch, p, row, end - row < DT_GEMM_BLOCK_M ? end - row : DT_GEMM_BLOCK_M,
                         column, columns);
    }
}
