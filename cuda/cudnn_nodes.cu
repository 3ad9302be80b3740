/* The graph of attention operations for cuDNN, see cudnn_plan.h. */
#include <stdio.h>

#include "cuda/cudnn_nodes.h"

typedef cudnnBackendDescriptor_t tensor;

/* ---- descriptors ---------------------------------------------------------------------------- */

dt_status dt_cudnn_refused(const dt_cudnn *cudnn, cudnnStatus_t code, const char *what)
{
    char words[256] = "";
    cudnn->call.GetLastErrorString(words, sizeof words);
    for (char *c = words; *c; ++c)
        if (*c == '\n')
            *c = ' ';
    return dt_fail(DT_ERR_DEVICE,
                   "attention method cudnn: cuDNN %d refuses %s: %s%s%s; use --attention auto",
                   (int)cudnn->call.GetVersion(), what, cudnn->call.GetErrorString(code),
                   *words ? ": " : "", words);
}

static void check(dt_cudnn_graph *graph, cudnnStatus_t code, const char *what)
{
    if (graph->status == DT_OK && code != CUDNN_STATUS_SUCCESS)
        graph->status = dt_cudnn_refused(graph->cudnn, code, what);
}

cudnnBackendDescriptor_t dt_cudnn_make(dt_cudnn_graph *graph, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t made = NULL;
    if (graph->status == DT_OK && graph->made_count == DT_CUDNN_DESCRIPTORS)
        graph->status = dt_fail(DT_ERR_INTERNAL, "too many descriptors in a graph for cuDNN");
    if (graph->status != DT_OK)
        return NULL;
    check(graph, graph->cudnn->call.BackendCreateDescriptor(type, &made), "a descriptor");
    if (made)
        graph->made[graph->made_count++] = made;
    return graph->status == DT_OK ? made : NULL;
}

void dt_cudnn_set(dt_cudnn_graph *graph, cudnnBackendDescriptor_t descriptor,
                  cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void *values)
{
    char what[64];
    snprintf(what, sizeof what, "attribute %d of attention", (int)name);
    if (graph->status == DT_OK)
        check(graph, graph->cudnn->call.BackendSetAttribute(descriptor, name, type, count, values),
              what);
}

void dt_cudnn_finish(dt_cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, const char *what)
{
    if (graph->status == DT_OK)
        check(graph, graph->cudnn->call.BackendFinalize(descriptor), what);
}

