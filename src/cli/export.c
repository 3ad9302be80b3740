/* deeptaxa export: copies a checkpoint, with or without the optimizer state. */
#include "cli/export_options.h"

#include <limits.h>
#include <sys/stat.h>

#include "cli/stop_signal.h"
#include "core/file.h"
#include "core/log.h"
#include "run/checkpoint.h"

static double megabytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? 1e-6 * (double)info.st_size : 0.0;
}

static dt_status export_to(const char *output, dt_run *content, const char *path, bool weights_only)
{
    if (!content->has_optimizer && !weights_only)
        dt_notice("%s: contains weights only, and so will the copy", path);
    content->has_optimizer = content->has_optimizer && !weights_only;
    DT_TRY(dt_checkpoint_export(output, content, path));
    dt_info("Checkpoint: %s, %s: %.1f MB (original: %.1f MB)", output,
            content->has_optimizer ? "with optimizer state" : "weights only", megabytes(output),
            megabytes(path));
    return DT_OK;
}

static dt_status run(const void *parsed)
{
    const dt_export_options *options = parsed;
    char path[PATH_MAX];
    dt_run content = {0};
    dt_outlive_log_reader();
    DT_TRY(dt_checkpoint_path(options->checkpoint, path));
    if (dt_same_file(path, options->output_file))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: is the checkpoint itself: name another file",
                       options->output_file);
    DT_TRY(dt_checkpoint_read(path, &content));
    const dt_status status = export_to(options->output_file, &content, path, options->weights_only);
    dt_run_free(&content);
    return status;
}

int main(int argc, char **argv)
{
    dt_export_options options;
    return dt_command_main(&dt_export_command, argc, argv, &options, run);
}
