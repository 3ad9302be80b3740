#include "cli/export_options.h"

#include "cli/shared_options.h"

#define AT(member) offsetof(dt_export_options, member)

static const dt_option options[] = {
    DT_OPTION_REQUIRED_CHECKPOINT(dt_export_options),
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "CKPT",
     .required = true,
     .help = "checkpoint to write; an existing file is replaced"},
    {.name = "weights-only",
     .kind = DT_VALUE_FLAG,
     .offset = AT(weights_only),
     .help = "omit the optimizer state (two thirds of the file), which only train --resume needs"},
    {0},
};

const dt_command dt_export_command = {
    .name = "export",
    .summary = "Verifies and copies a checkpoint, optionally without the optimizer state.",
    .usage = "--checkpoint CKPT --output-file CKPT [--weights-only]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_export_options),
    .examples = {"deeptaxa export --checkpoint outputs/training/checkpoints/model.h5 "
                 "--output-file published.h5 --weights-only",
                 "deeptaxa export --checkpoint model.h5 --output-file kept/model.h5"},
};
