/* Settings in a JSON file (RFC 8259): --config FILE reads it, --print-config writes it.
 *
 *     {"epochs": 6, "hidden_size": 128, "kernel-sizes": [3, 5, 7], "class-weights": "inverse"}
 *
 * The keys are the command's options without "--", with "-" or "_" between words; null means: not
 * set. What the command line says overrides it. A file of an earlier run is taken as well (the
 * metrics of an epoch, or the export of `deeptaxa describe`; it has a member
 * `training_hyperparameters`): then the settings of that run are read by their keys there
 * (dt_option.json), and files, devices and all else in it are passed over.
 */
#ifndef DT_OPTIONS_CONFIG_FILE_H
#define DT_OPTIONS_CONFIG_FILE_H

#include "io/json_writer.h"
#include "options/options.h"

/* Reads the file of parsed->config into the options that did not stand on the command line.
 * DT_ERR_USAGE, with the file's name, for a key that is no option (the nearest is named) and a
 * value that the option does not allow; DT_ERR_INPUT for what is no JSON. */
dt_status dt_config_read(const dt_command *command, void *options);

/* Frees the texts that dt_config_read() made options point to. */
void dt_config_free(void *options);

/* Writes all options that have a value as one object, which dt_config_read() takes. */
void dt_config_write(dt_json *json, const dt_command *command, const void *options);

/* A value: number, text, true or false, null, or an array of them. */
void dt_json_value(dt_json *json, const dt_value *value);

#endif
