/* Settings in a JSON file (RFC 8259), read by --config FILE and written by --print-config.
 *
 *     {"epochs": 6, "hidden_size": 128, "kernel-sizes": [3, 5, 7], "class-weights": "inverse"}
 *
 * The keys are the command's options without "--", with "-" or "_" between words; null means not
 * set. The command line overrides the file. A file of an earlier run is accepted too (the metrics
 * of an epoch, or the export of `deeptaxa describe`), recognised by its member
 * `training_hyperparameters`: the settings of that run are read by their keys there
 * (dt_option.json); file names, devices and everything else in it are ignored.
 */
#ifndef DT_OPTIONS_CONFIG_FILE_H
#define DT_OPTIONS_CONFIG_FILE_H

#include "io/json_writer.h"
#include "options/option.h"

/* Reads the file parsed->config into the options that were not given on the command line.
 * DT_ERR_USAGE, with the file's name, for an unknown key (suggesting the nearest one) or a value
 * that the option does not allow; DT_ERR_INPUT for invalid JSON. */
dt_status dt_config_read(const dt_command *command, void *options);

/* Writes to `out` (`size` bytes) which of the options that the message names have their values from
 * the file, and by which keys: " (runs/a.json has "epochs")"; "" for none. */
void dt_config_explain(const dt_parsed *parsed, const char *message, char *out, size_t size);

/* Frees the texts that dt_config_read() allocated for options. */
void dt_config_free(void *options);

/* DT_ERR_USAGE if a value is not UTF-8, the encoding of JSON: such a file name would be written as that
 * of another file. */
dt_status dt_config_check(const dt_command *command, const void *options);

/* Writes all options that have a value as one object, in the format of dt_config_read(). */
void dt_config_write(dt_json *json, const dt_command *command, const void *options);

/* Writes a value: number, text, true, false, null, or an array of them. */
void dt_json_value(dt_json *json, const dt_value *value);

#endif
