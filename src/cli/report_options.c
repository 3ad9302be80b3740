#include "cli/report_options.h"

#define AT(member) offsetof(dt_report_options, member)

static const dt_option options[] = {
    {.group = "Input and output",
     .name = "run",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(dt_report_options, run, dt_texts),
     .value = "DIR",
     .holds = "deeptaxa_uuid.txt metrics/deeptaxa_*",
     .help = "output directory of `train`; several are compared"},
    {.name = "predictions",
     .kind = DT_VALUE_TEXT,
     .offset = AT(predictions),
     .value = "DIR",
     .reads = true,
     .holds = "*_deeptaxa_predictions.json",
     .help = "output directory of `predict`, or its JSON file if there are several"},
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "FILE",
     .writes = true,
     .required = true,
     .help = "report to write: one HTML file that needs no network; -: standard output"},
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_report_options *report = parsed;
    if (report->run.count == 0 && !report->predictions)
        return dt_fail(DT_ERR_USAGE, "nothing to do: give --run DIR or --predictions DIR");
    return DT_OK;
}

const dt_command dt_report_command = {
    .name = "report",
    .summary = "Draws training runs and predictions in one HTML file.",
    .usage = "--run DIR [DIR ...] | --predictions DIR --output-file FILE",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_report_options),
    .check = check,
    .examples = {"deeptaxa report --run outputs/training --output-file report.html",
                 "deeptaxa report --run small large --predictions predictions --output-file "
                 "comparison.html"},
};
