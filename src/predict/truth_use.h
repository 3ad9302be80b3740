/* What the sequences of an input met in the truth: labels that the model does not know, ids that
 * matched a row without annotations. Told when all sequences were seen. */
#ifndef DT_PREDICT_TRUTH_USE_H
#define DT_PREDICT_TRUTH_USE_H

#include "predict/predictor.h"
#include "predict/truth.h"

typedef struct {
    const dt_truth *truth;        /* NULL: none, and nothing is counted; not owned */
    bool *seen[DT_MAX_TAX_RANKS]; /* by number of a true label (predict/truth.h) */
    dt_bare_matches bare_matches;
} dt_truth_use;

/* Freed with dt_truth_use_free(), which takes a zero-initialised one, too. */
dt_status dt_truth_use_create(dt_truth_use *use, const dt_truth *truth);
void dt_truth_use_free(dt_truth_use *use);

/* Adds the sequences of a batch. From one thread at a time. */
void dt_truth_use_add(dt_truth_use *use, const dt_predicted *predicted);

/* Warns, once, of tax_ranks where the model knows fewer than one in ten of the labels that were
 * seen, but for those that dt_truth_read() has warned of; a notice tells of ids without
 * annotations. `fasta` is what messages call the input. */
dt_status dt_truth_use_tell(const dt_truth_use *use, const char *fasta);

#endif
