/* A matrix product on one thread, with the blocking of Goto and van de Geijn (Anatomy of
 * High-Performance Matrix Multiplication, 2008): blocks of A and B are packed so that the kernel
 * reads them sequentially from the caches, and the kernel keeps a few rows by a few vectors of C in
 * registers.
 *
 * Every element of C is summed in the same order, whatever m, n and its position: over k in blocks
 * that depend only on k; within a block with one fused multiply-add after another (on processors
 * that have them); the sum of the block, times alpha, is then added to C. Edges use the same code.
 * This makes results independent of the batch and of the number of threads, which a BLAS does not
 * guarantee: OpenBLAS's kernels for Haswell do not even give identical bits for equal rows of one
 * product.
 */
#include <string.h>

#include "cpu/gemm.h"

/* Vectors as wide as the registers of the build, and a kernel that fills all registers: ROWS ·
 * VECTORS sums, VECTORS vectors of B and one element of A. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROWS 8
#define VECTORS 3
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define ROWS 6
#define VECTORS 2
#else
#define VECTOR_BYTES 16
#define ROWS 6
#define VECTORS 2
#endif

#define LANES ((int64_t)(VECTOR_BYTES / sizeof(dt_real)))
#define COLUMNS (VECTORS * LANES) /* of a kernel */

/* Block sizes in elements: A (BLOCK_M, BLOCK_K), B (BLOCK_K, BLOCK_N). The block of B stays in the
 * second-level cache while the rows of A are processed. */
#define BLOCK_K DT_GEMM_BLOCK_K
#define BLOCK_M DT_GEMM_BLOCK_M
#define BLOCK_N (DT_GEMM_BLOCK_N / COLUMNS * COLUMNS)
#define STRIDE_A DT_GEMM_STRIDE_A              /* from one row of packed A to the next */
#define LINE ((int64_t)(64 / sizeof(dt_real))) /* cache line */
#define AHEAD 8                                /* prefetch distance, in rows of packed B */

typedef dt_real vector __attribute__((vector_size(VECTOR_BYTES)));
typedef dt_real quad __attribute__((vector_size(4 * sizeof(dt_real))));

#define INLINE static inline __attribute__((always_inline))
/* Put before a loop of constant count: the compiler unrolls it completely. */
#define DT_UNROLL DT_PRAGMA(GCC unroll 8)

INLINE vector load(const dt_real *from)
{
    vector v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(dt_real *to, vector v)
{
    memcpy(to, &v, sizeof v);
}

/* ---- the kernel ----------------------------------------------------------------------------- */

typedef struct {
    int64_t k;
    const dt_real *a; /* (rows, k), STRIDE_A apart */
    const dt_real *b; /* (k, COLUMNS) */
    dt_real alpha;
    dt_real *c; /* (rows, vectors · LANES), ldc apart */
    int64_t ldc;
    bool add;
} kernel_job;

/* C = alpha · A · B (+ C); `rows` and `vectors` are constants at each inlined call. */
INLINE void multiply(const kernel_job *job, int rows, int vectors)
{
    vector sum[ROWS][VECTORS];
    const dt_real *a = job->a;
    const dt_real *b = job->b;
    DT_UNROLL
    for (int i = 0; i < rows; ++i) {
        DT_UNROLL
        for (int j = 0; j < vectors; ++j) {
            sum[i][j] = (vector){0};
            __builtin_prefetch(job->c + i * job->ldc + j * LANES, 1);
        }
    }
    for (int64_t p = 0; p < job->k; ++p) {
        vector row[VECTORS];
        DT_UNROLL
        for (int j = 0; j < vectors; ++j) {
            __builtin_prefetch(b + AHEAD * COLUMNS + j * LANES);
            row[j] = load(b + j * LANES);
        }
        DT_UNROLL
        for (int i = 0; i < rows; ++i) {
            DT_UNROLL
            for (int j = 0; j < vectors; ++j)
                sum[i][j] += a[i * STRIDE_A + p] * row[j];
        }
        b += COLUMNS;
    }
    DT_UNROLL
    for (int i = 0; i < rows; ++i) {
        DT_UNROLL
        for (int j = 0; j < vectors; ++j) {
            dt_real *c = job->c + i * job->ldc + j * LANES;
            vector v = job->alpha * sum[i][j];
            if (job->add)
                v += load(c);
            store(c, v);
        }
    }
}

#define KERNEL(rows, vectors)                                                                      \
    static void multiply_##rows##_##vectors(const kernel_job *job)                                 \
    {                                                                                              \
        multiply(job, rows, vectors);                                                              \
    }
#define NAME(rows, vectors) [(rows)-1][(vectors)-1] = multiply_##rows##_##vectors,
#define SIX_ROWS(X, vectors)                                                                       \
    X(1, vectors)                                                                                  \
    X(2, vectors)                                                                                  \
    X(3, vectors)                                                                                  \
    X(4, vectors)                                                                                  \
    X(5, vectors)                                                                                  \
    X(6, vectors)
#if ROWS == 8 && VECTORS == 3
#define EIGHT_ROWS(X, vectors) SIX_ROWS(X, vectors) X(7, vectors) X(8, vectors)
#define EACH_KERNEL(X) EIGHT_ROWS(X, 1) EIGHT_ROWS(X, 2) EIGHT_ROWS(X, 3)
#else
#define EACH_KERNEL(X) SIX_ROWS(X, 1) SIX_ROWS(X, 2)
#endif

EACH_KERNEL(KERNEL)
static void (*const kernel[ROWS][VECTORS])(const kernel_job *) = {EACH_KERNEL(NAME)};

/* ---- packing -------------------------------------------------------------------------------- */

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#endif
#ifndef SHUFFLE
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_index){i, j, k, l})
#if defined(DT_REAL_DOUBLE)
typedef int64_t quad_index __attribute__((vector_size(32)));
#else
typedef int32_t quad_index __attribute__((vector_size(16)));
#endif
#endif

