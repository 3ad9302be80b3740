/* Matrix products, on one thread and on several.
 *
 * What an element of a result is depends on the rows of op(A) and the columns of op(B) that it is
 * the product of, on k and alpha, and on the build, and on nothing else to the last bit: neither on
 * the size of the product nor on the element's place in it, nor on the number of threads
 * (gemm_tile.c says why). So what is said of a sequence does not depend on the others of its batch.
 */
#ifndef DT_CPU_GEMM_H
#define DT_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/real.h"

/* Elements of the blocks of A (M, K) and B (K, N) that a thread packs, and the distance of the rows
 * of A, which keeps them apart in the first cache. */
#define DT_GEMM_BLOCK_M ((int64_t)1024)
#define DT_GEMM_BLOCK_N ((int64_t)288)
#define DT_GEMM_BLOCK_K ((int64_t)384)
#define DT_GEMM_STRIDE_A (DT_GEMM_BLOCK_K + 16)

/* Elements of memory for packing that a thread needs, at a multiple of 64 bytes. */
#define DT_GEMM_SCRATCH (DT_GEMM_BLOCK_K * DT_GEMM_BLOCK_N + DT_GEMM_BLOCK_M * DT_GEMM_STRIDE_A)

/* C = alpha · op(A) · op(B) (+ C with `add`) on the calling thread: op(A) (m, k), op(B) (k, n), op
 * transposes where asked; row major, ld* elements from row to row. `scratch`: DT_GEMM_SCRATCH
 * elements. C may not overlap A or B. */
void dt_gemm_tile(dt_real *scratch, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                  int64_t k, dt_real alpha, const dt_real *a, int64_t lda, const dt_real *b,
                  int64_t ldb, bool add, dt_real *c, int64_t ldc);

/* The threads of a backend, with their memory. */
typedef struct {
    int threads;
    dt_real *scratch; /* (threads, DT_GEMM_SCRATCH) */
} dt_gemm_threads;

/* The calling thread's memory for dt_gemm_tile(); only inside a parallel region of these threads.
 */
dt_real *dt_gemm_scratch(const dt_gemm_threads *threads);

/* A product for all threads: C = op(A)·op(B), or C += op(A)·op(B) with `add`. */
typedef struct {
    int64_t m, n, k;
    const dt_real *a, *b;
    bool transpose_a, transpose_b;
    int64_t lda, ldb, ldc;
    dt_real *c;
    bool add;
    const dt_real *bias; /* (n), added to every row; NULL: none. Not with `add` */
    dt_real *gelu;       /* (m, n) like C, may be C: receives gelu(C); NULL: not wanted */
} dt_product;

/* The result is cut into a grid of tiles, one a thread; the summed dimension is never cut. */
void dt_gemm(const dt_gemm_threads *threads, const dt_product *product);

#endif
