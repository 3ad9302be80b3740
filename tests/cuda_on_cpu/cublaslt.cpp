/* Emulates cuBLASLt's matrix product: operands are converted to float, column-major and
 * untransposed, multiplied by CBLAS, and rounded to the type of the result.
 *
 * There is one algorithm, unless CUDA_ON_CPU_PROPOSALS lists several, in the order in which the
 * heuristics propose them: "1=30,2=20,-8=5" are the whole sum, which takes 30 ms, the sum in 2 parts,
 * and one in 8 parts that the heuristics do not propose. After the number of parts: "i": added in
 * place, "o": stored in the type of the result, "x": cannot be launched. */
#include "cublasLt.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "engine.h"

using namespace cuda_on_cpu;

struct cublasLtContext {
    int unused;
};
struct cublasLtMatmulPreference {
    uint32_t alignment[4]; /* of A, B, C, D */
    uint64_t workspace;
    uint32_t schemes;
};
struct cublasLtMatmulDescription {
    cublasOperation_t transpose[2]; /* of A, of B */
    cublasLtEpilogue_t epilogue;
    void *bias;
    int64_t bias_stride;
    cudaDataType_t bias_type;
    bool has_bias_type;
    cublasLtPointerMode_t pointers;
};
struct cublasLtMatrixLayout {
    cudaDataType_t type;
    uint64_t rows, cols;
    int64_t ld;
    cublasLtOrder_t order;
    int32_t batches;
    int64_t stride;
};