/* out[p][r] = x[r][p] for four r and four p. */
INLINE void transpose_quads(dt_real *out, int64_t out_stride, const dt_real *x, int64_t x_stride)
{
    quad row[4];
    DT_UNROLL
    for (int r = 0; r < 4; ++r)
        memcpy(&row[r], x + r * x_stride, sizeof row[r]);
    const quad low01 = SHUFFLE(row[0], row[1], 0, 4, 1, 5);
    const quad high01 = SHUFFLE(row[0], row[1], 2, 6, 3, 7);
    const quad low23 = SHUFFLE(row[2], row[3], 0, 4, 1, 5);
    const quad high23 = SHUFFLE(row[2], row[3], 2, 6, 3, 7);
    const quad column[4] = {
        SHUFFLE(low01, low23, 0, 1, 4, 5),
        SHUFFLE(low01, low23, 2, 3, 6, 7),
        SHUFFLE(high01, high23, 0, 1, 4, 5),
        SHUFFLE(high01, high23, 2, 3, 6, 7),
    };
    DT_UNROLL
    for (int p = 0; p < 4; ++p)
        memcpy(out + p * out_stride, &column[p], sizeof column[p]);
}

/* out[p][r] = x[r][p], r < rows, p < columns. */
static void transpose(dt_real *out, int64_t out_stride, const dt_real *x, int64_t x_stride,
                      int64_t rows, int64_t columns)
{
    enum { STRIP = 16 }; /* columns at a time, so that the output stays in the first-level cache */
    const int64_t quad_rows = rows / 4 * 4;
    const int64_t quad_columns = columns / 4 * 4;
    for (int64_t first = 0; first < quad_columns; first += STRIP) {
        const int64_t end = first + STRIP < quad_columns ? first + STRIP : quad_columns;
        for (int64_t r = 0; r < quad_rows; r += 4) {
            DT_UNROLL
            for (int i = 0; i < 4; ++i)
                __builtin_prefetch(x + (r + i) * x_stride + first + STRIP);
            for (int64_t p = first; p < end; p += 4)
                transpose_quads(out + p * out_stride + r, out_stride, x + r * x_stride + p,
                                x_stride);
        }
    }
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t p = r < quad_rows ? quad_columns : 0; p < columns; ++p)
            out[p * out_stride + r] = x[r * x_stride + p];
}

/* Packs rows of A unchanged, with stride STRIDE_A. */
static void pack_a(dt_real *out, const dt_real *a, int64_t lda, bool transposed, int64_t m,
                   int64_t k)
{
    if (transposed) {
        transpose(out, STRIDE_A, a, lda, k, m);
        return;
    }
    for (int64_t i = 0; i < m; ++i) {
        const dt_real *later = a + (i + 4) * lda; /* each row is in a different page */
        for (int64_t p = 0; p < k; p += LINE)
            __builtin_prefetch(later + p);
        memcpy(out + i * STRIDE_A, a + i * lda, (size_t)k * sizeof *out);
    }
}

