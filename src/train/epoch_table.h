/* The table of a run's epochs, `metrics/deeptaxa_<run>_metrics.csv` (RFC 4180), one row for each:
 *
 *     epoch, updates, learning_rate (of the last update), training_loss, validation_loss,
 *     training_seconds, evaluation_seconds, sequences_per_second,
 *     <tax_rank>_accuracy, <tax_rank>_precision, <tax_rank>_recall, <tax_rank>_f1_score, …
 *
 * Cells of what an epoch lacks are empty: those of its evaluation, if there was none.
 */
#ifndef DT_TRAIN_EPOCH_TABLE_H
#define DT_TRAIN_EPOCH_TABLE_H

#include "run/run.h"

/* Adds the row of the epoch that the run has just completed, and removes rows of this and later
 * ones, which a resumed run trains again. The file is replaced as a whole. */
dt_status dt_epoch_table_add(const char *path, const dt_run *run);

/* Raises *epoch to the last epoch of the table, and sets *evaluations to the number of rows after the
 * given *epoch that have a validation loss. Changes neither if there is no table. */
dt_status dt_epoch_table_read(const char *path, int32_t *epoch, int32_t *evaluations);

#endif
