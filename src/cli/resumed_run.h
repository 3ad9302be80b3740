/* `deeptaxa train --resume`: a run goes on from its checkpoint with the settings that it has. A
 * flag that contradicts them is refused, and so is other input: two halves with different settings
 * are no run. */
#ifndef DT_CLI_RESUMED_RUN_H
#define DT_CLI_RESUMED_RUN_H

#include "cli/train_options.h"
#include "data/dataset.h"
#include "model/checkpoint.h"

/* Reads the checkpoint, without its tensors, into *run (dt_checkpoint_free()), checks the flags
 * that were given, and changes the schedule as --epochs and --reset-lr-on-resume ask. DT_ERR_USAGE
 * for a flag that contradicts the run, DT_ERR_INPUT for a checkpoint that training cannot go on
 * from. */
dt_status dt_read_resumed(dt_checkpoint *run, const dt_train_options *o, const char *path);

/* DT_ERR_INPUT unless the sequences are the ones that the checkpoint's split numbers, with the
 * labels, tokens and, where they are streamed, shards of the run. `path` is the checkpoint's. */
dt_status dt_check_resumed_data(const dt_checkpoint *run, const dt_dataset *dataset,
                                int64_t sequences_per_shard, const char *path);

#endif
