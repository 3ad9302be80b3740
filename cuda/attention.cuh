/* Shared by the kernels of attention. */
#ifndef DT_CUDA_ATTENTION_CUH
#define DT_CUDA_ATTENTION_CUH

#include "cuda/device.cuh"

/* The arguments of the attention kernels. Row strides: query_stride for q and dq, key_stride for k,
 * v, dk and dv, heads · d for y and dy. */
template <typename T> struct dt_attention_task {
    const T *q, *k, *v, *y, *dy;
    T *out, *dq, *dk, *dv;
    float *log_sum; /* (Nq, A) */
    float *product; /* (Nq, A) backward: dy · y of each query and head */
    float *bias;    /* (3, H) backward: gradients of the biases of q, k, v; NULL: not wanted */
    float *sums;    /* (3, blocks, H) backward: of the rows of dq, dk, dv that a block writes; NULL:
                       not wanted. Single queries: (B, 3, H) */
    /* backward of single queries, which stores neither dk nor dv */
    T *wide;        /* (2, B · heads, H): q and dy of a head, zeros in the columns of others */
    float *factors; /* (N, 2, heads): of q in dk, of dy in dv */
    int64_t query_stride, key_stride;
    int64_t rows; /* N */
    int32_t heads, d;
    dt_row_kind queries;
    float scale; /* 1 / √d */
    double p;    /* of dropout */
    dt_drop drop;
};

/* Returns a task with the inputs of the forward pass. */
template <typename T>
inline dt_attention_task<T> dt_attention_task_of(const dt_attention *attention, const void *q,
                                                 const void *k, const void *v, const void *log_sum,
                                                 const dt_device_batch *batch)
{
    dt_attention_task<T> task = {};
    task.rows = batch->size.rows;
    task.q = (const T *)q;
    task.k = (const T *)k;
    task.v = (const T *)v;
    task.log_sum = (float *)const_cast<void *>(log_sum);
    task.query_stride = attention->query_stride;
    task.key_stride = attention->key_stride;
    task.heads = attention->heads;
    task.d = attention->head_size;
    task.queries = attention->queries;
    task.scale = (float)(1.0 / sqrt((double)attention->head_size));
    task.p = attention->dropout.p;
    task.drop = dt_drop_of(&attention->dropout);
    return task;
}

/* A sequence and a head, with the offsets of its first elements in each matrix. */
typedef struct {
    int32_t sequence, head;
    int32_t tokens;    /* n: keys, and queries */
    int64_t first;     /* row of the first token */
    int64_t at_query;  /* in q and dq */
    int64_t at_key;    /* in k, v, dk and dv */
    int64_t at_output; /* in y, dy and out */
} dt_attention_pair;

/* Returns the pair of a block in a grid (rows, head, sequence). */
template <typename T>
__device__ inline dt_attention_pair dt_pair_of_block(const dt_attention_task<T> &task,
                                                     const dt_batch_view &batch)
{
    const int32_t sequence = (int32_t)blockIdx.z;
    const int64_t column = (int64_t)blockIdx.y * task.d;
    dt_attention_pair pair;
    pair.sequence = sequence;
    pair.head = (int32_t)blockIdx.y;
    pair.first = batch.cu_seqlens[sequence];
    pair.tokens = batch.cu_seqlens[sequence + 1] - (int32_t)pair.first;
    pair.at_query = pair.first * task.query_stride + column;
    pair.at_key = pair.first * task.key_stride + column;
    pair.at_output = pair.first * task.heads * task.d + column;
    return pair;
}

/* Clears the rows past the batch's tokens, which products over all rows read; those of log_sum and
 * product are never read. Called by every block of a grid (any, heads, any). */
template <typename T>
__device__ inline void dt_clear_excess(const dt_attention_task<T> &task, const dt_batch_view &batch,
                                       T *matrix, int64_t stride)
{
    const int64_t block = (int64_t)blockIdx.z * gridDim.x + blockIdx.x;
    const int64_t blocks = (int64_t)gridDim.z * gridDim.x;
    for (int64_t row = batch.facts->tokens + block; row < task.rows; row += blocks)
        for (int32_t c = (int32_t)threadIdx.x; c < task.d; c += (int32_t)blockDim.x)
            matrix[row * stride + (int64_t)blockIdx.y * task.d + c] = dt_round<T>(0.0f);
}

