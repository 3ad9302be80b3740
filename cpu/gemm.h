/* Matrix products, on one thread and on several.
 *
 * The bits of an element of a result depend only on the row of op(A) and the column of op(B) that
 * it is the product of, on k and alpha, and on the build: not on the size of the product, the
 * position of the element or the number of threads (gemm_tile.c explains how). The prediction for a
 * sequence therefore does not depend on the other sequences in its batch.
 */
#ifndef DT_CPU_GEMM_H
#define DT_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/real.h"

/* Sizes of the blocks of A (M, K) and B (K, N) that a thread packs, and the row stride of packed A,
 * which avoids conflicts in the first-level cache. */
#define DT_GEMM_BLOCK_M ((int64_t)1024)
#define DT_GEMM_BLOCK_N ((int64_t)288)
#define DT_GEMM_BLOCK_K ((int64_t)384)
#define DT_GEMM_STRIDE_A (DT_GEMM_BLOCK_K + 16)

/* Elements of packing memory per thread, 64-byte aligned. */
#define DT_GEMM_SCRATCH (DT_GEMM_BLOCK_K * DT_GEMM_BLOCK_N + DT_GEMM_BLOCK_M * DT_GEMM_STRIDE_A)

/* C = alpha · op(A) · op(B) (+ C with `add`) on the calling thread: op(A) (m, k), op(B) (k, n), op
 * transposes if requested; row-major, ld* is the row stride in elements. `scratch`: DT_GEMM_SCRATCH
 * elements. C may not overlap A or B. */
void dt_gemm_tile(dt_real *scratch, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                  int64_t k, dt_real alpha, const dt_real *a, int64_t lda, const dt_real *b,
                  int64_t ldb, bool add, dt_real *c, int64_t ldc);

/* The threads of a backend and their packing memory. */
typedef struct {
    int threads;
    dt_real *scratch; /* (threads, DT_GEMM_SCRATCH) */
} dt_gemm_threads;

/* Returns the calling thread's memory for dt_gemm_tile(); call only in a parallel region of these
 * threads.
 */
dt_real *dt_gemm_scratch(const dt_gemm_threads *threads);

/* A product on all threads: C = op(A)·op(B), or C += op(A)·op(B) with `add`. */
typedef struct {
    int64_t m, n, k;
    const dt_real *a, *b;
    bool transpose_a, transpose_b;
    int64_t lda, ldb, ldc;
    dt_real *c;
    bool add;
    const dt_real *bias; /* (n), added to every row; NULL: none. Not with `add` */
    dt_real *gelu;       /* (m, n) like C, may be C: receives gelu(C); NULL: not computed */
} dt_product;

/* Computes a product. The result is divided into a grid of tiles, one per thread; the summed
 * dimension is never divided. */
void dt_gemm(const dt_gemm_threads *threads, const dt_product *product);

#endif
