/* A model file of DeepTaxa (.pt, io/torch_file.h) as a run. The names and shapes of its tensors are
 * those of model/params.h, so only the dictionary around them is converted:
 *
 *     model_type, encoding, model_config, tensors     config; sizes are those of the tensors, and
 *                                                     only the number of attention heads and
 *                                                     mask_padding are taken from model_config
 *     taxonomic_ranks, level_label2id                 taxonomy, in the order of the ids
 *     level_temperatures                              temperatures, unless all are 1
 *     optimizer_config, scheduler, batch_size, epochs, level_weights, focal_…    settings
 *     epoch, current_…, val_loss, metrics             progress
 *     optimizer_state_dict, scheduler_state_dict, scaler_state_dict, dataset_split
 *                                                     what a resumed run needs; without it the run
 *                                                     has no optimizer
 *
 * Not in such a file: the tokenizer (cli/model_tokenizer.h), lineages, the strand profile, lengths
 * and fingerprints of the training sequences, the program that wrote it and its machine, and some
 * settings, which the run's `unknown` lists.
 */
#ifndef DT_RUN_TORCH_READ_H
#define DT_RUN_TORCH_READ_H

#include "backend.h"
#include "io/torch_file.h"
#include "model/params.h"
#include "run/run.h"

/* Converts everything but the tensors, and checks that the tensors are those of the model's
 * configuration. Returns DT_ERR_INPUT with a one-line message if something is missing, damaged or
 * unknown. The caller frees *run with dt_run_free(), also on failure. */
dt_status dt_torch_read_run(dt_torch_file *file, dt_run *run);

/* Returns the parameter of this name, or its moment (DT_EXP_AVG, DT_EXP_AVG_SQ); NULL if the file
 * has none. */
const dt_torch_tensor *dt_torch_parameter(const dt_torch_file *file, dt_vector which,
                                          const char *name);

/* Returns the dict of parameters, whose values that are no parameters of the model
 * dt_torch_is_buffer() tells. */
const dt_pickle_value *dt_torch_parameters(const dt_torch_file *file);
bool dt_torch_is_buffer(const dt_pickle_value *name);

#endif
