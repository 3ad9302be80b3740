/* How the sequences' lengths compare with those that the model was trained on. A model of whole
 * genes says little of amplicons, and one of amplicons little of whole genes, whatever its
 * confidence.
 *
 * Far shorter is less than half of the length that 1 per cent of the training sequences do not
 * exceed, far longer more than twice the length that 99 per cent do not exceed: a factor of two
 * leaves out what primers, trimming and insertions change, and is less than what lies between a
 * region and the gene, or two regions and one. Strays are in every file; a warning is due when more
 * than one sequence in ten is so. */
#ifndef DT_PREDICT_READ_LENGTHS_H
#define DT_PREDICT_READ_LENGTHS_H

#include <stdint.h>

#include "data/lengths.h"
#include "predict/predictor.h"

typedef struct {
    const dt_length_quantiles *trained; /* where they are not known nothing is compared */
    int64_t sequences;
    int64_t shorter, longer; /* by far */
    double bases;            /* of these */
} dt_read_lengths;

/* `trained` must outlive it. */
dt_read_lengths dt_read_lengths_of(const dt_length_quantiles *trained);

/* Compares sequence i, unless the model cannot judge it whatever its length. */
void dt_read_lengths_add(dt_read_lengths *lengths, const dt_predicted *predicted, int32_t i);

/* Warns where it is due. `file`: as messages name it. */
void dt_read_lengths_tell(const dt_read_lengths *lengths, const char *file);

#endif
