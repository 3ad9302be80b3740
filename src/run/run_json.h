/* What a run's files say of its model and settings, as JSON, with DeepTaxa's keys: shared by the
 * metrics of training, of prediction and by describe's export. */
#ifndef DT_RUN_RUN_JSON_H
#define DT_RUN_RUN_JSON_H

#include <stdbool.h>

#include "io/json_writer.h"
#include "run/run.h"

/* A description has some values under further names, which DeepTaxa's describe gives them. */
typedef enum { DT_RUN_JSON_METRICS, DT_RUN_JSON_DESCRIPTION } dt_run_json_kind;

/* How a command was called. */
typedef struct {
    const char *name; /* of an option, without "--" */
    char *value;      /* as it would be typed; NULL: none */
} dt_named_value;

typedef struct {
    char *command_line; /* as a shell takes it */
    const char *host;
    dt_named_value *option; /* (options) defaults included, but not in a resumed run, where the
                               checkpoint decides */
    int32_t options;
} dt_invocation;

/* Members `model_details`, `training_hyperparameters`, `dataset_info` and `taxonomic_levels` of the
 * open object. Sizes of parts that the model type lacks are null. */
void dt_run_json(dt_json *json, const dt_run *run, dt_run_json_kind kind);

/* Member `validation_metrics` of the open object: of each tax_rank `accuracy`, `precision`,
 * `recall` and `f1_score`; null before the first evaluation. */
void dt_run_json_tax_metrics(dt_json *json, const dt_run *run);

/* Opens member `system_info` of the open object, with `cuda_available`, `gpu` (null without one),
 * `device` (description of the backend; NULL: null) and `precision`. The caller adds what else it
 * knows and ends it with dt_json_end(). */
void dt_run_json_system(dt_json *json, bool gpu, const char *device, const char *precision);

/* Members `command_line` and `options` of the open object. */
void dt_run_json_invocation(dt_json *json, const dt_invocation *invocation);

#endif
