#include "cli/calibrate_options.h"

#include "cli/shared_options.h"
#include "run/torch_write.h"

#define AT(member) offsetof(dt_calibrate_options, member)

static const dt_option options[] = {
    DT_OPTION_REQUIRED_CHECKPOINT(dt_calibrate_options),
    DT_OPTION_EXPECT_SHA256(dt_calibrate_options),
    {.name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .required = true,
     .help = "held-out sequences, not used in training, in FASTA, plain or compressed; -: standard "
             "input"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .reads = true,
     .required = true,
     .help = "their true taxonomy"},
    DT_OPTION_MODEL_TOKENIZER(dt_calibrate_options),
    {.name = "add-references",
     .kind = DT_VALUE_TEXT,
     .offset = AT(add_references),
     .value = "FASTA",
     .reads = true,
     .help =
         "labelled sequences to store with the model for predict --neighbours, such as those it "
         "was trained with: a model that is shared then publishes them"},
    {.name = "reference-taxonomy",
     .kind = DT_VALUE_TEXT,
     .offset = AT(reference_taxonomy),
     .value = "FILE",
     .reads = true,
     .help = "their taxonomy (default: the lineages in the headers of --add-references)"},
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "CKPT",
     .writes = true,
     .help = "checkpoint to write, with the temperatures and without the optimizer state (default: "
             "beside the model, with its name and _calibrated); name it to predict: the directory "
             "of a run stands for the newest checkpoint of its training"},

    DT_OPTIONS_OF_PREDICTING(dt_calibrate_options),
    DT_OPTIONS_OF_MESSAGES(dt_calibrate_options),
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_calibrate_options *o = parsed;
    if (o->reference_taxonomy && !o->add_references)
        return dt_fail(DT_ERR_USAGE, "--reference-taxonomy requires --add-references");
    if (o->add_references && o->output_file && dt_is_torch_name(o->output_file))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: a .pt file has no place for the references of "
                       "--add-references: write an .h5 file",
                       o->output_file);
    return DT_OK;
}

const dt_command dt_calibrate_command = {
    .name = "calibrate",
    .summary =
        "Calibrates a model's confidences: fits one temperature per taxonomic rank on held-out "
        "sequences and, for a model with references, how their vote is used.",
    .usage = "--checkpoint CKPT --fasta-file FILE --taxonomy-file FILE [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_calibrate_options),
    .check = check,
    .examples = {"deeptaxa calibrate --checkpoint model.h5 --fasta-file heldout.fna.gz "
                 "--taxonomy-file heldout.tsv.gz",
                 "deeptaxa predict --checkpoint model_calibrated.h5 --fasta-file reads.fna.gz"},
};
