/* The references of a run (train --store-references): the sequences of the training set, written once
 * to a file beside the checkpoints, which refer to it (run/references_file.h). */
#ifndef DT_TRAIN_STORE_REFERENCES_H
#define DT_TRAIN_STORE_REFERENCES_H

#include "train/run_output.h"
#include "train/training.h"

/* On world_rank 0, once the output is open: writes the file of a run that is to have one, and
 * describes it in job->run->references. For a resumed run that has references, checks that the file
 * is there and belongs to it; in another output directory, copies it there. If it is lost,
 * job->store_references writes it again, provided that the training set is the same. Not while uses
 * of the dataset's stream are announced. */
dt_status dt_store_references(const dt_training *job, const dt_run_output *output);

/* Says, at the end of the training, what sharing the model means. */
void dt_notice_references(const dt_run *run);

#endif
