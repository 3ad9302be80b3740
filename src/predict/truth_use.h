/* Which true labels the sequences of an input have: counts labels that the model does not know and
 * ids that match a row only without annotations, to report them at the end of the input. */
#ifndef DT_PREDICT_TRUTH_USE_H
#define DT_PREDICT_TRUTH_USE_H

#include "predict/predictor.h"
#include "predict/truth.h"

typedef struct {
    const dt_truth *truth;        /* not owned; NULL: no truth, nothing is counted */
    bool *seen[DT_MAX_TAX_RANKS]; /* by number of the true label (predict/truth.h) */
    dt_bare_matches bare_matches;
} dt_truth_use;

/* Free with dt_truth_use_free(), which accepts a zero-initialised struct. */
dt_status dt_truth_use_create(dt_truth_use *use, const dt_truth *truth);
void dt_truth_use_free(dt_truth_use *use);

/* Adds the sequences of a batch. Not thread-safe. */
void dt_truth_use_add(dt_truth_use *use, const dt_predicted *predicted);

/* Logs a notice of ids that match without annotations, and one warning of the tax_ranks where the
 * model knows fewer than one in ten of the labels seen, except those that dt_truth_read() has
 * warned of. `fasta`: name of the input in messages. */
dt_status dt_truth_use_report(const dt_truth_use *use, const char *fasta);

#endif
