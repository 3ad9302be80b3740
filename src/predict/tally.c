#include "predict/tally.h"

#include <math.h>

dt_status dt_tally_create(dt_tally *tally, const dt_taxonomy *taxonomy, const dt_truth *truth,
                          double threshold, int32_t top_k)
{
    *tally =
        (dt_tally){.taxonomy = taxonomy, .truth = truth, .threshold = threshold, .top_k = top_k};
    for (int32_t r = 0; truth && r < taxonomy->tax_ranks; ++r) {
        const dt_status status =
            dt_measure_counts_create(&tally->rank[r].counts, taxonomy->rank[r].classes);
        if (status != DT_OK) {
            dt_tally_free(tally);
            return status;
        }
    }
    return DT_OK;
}

void dt_tally_free(dt_tally *tally)
{
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r)
        dt_measure_counts_free(&tally->rank[r].counts);
    *tally = (dt_tally){0};
}

static void add_score(dt_rank_tally *rank, int64_t count, float confidence, double threshold)
{
    const double difference = (double)confidence - rank->mean;
    rank->mean += difference / (double)count;
    rank->squares += difference * ((double)confidence - rank->mean);
    rank->below += (double)confidence < threshold;
    if (confidence > rank->max_score)
        rank->max_score = confidence;
}

static void add_truth(dt_tally *tally, int32_t r, int32_t truth, const dt_prediction *prediction)
{
    dt_rank_tally *rank = &tally->rank[r];
    const char *label = tally->taxonomy->rank[r].label[prediction->label];
    dt_measure_counts_add(&rank->counts, truth, prediction->label);
    rank->agree += dt_labels_agree(dt_truth_label(tally->truth, r, truth), label,
                                   dt_is_species(tally->taxonomy, r));
    rank->among_top += prediction->better >= 0 && prediction->better < tally->top_k;
    if (truth < tally->taxonomy->rank[r].classes)
        dt_calibration_add(&rank->calibration, (double)prediction->confidence,
                           truth == prediction->label);
}

dt_status dt_tally_add(dt_tally *tally, const dt_predicted *predicted)
{
    const int32_t tax_ranks = predicted->tax_ranks;
    for (int32_t i = 0; i < predicted->sequences; ++i) {
        tally->sequences++;
        tally->without_row += predicted->has_row && !predicted->has_row[i];
        for (int32_t r = 0; r < tax_ranks; ++r) {
            const dt_prediction *prediction = &predicted->prediction[i * tax_ranks + r];
            const dt_tax_rank *labels = &tally->taxonomy->rank[r];
            if (prediction->label < 0 || prediction->label >= labels->classes ||
                !isfinite(prediction->confidence))
                return dt_fail(DT_ERR_NUMERIC,
                               "sequence '%s': the model gives no usable number at %s; its "
                               "parameters hold NaN or infinite values, use another checkpoint",
                               predicted->record[i].id.data, labels->name);
            add_score(&tally->rank[r], tally->sequences, prediction->confidence, tally->threshold);
            if (predicted->truth && predicted->truth[i * tax_ranks + r] != DT_NO_TRUTH)
                add_truth(tally, r, predicted->truth[i * tax_ranks + r], prediction);
        }
    }
    return DT_OK;
}

double dt_tally_deviation(const dt_tally *tally, int32_t tax_rank)
{
    return tally->sequences ? sqrt(tally->rank[tax_rank].squares / (double)tally->sequences) : 0.0;
}

bool dt_tally_has_truth(const dt_tally *tally, int32_t tax_rank)
{
    return tally->truth && tally->rank[tax_rank].counts.count > 0;
}
