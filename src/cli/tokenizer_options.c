#include "cli/tokenizer_options.h"

#include "cli/shared_options.h"

#define AT(member) offsetof(dt_tokenizer_options, member)

static const dt_option options[] = {
    {.group = "Learning a vocabulary",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .reads = true,
     .help = "sequences to learn from, in FASTA, plain or compressed; -: standard input"},
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "FILE",
     .writes = true,
     .help = "tokenizer.json to write, in the format of Hugging Face tokenizers; -: "
             "standard output"},
    {.name = "vocabulary-size",
     .kind = DT_VALUE_INT,
     .offset = AT(vocabulary_size),
     .value = "N",
     .default_value = "4096",
     .range = "[9, 65536]",
     .help = "number of tokens, including 5 special ones; 9: only A, C, G and T"},
    {.group = "Encoding sequences",
     .name = "encode",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(dt_tokenizer_options, encode, dt_texts),
     .value = "SEQUENCE",
     .help = "print the tokens of these sequences, one per line: sequence, position, id and text"},
    {.name = "tokenizer-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(tokenizer_file),
     .value = "FILE",
     .reads = true,
     .help = "tokenizer.json to encode with (default: the one just learnt, else the file in "
             "DEEPTAXA_TOKENIZER, else the installed one)"},
    {.name = "max-length",
     .kind = DT_VALUE_INT,
     .offset = AT(max_length),
     .value = "N",
     .default_value = "0",
     .range = "[0, 65536]",
     .needs = {.option = "encode"},
     .help = "truncate to N tokens, including special tokens; 0: no limit"},
    {.group = "Both",
     .name = "no-normalize",
     .kind = DT_VALUE_FLAG,
     .offset = AT(no_normalize),
     .help = "use the sequences unchanged (default: convert to upper case and U to T, remove "
             "gaps)"},
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_tokenizer_options *tokenizer = parsed;
    const bool learns = tokenizer->fasta_file || tokenizer->output_file;
    if (!learns && !tokenizer->encode.count)
        return dt_fail(DT_ERR_USAGE, "nothing to do: give --fasta-file FILE and --output-file FILE "
                                     "to learn a vocabulary, or --encode SEQUENCE to print tokens");
    if (learns && !tokenizer->fasta_file)
        return dt_fail(DT_ERR_USAGE, "missing --fasta-file FILE: the sequences to learn from");
    if (learns && !tokenizer->output_file)
        return dt_fail(DT_ERR_USAGE, "missing --output-file FILE: the tokenizer.json to write");
    if (learns && tokenizer->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file cannot be combined with --fasta-file, which "
                                     "learns a new tokenizer");
    if (!learns && dt_option_given(&tokenizer->parsed, "vocabulary-size"))
        return dt_fail(DT_ERR_USAGE, "--vocabulary-size requires --fasta-file and --output-file");
    return DT_OK;
}

const dt_command dt_tokenizer_command = {
    .name = "tokenizer",
    .summary = "Learns a byte-pair vocabulary from FASTA, and prints the tokens of sequences.",
    .usage = "--fasta-file FILE --output-file FILE | --encode SEQUENCE ... [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_tokenizer_options),
    .check = check,
    .examples = {"deeptaxa tokenizer --fasta-file train.fna.gz --output-file tokenizer.json",
                 "deeptaxa tokenizer --tokenizer-file tokenizer.json --encode "
                 "AGAGTTTGATCCTGGCTCAG"},
};
