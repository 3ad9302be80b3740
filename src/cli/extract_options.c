#include "cli/extract_options.h"

#include "cli/primer_options.h"
#include "cli/shared_options.h"

#define AT(member) offsetof(dt_extract_options, member)

static const dt_option options[] = {
    {.group = "Input and output",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .required = true,
     .help = "reference sequences in FASTA, plain or compressed; -: standard input"},
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "FILE",
     .writes = true,
     .required = true,
     .help = "amplicons in FASTA, all on the forward strand, in upper case; -: standard output"},
    {.name = "taxonomy-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(taxonomy_file),
     .value = "FILE",
     .reads = true,
     .help =
         "taxonomy of the sequences; identical amplicons of different taxa are reported (default "
         "with --output-taxonomy: the lineages in the headers of --fasta-file)"},
    {.name = "output-taxonomy",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_taxonomy),
     .value = "FILE",
     .writes = true,
     .help = "taxonomy of the amplicons that are written, for `train`"},
    DT_OPTIONS_OF_PRIMERS(dt_extract_options, "Primers"),
    {.name = "identity",
     .kind = DT_VALUE_DOUBLE,
     .offset = AT(identity),
     .value = "X",
     .default_value = "0.8",
     .range = "[0.5, 1]",
     .help =
         "smallest share of a primer's bases that must match, without insertions and deletions"},
    {.name = "max-mismatch",
     .kind = DT_VALUE_INT,
     .offset = AT(max_mismatch),
     .value = "N",
     .range = "[0, 7]",
     .help = "largest number of mismatches in each primer, instead of --identity"},
    {.name = "read-orientation",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(read_orientation),
     .default_value = "both",
     .choices = "both|forward|reverse",
     .help = "strand of the sequences on which the primers are searched for"},
    {.name = "keep-primers",
     .kind = DT_VALUE_FLAG,
     .offset = AT(keep_primers),
     .help = "amplicons include the parts to which the primers bind"},
    {.group = "Amplicons",
     .name = "min-length",
     .kind = DT_VALUE_INT,
     .offset = AT(min_length),
     .value = "N",
     .default_value = "50",
     .range = "[1, 2147483647]",
     .help = "leave out amplicons of fewer bases"},
    {.name = "max-length",
     .kind = DT_VALUE_INT,
     .offset = AT(max_length),
     .value = "N",
     .default_value = "0",
     .range = "[0, 2147483647]",
     .help = "leave out amplicons of more bases; 0: no limit"},
    {.name = "trunc-length",
     .kind = DT_VALUE_INT,
     .offset = AT(trunc_length),
     .value = "N",
     .default_value = "0",
     .range = "[0, 2147483647]",
     .help = "keep the first N bases of longer amplicons, like reads of one direction; 0: all"},
    {.name = "identical",
     .kind = DT_VALUE_CHOICE,
     .offset = AT(identical),
     .default_value = "keep",
     .choices = "keep|merge|common",
     .help = "identical amplicons: keep all; merge: one for each lineage; common: one, with the "
             "common part of its lineages in --output-taxonomy"},
    {.group = "Machine",
     .name = "threads",
     .kind = DT_VALUE_INT,
     .offset = AT(threads),
     .value = "N",
     .default_value = "0",
     .range = "[0, 4096]",
     .help = "number of threads; 0: all available"},
    DT_OPTIONS_OF_MESSAGES(dt_extract_options),
    {0},
};

static dt_status check_primers(const dt_extract_options *extract)
{
    if (!extract->region && (!extract->forward_primer || !extract->reverse_primer))
        return dt_fail(DT_ERR_USAGE, "missing --region NAME, or --forward-primer SEQUENCE and "
                                     "--reverse-primer SEQUENCE");
    DT_TRY(dt_check_primers(extract->region, extract->forward_primer, extract->reverse_primer));
    if (dt_option_given(&extract->parsed, "identity") &&
        dt_option_given(&extract->parsed, "max-mismatch"))
        return dt_fail(DT_ERR_USAGE, "--identity cannot be combined with --max-mismatch");
    return DT_OK;
}

static dt_status check(const void *parsed)
{
    const dt_extract_options *extract = parsed;
    DT_TRY(check_primers(extract));
    if (extract->identical == DT_IDENTICAL_COMMON && !extract->output_taxonomy)
        return dt_fail(DT_ERR_USAGE, "--identical common requires --output-taxonomy, which has the "
                                     "common lineages");
    if (extract->max_length > 0 && extract->max_length < extract->min_length)
        return dt_fail(DT_ERR_USAGE, "--max-length %lld is less than --min-length %lld",
                       (long long)extract->max_length, (long long)extract->min_length);
    return DT_OK;
}

const dt_command dt_extract_command = {
    .name = "extract",
    .summary = "Cuts the amplicons of a primer pair out of reference sequences (PCR in silico).",
    .usage = "--fasta-file FILE --output-file FILE --region NAME | --forward-primer SEQUENCE "
             "--reverse-primer SEQUENCE [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_extract_options),
    .check = check,
    .examples = {"deeptaxa extract --fasta-file silva.fna.gz --region V4 --output-file v4.fna",
                 "deeptaxa extract --fasta-file silva.fna.gz --taxonomy-file silva.tsv.gz "
                 "--region V3V4 --output-file v3v4.fna --output-taxonomy v3v4.tsv"},
};
