/* The main() that all commands share. */
#include <signal.h>
#include <stdio.h>

#include "cli/stop_signal.h"
#include "core/file.h"
#include "core/log.h"
#include "options/config_file.h"
#include "options/options.h"
#include "options/outputs.h"
#include "options/unused.h"

/* Prints the text of --help or --version to standard output. */
static dt_status answer(const dt_command *command, dt_request request)
{
    dt_text text = {0};
    dt_status status =
        request == DT_REQUEST_HELP ? dt_options_help(command, &text) : dt_version_text(&text);
    if (status == DT_OK)
        status = dt_print(text.data);
    dt_text_free(&text);
    return status;
}

void dt_command_report_error(const void *options)
{
    const dt_parsed *parsed = options;
    char from_file[1024];
    dt_config_explain(parsed, dt_error_message(), from_file, sizeof from_file);
    dt_log_error("deeptaxa %s: %s%s", parsed->command->name, dt_error_message(), from_file);
    dt_log_close();
    dt_log_quiet(true);
}

static dt_status print_config(const dt_command *command, const void *options)
{
    dt_output out;
    dt_json json;
    DT_TRY(dt_config_check(command, options));
    DT_TRY(dt_output_attach(&out, stdout, "standard output"));
    dt_json_begin(&json, &out, 2, 1);
    dt_config_write(&json, command, options);
    return dt_output_detach(&out);
}

/* Runs the command, or answers --help, --version or --print-config. */
static dt_status run_request(const dt_command *command, const void *options,
                             dt_status (*run)(const void *options))
{
    const dt_request request = ((const dt_parsed *)options)->request;
    switch (request) {
    case DT_REQUEST_RUN:
        DT_TRY(dt_options_check_outputs(options));
        if (!command->tells_unused)
            DT_TRY(dt_options_tell_unused(options));
        return run(options);
    case DT_REQUEST_CONFIG:
        return print_config(command, options);
    case DT_REQUEST_HELP:
    case DT_REQUEST_VERSION:
        break;
    }
    return answer(command, request);
}

int dt_command_main(const dt_command *command, int argc, char **argv, void *options,
                    dt_status (*run)(const void *options))
{
    dt_hold_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is reported as an error, like a full disk */
    dt_status status = dt_options_parse(command, argc, argv, options);
    if (status == DT_OK) {
        dt_stop_signal_end(command);
        status = run_request(command, options, run);
    }
    if (status != DT_OK)
        dt_command_report_error(options);
    dt_log_close();
    dt_options_free(options);
    return dt_exit_status(status);
}
