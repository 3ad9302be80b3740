/* Matrix products with cuBLASLt.
 *
 * cuBLASLt is column-major: a row-major C = op(A)·op(B) is the column-major Cᵀ = op(B)ᵀ·op(A)ᵀ in
 * the same memory, so A and B are swapped and nothing is copied. The algorithm that is chosen for a
 * shape (product_choice.cu) is cached, with its descriptors, for the next product of that shape. If
 * there is none, which can happen for unusual alignments, our own kernel (plain_product.cu) computes
 * the product and a notice is printed. Sums are always float (in fp32 without TF32). A bias that is
 * not aligned for loads of 16 bytes, such as those of single heads, is not left to cuBLASLt: it is
 * written to C first, and the product is added.
 */
#include <stdlib.h>
#include <string.h>

#include "cuda/product_plan.h"

extern "C" {
#include "core/log.h"
}

#define PLANS 1024 /* a power of two */
#define PROBES 8

struct dt_product_cache {
    dt_product_plan plan[PLANS];
    bool told; /* a notice about a missing algorithm has been printed */
};

bool dt_cuda_lt_ok(dt_cuda *cuda, cublasStatus_t status, const char *doing)
{
    if (status == CUBLAS_STATUS_SUCCESS)
        return true;
    dt_cuda_fail(cuda, DT_ERR_DEVICE, "cuBLASLt failed at %s: %s", doing,
                 cublasLtGetStatusString(status));
    return false;
}

dt_status dt_cuda_products_open(dt_cuda *cuda)
{
    cuda->products = (dt_product_cache *)calloc(1, sizeof *cuda->products);
    if (!cuda->products)
        return dt_fail(DT_ERR_MEMORY, "no memory for the plans of matrix products");
    DT_TRY(dt_cuda_choices_open(cuda));
    if (!dt_cuda_lt_ok(cuda, cublasLtCreate(&cuda->cublas), "its start"))
        return dt_cuda_check(&cuda->base);
    return dt_cuda_memory_new(cuda, &cuda->workspace, DT_CUDA_WORKSPACE);
}

static void plan_free(dt_product_plan *plan)
{
    if (plan->operation)
        cublasLtMatmulDescDestroy(plan->operation);
    if (plan->a)
        cublasLtMatrixLayoutDestroy(plan->a);
    if (plan->b)
        cublasLtMatrixLayoutDestroy(plan->b);
    if (plan->c)
        cublasLtMatrixLayoutDestroy(plan->c);
    memset(plan, 0, sizeof *plan);
}

void dt_cuda_plans_forget(dt_cuda *cuda)
{
    for (int i = 0; cuda->products && i < PLANS; ++i)
        plan_free(&cuda->products->plan[i]);
}

void dt_cuda_products_close(dt_cuda *cuda)
{
    dt_cuda_plans_forget(cuda);
    dt_cuda_choices_close(cuda);
    free(cuda->products);
    cuda->products = NULL;
    if (cuda->cublas)
        cublasLtDestroy(cuda->cublas);
    cuda->cublas = NULL;
    cudaFree(cuda->workspace);
    cuda->workspace = NULL;
}

/* ---- plans ---------------------------------------------------------------------------------- */

static cudaDataType_t data_type(dt_number number)
{
    return number == DT_NUMBER_FLOAT  ? CUDA_R_32F
           : number == DT_NUMBER_BF16 ? CUDA_R_16BF
                                      : CUDA_R_16F;
}

/* Returns the largest power of two up to 256 that divides the address. */
static int32_t alignment_of(const void *address)
{
    const uintptr_t bits = (uintptr_t)address | 256;
    return (int32_t)(bits & (~bits + 1));
}

static dt_product_key key_of(const dt_product *p)
{
    dt_product_key key;
    memset(&key, 0, sizeof key); /* clear the padding too: keys are compared as bytes */
    key.m = p->m;
    key.n = p->n;
    key.k = p->k;
    key.lda = p->lda;
    key.ldb = p->ldb;
    key.ldc = p->ldc;
    key.inputs = p->inputs;
    key.output = p->output;
    key.flags = p->transpose_a | p->transpose_b << 1 | p->add << 2 | (p->bias != NULL) << 3;
    key.align_a = alignment_of(p->a);
    key.align_b = alignment_of(p->b);
    key.align_c = alignment_of(p->c);
    return key;
}

static uint64_t hash_of(const dt_product_key *key)
{
    const unsigned char *bytes = (const unsigned char *)key;
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < sizeof *key; ++i)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash ^ hash >> 32;
}

/* Creates the cuBLASLt layout of a row-major (rows, columns) matrix. */
static bool make_layout(dt_cuda *cuda, cublasLtMatrixLayout_t *out, dt_number number, int64_t rows,
                        int64_t columns, int64_t ld)
{
    return dt_cuda_lt_ok(
        cuda,
        cublasLtMatrixLayoutCreate(out, data_type(number), (uint64_t)columns, (uint64_t)rows, ld),
        "a matrix layout");
}

