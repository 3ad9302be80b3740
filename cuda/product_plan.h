/* Matrix products by cuBLASLt: what product.cu, which computes them, and product_choice.cu, which
 * chooses their algorithms, share. */
#ifndef DT_CUDA_PRODUCT_PLAN_H
#define DT_CUDA_PRODUCT_PLAN_H

#include "cuda/backend_cuda.h"

/* The key of a plan: everything about a product except its addresses, of which only the alignment
 * matters. Compared as bytes. */
typedef struct {
    int64_t m, n, k, lda, ldb, ldc;
    int32_t inputs, output;
    int32_t flags; /* transpose_a, transpose_b, add, bias */
    int32_t align_a, align_b, align_c;
} dt_product_key;

typedef struct {
    bool used;
    bool plain; /* cuBLASLt has no algorithm */
    dt_product_key key;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c; /* in cuBLASLt's order: its a is our B */
    cublasLtMatmulAlgo_t algorithm;
} dt_product_plan;

/* Returns false, with a sticky error that contains `doing`, if a call of cuBLASLt failed. */
bool dt_cuda_lt_ok(dt_cuda *cuda, cublasStatus_t status, const char *doing);

/* Launches the product with the plan's algorithm. If it returns an error, nothing was launched. */
cublasStatus_t dt_cuda_product_launch(dt_cuda *cuda, const dt_product_plan *plan,
                                      const dt_product *product);

/* Discards all plans, so that algorithms are chosen again. */
void dt_cuda_plans_forget(dt_cuda *cuda);

/* ---- product_choice.cu ---------------------------------------------------------------------- */

dt_status dt_cuda_choices_open(dt_cuda *cuda);
void dt_cuda_choices_close(dt_cuda *cuda);

/* Sets plan->algorithm, or plan->plain if cuBLASLt has none, for a product with the plan's key.
 * While choices are timed (choices_time), the product is computed repeatedly. Returns false, with a
 * sticky error, on failure. */
bool dt_cuda_choose(dt_cuda *cuda, dt_product_plan *plan, const dt_product *product);

#endif
