/* Running statistics of the predictions: scores by taxonomic rank, and metrics where the truth is
 * known. Memory is constant, except that the area under the ROC curve needs all probabilities: with
 * a truth, each sequence takes 4 bytes per class of the tax_ranks with few classes. */
#ifndef DT_PREDICT_TALLY_H
#define DT_PREDICT_TALLY_H

#include <stdint.h>

#include "eval/metrics.h"
#include "predict/predictor.h"
#include "predict/read_lengths.h"
#include "taxonomy/taxonomy.h"

/* Statistics of one tax_rank. */
typedef struct {
    float max_score; /* largest confidence */
    double mean;     /* of the confidences */
    double squares;  /* sum of squared differences from the mean (Welford, Technometrics 1962) */
    int64_t below;   /* confidences below the threshold */
    int64_t changed; /* labels that differ from the independent prediction; this and the next
                        not with independent lineages */
    int64_t right_independently; /* independent predictions that are right */
    int64_t agree;               /* predictions that agree with the truth (predict/truth.h) */
    int64_t among_top;           /* a class that agrees is among the top_k most probable */
    dt_metric_counts counts;     /* of the sequences whose truth is known */
    dt_calibration calibration;  /* of those whose true label the model knows */
    int64_t known;               /* their number, at a tax_rank with few classes */
    float *probability;          /* (known, classes) */
    size_t probability_capacity;
    int32_t *true_class; /* (known) */
    size_t true_class_capacity;
} dt_rank_tally;

typedef struct {
    const dt_taxonomy *taxonomy; /* of the model; not owned */
    const dt_truth *truth;       /* NULL: none */
    double threshold;            /* of the confidence */
    int32_t top_k;
    int64_t sequences;
    int64_t changed;         /* sequences whose lineage differs from the independent labels */
    int64_t without_row;     /* sequences without a row in the taxonomy file */
    int64_t reoriented;      /* sequences that were reverse-complemented */
    dt_judgement judgement;  /* sequences that the model cannot judge */
    dt_read_lengths lengths; /* the caller may set its `trained` */
    dt_rank_tally rank[DT_MAX_TAX_RANKS];
} dt_tally;

dt_status dt_tally_create(dt_tally *tally, const dt_taxonomy *taxonomy, const dt_truth *truth,
                          double threshold, int32_t top_k);
void dt_tally_free(dt_tally *tally);

/* Adds a batch. DT_ERR_NUMERIC if an output of the model is not finite (a damaged model). */
dt_status dt_tally_add(dt_tally *tally, const dt_predicted *predicted);

/* Returns the standard deviation of the confidences (population: divided by their number). */
double dt_tally_deviation(const dt_tally *tally, int32_t tax_rank);

/* Sets *auc to the area under the ROC curve at a tax_rank (eval/auc.h); NaN if it has more than
 * DT_FEW_CLASSES classes or no true label was known. */
dt_status dt_tally_auc(const dt_tally *tally, int32_t tax_rank, double *auc);

/* Returns true if predictions were compared with true labels at this tax_rank. */
bool dt_tally_has_truth(const dt_tally *tally, int32_t tax_rank);

#endif
