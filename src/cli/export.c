/* deeptaxa export: copies a checkpoint, with or without the optimizer state, and writes the SHA-256 of
 * the copy into <copy>.sha256, as sha256sum does. */
#include <limits.h>
#include <string.h>

#include "cli/convert_checkpoint.h"
#include "cli/convert_options.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/sha256.h"

static dt_status write_sha256(const char *path, const char *beside)
{
    char hex[DT_SHA256_HEX];
    dt_text line = {0};
    const char *slash = strrchr(path, '/');
    DT_TRY(dt_sha256_file(path, hex));
    dt_status status = dt_text_addf(&line, "%s  %s\n", hex, slash ? slash + 1 : path);
    if (status == DT_OK)
        status = dt_write_file(beside, line.data, line.length);
    dt_text_free(&line);
    if (status == DT_OK)
        dt_info("SHA-256: %s (%s)", hex, beside);
    return status;
}

static dt_status run(const void *parsed)
{
    const dt_convert_options *options = parsed;
    char beside[PATH_MAX];
    DT_TRY(dt_path(beside, sizeof beside, "%s.sha256", options->output_file));
    DT_TRY(dt_check_new_file(options->output_file));
    DT_TRY(dt_check_new_file(beside)); /* before the copy is made */
    DT_TRY(dt_convert_checkpoint(parsed));
    return write_sha256(options->output_file, beside);
}

int main(int argc, char **argv)
{
    dt_convert_options options;
    return dt_command_main(&dt_export_command, argc, argv, &options, run);
}
