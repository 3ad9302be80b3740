/* Name and version of the format of checkpoints (run/checkpoint.h). */
#ifndef DT_RUN_CHECKPOINT_FORMAT_H
#define DT_RUN_CHECKPOINT_FORMAT_H

#define DT_CHECKPOINT_FORMAT "deeptaxa-checkpoint"
/* Optional arrays do not change the version: older programs ignore them. 2: checkpoints within an
 * epoch or before its evaluation. 3: one-hot encoding, without a tokenizer; checkpoints with a
 * tokenizer are still written as version 2. 4: a scaled learning rate. 5: streamed
 * runs, without numbers of the split and hashes of the sequences. 6: LAMB. 7: a k-mer size that is not 7.
 * All versions can be
 * read. */
#define DT_CHECKPOINT_VERSION 7
#define DT_CHECKPOINT_STREAMED 5 /* the first version with data_checksum */

#endif
