/* Creating a new run from the command line of `deeptaxa train`. */
#ifndef DT_CLI_NEW_RUN_H
#define DT_CLI_NEW_RUN_H

#include "cli/train_options.h"
#include "data/dataset.h"
#include "run/run.h"

/* Fills the empty *run with configuration, settings, labels, tokenizer, split and schedule; to be
 * freed with dt_run_free(), also after a failure. Returns DT_ERR_USAGE if a flag does not match the
 * dataset or another flag. */
dt_status dt_new_run(dt_run *run, const dt_train_options *o, const dt_dataset *dataset);

/* Returns DT_ERR_USAGE if --level-weights has a different number of weights than there are
 * taxonomic ranks. */
dt_status dt_check_level_weights(const dt_run_settings *asked, int32_t tax_ranks);

#endif