namespace
{

bool known(cudaDataType_t type)
{
    return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

float number(const void *from, cudaDataType_t type, size_t i)
{
    if (type == CUDA_R_32F)
        return ((const float *)from)[i];
    const unsigned short bits = ((const unsigned short *)from)[i];
    return type == CUDA_R_16F ? half_to_float(bits) : bfloat16_to_float(bits);
}

void set_number(void *to, cudaDataType_t type, size_t i, float value)
{
    if (type == CUDA_R_32F)
        ((float *)to)[i] = value;
    else
        ((unsigned short *)to)[i] =
            type == CUDA_R_16F ? float_to_half(value) : float_to_bfloat16(value);
}

size_t place(const cublasLtMatrixLayout &l, size_t row, size_t col, int batch)
{
    const size_t ld = (size_t)l.ld;
    return (size_t)(l.stride * batch) +
           (l.order == CUBLASLT_ORDER_COL ? row + col * ld : row * ld + col);
}

/* Returns op(matrix), column-major without gaps. */
std::vector<float> gather(const void *from, const cublasLtMatrixLayout &l, bool transpose,
                          int batch)
{
    const size_t rows = transpose ? l.cols : l.rows;
    std::vector<float> out(l.rows * l.cols);
    for (size_t c = 0; c < l.cols; ++c)
        for (size_t r = 0; r < l.rows; ++r)
            out[transpose ? c + r * rows : r + c * rows] =
                number(from, l.type, place(l, r, c, batch));
    return out;
}

float gelu_of_tanh(float x)
{
    return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
}

struct product {
    cublasLtMatmulDescription desc;
    cublasLtMatrixLayout a, b, c, d;
    const void *A, *B, *C;
    void *D;
    float alpha, beta;
    size_t parts; /* in which sums are computed */
};

/* BGRADA, BGRADB: the sums of op(A) over its columns, or of op(B) over its rows. */
void bias_gradient(const product &p, const std::vector<float> &a, const std::vector<float> &b,
                   size_t m, size_t n, size_t k, cudaDataType_t type, size_t offset)
{
    const bool of_a = p.desc.epilogue == CUBLASLT_EPILOGUE_BGRADA;
    for (size_t i = 0; i < (of_a ? m : n); ++i) {
        float sum = 0.0f;
        for (size_t j = 0; j < k; ++j)
            sum += of_a ? a[i + j * m] : b[j + i * k];
        set_number(p.desc.bias, type, offset + i, sum);
    }
}

void run_batch(const product &p, int batch)
{
    const bool ta = p.desc.transpose[0] != CUBLAS_OP_N;
    const bool tb = p.desc.transpose[1] != CUBLAS_OP_N;
    const size_t m = p.d.rows;
    const size_t n = p.d.cols;
    const size_t k = ta ? p.a.rows : p.a.cols;
    const std::vector<float> a = gather(p.A, p.a, ta, batch);
    const std::vector<float> b = gather(p.B, p.b, tb, batch);
    std::vector<float> d(m * n, 0.0f);
    for (size_t i = 0; i < p.parts; ++i) {
        const size_t first = k * i / p.parts;
        cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n,
                    (int)(k * (i + 1) / p.parts - first), p.alpha, a.data() + first * m, (int)m,
                    b.data() + first, (int)k, i == 0 ? 0.0f : 1.0f, d.data(), (int)m);
    }
    const cudaDataType_t bias_type = p.desc.has_bias_type ? p.desc.bias_type : p.d.type;
    const size_t bias_at = (size_t)(p.desc.bias_stride * batch);
    const int e = p.desc.epilogue;
    for (size_t j = 0; j < n; ++j)
        for (size_t i = 0; i < m; ++i) {
            float x = d[i + j * m];
            if (p.beta != 0.0f)
                x += p.beta * number(p.C, p.c.type, place(p.c, i, j, batch));
            if (e & CUBLASLT_EPILOGUE_BIAS)
                x += number(p.desc.bias, bias_type, bias_at + i);
            if (e & CUBLASLT_EPILOGUE_RELU)
                x = x > 0.0f || x != x ? x : 0.0f;
            if (e & CUBLASLT_EPILOGUE_GELU)
                x = gelu_of_tanh(x);
            set_number(p.D, p.d.type, place(p.d, i, j, batch), x);
        }
    if (e == CUBLASLT_EPILOGUE_BGRADA || e == CUBLASLT_EPILOGUE_BGRADB)
        bias_gradient(p, a, b, m, n, k, bias_type, bias_at);
}

/* ---- alignments ---------------------------------------------------------------------------- */

enum { MAX_ALIGNMENT = 256, BIAS_ALIGNMENT = 16 };

/* An algorithm, and what it was chosen for: the content of cublasLtMatmulAlgo_t. */
struct chosen_for {
    uint32_t alignment[5]; /* of A, B, C, D, bias */
    uint32_t fails;
    uint64_t parts, scheme;
};
static_assert(sizeof(chosen_for) <= sizeof(cublasLtMatmulAlgo_t), "must fit");

/* Returns the largest power of two up to MAX_ALIGNMENT that divides the address. */
uint32_t alignment_of(const void *address)
{
    const uintptr_t bits = (uintptr_t)address | MAX_ALIGNMENT;
    return (uint32_t)(bits & (~bits + 1));
}

/* A kernel of cuBLASLt reads or writes whole words at the alignment that it was chosen for: at a
 * smaller one it ends with a misaligned address. Without `algo` it is chosen for these operands. */
void judge_alignments(const cublasLtMatmulAlgo_t *algo, const void *const *operand)
{
    static const char *const name[] = {"A", "B", "C", "D", "the bias"};
    chosen_for chosen{{0, 0, 0, 0, BIAS_ALIGNMENT}, 0, 0, 0};
    if (algo)
        memcpy(&chosen, algo, sizeof chosen);
    for (int i = 0; i < 5; ++i)
        if (operand[i] && alignment_of(operand[i]) < chosen.alignment[i])
            report("cuBLASLt: %s is at an address that is a multiple of %u bytes, and the "
                   "algorithm was chosen for %u",
                   name[i], alignment_of(operand[i]), chosen.alignment[i]);
}

/* ---- what is refused ------------------------------------------------------------------------ */

bool layout_valid(const cublasLtMatrixLayout &l)
{
    const uint64_t line = l.order == CUBLASLT_ORDER_COL ? l.rows : l.cols;
    return known(l.type) && l.ld >= (int64_t)line && l.batches >= 1;
}

/* Returns an error for what cuBLASLt would reject. */
cublasStatus_t check(const cublasLtMatmulDescription &desc, const cublasLtMatrixLayout &a,
                     const cublasLtMatrixLayout &b, const cublasLtMatrixLayout &c,
                     const cublasLtMatrixLayout &d)
{
    const bool ta = desc.transpose[0] != CUBLAS_OP_N;
    const bool tb = desc.transpose[1] != CUBLAS_OP_N;
    if (!layout_valid(a) || !layout_valid(b) || !layout_valid(c) || !layout_valid(d))
        return CUBLAS_STATUS_INVALID_VALUE;
    if ((ta ? a.cols : a.rows) != d.rows || (tb ? b.rows : b.cols) != d.cols ||
        (ta ? a.rows : a.cols) != (tb ? b.cols : b.rows) || c.rows != d.rows || c.cols != d.cols ||
        a.batches != d.batches || b.batches != d.batches || c.batches != d.batches)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (a.type != b.type || c.type != d.type || (d.type != a.type && d.type != CUDA_R_32F))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if ((desc.epilogue & CUBLASLT_EPILOGUE_BIAS) && d.order == CUBLASLT_ORDER_ROW)
        return CUBLAS_STATUS_NOT_SUPPORTED; /* the bias has one element per row of the column-major
                                               D */
    return CUBLAS_STATUS_SUCCESS;
}

/* Returns whether the rows of a matrix are aligned for 16-byte loads. */
bool aligned(const cublasLtMatrixLayout &layout)
{
    return layout.ld * (layout.type == CUDA_R_32F ? 4 : 2) % 16 == 0;
}

/* Injects failures into the choice of an algorithm according to CUDA_ON_CPU_PRODUCTS, which is read
 * each time. "none": there is no algorithm; "aligned": rows of 16-bit inputs that are not aligned
 * are an error. */
cublasStatus_t planted(const cublasLtMatrixLayout &a, const cublasLtMatrixLayout &b)
{
    const char *text = getenv("CUDA_ON_CPU_PRODUCTS");
    if (text && strcmp(text, "none") == 0)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (text && strcmp(text, "aligned") == 0 && a.type != CUDA_R_32F && !(aligned(a) && aligned(b)))
        return CUBLAS_STATUS_INTERNAL_ERROR;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- algorithms ----------------------------------------------------------------------------- */

struct configuration {
    uint64_t parts, scheme;
    bool fails, proposed;
    double seconds;
};

std::vector<configuration> configurations()
{
    const char *text = getenv("CUDA_ON_CPU_PROPOSALS");
    std::vector<configuration> out;
    for (const char *at = text && *text ? text : "1=0"; *at;) {
        configuration c = {1, CUBLASLT_REDUCTION_SCHEME_NONE, false, *at != '-', 0.0};
        char *end;
        c.parts = strtoull(at + !c.proposed, &end, 10);
        if (c.parts > 1)
            c.scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
        for (; *end && *end != '='; ++end) {
            c.fails |= *end == 'x';
            if (*end == 'i' || *end == 'o')
                c.scheme = *end == 'i' ? CUBLASLT_REDUCTION_SCHEME_INPLACE
                                       : CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
        }
        if (c.parts < 1 || *end != '=')
            report("CUDA_ON_CPU_PROPOSALS is '%s', expected PARTS[iox]=MILLISECONDS,...", text);
        c.seconds = 1e-3 * strtod(end + 1, &end);
        out.push_back(c);
        at = *end == ',' ? end + 1 : end;
    }
    return out;
}

cublasLtMatmulAlgo_t algorithm_of(const configuration &c,
                                  const cublasLtMatmulPreference &preference)
{
    chosen_for chosen{{0, 0, 0, 0, BIAS_ALIGNMENT}, c.fails, c.parts, c.scheme};
    cublasLtMatmulAlgo_t out{};
    memcpy(chosen.alignment, preference.alignment, sizeof preference.alignment);
    memcpy(&out, &chosen, sizeof chosen);
    return out;
}

/* Sets *c to the configuration of an algorithm; returns false if there is none. */
bool find(const cublasLtMatmulAlgo_t *algo, configuration *c)
{
    chosen_for chosen;
    memcpy(&chosen, algo, sizeof chosen);
    for (const configuration &known : configurations()) {
        *c = known;
        if (chosen.parts == known.parts && chosen.scheme == known.scheme &&
            chosen.fails == known.fails)
            return true;
    }
    return false;
}

size_t workspace_of(const configuration &c, const cublasLtMatrixLayout &d)
{
    return c.parts > 1 ? (size_t)(c.parts * d.rows * d.cols) * sizeof(float) : 0;
}

/* Copies an attribute whose size the caller states. */
cublasStatus_t take(void *to, size_t size, const void *value, size_t bytes)
{
    if (!value || bytes != size)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

#define TAKE(field) take(&(field), sizeof(field), value, bytes)

} // namespace

/* CUDA_ON_CPU_CUBLASLT lets runs have different versions. */
size_t cublasLtGetVersion()
{
    const char *text = getenv("CUDA_ON_CPU_CUBLASLT");
    return text ? strtoul(text, nullptr, 10) : 130000;
}

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS:
        return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
        return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
        return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
        return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
        return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "unknown status";
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out)
{
    *out = new cublasLtContext();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t,
                                        cudaDataType_t scale)
{
    *out = nullptr;
    if (scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *out = new cublasLtMatmulDescription();
    (*out)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return TAKE(desc->transpose[0]);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return TAKE(desc->transpose[1]);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return TAKE(desc->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return TAKE(desc->bias);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
        return TAKE(desc->bias_stride);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        desc->has_bias_type = true;
        return TAKE(desc->bias_type);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
        return TAKE(desc->pointers);
    default:
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type,
                                          uint64_t rows, uint64_t cols, int64_t ld)
{
    *out = new cublasLtMatrixLayout{type, rows, cols, ld, CUBLASLT_ORDER_COL, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *value, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
        return TAKE(layout->type);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
        return TAKE(layout->order);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
        return TAKE(layout->rows);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
        return TAKE(layout->cols);
    case CUBLASLT_MATRIX_LAYOUT_LD:
        return TAKE(layout->ld);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
        return TAKE(layout->batches);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
        return TAKE(layout->stride);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    *out = new cublasLtMatmulPreference{
        {MAX_ALIGNMENT, MAX_ALIGNMENT, MAX_ALIGNMENT, MAX_ALIGNMENT},
        0,
        CUBLASLT_REDUCTION_SCHEME_MASK};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *value, size_t bytes)
{
    const int operand = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    uint32_t any;
    if (operand >= 0 && operand < 4)
        return TAKE(preference->alignment[operand]);
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return TAKE(preference->workspace);
    return attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK ? TAKE(preference->schemes)
                                                                   : TAKE(any);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t *results, int *found)
{
    *found = 0;
    if (!handle || !preference || wanted < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t status = check(*desc, *a, *b, *c, *d);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = planted(*a, *b);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    /* The choice depends on the pointer's value (cublasLt.h, CUBLASLT_MATMUL_DESC_BIAS_POINTER), but
     * kernels were seen to read words of 16 bytes for any (github.com/pytorch/pytorch/pull/194497) */
    if ((desc->epilogue & CUBLASLT_EPILOGUE_BIAS) && alignment_of(desc->bias) < BIAS_ALIGNMENT)
        report("cuBLASLt: an algorithm is asked for with a bias at a multiple of %u bytes",
               alignment_of(desc->bias));
    for (const configuration &its : configurations()) {
        const bool masked = its.scheme != CUBLASLT_REDUCTION_SCHEME_NONE &&
                            (its.scheme & preference->schemes) == 0;
        if (*found == wanted || !its.proposed || masked ||
            workspace_of(its, *d) > preference->workspace)
            continue;
        results[*found] = cublasLtMatmulHeuristicResult_t{
            algorithm_of(its, *preference), workspace_of(its, *d), CUBLAS_STATUS_SUCCESS, 1.0f, {}};
        ++*found;
    }
    return *found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result)
{
    configuration configured;
    const cublasStatus_t status = check(*desc, *a, *b, *c, *d);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    if (!find(algo, &configured))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    result->workspaceSize = workspace_of(configured, *d);
    result->state = CUBLAS_STATUS_SUCCESS;
    result->wavesCount = 1.0f;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    const void *value, size_t bytes)
{
    uint32_t number;
    const cublasStatus_t status = TAKE(number);
    if (status != CUBLAS_STATUS_SUCCESS || attribute == CUBLASLT_ALGO_CONFIG_ID)
        return CUBLAS_STATUS_INVALID_VALUE;
    chosen_for chosen;
    memcpy(&chosen, algo, sizeof chosen);
    (attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? chosen.parts : chosen.scheme) = number;
    memcpy(algo, &chosen, sizeof chosen);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void *value, size_t bytes, size_t *written)
{
    chosen_for chosen;
    memcpy(&chosen, algo, sizeof chosen);
    const uint32_t number = attribute == CUBLASLT_ALGO_CONFIG_ID           ? 0
                            : attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? (uint32_t)chosen.parts
                                                                           : (uint32_t)chosen.scheme;
    *written = sizeof number;
    return take(value, sizeof number, &number, bytes);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
    if (!handle || !desc || !alpha || !beta)
        return CUBLAS_STATUS_INVALID_VALUE;
    const cublasStatus_t status = check(*desc, *a_layout, *b_layout, *c_layout, *d_layout);
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    const bool with_bias = desc->epilogue & (CUBLASLT_EPILOGUE_BIAS | CUBLASLT_EPILOGUE_BGRADA |
                                             CUBLASLT_EPILOGUE_BGRADB);
    const bool on_device = desc->pointers == CUBLASLT_POINTER_MODE_DEVICE;
    if (!a || !b || !d || (with_bias && !desc->bias))
        return CUBLAS_STATUS_INVALID_VALUE;
    const void *const operands[] = {a, b, c, d, with_bias ? desc->bias : nullptr};
    judge_alignments(algo, operands);
    if (workspace_bytes > 0 && alignment_of(workspace) < MAX_ALIGNMENT)
        report("cuBLASLt: the workspace is not aligned to %d bytes", MAX_ALIGNMENT);
    configuration chosen = configurations()[0]; /* without an algorithm: the heuristics' first */
    if (algo && !find(algo, &chosen))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (chosen.fails || workspace_of(chosen, *d_layout) > workspace_bytes)
        return CUBLAS_STATUS_EXECUTION_FAILED;
    product p{*desc, *a_layout, *b_layout, *c_layout, *d_layout, a, b, c, d, 0.0f, 0.0f,
              chosen.parts};
    if (!on_device) {
        p.alpha = *(const float *)alpha;
        p.beta = *(const float *)beta;
        if (p.beta != 0.0f && !c)
            return CUBLAS_STATUS_INVALID_VALUE;
    }
    const cudaError_t error = enqueue(stream, [=]() mutable {
        if (on_device) {
            p.alpha = *(const float *)alpha;
            p.beta = *(const float *)beta;
        }
        for (int batch = 0; batch < p.d.batches; ++batch)
            run_batch(p, batch);
        pretend_to_take(chosen.seconds);
        if (workspace && workspace_bytes > 0)
            memset(workspace, 0xff, workspace_bytes < 4096 ? workspace_bytes : 4096);
    });
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
