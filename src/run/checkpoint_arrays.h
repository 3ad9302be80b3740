/* The arrays and texts of a checkpoint other than tensors; R: number of tax_ranks.
 *
 *     config           attributes model_type and (format version 3) encoding
 *     config/kernel_sizes                          int32 (kernels)
 *     settings/level_weights                       float64 (R), if given
 *     settings/focal_weight                        text, if given
 *     settings/unknown                             text: settings that a .pt file did not have
 *     tokenizer/json                               text; not with one-hot
 *     taxonomy/ranks, taxonomy/labels/<tax_rank>   texts, in the order of their numbers
 *     calibration/temperatures                     float64 (R), if the model is calibrated
 *     calibration                      attribute lineage_temperature, if found, as in dt_run
 *     calibration/neighbours           attributes count, weight, exponent and temperature, if
 *                                                  found, as in dt_run_neighbours
 *     calibration/similarities                     float64 (R), likewise
 *     references/…                                 run/references_file.h
 *     lineages/first, parent, label                int32, as in dt_lineage_tree
 *     evaluation/accuracy, precision, recall, f1_score   float64 (R) of the last evaluation, whose
 *                                                  epoch is an attribute of the group
 *     region/primers                               texts: name of the region, forward and reverse
 *                                                  primer of the training sequences, if known
 *     strand/…                                     sequence/strand_array.h
 *     progress/loss_sums                           float64 (world_size, R), within an epoch
 *     split/training, split/validation             int64, sequence numbers; left out if empty
 *     device/product_choices                       text (choices_read() in backend.h), of a GPU;
 *                                                  with the optimizer only
 */
#ifndef DT_RUN_CHECKPOINT_ARRAYS_H
#define DT_RUN_CHECKPOINT_ARRAYS_H

#include "io/container.h"
#include "run/run.h"

dt_status dt_checkpoint_put_arrays(dt_container *file, const dt_run *checkpoint);

/* Reads the arrays after the scalars (dt_checkpoint_get_scalars()). Arrays that older files lack
 * stay empty; allocated memory belongs to the checkpoint, also on failure. Returns DT_ERR_INPUT if
 * something is missing, damaged or unknown to this version; `path` is for the message. */
dt_status dt_checkpoint_get_arrays(dt_container *file, const char *path, dt_run *checkpoint);

#endif
