/* The main() that all commands share. */
#include <signal.h>
#include <stdio.h>

#include "options/options.h"
#include "core/file.h"
#include "core/log.h"

/* Prints what --help or --version asks for to standard output. */
static dt_status answer(const dt_command *command, dt_request request)
{
    dt_text text = {0};
    dt_status status =
        request == DT_REQUEST_HELP ? dt_options_help(command, &text) : dt_version_text(&text);
    if (status == DT_OK &&
        (fwrite(text.data, 1, text.length, stdout) != text.length || fflush(stdout) != 0))
        status = dt_fail(DT_ERR_IO, "cannot write to standard output");
    dt_text_free(&text);
    return status;
}

void dt_command_tell(const dt_command *command)
{
    dt_info("deeptaxa %s: %s", command->name, dt_error_message());
    dt_log_close();
    dt_log_quiet(true);
}

int dt_command_main(const dt_command *command, int argc, char **argv, void *options,
                    dt_status (*run)(const void *options))
{
    dt_hold_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error to report, as a full disk is */
    dt_status status = dt_options_parse(command, argc, argv, options);
    if (status == DT_OK) {
        const dt_request request = ((const dt_parsed *)options)->request;
        status = request == DT_REQUEST_RUN ? run(options) : answer(command, request);
    }
    if (status != DT_OK)
        dt_command_tell(command);
    dt_log_close();
    return dt_exit_status(status);
}