/* Returns the index of a query in log_sum and product. */
template <typename T>
__device__ inline int64_t dt_query_item(const dt_attention_task<T> &task,
                                        const dt_attention_pair &pair, int32_t query)
{
    return (pair.first + query) * task.heads + pair.head;
}

/* Returns where this block's sums of dq (`matrix` 0), dk (1) or dv (2) are stored, (d), in a grid (any,
 * heads, any). */
template <typename T>
__device__ inline float *dt_block_sums(const dt_attention_task<T> &task, int matrix)
{
    const int64_t block = (int64_t)blockIdx.z * gridDim.x + blockIdx.x;
    const int64_t blocks = (int64_t)gridDim.z * gridDim.x;
    return task.sums + ((matrix * blocks + block) * task.heads + blockIdx.y) * task.d;
}

/* Returns the mask of a query. */
template <typename T>
__device__ inline dt_mask dt_query_mask(const dt_attention_task<T> &task,
                                        const dt_batch_view &batch, const dt_attention_pair &pair,
                                        int32_t query)
{
    dt_drop drop = task.drop;
    drop.stream += (uint32_t)pair.head;
    return dt_mask_of(batch.facts, drop, pair.sequence, query);
}

/* Returns whether all matrices of the task are aligned for 16-byte accesses. */
template <typename T> inline bool dt_is_aligned_task(const dt_attention_task<T> &task)
{
    constexpr int W = dt_vec<T>::width;
    return task.query_stride % W == 0 && task.key_stride % W == 0 && dt_is_aligned(task.q) &&
           dt_is_aligned(task.k) && dt_is_aligned(task.v) && dt_is_aligned(task.y) &&
           dt_is_aligned(task.dy) && dt_is_aligned(task.out) && dt_is_aligned(task.dq) &&
           dt_is_aligned(task.dk) && dt_is_aligned(task.dv);
}

/* The gradients of the biases of q, k and v are the sums of the rows of dq, dk and dv. Kernels that
 * write these in `blocks` blocks for each head sum their own rows: dt_cuda_attention_sums() returns
 * where to, for task.sums; NULL if the sums are not wanted or too many. dt_cuda_attention_bias() adds
 * them to task.bias, or, where task.sums is NULL, sums the matrices. */
template <typename T>
inline float *dt_cuda_attention_sums(const dt_cuda *cuda, const dt_attention_task<T> &task,
                                     int64_t blocks)
{
    return task.bias && 3 * blocks * task.heads * task.d <= DT_CUDA_SUMS ? cuda->sums : NULL;
}
template <typename T>
void dt_cuda_attention_bias(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch, int64_t blocks);

/* Fused attention (attention_fused.cu, attention_fused_backward.cu). dt_cuda_fuses() returns whether
 * it is supported for a precision and head size, dt_cuda_can_fuse() also for the matrices of a task:
 * rows aligned to 16 bytes, sequences of at most `longest` tokens. */
template <typename T> bool dt_cuda_fuses(int32_t head_size);
template <typename T> bool dt_cuda_can_fuse(const dt_attention_task<T> &task, int32_t longest);
/* Return true if they did the work; backward also computes `product`. */
template <typename T>
bool dt_cuda_fused_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch);
template <typename T>
bool dt_cuda_fused_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch);

/* Attention with a single query per sequence (attention_single.cu): `queries` is DT_ROWS_SEQUENCES,
 * any precision and head size. Backward sets dq, `wide`, `factors` and `sums`. */
template <typename T>
void dt_cuda_single_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch);
template <typename T>
void dt_cuda_single_gradients(dt_cuda *cuda, const dt_attention_task<T> &task,
                              const dt_device_batch *batch);

/* Attention by cuDNN (attention_cudnn.cu), for token queries, after a successful
 * dt_cuda_cudnn_open(); T is not float. They always return true: failures set the sticky error. */
template <typename T>
bool dt_cuda_attention_cudnn_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch);
template <typename T>
bool dt_cuda_attention_cudnn_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch);

#endif
