/* The parts of gpu_check, the program that tests/gpu/first.sh does its work with. */
#ifndef DT_TESTS_GPU_CHECK_H
#define DT_TESTS_GPU_CHECK_H

#include "core/status.h"

/* Writes FOLDER/model.txt, weights.bin and the batches, for loss_curve.py: the initial values that
 * every device starts from. */
dt_status check_export(const char *folder);

/* Trains without dropout on those batches, and writes the loss of each step to
 * FOLDER/<device>_<precision>.txt. */
dt_status check_curve(const char *folder, const char *device, const char *precision, int steps);

/* The losses of two such files: over the first `steps` no step's may differ by more than `bound`,
 * relatively. Says how far they are apart; DT_ERR_NUMERIC where too far. */
dt_status check_compare_curves(const char *a, const char *b, int steps, double bound);

/* Writes FOLDER/reads.fasta and reads.tsv: `count` made sequences of the length of 16S genes with
 * lineages of seven ranks. */
dt_status check_sequences(const char *folder, int count);

/* Two tables of `deeptaxa predict --tabular` on the same input. A label that differs is near a tie
 * when both programs are about equally sure, and not surer than about a half; these are counted,
 * others are DT_ERR_NUMERIC. */
dt_status check_compare_labels(const char *a, const char *b, double tolerance);

#endif
