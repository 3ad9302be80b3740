/* One update, AdamW or LAMB, entirely on the device: the norm of the gradients, the decisions that follow
 * from it and the state, and the new parameters with their low-precision copy. The host does not
 * wait. */
#include "cuda/device.cuh"

#define THREADS 256
#define VEC 4          /* elements per thread at a time: 16 bytes */
#define NORM_PIECES 16 /* of THREADS · VEC gradients, whose squares one block sums */
#define NORM_BLOCK ((int64_t)NORM_PIECES * THREADS * VEC)

int64_t dt_cuda_update_bytes(int64_t count)
{
    return 2 * (count / NORM_BLOCK + 1) * (int64_t)sizeof(double);
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

/* The elements of a range and constants. `vec`: their addresses suit accesses of VEC elements. */
typedef struct {
    float *param, *exp_avg, *exp_avg_sq;
    const float *gradient;
    float share1, beta2, share2, eps;
    bool vec;
} adamw_task;

static adamw_task task_of(const dt_cuda *cuda, int64_t offset, const dt_update_rule *rule)
{
    const int64_t moment = dt_vector_place(cuda->share, DT_EXP_AVG, offset);
    return {dt_cuda_param(cuda, offset),
            cuda->vector[DT_EXP_AVG] + moment,
            cuda->vector[DT_EXP_AVG_SQ] + moment,
            dt_cuda_gradient(cuda, offset),
            (float)(1.0 - rule->beta1),
            (float)rule->beta2,
            (float)(1.0 - rule->beta2),
            (float)rule->eps,
            offset % VEC == 0 && moment % VEC == 0};
}

/* The moments of an element after its gradient. */
__device__ static inline void set_moments(const adamw_task &task, float factor, float gradient,
                                          float &m, float &v)
{
    const float g = gradient * factor;
    m += (g - m) * task.share1;
    v = v * task.beta2 + g * g * task.share2;
}

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
        set_moments(task, device->factor, g[j], m[j], v[j]);
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
    if (task.vec && i + VEC <= count)
        adamw_piece<T, true>(task, device, low, i, count);
    else
        adamw_piece<T, false>(task, device, low, i, count);
}

template <typename T>
static void launch_adamw(dt_cuda *cuda, const adamw_task &task, T *low, int64_t count)
{
    adamw_kernel<T><<<(unsigned)dt_ceil_div(count, THREADS * VEC), THREADS, 0, cuda->stream>>>(
        task, cuda->state, low, count);
    dt_cuda_launched(cuda, "AdamW");
}

/* AdamW of a range of elements, which may be empty, with the factors of cuda->state. */
static void adamw(dt_cuda *cuda, const dt_update_rule *rule, dt_range range)
{
    const adamw_task task = task_of(cuda, range.begin, rule);
    const int64_t count = dt_range_count(range);
    if (count == 0)
        return;
    if (!cuda->low)
        launch_adamw<float>(cuda, task, NULL, count);
    else if (cuda->half)
        launch_adamw<__half>(cuda, task, (__half *)cuda->low + range.begin, count);
    else
        launch_adamw<__nv_bfloat16>(cuda, task, (__nv_bfloat16 *)cuda->low + range.begin, count);
}

/* ---- LAMB ------------------------------------------------------------------------------------ */

/* Block b: the sums of squares of NORM_BLOCK parameters from b · NORM_BLOCK on, and of the steps that
 * adamw_kernel() will make of them, before the learning rate. */
static __global__ void __launch_bounds__(THREADS)
    lamb_sums_kernel(double *sums, adamw_task task, const dt_cuda_state *device, double beta1,
                     double decay, int64_t count)
{
    const int64_t begin = blockIdx.x * NORM_BLOCK;
    const int64_t end = begin + NORM_BLOCK < count ? begin + NORM_BLOCK : count;
    const float correction1 = (float)dt_bias_correction(beta1, device->state.steps);
    double params = 0.0;
    double steps = 0.0;
    if (!device->good)
        return;
    for (int64_t i = begin + threadIdx.x; i < end; i += THREADS) {
        const float p = task.param[i];
        float m = task.exp_avg[i];
        float v = task.exp_avg_sq[i];
        set_moments(task, device->factor, task.gradient[i], m, v);
        const float step =
            m / correction1 / (sqrtf(v) / device->correction + task.eps) + (float)decay * p;
        params += (double)p * (double)p;
        steps += (double)step * (double)step;
    }
    params = block_sum(params);
    __syncthreads();
    steps = block_sum(steps);
    if (threadIdx.x == 0) {
        sums[2 * blockIdx.x] = params;
        sums[2 * blockIdx.x + 1] = steps;
    }
}

/* One block: sets the factors of adamw_kernel() to the learning rate times the trust ratio from these
 * sums; 0 blocks: times 1. */
static __global__ void trust_kernel(dt_cuda_state *device, const double *sums, int64_t blocks,
                                    dt_update_rule rule)
{
    double params = 0.0;
    double steps = 0.0;
    for (int64_t i = threadIdx.x; i < blocks; i += THREADS) {
        params += sums[2 * i];
        steps += sums[2 * i + 1];
    }
    params = block_sum(params);
    __syncthreads();
    steps = block_sum(steps);
    if (threadIdx.x > 0 || !device->good)
        return;
    const double rate = device->state.last_rate * dt_trust_ratio(params, steps);
    device->keep = (float)(1.0 - rate * rule.weight_decay);
    device->step = (float)(rate / dt_bias_correction(rule.beta1, device->state.steps));
}

static void lamb(dt_cuda *cuda, const dt_update_rule *rule, const dt_update_tensor *tensor)
{
    const int64_t blocks = tensor->scaled ? dt_ceil_div(tensor->count, NORM_BLOCK) : 0;
    if (blocks > 0) {
        lamb_sums_kernel<<<(unsigned)blocks, THREADS, 0, cuda->stream>>>(
            cuda->norm_sums, task_of(cuda, tensor->offset, rule), cuda->state, rule->beta1,
            rule->weight_decay, tensor->count);
        dt_cuda_launched(cuda, "norms of LAMB");
    }
    trust_kernel<<<1, THREADS, 0, cuda->stream>>>(cuda->state, cuda->norm_sums, blocks, *rule);
    dt_cuda_launched(cuda, "trust ratio");
    adamw(cuda, rule, {tensor->offset, tensor->offset + tensor->count});
}

void dt_cuda_update(dt_backend *backend, int64_t count, const dt_update_rule *rule)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (!dt_cuda_ready(cuda))
        return;
    const int64_t blocks = dt_ceil_div(count, NORM_BLOCK);
    if (count > 0) {
        square_sums_kernel<<<(unsigned)blocks, THREADS, 0, cuda->stream>>>(
            cuda->norm_sums, cuda->vector[DT_GRADIENTS], count);
        dt_cuda_launched(cuda, "gradient norm");
    }
    decide_kernel<<<1, THREADS, 0, cuda->stream>>>(cuda->state, cuda->norm_sums, blocks, *rule);
    dt_cuda_launched(cuda, "update");
    if (!rule->tensors)
        adamw(cuda, rule, dt_range_common({0, count}, cuda->share));
    for (int32_t i = 0; i < rule->tensor_count; ++i)
        lamb(cuda, rule, &rule->tensors[i]);
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
