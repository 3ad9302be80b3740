/* What is counted while predictions stream by: scores by taxonomic rank, and measures where the
 * truth is known. Constant memory, whatever the length of the stream; but the area under the ROC
 * curve needs every probability, so that with a truth each sequence leaves 4 bytes a class of the
 * tax_ranks with few classes. */
#ifndef DT_PREDICT_TALLY_H
#define DT_PREDICT_TALLY_H

#include <stdint.h>

#include "eval/metrics.h"
#include "predict/predictor.h"
#include "predict/read_lengths.h"
#include "taxonomy/taxonomy.h"

/* Of one tax_rank. */
typedef struct {
    float max_score; /* largest confidence of the run */
    double mean;     /* of the confidences */
    double squares;  /* sum of squared differences from the mean (Welford, Technometrics 1962) */
    int64_t below;   /* confidences below the threshold */
    int64_t changed; /* labels that each tax_rank by itself would not have: of consistent
                        lineages only, as is the next */
    int64_t right_alone;        /* true labels that each tax_rank by itself would have */
    int64_t agree;              /* predictions that agree with the truth (predict/truth.h) */
    int64_t among_top;          /* true labels among the top_k most probable */
    dt_metric_counts counts;    /* of the sequences whose truth is known */
    dt_calibration calibration; /* of those whose true label the model knows */
    int64_t known;              /* number of those, where the classes are few */
    float *probability;         /* (known, classes) */
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
    int64_t changed;         /* sequences with another lineage than each tax_rank by itself gives */
    int64_t without_row;     /* sequences that the taxonomy file lacks */
    int64_t reoriented;      /* sequences that were reverse-complemented */
    dt_judgement judgement;  /* sequences that the model cannot judge */
    dt_read_lengths lengths; /* whose `trained` the caller may set */
    dt_rank_tally rank[DT_MAX_TAX_RANKS];
} dt_tally;

dt_status dt_tally_create(dt_tally *tally, const dt_taxonomy *taxonomy, const dt_truth *truth,
                          double threshold, int32_t top_k);
void dt_tally_free(dt_tally *tally);

/* Counts a batch. DT_ERR_NUMERIC when the model gave no usable number (a damaged model). */
dt_status dt_tally_add(dt_tally *tally, const dt_predicted *predicted);

/* Standard deviation of the confidences (of the population: divided by their number). */
double dt_tally_deviation(const dt_tally *tally, int32_t tax_rank);

/* Sets *auc to the area under the ROC curve at a tax_rank (eval/auc.h); NaN where it has more than
 * DT_FEW_CLASSES classes or nothing was compared. */
dt_status dt_tally_auc(const dt_tally *tally, int32_t tax_rank, double *auc);

/* Whether there is a truth to compare with at this tax_rank, and that comparison. */
bool dt_tally_has_truth(const dt_tally *tally, int32_t tax_rank);

#endif
