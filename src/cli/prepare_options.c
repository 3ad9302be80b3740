#include "cli/prepare_options.h"

#include "cli/primer_options.h"
#include "cli/shared_options.h"
#include "run/settings.h"
#include "sequence/onehot.h"

#define AT(member) offsetof(dt_prepare_options, member)

static const dt_option options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .required = true,
     .help = "sequences in FASTA, plain or compressed; -: standard input"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .reads = true,
     .help = "taxonomy: a table with sequence_id and one column per rank, or QIIME 2 format, plain "
             "or compressed (default: the lineages in the headers of --fasta-file)"},
    {.name = "output-dir",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_dir),
     .value = "DIR",
     .required = true,
     .help = "directory for the shards; created if missing"},
    DT_OPTION_TOKENIZER_FILE(dt_prepare_options),
    DT_OPTION_ENCODING(dt_prepare_options, encoding),
    DT_OPTION_NO_NORMALIZE(dt_prepare_options),
    DT_OPTION_ORIENTATION(dt_prepare_options),
    {.name = "sequences-per-shard",
     .kind = DT_VALUE_INT,
     .offset = AT(sequences_per_shard),
     .value = "N",
     .default_value = "65536",
     .range = "[1, 100000000]",
     .help = "sequences per file"},
    DT_OPTIONS_OF_PRIMERS(dt_prepare_options,
                          "Region: keep the amplicon of each sequence instead of "
                          "the whole"),
    {.group = "Machine",
     .name = "threads",
     .kind = DT_VALUE_INT,
     .offset = AT(threads),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "number of tokenisation threads; 0: all available"},
    DT_OPTION_COLLECTIVE_TIMEOUT(dt_prepare_options),
    DT_OPTIONS_OF_MESSAGES(dt_prepare_options),
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_prepare_options *prepare = parsed;
    if (prepare->encoding == DT_ENCODING_ONEHOT && prepare->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file cannot be combined with --encoding onehot, "
                                     "which needs no tokenizer");
    return dt_check_primers(prepare->region, prepare->forward_primer, prepare->reverse_primer);
}

const dt_command dt_prepare_command = {
    .name = "prepare",
    .summary =
        "Tokenises training data once for many runs, as shards (HDF5); MPI processes share the "
        "work.",
    .usage = "--fasta-file FILE --taxonomy-file FILE --output-dir DIR [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_prepare_options),
    .check = check,
    .examples = {"deeptaxa prepare --fasta-file train.fna.gz --taxonomy-file train.tsv.gz "
                 "--output-dir shards",
                 "deeptaxa train --data shards --output-dir outputs/training"},
};
