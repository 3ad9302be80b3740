#include <math.h>
#include <string.h>

#include "core/loss_formulas.h"
#include "cpu/backend_cpu.h"
#include "layers.h"

/* Σ e^((x - largest) · factor) over `count` logits. */
static double exp_sum(const dt_real *x, int64_t count, dt_real largest, dt_real factor)
{
    double sum = 0.0;
    DT_SIMD_SUM(sum)
    for (int64_t i = 0; i < count; ++i)
        sum += (double)dt_exp((x[i] - largest) * factor);
    return sum;
}

/* Returns the largest logit; NaN if any logit is NaN. */
static dt_real largest_of(const dt_real *x, int64_t count)
{
    dt_real largest = x[0];
    for (int64_t i = 1; i < count; ++i)
        largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
    return largest;
}

/* Handles one sequence at one taxonomic rank: replaces the logits x with their gradient and returns
 * the loss. If the loss is NaN the gradient is NaN too, so that all ranks of a run notice it. */
static double loss_row(dt_real *x, int64_t classes, int32_t label, double weight, double scale,
                       double gradient_scale, const dt_loss *loss)
{
    const dt_real largest = largest_of(x, classes);
    const double sum = exp_sum(x, classes, largest, 1);
    const double ce = weight * (log(sum) - (double)(x[label] - largest));
    double slope;
    const double value = dt_loss_value(loss->type, ce, loss->gamma, &slope);
    const double factor = isfinite(value) ? slope * weight * scale * gradient_scale : (double)NAN;
    const dt_real share = (dt_real)(factor / sum);
    DT_SIMD
    for (int64_t i = 0; i < classes; ++i)
        x[i] = dt_exp(x[i] - largest) * share;
    x[label] -= (dt_real)factor;
    return value * scale;
}

/* Returns false, with a sticky error, if a label is not a class of its taxonomic rank. */
static bool labels_fit(dt_cpu *cpu, const dt_cpu_batch *batch, const dt_class_layout *classes)
{
    if (batch->tax_ranks != classes->tax_ranks) {
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "a batch with %d taxonomic ranks, but the model has %d",
                    batch->tax_ranks, classes->tax_ranks);
        return false;
    }
    for (int64_t i = 0;
         batch->has_labels && i < (int64_t)batch->device.size.sequences * classes->tax_ranks; ++i) {
        const int64_t r = i % classes->tax_ranks;
        if (batch->labels[i] < -1 ||
            batch->labels[i] >= classes->first[r + 1] - classes->first[r]) {
            dt_cpu_fail(cpu, DT_ERR_INTERNAL, "label %d is not a class of taxonomic rank %d",
                        batch->labels[i], (int)r);
            return false;
        }
    }
    return true;
}

void dt_cpu_loss(dt_backend *backend, void *logits_dlogits, const dt_device_batch *batch,
                 const dt_loss *loss)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !labels_fit(cpu, b, &loss->classes))
        return;
    const int32_t ranks = loss->classes.tax_ranks;
    const int64_t columns = loss->classes.first[ranks];
    const int64_t items = (int64_t)batch->size.sequences * ranks;
    const dt_real *weights = loss->class_weight;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t item = 0; item < items; ++item) {
        const int64_t r = item % ranks;
        const int32_t first = loss->classes.first[r];
        const int64_t classes = loss->classes.first[r + 1] - first;
        dt_real *x = (dt_real *)logits_dlogits + item / ranks * columns + first;
        const int32_t label = b->has_labels ? b->labels[item] : -1;
        cpu->sequence_sums[item] = 0.0;
        if (label < 0)
            memset(x, 0, (size_t)classes * sizeof *x);
        else
            cpu->sequence_sums[item] =
                loss_row(x, classes, label, weights ? (double)weights[first + label] : 1.0,
                         b->loss_scale[r], cpu->state.loss_scale, loss);
    }
    for (int64_t item = 0; item < items; ++item)
        cpu->pending[item % ranks] += cpu->sequence_sums[item];
}

static dt_prediction classify_row(const dt_real *x, int64_t classes, int32_t label,
                                  double temperature)
{
    int32_t best = 0;
    for (int32_t i = 1; i < classes; ++i)
        if (x[i] > x[best])
            best = i;
    const dt_real factor = (dt_real)(1.0 / temperature);
    double sum = 0.0;
    double weighted = 0.0; /* Σ e^z · z, z = (x - largest) / temperature */
    DT_SIMD_SUM(sum, weighted)
    for (int64_t i = 0; i < classes; ++i) {
        const dt_real z = (x[i] - x[best]) * factor;
        const dt_real e = dt_exp(z);
        sum += (double)e;
        weighted += (double)(e * z);
    }
    dt_prediction out = {
        .label = best,
        .better = -1,
        .confidence = (float)(1.0 / sum),
        .entropy = (float)(log(sum) - weighted / sum),
    };
    if (label < 0)
        return out;
    int32_t better = 0;
    for (int64_t i = 0; i < classes; ++i)
        better += x[i] > x[label];
    out.better = better;
    out.loss = (float)(log(exp_sum(x, classes, x[best], 1)) - (double)(x[label] - x[best]));
    return out;
}

void dt_cpu_classify(dt_backend *backend, dt_prediction *out, const void *logits,
                     const dt_device_batch *batch, const dt_class_layout *classes,
                     const double *temperature)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !labels_fit(cpu, b, classes))
        return;
    const int32_t ranks = classes->tax_ranks;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t item = 0; item < (int64_t)batch->size.sequences * ranks; ++item) {
        const int64_t r = item % ranks;
        const dt_real *x =
            (const dt_real *)logits + item / ranks * classes->first[ranks] + classes->first[r];
        out[item] =
            classify_row(x, classes->first[r + 1] - classes->first[r],
                         b->has_labels ? b->labels[item] : -1, temperature ? temperature[r] : 1.0);
    }
}