static void set_descriptor(dt_cudnn_graph *graph, cudnnBackendDescriptor_t descriptor,
                           cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value)
{
    dt_cudnn_set(graph, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

/* ---- tensors -------------------------------------------------------------------------------- */

#define AXES 4 /* sequence, head, row, column */

/* Memory layouts; the sizes follow from the shape. */
typedef enum {
    ROWS,              /* (B, A, S, d) in memory (B, S, A, d): q, k, v, y and their gradients */
    ROWS_TRANSPOSED,   /* the same memory, seen as (B, A, d, S) */
    SCORES,            /* (B, A, S, S) */
    SCORES_TRANSPOSED, /* the same, transposed */
    ROW_NUMBERS,       /* (B, A, S, 1) */
    ROW_VECTORS,       /* (B, A, S, d) in that order */
    LENGTHS,           /* (B, 1, 1, 1) */
    NUMBER             /* (1, 1, 1, 1) */
} layout;

static void describe(const dt_cudnn_shape *shape, layout which, int64_t (&sizes)[AXES],
                     int64_t (&strides)[AXES])
{
    const int64_t b = shape->sequences;
    const int64_t a = shape->heads;
    const int64_t s = shape->positions;
    const int64_t d = shape->head_size;
    const bool number = which == NUMBER || which == LENGTHS;
    const bool scores = which == SCORES || which == SCORES_TRANSPOSED;
    const bool rows = which == ROWS || which == ROWS_TRANSPOSED;
    const bool transposed = which == ROWS_TRANSPOSED || which == SCORES_TRANSPOSED;
    const int64_t columns = scores ? s : which == ROW_NUMBERS || number ? 1 : d;
    sizes[0] = which == NUMBER ? 1 : b;
    sizes[1] = number ? 1 : a;
    sizes[2] = number ? 1 : s;
    sizes[3] = columns;
    strides[0] = number ? 1 : a * s * columns;
    strides[1] = number ? 1 : rows ? d : s * columns;
    strides[2] = number ? 1 : rows ? a * d : columns;
    strides[3] = 1;
    if (transposed) {
        const int64_t size = sizes[2];
        const int64_t stride = strides[2];
        sizes[2] = sizes[3];
        sizes[3] = size;
        strides[2] = strides[3];
        strides[3] = stride;
    }
}

static tensor make_tensor(dt_cudnn_graph *graph, int64_t id, cudnnDataType_t type, layout which,
                          cudnnBackendAttributeName_t flag)
{
    const int64_t alignment = 16;
    const bool yes = true;
    int64_t sizes[AXES];
    int64_t strides[AXES];
    describe(graph->shape, which, sizes, strides);
    const tensor out = dt_cudnn_make(graph, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    dt_cudnn_set(graph, out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dt_cudnn_set(graph, out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, AXES, sizes);
    dt_cudnn_set(graph, out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, AXES, strides);
    dt_cudnn_set(graph, out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    dt_cudnn_set(graph, out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (flag != CUDNN_ATTR_TENSOR_UNIQUE_ID)
        dt_cudnn_set(graph, out, flag, CUDNN_TYPE_BOOLEAN, 1, &yes);
    dt_cudnn_finish(graph, out, "a tensor of attention");
    return out;
}

static cudnnDataType_t narrow(const dt_cudnn_graph *graph)
{
    return graph->shape->half ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
}

/* A tensor in device memory. */
static tensor in_memory(dt_cudnn_graph *graph, dt_cudnn_tensor name, cudnnDataType_t type,
                        layout which)
{
    graph->named[name] = make_tensor(graph, name, type, which, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    return graph->named[name];
}

static tensor matrix(dt_cudnn_graph *graph, dt_cudnn_tensor name, layout which)
{
    return in_memory(graph, name, narrow(graph), which);
}

static tensor constant(dt_cudnn_graph *graph, dt_cudnn_constant name)
{
    graph->named[name] =
        make_tensor(graph, name, CUDNN_DATA_FLOAT, NUMBER, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
    return graph->named[name];
}

/* A virtual tensor, passed from one operation to another. */
static tensor between(dt_cudnn_graph *graph, cudnnDataType_t type, layout which)
{
    return make_tensor(graph, graph->next_id++, type, which, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
}

/* ---- operations ----------------------------------------------------------------------------- */

static void add_operation(dt_cudnn_graph *graph, cudnnBackendDescriptor_t operation)
{
    dt_cudnn_finish(graph, operation, "an operation of attention");
    if (graph->status == DT_OK && graph->operations == DT_CUDNN_OPERATIONS)
        graph->status = dt_fail(DT_ERR_INTERNAL, "too many operations in a graph for cuDNN");
    if (graph->status == DT_OK)
        graph->operation[graph->operations++] = operation;
}

/* out = x (mode) b, with `t` as selector; b and t are NULL if the mode does not use them. `axis`:
 * for modes that generate an index. */
static tensor pointwise(dt_cudnn_graph *graph, cudnnPointwiseMode_t mode, cudnnDataType_t compute,
                        tensor x, tensor b, tensor t, tensor out, int64_t axis)
{
    const cudnnBackendDescriptor_t kind = dt_cudnn_make(graph, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    if (mode == CUDNN_POINTWISE_GEN_INDEX)
        dt_cudnn_set(graph, kind, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis);
    dt_cudnn_finish(graph, kind, "a pointwise operation of attention");
    const cudnnBackendDescriptor_t operation =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b)
        set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    if (t)
        set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    add_operation(graph, operation);
    return out;
}

/* Returns a new float tensor x (mode) b. */
static tensor floats(dt_cudnn_graph *graph, cudnnPointwiseMode_t mode, tensor x, tensor b,
                     layout which)
{
    return pointwise(graph, mode, CUDNN_DATA_FLOAT, x, b, NULL,
                     between(graph, CUDNN_DATA_FLOAT, which), 0);
}

static tensor reduce(dt_cudnn_graph *graph, cudnnReduceTensorOp_t mode, tensor x)
{
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const tensor out = between(graph, CUDNN_DATA_FLOAT, ROW_NUMBERS);
    const cudnnBackendDescriptor_t kind = dt_cudnn_make(graph, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1,
                 &mode);
    dt_cudnn_finish(graph, kind, "a reduction of attention");
    const cudnnBackendDescriptor_t operation =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, out);
    add_operation(graph, operation);
    return out;
}

/* c = a · b for each sequence and head. The axes m, n, k may be limited by lengths (NULL: the whole
 * axis). */
static tensor product(dt_cudnn_graph *graph, tensor a, tensor b, tensor c, tensor m, tensor n,
                      tensor k)
{
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const cudnnBackendDescriptor_t kind = dt_cudnn_make(graph, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    dt_cudnn_finish(graph, kind, "a product of attention");
    const cudnnBackendDescriptor_t operation =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_DESC, kind);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
    if (m)
        set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC, m);
    if (n)
        set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC, n);
    if (k)
        set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC, k);
    add_operation(graph, operation);
    return c;
}

/* Returns a view of the same elements in another layout. */
static tensor reshape(dt_cudnn_graph *graph, tensor x, cudnnDataType_t type, layout which)
{
    const tensor out = between(graph, type, which);
    const cudnnBackendDescriptor_t operation =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, out);
    add_operation(graph, operation);
    return out;
}

/* Returns m: for each score 1 with probability 1 − p, else 0. */
static tensor random_mask(dt_cudnn_graph *graph)
{
    const cudnnRngDistribution_t bernoulli = CUDNN_RNG_DISTRIBUTION_BERNOULLI;
    const double kept = 1.0 - graph->shape->dropout;
    const tensor seed = in_memory(graph, DT_CUDNN_SEED, CUDNN_DATA_INT64, NUMBER);
    const tensor offset = in_memory(graph, DT_CUDNN_OFFSET, CUDNN_DATA_INT64, NUMBER);
    const tensor out = between(graph, CUDNN_DATA_FLOAT, SCORES);
    const cudnnBackendDescriptor_t kind = dt_cudnn_make(graph, CUDNN_BACKEND_RNG_DESCRIPTOR);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_RNG_DISTRIBUTION, CUDNN_TYPE_RNG_DISTRIBUTION, 1,
                 &bernoulli);
    dt_cudnn_set(graph, kind, CUDNN_ATTR_RNG_BERNOULLI_DIST_PROBABILITY, CUDNN_TYPE_DOUBLE, 1,
                 &kept);
    dt_cudnn_finish(graph, kind, "dropout of attention");
    const cudnnBackendDescriptor_t operation =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATION_RNG_DESCRIPTOR);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RNG_DESC, kind);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RNG_SEED, seed);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RNG_OFFSET_DESC, offset);
    set_descriptor(graph, operation, CUDNN_ATTR_OPERATION_RNG_YDESC, out);
    add_operation(graph, operation);
    return out;
}

