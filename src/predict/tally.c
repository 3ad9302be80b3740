#include "predict/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "eval/auc.h"
#include "layers.h"
#include "predict/probability.h"

dt_status dt_tally_create(dt_tally *tally, const dt_taxonomy *taxonomy, const dt_truth *truth,
                          double threshold, int32_t top_k)
{
    *tally =
        (dt_tally){.taxonomy = taxonomy, .truth = truth, .threshold = threshold, .top_k = top_k};
    for (int32_t r = 0; truth && r < taxonomy->tax_ranks; ++r) {
        const dt_status status =
            dt_metric_counts_create(&tally->rank[r].counts, taxonomy->rank[r].classes);
        if (status != DT_OK) {
            dt_tally_free(tally);
            return status;
        }
    }
    return DT_OK;
}

void dt_tally_free(dt_tally *tally)
{
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r) {
        dt_metric_counts_free(&tally->rank[r].counts);
        free(tally->rank[r].probability);
        free(tally->rank[r].true_class);
    }
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
    const bool agrees = dt_labels_agree(dt_truth_label(tally->truth, r, truth), label,
                                        dt_is_species(tally->taxonomy, r));
    /* another class than the true one agrees: `better` is not of the best class that does */
    const bool other = agrees && prediction->label != dt_truth_class(tally->truth, r, truth);
    dt_metric_counts_add(&rank->counts, truth, prediction->label);
    rank->agree += agrees;
    rank->among_top += other || (prediction->better >= 0 && prediction->better < tally->top_k);
    if (truth < tally->taxonomy->rank[r].classes)
        dt_calibration_add(&rank->calibration, (double)prediction->confidence,
                           truth == prediction->label);
}

static dt_status keep_probabilities(dt_rank_tally *rank, int32_t classes, int32_t truth,
                                    const float *probability)
{
    const size_t used = (size_t)rank->known * (size_t)classes;
    DT_TRY(DT_GROW(rank->probability, rank->probability_capacity, used + (size_t)classes));
    DT_TRY(DT_GROW(rank->true_class, rank->true_class_capacity, (size_t)rank->known + 1));
    memcpy(rank->probability + used, probability, (size_t)classes * sizeof *probability);
    rank->true_class[rank->known++] = truth;
    return DT_OK;
}

/* Stores the probabilities of one sequence for the area under the ROC curve, and moves *row to the
 * next sequence. */
static dt_status add_probabilities(dt_tally *tally, const int32_t *truth, const float **row)
{
    for (int32_t r = 0; r < tally->taxonomy->tax_ranks; ++r) {
        const int32_t classes = tally->taxonomy->rank[r].classes;
        if (classes > DT_FEW_CLASSES)
            continue;
        if (truth[r] >= 0 && truth[r] < classes)
            DT_TRY(keep_probabilities(&tally->rank[r], classes, truth[r], *row));
        *row += classes;
    }
    return DT_OK;
}

/* Compares the lineage of sequence i with the independent labels. */
static void add_lineage(dt_tally *tally, const dt_predicted *predicted, int32_t i)
{
    const int32_t tax_ranks = predicted->tax_ranks;
    const int64_t row = (int64_t)i * tax_ranks;
    bool changed = false;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        const int32_t independent = predicted->independent[row + r];
        const bool differs = predicted->prediction[row + r].label != independent;
        changed = changed || differs;
        tally->rank[r].changed += differs;
        tally->rank[r].right_independently +=
            predicted->truth && predicted->truth[row + r] == independent;
    }
    tally->changed += changed;
}

dt_status dt_tally_add(dt_tally *tally, const dt_predicted *predicted)
{
    const int32_t tax_ranks = predicted->tax_ranks;
    const float *row = predicted->truth ? predicted->probability : NULL;
    for (int32_t i = 0; i < predicted->sequences; ++i) {
        if (predicted->judged)
            dt_judgement_add(&tally->judgement, &predicted->judged[i], tally->sequences,
                             predicted->record[i].id.data);
        dt_read_lengths_add(&tally->lengths, predicted, i);
        tally->sequences++;
        tally->without_row += predicted->has_row && !predicted->has_row[i];
        tally->reoriented += predicted->reoriented && predicted->reoriented[i];
        for (int32_t r = 0; r < tax_ranks; ++r) {
            const dt_prediction *prediction = &predicted->prediction[i * tax_ranks + r];
            const dt_tax_rank *labels = &tally->taxonomy->rank[r];
            if (prediction->label < 0 || prediction->label >= labels->classes ||
                !isfinite(prediction->confidence))
                return dt_fail(
                    DT_ERR_NUMERIC,
                    "sequence '%s': the model's output at %s is not finite: its parameters "
                    "contain NaN or infinite values; use another checkpoint",
                    predicted->record[i].id.data, labels->name);
            add_score(&tally->rank[r], tally->sequences, prediction->confidence, tally->threshold);
            if (predicted->truth && predicted->truth[i * tax_ranks + r] != DT_NO_TRUTH)
                add_truth(tally, r, predicted->truth[i * tax_ranks + r], prediction);
        }
        if (predicted->independent)
            add_lineage(tally, predicted, i);
        if (row)
            DT_TRY(add_probabilities(tally, predicted->truth + (ptrdiff_t)i * tax_ranks, &row));
    }
    return DT_OK;
}

double dt_tally_deviation(const dt_tally *tally, int32_t tax_rank)
{
    return tally->sequences ? sqrt(tally->rank[tax_rank].squares / (double)tally->sequences) : 0.0;
}

dt_status dt_tally_auc(const dt_tally *tally, int32_t tax_rank, double *auc)
{
    const dt_rank_tally *rank = &tally->rank[tax_rank];
    *auc = (double)NAN;
    if (!rank->known)
        return DT_OK;
    return dt_auc(auc, rank->probability, rank->true_class, rank->known,
                  tally->taxonomy->rank[tax_rank].classes);
}

bool dt_tally_has_truth(const dt_tally *tally, int32_t tax_rank)
{
    return tally->truth && tally->rank[tax_rank].counts.count > 0;
}
