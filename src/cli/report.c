/* deeptaxa report: draws training runs and predictions in one HTML file. */
#include "cli/report_options.h"

#include "core/file.h"
#include "core/log.h"
#include "core/version.h"
#include "report/report.h"

static dt_status run(const void *parsed)
{
    const dt_report_options *options = parsed;
    const dt_report_sources sources = {.run = options->run.value,
                                       .runs = options->run.count,
                                       .predictions = options->predictions,
                                       .version = dt_version()};
    dt_remove_unfinished_beside(options->output_file);
    DT_TRY(dt_check_new_file(options->output_file));
    DT_TRY(dt_report_write(options->output_file, &sources));
    dt_info("Report: %s", options->output_file);
    return DT_OK;
}

int main(int argc, char **argv)
{
    dt_report_options options;
    return dt_command_main(&dt_report_command, argc, argv, &options, run);
}
