/* One AdamW update, entirely on the device: the norm of the gradients, the decisions that follow
 * from it and the state, and the new parameters with their low-precision copy. The host does not
 * wait. */
#include "cuda/device.cuh"

#define THREADS 256
#define VEC 4          /* elements per thread at a time: 16 bytes */
#define NORM_PIECES 16 /* of THREADS · VEC gradients, whose squares one block sums */
#define NORM_BLOCK ((int64_t)NORM_PIECES * THREADS * VEC)

int64_t dt_cuda_update_bytes(int64_t count)
{
    return (count / NORM_BLOCK + 1) * (int64_t)sizeof(double);
}

/* Returns the sum of one double per thread in thread 0 of the block; fixed order. */
__device__ static inline double block_sum(double x)
{
    __shared__ double part[THREADS];
    part[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half)
            part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    return part[0];
}

/* Returns the sum of the squares of a thread's part of a block of gradients. A WHOLE block is
 * loaded without conditions, so that several loads are under way at a time. */
template <bool WHOLE>
__device__ static inline double thread_squares(const float *gradient, int64_t count)
{
    double sum = 0.0;
#pragma unroll(WHOLE ? 8 : 1)
    for (int piece = 0; piece < NORM_PIECES; ++piece) {
        float g[VEC];
        dt_load<WHOLE, VEC>(g, gradient, (piece * THREADS + (int)threadIdx.x) * VEC, count);
#pragma unroll
        for (int j = 0; j < VEC; ++j)
            sum += (double)g[j] * (double)g[j];
    }
    return sum;
}

/* Block b: sums[b] = Σ of the squares of NORM_BLOCK gradients from b · NORM_BLOCK on. */
static __global__ void __launch_bounds__(THREADS)
    square_sums_kernel(double *sums, const float *gradient, int64_t count)
{
    const int64_t begin = blockIdx.x * NORM_BLOCK;
    const bool whole = begin + NORM_BLOCK <= count;
    const double sum = whole ? thread_squares<true>(gradient + begin, NORM_BLOCK)
                             : thread_squares<false>(gradient + begin, count - begin);
    const double all = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = all;
}

__device__ static inline void skip_update(dt_update_state *state, const dt_update_rule &rule)
{
    state->skipped++;
    state->skipped_in_row++;
    state->grad_norm = (double)NAN;
    if (rule.dynamic_scale) {
        state->loss_scale *= DT_LOSS_SCALE_BACKOFF;
        state->scale_good_steps = 0;
    }
}

__device__ static inline void count_update(dt_update_state *state, const dt_update_rule &rule)
{
    state->steps++;
    state->skipped_in_row = 0;
    state->scale_good_steps++;
    if (rule.dynamic_scale && state->scale_good_steps >= DT_LOSS_SCALE_INTERVAL) {
        state->loss_scale *= DT_LOSS_SCALE_GROWTH;
        state->scale_good_steps = 0;
    }
    state->loss_updates++;
}

/* Computes the factors of AdamW for this update, number state.steps + 1. */
__device__ static inline void set_adamw(dt_cuda_state *device, const dt_update_rule &rule,
                                        double norm)
{
    dt_update_state *state = &device->state;
    const int64_t t = state->steps + 1;
    state->grad_norm = norm;
    state->last_rate =
        dt_scheduled_rate(rule.learning_rate, state->steps - rule.schedule_start,
                          rule.warmup_steps, rule.total_steps);
    device->keep = (float)(1.0 - state->last_rate * rule.weight_decay);
    device->step = (float)(state->last_rate / dt_bias_correction(rule.beta1, t));
    device->correction = (float)sqrt(dt_bias_correction(rule.beta2, t));
    device->factor = (float)(dt_clip_factor(norm, rule.max_grad_norm) / state->loss_scale);
}

/* One block: decides whether to make or skip the update, and computes the new state. */
static __global__ void decide_kernel(dt_cuda_state *device, const double *sums, int64_t blocks,
                                     dt_update_rule rule)
{
    double sum = 0.0;
#pragma unroll 8
    for (int64_t i = threadIdx.x; i < blocks; i += THREADS)
        sum += sums[i];
    sum = block_sum(sum);
    if (threadIdx.x > 0)
        return;
    dt_update_state *state = &device->state;
    const double norm = sqrt(sum) / state->loss_scale;
    state->loss = 0.0;
    for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
        state->loss += device->pending[r];
    device->good = isfinite(norm) && isfinite(state->loss);
    if (device->good) {
        set_adamw(device, rule, norm);
        for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
            state->loss_sum[r] += device->pending[r];
        count_update(state, rule);
    } else {
        skip_update(state, rule);
    }
    for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
        device->pending[r] = 0.0;
}

typedef struct {
    float *param, *exp_avg, *exp_avg_sq;
    const float *gradient;
    float share1, beta2, share2, eps;
} adamw_task;

