/* deeptaxa describe: prints the description of a checkpoint. */
#include "cli/describe_options.h"

#include <limits.h>
#include <stdio.h>

#include "core/log.h"
#include "core/version.h"
#include "io/output.h"
#include "run/checkpoint.h"
#include "run/checkpoint_path.h"
#include "run/describe.h"

static dt_status print_description(const dt_run *checkpoint, const char *path, bool tensors)
{
    dt_text text = {0};
    dt_status status = dt_describe_text(&text, checkpoint, path, dt_version());
    if (status == DT_OK && tensors)
        status = dt_describe_tensors(&text, checkpoint);
    if (status == DT_OK)
        status = dt_print(text.data);
    dt_text_free(&text);
    return status;
}

static dt_status export_description(const dt_run *checkpoint, const char *path, const char *to)
{
    dt_output out;
    dt_remove_unfinished_beside(to);
    DT_TRY(dt_output_begin(&out, to));
    const dt_status status = dt_describe_json(&out, checkpoint, path, dt_version());
    if (status != DT_OK) {
        dt_output_discard(&out);
        return status;
    }
    return dt_output_commit(&out);
}

static dt_status run(const void *parsed)
{
    const dt_describe_options *options = parsed;
    char path[PATH_MAX];
    dt_run checkpoint = {0};
    DT_TRY(dt_checkpoint_path(options->checkpoint, options->expect_sha256, path));
    DT_TRY(dt_checkpoint_read(path, &checkpoint));
    dt_status status = DT_OK;
    if (options->export_metrics)
        status = export_description(&checkpoint, path, options->export_metrics);
    if (status == DT_OK)
        status = print_description(&checkpoint, path, options->verbose);
    dt_run_free(&checkpoint);
    return status;
}

int main(int argc, char **argv)
{
    dt_describe_options options;
    return dt_command_main(&dt_describe_command, argc, argv, &options, run);
}
