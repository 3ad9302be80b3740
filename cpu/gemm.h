/* Matrix products on several threads.
 *
 * The result is cut into a grid of tiles, one a thread; each thread computes its own with one
 * single-threaded BLAS call. The summed dimension is never cut. So no two threads write the same
 * element, the result is repeatable for a given number of threads, and any CBLAS will do.
 */
#ifndef DT_CPU_GEMM_H
#define DT_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/real.h"

/* Makes the threads of an OpenMP-built BLAS one, for calls from the region in which it stands. A
 * region whose team has one thread is not "parallel" to OpenMP, so BLAS would start its own. */
void dt_gemm_begin(void);

/* C = alpha · op(A) · op(B) (+ C with `add`) on the calling thread, after dt_gemm_begin(): op(A)
 * (m, k), op(B) (k, n), op transposes where asked; row major, ld* elements from row to row. */
void dt_gemm_tile(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                  dt_real alpha, const dt_real *a, int64_t lda, const dt_real *b, int64_t ldb,
                  bool add, dt_real *c, int64_t ldc);

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

void dt_gemm(int threads, const dt_product *product);

#endif
