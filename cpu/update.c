#include <math.h>
#include <stdlib.h>

#include "cpu/backend_cpu.h"

/* Elements whose squares a thread sums at a time; constant, so that the norm does not depend on the
 * number of threads. */
#define NORM_BLOCK ((int64_t)64 * 1024)

int64_t dt_cpu_update_bytes(int64_t count)
{
    return 2 * (count / NORM_BLOCK + 1) * (int64_t)sizeof(double);
}

/* Returns the L2 norm of the first `count` gradients. */
static double gradient_norm(const dt_cpu *cpu, int64_t count)
{
    const dt_real *gradient = cpu->vector[DT_GRADIENTS];
    const int64_t blocks = (count + NORM_BLOCK - 1) / NORM_BLOCK;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t end = block + 1 < blocks ? (block + 1) * NORM_BLOCK : count;
        double sum = 0.0;
        DT_SIMD_SUM(sum)
        for (int64_t i = block * NORM_BLOCK; i < end; ++i)
            sum += (double)gradient[i] * (double)gradient[i];
        cpu->norm_sums[block] = sum;
    }
    double sum = 0.0;
    for (int64_t block = 0; block < blocks; ++block)
        sum += cpu->norm_sums[block];
    return sqrt(sum);
}

/* The elements of a range, and the constants of update number t + 1. */
typedef struct {
    const dt_real *gradient;
    dt_real *param, *exp_avg, *exp_avg_sq;
    int64_t count;
    dt_real factor; /* for the gradients */
    dt_real share1, beta2, share2, correction, eps;
} adamw_task;

static adamw_task task_of(const dt_cpu *cpu, dt_range range, const dt_update_rule *rule,
                          double factor)
{
    const int64_t moment = dt_vector_place(cpu->share, DT_EXP_AVG, range.begin);
    return (adamw_task){
        .gradient = dt_cpu_gradient(cpu, range.begin),
        .param = dt_cpu_param(cpu, range.begin),
        .exp_avg = cpu->vector[DT_EXP_AVG] + moment,
        .exp_avg_sq = cpu->vector[DT_EXP_AVG_SQ] + moment,
        .count = dt_range_count(range),
        .factor = (dt_real)factor,
        .share1 = (dt_real)(1.0 - rule->beta1),
        .beta2 = (dt_real)rule->beta2,
        .share2 = (dt_real)(1.0 - rule->beta2),
        .correction = (dt_real)sqrt(dt_bias_correction(rule->beta2, cpu->state.steps + 1)),
        .eps = (dt_real)rule->eps,
    };
}

/* AdamW with PyTorch's order of operations, at this learning rate. */
static void adamw(const dt_cpu *cpu, const adamw_task *task, const dt_update_rule *rule,
                  double rate)
{
    const dt_real keep = (dt_real)(1.0 - rate * rule->weight_decay);
    const dt_real step = (dt_real)(rate / dt_bias_correction(rule->beta1, cpu->state.steps + 1));
    const adamw_task t = *task;
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < t.count; ++i) {
        const dt_real g = t.gradient[i] * t.factor;
        const dt_real m = t.exp_avg[i] + (g - t.exp_avg[i]) * t.share1;
        const dt_real v = t.exp_avg_sq[i] * t.beta2 + g * g * t.share2;
        t.exp_avg[i] = m;
        t.exp_avg_sq[i] = v;
        t.param[i] = t.param[i] * keep - step * (m / (DT_SQRT(v) / t.correction + t.eps));
    }
}

