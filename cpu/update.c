#include <math.h>
#include <stdlib.h>

#include "cpu/backend_cpu.h"

/* Elements whose squares a thread sums at a time; constant, so that the norm does not depend on the
 * number of threads. */
#define NORM_BLOCK ((int64_t)64 * 1024)

int64_t dt_cpu_update_bytes(int64_t count)
{
    return (count / NORM_BLOCK + 1) * (int64_t)sizeof(double);
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

/* AdamW with PyTorch's order of operations, update number t + 1, at this learning rate, of this
 * backend's share of the elements; each gradient is first multiplied by `factor`. */
static void adamw(const dt_cpu *cpu, int64_t elements, const dt_update_rule *rule, double rate,
                  double factor)
{
    const int64_t t = cpu->state.steps + 1;
    const dt_real keep = (dt_real)(1.0 - rate * rule->weight_decay);
    const dt_real step = (dt_real)(rate / dt_bias_correction(rule->beta1, t));
    const dt_real correction = (dt_real)sqrt(dt_bias_correction(rule->beta2, t));
    const dt_real share1 = (dt_real)(1.0 - rule->beta1);
    const dt_real beta2 = (dt_real)rule->beta2;
    const dt_real share2 = (dt_real)(1.0 - rule->beta2);
    const dt_real eps = (dt_real)rule->eps;
    const dt_real gradient_factor = (dt_real)factor;
    const dt_range share = dt_range_common((dt_range){0, elements}, cpu->share);
    const int64_t count = dt_range_count(share);
    const dt_real *gradient = dt_cpu_gradient(cpu, share.begin);
    dt_real *param = dt_cpu_param(cpu, share.begin);
    dt_real *exp_avg = cpu->vector[DT_EXP_AVG];
    dt_real *exp_avg_sq = cpu->vector[DT_EXP_AVG_SQ];
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < count; ++i) {
        const dt_real g = gradient[i] * gradient_factor;
        const dt_real m = exp_avg[i] + (g - exp_avg[i]) * share1;
        const dt_real v = exp_avg_sq[i] * beta2 + g * g * share2;
        exp_avg[i] = m;
        exp_avg_sq[i] = v;
        param[i] = param[i] * keep - step * (m / (DT_SQRT(v) / correction + eps));
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
        adamw(cpu, count, rule, state->last_rate,
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
