/* Compares the lengths of the sequences with those of the training sequences: a model of whole
 * genes is unreliable on amplicons, and a model of amplicons on whole genes, whatever its
 * confidence.
 *
 * "Far shorter" is less than half the 1 % quantile of the training lengths, "far longer" more than
 * twice the 99 % quantile. Primers, trimming and insertions change lengths by less than a factor of
 * two; a region and the gene differ by more. A model that was trained on a region (--region) knows
 * its ends, so there the factor is 1.25: V3-V4 is 1.6 times as long as V4. A few outliers are normal,
 * so a warning is logged only if more than one sequence in ten is affected. */
#ifndef DT_PREDICT_READ_LENGTHS_H
#define DT_PREDICT_READ_LENGTHS_H

#include <stdint.h>

#include "data/lengths.h"
#include "predict/predictor.h"
#include "run/run.h"

typedef struct {
    const dt_length_quantiles *trained; /* nothing is compared if they are unknown */
    double factor;                      /* from which on lengths are far */
    int64_t sequences;
    int64_t shorter, longer; /* sequences that are far shorter or longer */
    double bases;            /* of these sequences together */
} dt_read_lengths;

/* To compare with the training sequences of a run, which must outlive the result. */
dt_read_lengths dt_read_lengths_of(const dt_run *run);

/* Compares sequence i, unless the model cannot judge it for another reason. */
void dt_read_lengths_add(dt_read_lengths *lengths, const dt_predicted *predicted, int32_t i);

/* Logs the warning if necessary. `file`: name of the input in messages. */
void dt_read_lengths_report(const dt_read_lengths *lengths, const char *file);

#endif