/* Packs B in panels of (k, COLUMNS); the last one is padded with zeros. */
static void pack_b(dt_real *out, const dt_real *b, int64_t ldb, bool transposed, int64_t n,
                   int64_t k)
{
    for (int64_t first = 0; first < n; first += COLUMNS, out += COLUMNS * k) {
        const int64_t width = n - first < COLUMNS ? n - first : COLUMNS;
        if (width < COLUMNS)
            memset(out, 0, (size_t)(COLUMNS * k) * sizeof *out);
        if (transposed)
            transpose(out, COLUMNS, b + first * ldb, ldb, width, k);
        else
            for (int64_t p = 0; p < k; ++p)
                memcpy(out + p * COLUMNS, b + p * ldb + first, (size_t)width * sizeof *out);
    }
}

/* ---- a product ------------------------------------------------------------------------------ */

/* Runs the kernel on a copy for the last columns, where a whole vector would extend beyond C. */
static void multiply_edge(const kernel_job *job, int rows, int64_t columns)
{
    dt_real copy[ROWS * COLUMNS] = {0};
    kernel_job inner = *job;
    inner.c = copy;
    inner.ldc = COLUMNS;
    for (int64_t i = 0; i < rows && job->add; ++i)
        memcpy(copy + i * COLUMNS, job->c + i * job->ldc, (size_t)columns * sizeof *copy);
    kernel[rows - 1][(columns - 1) / LANES](&inner);
    for (int64_t i = 0; i < rows; ++i)
        memcpy(job->c + i * job->ldc, copy + i * COLUMNS, (size_t)columns * sizeof *copy);
}

/* C (m, n) from packed blocks of k. */
static void multiply_blocks(const dt_real *a, const dt_real *b, int64_t m, int64_t n,
                            const kernel_job *whole)
{
    kernel_job job = *whole;
    const int64_t share = (ROWS * STRIDE_A * COLUMNS / n + LINE - 1) / LINE * LINE;
    for (int64_t row = 0; row < m; row += ROWS) {
        const dt_real *next = a + (row + ROWS) * STRIDE_A; /* next rows, prefetched while these are
                                                              used */
        for (int64_t column = 0; column < n; column += COLUMNS) {
            const int rows = (int)(m - row < ROWS ? m - row : ROWS);
            const int64_t columns = n - column < COLUMNS ? n - column : COLUMNS;
            for (int64_t p = 0; p < share; p += LINE)
                __builtin_prefetch(next + p, 0, 2);
            next += share;
            job.a = a + row * STRIDE_A;
            job.b = b + column * job.k;
            job.c = whole->c + row * job.ldc + column;
            if (columns % LANES == 0)
                kernel[rows - 1][columns / LANES - 1](&job);
            else
                multiply_edge(&job, rows, columns);
        }
    }
}

/* Returns the size of equal blocks of at most `most` elements. */
static int64_t block_of(int64_t count, int64_t most)
{
    const int64_t blocks = (count + most - 1) / most;
    return (count + blocks - 1) / blocks;
}

void dt_gemm_tile(dt_real *scratch, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                  int64_t k, dt_real alpha, const dt_real *a, int64_t lda, const dt_real *b,
                  int64_t ldb, bool add, dt_real *c, int64_t ldc)
{
    dt_real *packed_b = scratch;
    dt_real *packed_a = scratch + DT_GEMM_BLOCK_K * DT_GEMM_BLOCK_N;
    if (m <= 0 || n <= 0 || k <= 0)
        return;
    const int64_t block_k = block_of(k, BLOCK_K);
    for (int64_t p = 0; p < k; p += block_k) {
        kernel_job job = {.k = k - p < block_k ? k - p : block_k,
                          .alpha = alpha,
                          .ldc = ldc,
                          .add = add || p > 0};
        for (int64_t row = 0; row < m; row += BLOCK_M) {
            const int64_t rows = m - row < BLOCK_M ? m - row : BLOCK_M;
            pack_a(packed_a, transpose_a ? a + p * lda + row : a + row * lda + p, lda, transpose_a,
                   rows, job.k);
            for (int64_t column = 0; column < n; column += BLOCK_N) {
                const int64_t columns = n - column < BLOCK_N ? n - column : BLOCK_N;
                pack_b(packed_b, transpose_b ? b + column * ldb + p : b + p * ldb + column, ldb,
                       transpose_b, columns, job.k);
                job.c = c + row * ldc + column;
                multiply_blocks(packed_a, packed_b, rows, columns, &job);
            }
        }
    }
}