/* Returns the scores, with −∞ where the row or column is past the end of the sequence. */
static tensor padded(dt_cudnn_graph *graph, tensor scores, tensor queries, tensor keys)
{
    const cudnnDataType_t index = CUDNN_DATA_INT32;
    const cudnnDataType_t truth = CUDNN_DATA_BOOLEAN;
    const tensor row = pointwise(graph, CUDNN_POINTWISE_GEN_INDEX, index, scores, NULL, NULL,
                                 between(graph, index, SCORES), 2);
    const tensor column = pointwise(graph, CUDNN_POINTWISE_GEN_INDEX, index, scores, NULL, NULL,
                                    between(graph, index, SCORES), 3);
    const tensor row_in = pointwise(graph, CUDNN_POINTWISE_CMP_LT, truth, row, queries, NULL,
                                    between(graph, truth, SCORES), 0);
    const tensor column_in = pointwise(graph, CUDNN_POINTWISE_CMP_LT, truth, column, keys, NULL,
                                       between(graph, truth, SCORES), 0);
    const tensor both = pointwise(graph, CUDNN_POINTWISE_LOGICAL_AND, truth, row_in, column_in,
                                  NULL, between(graph, truth, SCORES), 0);
    return pointwise(graph, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, scores,
                     constant(graph, DT_CUDNN_MASKED), both,
                     between(graph, CUDNN_DATA_FLOAT, SCORES), 0);
}

/* Returns P, masked by the lengths. */
static tensor scaled_scores(dt_cudnn_graph *graph, tensor q, tensor k, tensor queries, tensor keys,
                            tensor scale)
{
    const tensor raw =
        product(graph, q, k, between(graph, CUDNN_DATA_FLOAT, SCORES), queries, keys, NULL);
    return padded(graph, floats(graph, CUDNN_POINTWISE_MUL, raw, scale, SCORES), queries, keys);
}

/* ---- forward and backward ------------------------------------------------------------------- */