/* Returns dt_trust_ratio() of a tensor, with the moments that adamw() will compute. */
static double trust_ratio(const dt_cpu *cpu, const adamw_task *task, const dt_update_rule *rule)
{
    const adamw_task t = *task;
    const dt_real correction1 = (dt_real)dt_bias_correction(rule->beta1, cpu->state.steps + 1);
    const dt_real decay = (dt_real)rule->weight_decay;
    const int64_t blocks = (t.count + NORM_BLOCK - 1) / NORM_BLOCK;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t end = block + 1 < blocks ? (block + 1) * NORM_BLOCK : t.count;
        double parameters = 0.0;
        double steps = 0.0;
        DT_SIMD_SUM(parameters, steps)
        for (int64_t i = block * NORM_BLOCK; i < end; ++i) {
            const dt_real g = t.gradient[i] * t.factor;
            const dt_real m = t.exp_avg[i] + (g - t.exp_avg[i]) * t.share1;
            const dt_real v = t.exp_avg_sq[i] * t.beta2 + g * g * t.share2;
            const dt_real step =
                m / correction1 / (DT_SQRT(v) / t.correction + t.eps) + decay * t.param[i];
            parameters += (double)t.param[i] * (double)t.param[i];
            steps += (double)step * (double)step;
        }
        cpu->norm_sums[2 * block] = parameters;
        cpu->norm_sums[2 * block + 1] = steps;
    }
    double parameters = 0.0;
    double steps = 0.0;
    for (int64_t block = 0; block < blocks; ++block) {
        parameters += cpu->norm_sums[2 * block];
        steps += cpu->norm_sums[2 * block + 1];
    }
    return dt_trust_ratio(parameters, steps);
}

/* Updates this backend's share of `count` elements, or the tensors of LAMB, at the learning rate of
 * the state. */
static void update_parameters(const dt_cpu *cpu, int64_t count, const dt_update_rule *rule,
                              double factor)
{
    if (!rule->tensors) {
        const dt_range share = dt_range_common((dt_range){0, count}, cpu->share);
        const adamw_task task = task_of(cpu, share, rule, factor);
        adamw(cpu, &task, rule, cpu->state.last_rate);
        return;
    }
    for (int32_t i = 0; i < rule->tensor_count; ++i) {
        const dt_update_tensor *tensor = &rule->tensors[i];
        const dt_range range = {tensor->offset, tensor->offset + tensor->count};
        const adamw_task task = task_of(cpu, range, rule, factor);
        const double ratio = tensor->scaled ? trust_ratio(cpu, &task, rule) : 1.0;
        adamw(cpu, &task, rule, cpu->state.last_rate * ratio);
    }
}

static void update_skipped(dt_update_state *state, const dt_update_rule *rule)
{
    state->skipped++;
    state->skipped_in_row++;
    state->grad_norm = (double)NAN;
    if (rule->dynamic_scale) {
        state->loss_scale *= DT_LOSS_SCALE_BACKOFF;
        state->scale_good_steps = 0;
    }
}

static void update_done(dt_update_state *state, const dt_update_rule *rule)
{
    state->steps++;
    state->skipped_in_row = 0;
    state->scale_good_steps++;
    if (rule->dynamic_scale && state->scale_good_steps >= DT_LOSS_SCALE_INTERVAL) {
        state->loss_scale *= DT_LOSS_SCALE_GROWTH;
        state->scale_good_steps = 0;
    }
    state->loss_updates++;
}

void dt_cpu_update(dt_backend *backend, int64_t count, const dt_update_rule *rule)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    dt_update_state *state = &cpu->state;
    const double norm = gradient_norm(cpu, count) / state->loss_scale;
    state->loss = 0.0;
    for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
        state->loss += cpu->pending[r];
    if (isfinite(norm) && isfinite(state->loss)) {
        state->grad_norm = norm;
        state->last_rate =
            dt_scheduled_rate(rule->learning_rate, state->steps - rule->schedule_start,
                              rule->warmup_steps, rule->total_steps);
        update_parameters(cpu, count, rule,
                          dt_clip_factor(norm, rule->max_grad_norm) / state->loss_scale);
        for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
            state->loss_sum[r] += cpu->pending[r];
        update_done(state, rule);
    } else {
        update_skipped(state, rule);
    }
    for (int r = 0; r < DT_MAX_TAX_RANKS; ++r)
        cpu->pending[r] = 0.0;
}

void dt_cpu_state_write(dt_backend *backend, const dt_update_state *state)
{
    dt_cpu_of(backend)->state = *state;
}

void dt_cpu_state_read(dt_backend *backend, dt_update_state *state)
{
    *state = dt_cpu_of(backend)->state;
}
