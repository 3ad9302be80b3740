/* What a run's files say of its model and settings, as JSON, with DeepTaxa's keys: shared by the
 * metrics of training, of prediction and by describe's export. */
#ifndef DT_MODEL_RUN_JSON_H
#define DT_MODEL_RUN_JSON_H

#include "io/json_writer.h"
#include "model/checkpoint.h"

/* Members `model_details`, `training_hyperparameters`, `dataset_info` and `taxonomic_levels` of the
 * open object. */
void dt_run_json(dt_json *json, const dt_checkpoint *run);

#endif
