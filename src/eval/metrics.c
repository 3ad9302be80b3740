#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

dt_status dt_metric_counts_create(dt_metric_counts *counts, int32_t classes)
{
    *counts = (dt_metric_counts){.classes = classes};
    dt_status status = DT_NEW(counts->support, (size_t)classes);
    if (status == DT_OK)
        status = DT_NEW(counts->predicted, (size_t)classes);
    if (status == DT_OK)
        status = DT_NEW(counts->hits, (size_t)classes);
    if (status != DT_OK)
        dt_metric_counts_free(counts);
    return status;
}

void dt_metric_counts_free(dt_metric_counts *counts)
{
    free(counts->support);
    free(counts->predicted);
    free(counts->hits);
    *counts = (dt_metric_counts){0};
}

void dt_metric_counts_add(dt_metric_counts *counts, int32_t truth, int32_t predicted)
{
    counts->count++;
    counts->predicted[predicted]++;
    if (truth < 0 || truth >= counts->classes)
        return;
    counts->support[truth]++;
    if (truth == predicted) {
        counts->hits[truth]++;
        counts->right++;
    }
}

/* A label outside the vocabulary is never predicted, so its precision, recall and F1 are 0: it only
 * counts in the denominator, the number of sequences. */
dt_metrics dt_metric_counts_result(const dt_metric_counts *counts)
{
    if (!counts->count)
        return (dt_metrics){0};
    double precision = 0.0;
    double f1 = 0.0;
    for (int32_t c = 0; c < counts->classes; ++c) {
        if (!counts->hits[c])
            continue;
        const double hits = (double)counts->hits[c];
        const double support = (double)counts->support[c];
        const double predicted = (double)counts->predicted[c];
        precision += support * (hits / predicted);
        f1 += support * (2.0 * hits / (support + predicted));
    }
    const double count = (double)counts->count;
    const double right = (double)counts->right / count;
    /* Σ support · hits/support is the number of hits, so the weighted recall is the accuracy */
    return (dt_metrics){
        .accuracy = right, .precision = precision / count, .recall = right, .f1 = f1 / count};
}

dt_status dt_metrics_compute(dt_metrics *out, const int32_t *truth, int64_t truth_stride,
                             const int32_t *predicted, int64_t predicted_stride, int64_t count,
                             int32_t classes)
{
    dt_metric_counts counts;
    DT_TRY(dt_metric_counts_create(&counts, classes));
    dt_status status = DT_OK;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t label = predicted[i * predicted_stride];
        if (label < 0 || label >= classes) {
            status = dt_fail(DT_ERR_INTERNAL, "prediction %lld is class %d of %d", (long long)i,
                             label, classes);
            break;
        }
        dt_metric_counts_add(&counts, truth[i * truth_stride], label);
    }
    *out = dt_metric_counts_result(&counts);
    dt_metric_counts_free(&counts);
    return status;
}

void dt_calibration_add(dt_calibration *calibration, double confidence, bool right)
{
    if (!(confidence > 0.0))
        return;
    int bin = (int)ceil(confidence * DT_CALIBRATION_BINS) - 1;
    bin = bin < 0 ? 0 : bin > DT_CALIBRATION_BINS - 1 ? DT_CALIBRATION_BINS - 1 : bin;
    /* the product above is rounded; a confidence on a boundary belongs to the bin below it */
    if (bin > 0 && confidence <= (double)bin / DT_CALIBRATION_BINS)
        bin--;
    calibration->count[bin]++;
    calibration->right[bin] += right;
    calibration->confidence[bin] += confidence;
}

double dt_calibration_error(const dt_calibration *calibration)
{
    int64_t count = 0;
    double error = 0.0;
    for (int bin = 0; bin < DT_CALIBRATION_BINS; ++bin) {
        count += calibration->count[bin];
        error += fabs((double)calibration->right[bin] - calibration->confidence[bin]);
    }
    return count ? error / (double)count : (double)NAN;
}
