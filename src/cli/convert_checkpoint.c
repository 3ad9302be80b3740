#include "cli/convert_checkpoint.h"

#include <limits.h>
#include <sys/stat.h>

#include "cli/convert_options.h"
#include "cli/model_tokenizer.h"
#include "cli/stop_signal.h"
#include "cli/training_set.h"
#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "run/checkpoint.h"
#include "run/checkpoint_path.h"
#include "run/references_file.h"
#include "run/torch_write.h"

static double megabytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? 1e-6 * (double)info.st_size : 0.0;
}

/* Takes the tokenizer of a model whose file has none, and sets `chosen` to its file; a .pt file needs
 * no more than the name. */
static dt_status take_tokenizer(dt_run *content, const char *path,
                                const dt_convert_options *options, char *chosen)
{
    const char *file = options->tokenizer_file;
    if (file && content->config.encoding == DT_ENCODING_ONEHOT)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: %s reads nucleotides: omit the flag", path);
    if (file && content->tokenizer_json)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: %s has its tokenizer: omit the flag", path);
    if (!file && dt_is_torch_name(options->output_file))
        return DT_OK;
    return dt_take_tokenizer(content, path, file, chosen);
}

/* Omits or adds what the command line says. */
static dt_status change(dt_run *content, const char *path, const dt_convert_options *options,
                        char *chosen)
{
    if (!content->has_optimizer && !options->weights_only)
        dt_notice("%s: contains weights only, and so will the copy", path);
    content->has_optimizer = content->has_optimizer && !options->weights_only;
    if (dt_is_torch_name(options->output_file))
        DT_TRY(dt_torch_check(options->output_file, content));
    DT_TRY(take_tokenizer(content, path, options, chosen));
    if (options->fasta_file)
        DT_TRY(dt_add_training_set(content, options->fasta_file, options->taxonomy_file));
    return DT_OK;
}

/* Reads the references into `set`, to which they then refer, unless they are to be left out. */
static dt_status take_references(dt_run *content, const char *path,
                                 const dt_convert_options *options, dt_reference_set *set)
{
    const bool torch = dt_is_torch_name(options->output_file);
    if (options->no_references || torch) {
        if (content->references.sequences > 0 && !options->no_references)
            dt_notice("%s: a .pt file has no place for the model's references, which are left out",
                      options->output_file);
        content->references = (dt_run_references){0};
        content->neighbours = (dt_run_neighbours){0};
        return DT_OK;
    }
    if (content->references.sequences == 0)
        return DT_OK;
    DT_TRY(dt_references_read(path, content, set));
    content->references.set = set;
    dt_notice(
        "%s: has the %lld reference sequences of the model, which it publishes if it is shared "
        "(--no-references omits them)",
        options->output_file, (long long)set->total);
    return DT_OK;
}

static dt_status write_copy(dt_run *content, const char *path, const dt_convert_options *options)
{
    dt_reference_set set = {0};
    dt_status status = take_references(content, path, options, &set);
    if (status == DT_OK)
        status = dt_checkpoint_export(options->output_file, content, path);
    content->references.set = NULL;
    dt_reference_set_free(&set);
    return status;
}

static dt_status copy(dt_run *content, const char *path, const dt_convert_options *options)
{
    const char *output = options->output_file;
    char chosen[PATH_MAX] = "";
    dt_remove_unfinished_beside(output);
    DT_TRY(dt_check_new_file(output));
    DT_TRY(change(content, path, options, chosen));
    DT_TRY(write_copy(content, path, options));
    dt_sha256_remove_beside(output);
    if (content->unknown && content->has_optimizer && !dt_is_torch_name(output))
        dt_notice("%s: does not contain these settings of its training; give them to train "
                  "--resume, or the defaults apply: %s",
                  path, content->unknown);
    if (chosen[0])
        dt_info("Tokenizer: %s", chosen);
    dt_info("Checkpoint: %s, %s: %.1f MB (original: %.1f MB)", output,
            content->has_optimizer ? "with optimizer state" : "weights only", megabytes(output),
            megabytes(path));
    return DT_OK;
}

dt_status dt_convert_checkpoint(const void *parsed)
{
    const dt_convert_options *options = parsed;
    char path[PATH_MAX];
    dt_run content = {0};
    dt_outlive_log_reader();
    DT_TRY(dt_checkpoint_path(options->checkpoint, options->expect_sha256, path));
    if (dt_same_file(path, options->output_file))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: is the checkpoint itself: name another file",
                       options->output_file);
    DT_TRY(dt_checkpoint_read(path, &content));
    const dt_status status = copy(&content, path, options);
    dt_run_free(&content);
    return status;
}
