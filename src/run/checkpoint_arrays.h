/* What of a checkpoint is neither a single value nor a tensor, R being the tax_ranks:
 *
 *     config           attributes model_type and (format version 3) encoding
 *     config/kernel_sizes                          int32 (kernels)
 *     settings/level_weights                       float64 (R), where some were given
 *     settings/focal_weight                        text, where one was given
 *     tokenizer/json                               text; not with one-hot
 *     taxonomy/ranks, taxonomy/labels/<tax_rank>   texts, in the order of their numbers
 *     calibration/temperatures                     float64 (R), of a calibrated model
 *     lineages/first, parent, label                int32, as dt_lineage_tree has them
 *     evaluation/accuracy, precision, recall, f1_score   float64 (R) of the last evaluation, whose
 *                                                  epoch is an attribute of the group
 *     strand/…                                     sequence/strand_array.h
 *     progress/loss_sums                           float64 (world_size, R), within an epoch
 *     split/training, split/validation             int64, numbers of sequences; not where empty
 */
#ifndef DT_RUN_CHECKPOINT_ARRAYS_H
#define DT_RUN_CHECKPOINT_ARRAYS_H

#include "io/container.h"
#include "run/run.h"

dt_status dt_checkpoint_put_arrays(dt_container *file, const dt_run *checkpoint);

/* Needs the scalars of the checkpoint (dt_checkpoint_get_scalars()). What older files lack stays
 * empty; what is allocated is the checkpoint's, also on failure. DT_ERR_INPUT, with `path`, where
 * something is missing, damaged or not known to this version. */
dt_status dt_checkpoint_get_arrays(dt_container *file, const char *path, dt_run *checkpoint);

#endif