static bool make_operation(dt_cuda *cuda, dt_product_plan *plan, const dt_product *p)
{
    const cublasOperation_t first = p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue =
        p->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType_t bias_type = data_type(p->output);
    bool ok =
        dt_cuda_lt_ok(cuda,
                      cublasLtMatmulDescCreate(&plan->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                      "a matrix product");
    ok = ok && dt_cuda_lt_ok(cuda,
                             cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_TRANSA,
                                                            &first, sizeof first),
                             "a transposition");
    ok = ok && dt_cuda_lt_ok(cuda,
                             cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_TRANSB,
                                                            &second, sizeof second),
                             "a transposition");
    ok = ok && dt_cuda_lt_ok(cuda,
                             cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                                            &epilogue, sizeof epilogue),
                             "an epilogue");
    if (p->bias)
        ok = ok && dt_cuda_lt_ok(cuda,
                                 cublasLtMatmulDescSetAttribute(plan->operation,
                                                                CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
                                                                &bias_type, sizeof bias_type),
                                 "a bias");
    return ok;
}

static bool set_bias(dt_cuda *cuda, const dt_product_plan *plan, const void *bias)
{
    return dt_cuda_lt_ok(cuda,
                         cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                        &bias, sizeof bias),
                         "a bias");
}

static void tell_plain(dt_cuda *cuda, const dt_product_plan *plan)
{
    if (!cuda->products->told)
        dt_notice("cuBLASLt has no algorithm for a product of %lld x %lld x %lld: a slower kernel "
                  "computes such products",
                  (long long)plan->key.m, (long long)plan->key.n, (long long)plan->key.k);
    cuda->products->told = true;
}

static bool make_plan(dt_cuda *cuda, dt_product_plan *plan, const dt_product *p,
                      const dt_product_key *key)
{
    plan_free(plan);
    plan->key = *key;
    plan->used = make_operation(cuda, plan, p) &&
                 make_layout(cuda, &plan->a, p->inputs, p->transpose_b ? p->n : p->k,
                             p->transpose_b ? p->k : p->n, p->ldb) &&
                 make_layout(cuda, &plan->b, p->inputs, p->transpose_a ? p->k : p->m,
                             p->transpose_a ? p->m : p->k, p->lda) &&
                 make_layout(cuda, &plan->c, p->output, p->m, p->n, p->ldc) &&
                 (!p->bias || set_bias(cuda, plan, p->bias)) && dt_cuda_choose(cuda, plan, p);
    if (!plan->used)
        plan_free(plan);
    else if (plan->plain)
        tell_plain(cuda, plan);
    return plan->used;
}

/* Returns the plan of a product; NULL, with a sticky error, on failure. */
static dt_product_plan *plan_of(dt_cuda *cuda, const dt_product *p)
{
    const dt_product_key key = key_of(p);
    const uint64_t start = hash_of(&key);
    dt_product_plan *slot = NULL;
    for (uint64_t i = 0; i < PROBES; ++i) {
        dt_product_plan *plan = &cuda->products->plan[(start + i) & (PLANS - 1)];
        if (plan->used && memcmp(&plan->key, &key, sizeof key) == 0)
            return plan;
        if (!plan->used && !slot)
            slot = plan;
    }
    if (!slot) /* all slots are in use: replace the first */
        slot = &cuda->products->plan[start & (PLANS - 1)];
    return make_plan(cuda, slot, p, &key) ? slot : NULL;
}

cublasStatus_t dt_cuda_product_launch(dt_cuda *cuda, const dt_product_plan *plan,
                                      const dt_product *p)
{
    const float alpha = 1.0f;
    const float beta = p->add ? 1.0f : 0.0f;
    return cublasLtMatmul(cuda->cublas, plan->operation, &alpha, p->b, plan->a, p->a, plan->b,
                          &beta, p->c, plan->c, p->c, plan->c, &plan->algorithm, cuda->workspace,
                          (size_t)DT_CUDA_WORKSPACE, cuda->stream);
}

void dt_cuda_product(dt_cuda *cuda, const dt_product *p)
{
    if (p->m == 0 || p->n == 0 || cuda->error)
        return;
    if (p->bias && !dt_is_aligned(p->bias)) {
        dt_product on_bias = *p;
        dt_cuda_bias_rows(cuda, p);
        on_bias.bias = NULL;
        on_bias.add = true;
        dt_cuda_product(cuda, &on_bias);
        return;
    }
    dt_product_plan *plan = plan_of(cuda, p);
    if (!plan || (p->bias && !set_bias(cuda, plan, p->bias)))
        return;
    if (!plan->plain) {
        const cublasStatus_t status = dt_cuda_product_launch(cuda, plan, p);
        if (status != CUBLAS_STATUS_NOT_SUPPORTED) {
            dt_cuda_lt_ok(cuda, status, "a matrix product");
            return;
        }
        plan->plain = true; /* nothing was launched */
        tell_plain(cuda, plan);
    }
    dt_cuda_plain_product(cuda, p);
}
