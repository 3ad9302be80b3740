/* The lineage layer. One block per sequence walks the tree, one taxonomic rank at a time; a warp adds
 * up the children of a node, or the nodes of a class that has several. */
#include "cuda/device.cuh"

#define THREADS 1024 /* the last ranks have tens of thousands of nodes */
#define WARPS (THREADS / DT_WARP)
#define NO_LINEAGE -1e30f

/* Nodes that are added up: begin … begin+count-1, or with a list those that it holds there. */
typedef struct {
    const int32_t *list;
    int32_t begin, count;
} some_nodes;

__device__ static inline int32_t node_at(const some_nodes &nodes, int32_t i)
{
    return nodes.list ? nodes.list[nodes.begin + i] : nodes.begin + i;
}

__device__ static inline some_nodes children_of(const dt_lineages &lineages, int32_t n)
{
    return some_nodes{NULL, lineages.child[n], lineages.child[n + 1] - lineages.child[n]};
}

__device__ static inline some_nodes nodes_of(const dt_lineages &lineages, int32_t column)
{
    return some_nodes{lineages.node, lineages.of[column],
                      lineages.of[column + 1] - lineages.of[column]};
}

/* log Σ e^x over the nodes, in all threads of a warp. One node keeps its bits. */
__device__ static inline float warp_log_sum(const float *x, const some_nodes &nodes)
{
    const int32_t lane = (int32_t)threadIdx.x % DT_WARP;
    float largest = NO_LINEAGE;
    float sum = 0.0f;
    if (nodes.count < 2)
        return nodes.count == 1 ? x[node_at(nodes, 0)] : NO_LINEAGE;
    for (int32_t i = lane; i < nodes.count; i += DT_WARP)
        largest = fmaxf(largest, x[node_at(nodes, i)]);
    largest = dt_warp_max(largest);
    for (int32_t i = lane; i < nodes.count; i += DT_WARP)
        sum += expf(x[node_at(nodes, i)] - largest);
    return largest + logf(dt_warp_sum(sum));
}

/* Σ t over the nodes, likewise. */
__device__ static inline float warp_sum(const float *t, const some_nodes &nodes)
{
    float sum = 0.0f;
    for (int32_t i = (int32_t)threadIdx.x % DT_WARP; i < nodes.count; i += DT_WARP)
        sum += t[node_at(nodes, i)];
    return dt_warp_sum(sum);
}

/* Sets each node above the last taxonomic rank from its children, from the leaves to the root. */
template <float add(const float *, const some_nodes &)>
__device__ static inline void pass_up(float *x, const dt_lineages &lineages)
{
    for (int32_t r = lineages.classes.tax_ranks - 2; r >= 0; --r) {
        for (int32_t n = lineages.first[r] + (int32_t)threadIdx.x / DT_WARP;
             n < lineages.first[r + 1]; n += WARPS) {
            const float value = add(x, children_of(lineages, n));
            if (threadIdx.x % DT_WARP == 0)
                x[n] = value;
        }
        __syncthreads();
    }
}

/* Sets each column from its nodes. */
template <float add(const float *, const some_nodes &)>
__device__ static inline void to_columns(float *out, const float *x, const dt_lineages &lineages)
{
    const int32_t nodes = lineages.first[lineages.classes.tax_ranks];
    for (int32_t n = (int32_t)threadIdx.x; n < nodes; n += THREADS) {
        const int32_t c = lineages.column[n];
        if (lineages.of[c + 1] - lineages.of[c] == 1)
            out[c] = x[n];
    }
    for (int32_t i = (int32_t)threadIdx.x / DT_WARP; i < lineages.shared_count; i += WARPS) {
        const int32_t c = lineages.shared[i];
        const float value = add(x, nodes_of(lineages, c));
        if (threadIdx.x % DT_WARP == 0)
            out[c] = value;
    }
}

static __global__ void __launch_bounds__(THREADS)
    lineage_kernel(float *marginals, float *nodes, const float *logits, dt_lineages lineages)
{
    const int32_t ranks = lineages.classes.tax_ranks;
    const int64_t columns = lineages.classes.first[ranks];
    const float *logit = logits + blockIdx.x * columns;
    float *x = nodes + (int64_t)blockIdx.x * lineages.first[ranks];
    for (int32_t r = 0; r < ranks; ++r) {
        for (int32_t n = lineages.first[r] + (int32_t)threadIdx.x; n < lineages.first[r + 1];
             n += THREADS)
            x[n] = logit[lineages.column[n]] + (r > 0 ? x[lineages.parent[n]] : 0.0f);
        __syncthreads();
    }
    pass_up<warp_log_sum>(x, lineages);
    to_columns<warp_log_sum>(marginals + blockIdx.x * columns, x, lineages);
}

/* As backward_row() in cpu/lineage.c. */
static __global__ void __launch_bounds__(THREADS)
    lineage_backward_kernel(float *dlogits, float *scratch, const float *dmarginals,
                            const float *nodes, dt_lineages lineages)
{
    const int32_t ranks = lineages.classes.tax_ranks;
    const int64_t columns = lineages.classes.first[ranks];
    const int64_t row = (int64_t)blockIdx.x * lineages.first[ranks];
    const float *x = nodes + row;
    const float *dmarginal = dmarginals + blockIdx.x * columns;
    float *t = scratch + row;
    float *dlogit = dlogits + blockIdx.x * columns; /* the marginals at first */
    to_columns<warp_log_sum>(dlogit, x, lineages);
    __syncthreads();
    for (int32_t r = 0; r < ranks; ++r) {
        for (int32_t n = lineages.first[r] + (int32_t)threadIdx.x; n < lineages.first[r + 1];
             n += THREADS) {
            const int32_t c = lineages.column[n];
            const int32_t parent = lineages.parent[n];
            const float above = r > 0 ? t[parent] * expf(x[n] - x[parent]) : 0.0f;
            t[n] = above + dmarginal[c] * expf(x[n] - dlogit[c]);
        }
        __syncthreads();
    }
    pass_up<warp_sum>(t, lineages);
    to_columns<warp_sum>(dlogit, t, lineages);
}

/* ---- host ----------------------------------------------------------------------------------- */

void dt_cuda_lineage_forward(dt_backend *backend, void *marginals, void *nodes, const void *logits,
                             int32_t sequences, const dt_lineages *lineages)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    lineage_kernel<<<(unsigned)sequences, THREADS, 0, cuda->stream>>>(
        (float *)marginals, (float *)nodes, (const float *)logits, *lineages);
    dt_cuda_launched(cuda, "lineages");
}

void dt_cuda_lineage_backward(dt_backend *backend, void *dlogits, void *scratch,
                              const void *dmarginals, const void *nodes, int32_t sequences,
                              const dt_lineages *lineages)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    lineage_backward_kernel<<<(unsigned)sequences, THREADS, 0, cuda->stream>>>(
        (float *)dlogits, (float *)scratch, (const float *)dmarginals, (const float *)nodes,
        *lineages);
    dt_cuda_launched(cuda, "gradient of the lineages");
}
