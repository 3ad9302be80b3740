/* `deeptaxa train --resume`: a run resumes from its checkpoint with its settings. Flags that
 * contradict them, and different input, are refused. */
#ifndef DT_CLI_RESUMED_RUN_H
#define DT_CLI_RESUMED_RUN_H

#include "cli/train_options.h"
#include "data/dataset.h"
#include "run/run.h"

/* Reads the checkpoint, without its tensors, into *run (to be freed with dt_run_free()), checks the
 * flags that were given, and applies --epochs and --reset-lr-on-resume to the schedule. Returns
 * DT_ERR_USAGE for a flag that contradicts the run, DT_ERR_INPUT for a checkpoint that cannot be
 * resumed. */
dt_status dt_read_resumed(dt_run *run, const dt_train_options *o, const char *path);

/* Checks that the dataset has the sequences, labels and tokens of the run (and its shards, if
 * streamed), and renumbers the run's split if their order has changed. Returns DT_ERR_INPUT with a
 * message that says what differs. Checkpoints of older versions allow fewer checks, which a notice
 * says. `path`: of the checkpoint. */
dt_status dt_match_resumed_data(dt_run *run, const dt_dataset *dataset, int64_t sequences_per_shard,
                                const char *path);

#endif
