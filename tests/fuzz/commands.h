/* The tables of all commands, for the targets of command lines and of --config. */
#ifndef DT_TESTS_COMMANDS_H
#define DT_TESTS_COMMANDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/calibrate_options.h"
#include "cli/convert_options.h"
#include "cli/describe_options.h"
#include "cli/extract_options.h"
#include "cli/predict_options.h"
#include "cli/prepare_options.h"
#include "cli/report_options.h"
#include "cli/selftest_options.h"
#include "cli/tokenizer_options.h"
#include "cli/train_options.h"
#include "fuzz.h"
#include "io/output.h"
#include "options/config_file.h"
#include "options/options.h"

static const dt_command *const commands[] = {
    &dt_train_command,   &dt_predict_command,   &dt_prepare_command,  &dt_extract_command,
    &dt_report_command,  &dt_calibrate_command, &dt_describe_command, &dt_export_command,
    &dt_convert_command, &dt_tokenizer_command, &dt_selftest_command};
#define COMMANDS (sizeof commands / sizeof *commands)

/* Returns what --print-config prints of the options; the caller frees it. */
static inline char *config_of(const dt_command *command, const void *options)
{
    char *text = NULL;
    size_t length;
    dt_output out;
    dt_json json;
    FILE *stream = open_memstream(&text, &length);
    FUZZ_CHECK(stream && dt_output_attach(&out, stream, "configuration") == DT_OK);
    dt_json_begin(&json, &out, 2, 1);
    dt_config_write(&json, command, options);
    FUZZ_CHECK(dt_output_detach(&out) == DT_OK && fclose(stream) == 0);
    return text;
}

/* Parses a command line; returns its configuration, which the caller frees; NULL after an error or
 * for --help and --version. */
static inline char *parse_line(const dt_command *command, int argc, char **argv)
{
    void *options = calloc(1, command->options_size);
    char *text = NULL;
    FUZZ_CHECK(options != NULL);
    const bool parsed = fuzz_succeeded(dt_options_parse(command, argc, argv, options));
    const dt_request request = ((const dt_parsed *)options)->request;
    if (parsed && (request == DT_REQUEST_RUN || request == DT_REQUEST_CONFIG))
        text = config_of(command, options);
    dt_options_free(options);
    free(options);
    return text;
}

/* What was printed as a configuration is read as the same one. */
static inline void check_config(const dt_command *command, const char *text)
{
    char program[] = "deeptaxa", config[] = "--config", print[] = "--print-config", path[64];
    if (strstr(text, "\\ufffd")) /* for what is not UTF-8 */
        return;
    snprintf(path, sizeof path, "%s", fuzz_file(1, text, strlen(text)));
    char *again = parse_line(command, 4, (char *[]){program, config, path, print, NULL});
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(strcmp(again, text) == 0);
    free(again);
}

static inline bool has_config(const dt_command *command)
{
    return dt_command_find(command, "config", strlen("config")) >= 0;
}

#endif
