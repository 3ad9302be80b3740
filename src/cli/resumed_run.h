/* `deeptaxa train --resume`: a run goes on from its checkpoint with the settings that it has. A
 * flag that contradicts them is refused, and so is other input: two halves with different settings
 * are no run. */
#ifndef DT_CLI_RESUMED_RUN_H
#define DT_CLI_RESUMED_RUN_H

#include "cli/train_options.h"
#include "data/dataset.h"
#include "run/run.h"

/* Reads the checkpoint, without its tensors, into *run (dt_run_free()), checks the flags
 * that were given, and changes the schedule as --epochs and --reset-lr-on-resume ask. DT_ERR_USAGE
 * for a flag that contradicts the run, DT_ERR_INPUT for a checkpoint that training cannot go on
 * from. */
dt_status dt_read_resumed(dt_run *run, const dt_train_options *o, const char *path);

/* Makes the run's split number the sequences of the dataset, which may stand in another order than
 * before. DT_ERR_INPUT, with what changed, unless they are the run's, with the labels, tokens and,
 * where they are streamed, shards of the run; a checkpoint of an older version tells less, and the
 * user is told so. `path` is the checkpoint's. */
dt_status dt_match_resumed_data(dt_run *run, const dt_dataset *dataset, int64_t sequences_per_shard,
                                const char *path);

#endif