/* AdamW for VEC elements, with PyTorch's order of operations. `low` NULL: no low-precision
 * copy. */
template <typename T, bool WHOLE>
__device__ static inline void adamw_piece(const adamw_task &task, const dt_cuda_state *device,
                                          T *low, int64_t i, int64_t count)
{
    float p[VEC];
    float g[VEC];
    float m[VEC];
    float v[VEC];
    dt_load<WHOLE, VEC>(p, task.param, i, count);
    dt_load<WHOLE, VEC>(g, task.gradient, i, count);
    dt_load<WHOLE, VEC>(m, task.exp_avg, i, count);
    dt_load<WHOLE, VEC>(v, task.exp_avg_sq, i, count);
#pragma unroll
    for (int j = 0; j < VEC; ++j) {
        g[j] *= device->factor;
        m[j] += (g[j] - m[j]) * task.share1;
        v[j] = v[j] * task.beta2 + g[j] * g[j] * task.share2;
        p[j] = p[j] * device->keep -
               device->step * (m[j] / (sqrtf(v[j]) / device->correction + task.eps));
    }
    dt_store<WHOLE, VEC>(task.param, p, i, count);
    dt_store<WHOLE, VEC>(task.exp_avg, m, i, count);
    dt_store<WHOLE, VEC>(task.exp_avg_sq, v, i, count);
    if (low)
        dt_store<WHOLE, VEC>(low, p, i, count);
}

template <typename T>
__global__ void adamw_kernel(adamw_task task, const dt_cuda_state *device, T *low, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    if (i >= count || !device->good)
        return;
    if (i + VEC <= count)
        adamw_piece<T, true>(task, device, low, i, count);
    else
        adamw_piece<T, false>(task, device, low, i, count);
}

template <typename T>
static void launch_adamw(dt_cuda *cuda, const adamw_task &task, dt_range share)
{
    const int64_t count = dt_range_count(share);
    T *low = cuda->low ? (T *)cuda->low + share.begin : NULL;
    adamw_kernel<T><<<(unsigned)dt_ceil_div(count, THREADS * VEC), THREADS, 0, cuda->stream>>>(
        task, cuda->state, low, count);
    dt_cuda_launched(cuda, "AdamW");
}

void dt_cuda_update(dt_backend *backend, int64_t count, const dt_update_rule *rule)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t blocks = dt_ceil_div(count, NORM_BLOCK);
    const dt_range share = dt_range_common({0, count}, cuda->share);
    const adamw_task task = {dt_cuda_param(cuda, share.begin), cuda->vector[DT_EXP_AVG],
                             cuda->vector[DT_EXP_AVG_SQ], dt_cuda_gradient(cuda, share.begin),
                             (float)(1.0 - rule->beta1),  (float)rule->beta2,
                             (float)(1.0 - rule->beta2),  (float)rule->eps};
    if (count > 0) {
        square_sums_kernel<<<(unsigned)blocks, THREADS, 0, cuda->stream>>>(
            cuda->norm_sums, cuda->vector[DT_GRADIENTS], count);
        dt_cuda_launched(cuda, "gradient norm");
    }
    decide_kernel<<<1, THREADS, 0, cuda->stream>>>(cuda->state, cuda->norm_sums, blocks, *rule);
    dt_cuda_launched(cuda, "update");
    if (dt_range_count(share) == 0)
        return;
    if (!cuda->low)
        launch_adamw<float>(cuda, task, share);
    else if (cuda->half)
        launch_adamw<__half>(cuda, task, share);
    else
        launch_adamw<__nv_bfloat16>(cuda, task, share);
}

/* ---- low-precision copy, state --------------------------------------------------------------- */

template <typename T> __global__ void refresh_kernel(T *low, const float *param, int64_t count)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        low[i] = dt_round<T>(param[i]);
}

template <typename T> static void refresh(dt_cuda *cuda, int64_t offset, int64_t count)
{
    refresh_kernel<T><<<(unsigned)dt_ceil_div(count, THREADS), THREADS, 0, cuda->stream>>>(
        (T *)cuda->low + offset, cuda->vector[DT_PARAMETERS] + offset, count);
    dt_cuda_launched(cuda, "rounding parameters");
}

void dt_cuda_parameters_refresh(dt_backend *backend, int64_t offset, int64_t count)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!cuda->low || count == 0 || !dt_cuda_ready(cuda))
        return;
    if (cuda->half)
        refresh<__half>(cuda, offset, count);
    else
        refresh<__nv_bfloat16>(cuda, offset, count);
}

void dt_cuda_state_write(dt_backend *backend, const dt_update_state *state)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    dt_cuda_upload(backend, &cuda->state->state, state, sizeof *state);
}

void dt_cuda_state_read(dt_backend *backend, dt_update_state *state)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    dt_cuda_download(backend, state, &cuda->state->state, sizeof *state);
}
