/* The description of a run's model and settings in JSON files, with DeepTaxa's keys: used by the
 * metrics of training and prediction, and by the export of `deeptaxa describe`. */
#ifndef DT_RUN_RUN_JSON_H
#define DT_RUN_RUN_JSON_H

#include <stdbool.h>

#include "io/json_writer.h"
#include "run/run.h"

/* A description repeats some values under the keys of DeepTaxa's describe; a prediction has another
 * dataset, which its caller writes. */
typedef enum {
    DT_RUN_JSON_METRICS,
    DT_RUN_JSON_DESCRIPTION,
    DT_RUN_JSON_PREDICTION
} dt_run_json_kind;

/* An option on the command line. */
typedef struct {
    const char *name; /* without "--" */
    char *value;      /* as it would be typed; NULL: none */
} dt_named_value;

/* How a command was called. */
typedef struct {
    char *command_line; /* quoted for a shell */
    const char *host;
    dt_named_value *option; /* (options) including defaults, except in a resumed run, where the
                               checkpoint determines the values */
    int32_t options;
} dt_invocation;

/* Adds the members `model_details`, `training_hyperparameters`, `dataset_info` (not for a
 * prediction) and `taxonomic_levels` to the open object. Sizes of branches that the model type
 * lacks are null. */
void dt_run_json(dt_json *json, const dt_run *run, dt_run_json_kind kind);

/* Adds the member `validation_metrics` to the open object: `accuracy`, `precision`, `recall` and
 * `f1_score` of each tax_rank; null before the first evaluation. */
void dt_run_json_tax_metrics(dt_json *json, const dt_run *run);

/* Adds the member `system_info` to the open object, with `cuda_available`, `gpu` (null without a
 * GPU), `device` (description of the backend; NULL: null) and `precision`, and leaves it open: the
 * caller may add members and closes it with dt_json_end(). */
void dt_run_json_system(dt_json *json, bool gpu, const char *device, const char *precision);

/* Adds the members `command_line` and `options` to the open object. */
void dt_run_json_invocation(dt_json *json, const dt_invocation *invocation);

#endif