void dt_cudnn_forward(dt_cudnn_graph *graph)
{
    const bool drop = graph->shape->dropout > 0.0;
    const tensor q = matrix(graph, DT_CUDNN_Q, ROWS);
    const tensor k = matrix(graph, DT_CUDNN_K, ROWS_TRANSPOSED);
    const tensor v = matrix(graph, DT_CUDNN_V, ROWS);
    const tensor y = matrix(graph, DT_CUDNN_Y, ROWS);
    const tensor statistics = in_memory(graph, DT_CUDNN_STATISTICS, CUDNN_DATA_FLOAT, ROW_NUMBERS);
    const tensor queries = in_memory(graph, DT_CUDNN_QUERIES, CUDNN_DATA_INT32, LENGTHS);
    const tensor keys = in_memory(graph, DT_CUDNN_KEYS, CUDNN_DATA_INT32, LENGTHS);
    const tensor p = scaled_scores(graph, q, k, queries, keys, constant(graph, DT_CUDNN_SCALE));
    const tensor largest = reduce(graph, CUDNN_REDUCE_TENSOR_MAX, p);
    const tensor e = floats(graph, CUDNN_POINTWISE_EXP,
                            floats(graph, CUDNN_POINTWISE_SUB, p, largest, SCORES), NULL, SCORES);
    const tensor sum = reduce(graph, CUDNN_REDUCE_TENSOR_ADD, e);
    pointwise(graph, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, largest,
              floats(graph, CUDNN_POINTWISE_LOG, sum, NULL, ROW_NUMBERS), NULL, statistics, 0);
    /* the left operand of the second product must have the type of v */
    tensor share = pointwise(graph, CUDNN_POINTWISE_DIV, CUDNN_DATA_FLOAT, e, sum, NULL,
                             between(graph, drop ? CUDNN_DATA_FLOAT : narrow(graph), SCORES), 0);
    if (drop) {
        share = floats(graph, CUDNN_POINTWISE_MUL, share, random_mask(graph), SCORES);
        share = pointwise(graph, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, share,
                          constant(graph, DT_CUDNN_KEPT_FACTOR), NULL,
                          between(graph, narrow(graph), SCORES), 0);
    }
    product(graph, share, v, y, queries, NULL, keys);
}

/* product = (1 − p) · Σ dy ∘ y */
static tensor row_products(dt_cudnn_graph *graph, tensor dy)
{
    const tensor y = matrix(graph, DT_CUDNN_Y, ROWS);
    const tensor out = in_memory(graph, DT_CUDNN_PRODUCT, CUDNN_DATA_FLOAT, ROW_NUMBERS);
    const tensor sum = reduce(graph, CUDNN_REDUCE_TENSOR_ADD,
                              floats(graph, CUDNN_POINTWISE_MUL, dy, y, ROW_VECTORS));
    return pointwise(graph, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, sum,
                     constant(graph, DT_CUDNN_KEPT_SHARE), NULL, out, 0);
}

void dt_cudnn_backward(dt_cudnn_graph *graph)
{
    const bool drop = graph->shape->dropout > 0.0;
    const tensor q = matrix(graph, DT_CUDNN_Q, ROWS);
    const tensor k = matrix(graph, DT_CUDNN_K, ROWS_TRANSPOSED);
    const tensor v = matrix(graph, DT_CUDNN_V, ROWS_TRANSPOSED);
    const tensor dy = matrix(graph, DT_CUDNN_DY, ROWS);
    const tensor statistics = in_memory(graph, DT_CUDNN_STATISTICS, CUDNN_DATA_FLOAT, ROW_NUMBERS);
    const tensor queries = in_memory(graph, DT_CUDNN_QUERIES, CUDNN_DATA_INT32, LENGTHS);
    const tensor keys = in_memory(graph, DT_CUDNN_KEYS, CUDNN_DATA_INT32, LENGTHS);
    const tensor scale = constant(graph, DT_CUDNN_SCALE);
    const tensor mask = drop ? random_mask(graph) : NULL;
    const tensor factor = drop ? constant(graph, DT_CUDNN_KEPT_FACTOR) : NULL;
    const tensor products = row_products(graph, dy);

    const tensor p = scaled_scores(graph, q, k, queries, keys, scale);
    const tensor e =
        floats(graph, CUDNN_POINTWISE_EXP,
               floats(graph, CUDNN_POINTWISE_SUB, p, statistics, SCORES), NULL, SCORES);
    tensor share = e;
    if (drop) {
        share = floats(graph, CUDNN_POINTWISE_MUL, share, mask, SCORES);
        share = floats(graph, CUDNN_POINTWISE_MUL, share, factor, SCORES);
    }
    product(graph, reshape(graph, share, narrow(graph), SCORES_TRANSPOSED), dy,
            matrix(graph, DT_CUDNN_DV, ROWS), keys, NULL, queries);

    tensor g = product(graph, dy, v, between(graph, CUDNN_DATA_FLOAT, SCORES), queries, keys, NULL);
    if (drop)
        g = floats(graph, CUDNN_POINTWISE_MUL, g, mask, SCORES);
    g = floats(graph, CUDNN_POINTWISE_SUB, g, products, SCORES);
    g = floats(graph, CUDNN_POINTWISE_MUL, g, e, SCORES);
    if (drop)
        g = floats(graph, CUDNN_POINTWISE_MUL, g, factor, SCORES);
    g = floats(graph, CUDNN_POINTWISE_MUL, g, scale, SCORES);
    product(graph, reshape(graph, g, narrow(graph), SCORES_TRANSPOSED), q,
            matrix(graph, DT_CUDNN_DK, ROWS), keys, NULL, queries);
    /* k as float, as the engines' pattern requires */
    product(graph, g, reshape(graph, k, CUDNN_DATA_FLOAT, ROWS), matrix(graph, DT_CUDNN_DQ, ROWS),
            queries, NULL, keys);
}
