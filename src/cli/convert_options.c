#include "cli/convert_options.h"

#include <string.h>

#include "cli/shared_options.h"
#include "run/torch_write.h"

#define AT(member) offsetof(dt_convert_options, member)

#define OPTION_OUTPUT_FILE                                                                         \
    {                                                                                              \
        .name = "output-file", .kind = DT_VALUE_TEXT, .offset = AT(output_file), .value = "CKPT",  \
        .writes = true, .required = true,                                                          \
        .help = "checkpoint to write, in DeepTaxa's format if the name ends in .pt; an existing "  \
                "file is replaced"                                                                 \
    }

#define OPTION_WEIGHTS_ONLY                                                                        \
    {                                                                                              \
        .name = "weights-only", .kind = DT_VALUE_FLAG, .offset = AT(weights_only),                 \
        .help = "omit the optimizer state (two thirds of the file), which only train --resume "    \
                "needs"                                                                            \
    }

#define OPTION_NO_REFERENCES                                                                       \
    {                                                                                              \
        .name = "no-references", .kind = DT_VALUE_FLAG, .offset = AT(no_references),               \
        .help = "omit the training sequences, if the model has them (train --store-references), "  \
                "which only predict --neighbours needs"                                            \
    }

/* ---- export ---------------------------------------------------------------------------------- */

static const dt_option export_options[] = {
    DT_OPTION_REQUIRED_CHECKPOINT(dt_convert_options),
    DT_OPTION_EXPECT_SHA256(dt_convert_options),
    OPTION_OUTPUT_FILE,
    {.name = "format",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(format),
     .default_value = "auto",
     .choices = "auto|h5|pt",
     .help = "h5: this program's format; pt: that of DeepTaxa 1.3.0; auto: by the name of the "
             "output file"},
    OPTION_WEIGHTS_ONLY,
    OPTION_NO_REFERENCES,
    DT_OPTION_MODEL_TOKENIZER(dt_convert_options),
    {0},
};

static dt_status check_export(const void *parsed)
{
    const dt_convert_options *options = parsed;
    const bool torch = dt_is_torch_name(options->output_file);
    if (options->format == DT_FORMAT_PT && !torch)
        return dt_fail(DT_ERR_USAGE, "--output-file %s: with --format pt, its name must end in .pt",
                       options->output_file);
    if (options->format == DT_FORMAT_H5 && torch)
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: with --format h5, its name must not end in .pt",
                       options->output_file);
    return DT_OK;
}

const dt_command dt_export_command = {
    .name = "export",
    .summary =
        "Verifies and copies a checkpoint, optionally without the optimizer state, and writes its "
        "SHA-256 beside it.",
    .usage = "--checkpoint CKPT --output-file CKPT [options]",
    .tables = {DT_OPTION_TABLE(export_options)},
    .options_size = sizeof(dt_convert_options),
    .check = check_export,
    .examples = {"deeptaxa export --checkpoint outputs/training/checkpoints/model.h5 "
                 "--output-file published.h5 --weights-only",
                 "deeptaxa export --checkpoint model.h5 --output-file kept/model.h5"},
};

/* ---- convert --------------------------------------------------------------------------------- */

static const dt_option convert_options[] = {
    DT_OPTION_REQUIRED_CHECKPOINT(dt_convert_options),
    DT_OPTION_EXPECT_SHA256(dt_convert_options),
    OPTION_OUTPUT_FILE,
    OPTION_WEIGHTS_ONLY,
    OPTION_NO_REFERENCES,
    DT_OPTION_MODEL_TOKENIZER(dt_convert_options),
    {.group = "Training set of a .pt file",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .help = "sequences that the model was trained and validated with: their lineages, strand and "
             "lengths are stored, which predict uses with --lineage and --orientation auto"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .reads = true,
     .help = "their taxonomy"},
    {0},
};

static dt_status check_convert(const void *parsed)
{
    const dt_convert_options *options = parsed;
    const char *name = options->output_file;
    const size_t length = strlen(name);
    const bool torch = dt_is_torch_name(name);
    if (!torch && (length <= 3 || strcmp(name + length - 3, ".h5") != 0))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: its name must end in .h5 or in .pt, which is the format",
                       name);
    if (!options->fasta_file != !options->taxonomy_file)
        return dt_fail(DT_ERR_USAGE, "--fasta-file and --taxonomy-file require each other");
    if (torch && options->fasta_file)
        return dt_fail(DT_ERR_USAGE,
                       "--fasta-file: a .pt file has no place for lineages, strand and lengths of "
                       "the training sequences: write an .h5 file");
    return DT_OK;
}

const dt_command dt_convert_command = {
    .name = "convert",
    .summary = "Converts checkpoints between this program's format, .h5, and DeepTaxa's, .pt.",
    .usage = "--checkpoint CKPT --output-file CKPT [options]",
    .tables = {DT_OPTION_TABLE(convert_options)},
    .options_size = sizeof(dt_convert_options),
    .check = check_convert,
    .examples = {"deeptaxa convert --checkpoint deeptaxa-v4.pt --output-file deeptaxa-v4.h5 "
                 "--fasta-file training.fna.gz --taxonomy-file training.tsv.gz",
                 "deeptaxa convert --checkpoint model.h5 --output-file model.pt"},
};
