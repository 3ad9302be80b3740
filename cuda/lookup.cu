/* The input of convolution layers: embedding rows or one-hot vectors, on padded matrices (P = B · L
 * rows). */
#include "cuda/device.cuh"

#define THREADS 128

/* One block per position. */
template <typename T>
__global__ void lookup_kernel(T *y, const T *table, dt_batch_view batch, int64_t dim,
                              int64_t length)
{
    const int64_t row = blockIdx.x;
    const int64_t sequence = row / length;
    const int64_t token = batch.cu_seqlens[sequence] + row % length;
    const bool inside = token < batch.cu_seqlens[sequence + 1];
    const int64_t id = inside ? batch.token_ids[token] : -1;
    const T zero = dt_round<T>(0.0f);
    const T one = dt_round<T>(1.0f);
    T *out = y + row * dim;
    for (int64_t c = threadIdx.x; c < dim; c += THREADS)
        out[c] = !table ? (c == id ? one : zero) : inside ? table[id * dim + c] : zero;
}

template <typename T>
void dt_cuda_lookup_forward(dt_backend *backend, void *y, const dt_device_batch *batch,
                            const dt_lookup *lookup)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || !dt_cuda_ids_in(cuda, b, lookup->vocabulary) ||
        !dt_cuda_lengths_in(cuda, b, lookup->max_length))
        return;
    const T *table =
        lookup->table == DT_NO_PARAM ? NULL : dt_cuda_weight<T>(cuda, lookup->table);
    const int64_t rows = (int64_t)batch->size.sequences * lookup->max_length;
    lookup_kernel<T><<<(unsigned)rows, THREADS, 0, cuda->stream>>>((T *)y, table, b->view,
                                                                   lookup->dim, lookup->max_length);
    dt_cuda_launched(cuda, "lookup");
}

template <typename T>
void dt_cuda_lookup_backward(dt_backend *backend, const void *dy, const dt_device_batch *batch,
                             const dt_lookup *lookup)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    dt_cuda_gradients_start(cuda, lookup->table, (int64_t)lookup->vocabulary * lookup->dim);
    dt_cuda_group_sums<T>(cuda, dt_cuda_gradient(cuda, lookup->table), (const T *)dy,
                          dt_cuda_batch_of(batch), lookup->dim, lookup->max_length,
                          lookup->frozen_row);
}

DT_CUDA_OPERATION(lookup_forward);
DT_CUDA_OPERATION(lookup_backward);
