#include "cli/describe_options.h"

#include "cli/shared_options.h"

#define AT(member) offsetof(dt_describe_options, member)

static const dt_option options[] = {
    DT_OPTION_REQUIRED_CHECKPOINT(dt_describe_options),
    DT_OPTION_EXPECT_SHA256(dt_describe_options),
    {.name = "export-metrics",
     .kind = DT_VALUE_TEXT,
     .offset = AT(export_metrics),
     .value = "FILE",
     .writes = true,
     .help = "also write the description to FILE as JSON"},
    {.name = "verbose",
     .kind = DT_VALUE_FLAG,
     .offset = AT(verbose),
     .help = "also print the name and shape of every tensor"},
    {0},
};

const dt_command dt_describe_command = {
    .name = "describe",
    .summary = "Prints a description of a checkpoint, without loading its tensors.",
    .usage = "--checkpoint CKPT [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_describe_options),
    .deeptaxa_names = "checkpoint export-metrics verbose",
    .examples = {"deeptaxa describe --checkpoint outputs/training/checkpoints/model.h5",
                 "deeptaxa describe --checkpoint model.h5 --export-metrics model.json"},
};
