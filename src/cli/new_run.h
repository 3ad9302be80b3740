/* From the command line of `deeptaxa train` to a run that starts at its beginning. */
#ifndef DT_CLI_NEW_RUN_H
#define DT_CLI_NEW_RUN_H

#include "cli/train_options.h"
#include "data/dataset.h"
#include "run/run.h"

/* Fills *run, which is empty, with model, settings, labels and tokenizer, the split and the lengths
 * of the schedule; freed by the caller with dt_run_free(), also after a failure.
 * DT_ERR_USAGE where a flag does not fit the dataset or another flag. */
dt_status dt_new_run(dt_run *run, const dt_train_options *o, const dt_dataset *dataset);

/* DT_ERR_USAGE where --level-weights is given, with another number of weights than there are
 * taxonomic ranks. */
dt_status dt_check_level_weights(const dt_run_settings *asked, int32_t tax_ranks);

#endif
