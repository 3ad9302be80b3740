/* What the attention kernels share, plain and fused. */
#ifndef DT_CUDA_ATTENTION_CUH
#define DT_CUDA_ATTENTION_CUH

#include "cuda/device.cuh"

/* Attention as kernels are told. Rows of q, dq are query_stride apart, of k, v, dk, dv key_stride,
 * of y, dy heads · d. */
template <typename T> struct dt_attention_task {
    const T *q, *k, *v, *y, *dy;
    T *out, *dq, *dk, *dv;
    float *log_sum; /* (Nq, A) */
    float *product; /* (Nq, A) backward: dy · y of each query and head */
    int64_t query_stride, key_stride;
    int32_t heads, d;
    dt_row_kind queries;
    float scale; /* 1 / √d */
    double p;    /* of dropout */
    dt_drop drop;
};

/* One sequence and one head. */
typedef struct {
    int32_t sequence, head;
    int64_t first_key;   /* row of the sequence's position 0 in k and v */
    int32_t keys;        /* n */
    int64_t first_query; /* row of its first query in q, y and log_sum */
    int32_t queries;     /* n or 1 */
} dt_attention_pair;

template <typename T>
__device__ inline dt_attention_pair dt_pair_of(const dt_attention_task<T> &task,
                                               const dt_batch_view &batch, int32_t sequence,
                                               int32_t head)
{
    const bool one = task.queries == DT_ROWS_SEQUENCES;
    const int32_t first = batch.cu_seqlens[sequence];
    const int32_t keys = batch.cu_seqlens[sequence + 1] - first;
    return dt_attention_pair{sequence, head, first, keys, one ? sequence : first, one ? 1 : keys};
}

/* The mask of one query of a pair. */
template <typename T>
__device__ inline dt_mask dt_query_mask(const dt_attention_task<T> &task,
                                        const dt_batch_view &batch, const dt_attention_pair &pair,
                                        int32_t query)
{
    dt_drop drop = task.drop;
    drop.stream += (uint32_t)pair.head;
    return dt_mask_of(batch.facts, drop, pair.sequence, query);
}

/* Fused attention (attention_fused.cu). It takes token queries with heads of 64 or 128 elements, in
 * bf16 and fp16, where a block can have the shared memory for it: dt_cuda_fuses(). */
template <typename T> bool dt_cuda_fuses(const dt_cuda *cuda, int32_t head_size);
/* True where it did the work. */
template <typename T>
bool dt_cuda_fused_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch);
template <typename T>
bool dt_cuda_fused_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch);

/* Attention by cuDNN (attention_cudnn.cu), for token queries, where dt_cuda_cudnn_open() went well;
 * T is not float. Always true: what cannot be done is a sticky error. */
template <typename T>
bool dt_cuda_attention_cudnn_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                           const dt_device_batch *batch);
template <typename T>
bool dt_cuda_attention_cudnn_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                            const dt_device_batch *batch);

#endif
