#include "cli/tokenizer_options.h"

#include "cli/shared_options.h"

#define AT(member) offsetof(dt_tokenizer_options, member)

static const dt_option options[] = {
    {.group = "Learning a vocabulary",
     .name = "fasta-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(fasta_file),
     .value = "FILE",
     .help = "sequences to learn from: FASTA, plain or compressed; - is standard input"},
    {.name = "output-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(output_file),
     .value = "FILE",
     .help = "tokenizer.json to write, readable by Hugging Face tokenizers too"},
    {.name = "vocabulary-size",
     .kind = DT_VALUE_INT,
     .offset = AT(vocabulary_size),
     .value = "N",
     .default_value = "4096",
     .range = "[9, 65536]",
     .help = "entries, the five special ones included; 9: A, C, G and T alone"},
    {.group = "Looking at tokens",
     .name = "encode",
     .kind = DT_VALUE_TEXTS,
     DT_OPTION_LIST(dt_tokenizer_options, encode, dt_texts),
     .value = "SEQUENCE",
     .help = "prints the tokens of these sequences: number, id and text, one line each"},
    {.name = "tokenizer-file",
     .kind = DT_VALUE_TEXT,
     .offset = AT(tokenizer_file),
     .value = "FILE",
     .help = "tokenizer.json to encode with; without it the one just learnt, then the file that "
             "DEEPTAXA_TOKENIZER names, then the installation's"},
    {.name = "max-length",
     .kind = DT_VALUE_INT,
     .offset = AT(max_length),
     .value = "N",
     .default_value = "0",
     .range = "[0, 65536]",
     .help = "cuts to so many tokens, specials included; 0: does not cut"},
    {.group = "Both",
     .name = "no-normalize",
     .kind = DT_VALUE_FLAG,
     .offset = AT(no_normalize),
     .help = "keeps the sequences as they are: else upper case, U read as T, gaps dropped"},
    {0},
};

static dt_status check(const void *parsed)
{
    const dt_tokenizer_options *tokenizer = parsed;
    const bool learns = tokenizer->fasta_file || tokenizer->output_file;
    if (!learns && !tokenizer->encode.count)
        return dt_fail(DT_ERR_USAGE, "nothing to do: --fasta-file FILE with --output-file FILE "
                                     "learns a vocabulary, --encode SEQUENCE shows tokens");
    if (learns && !tokenizer->fasta_file)
        return dt_fail(DT_ERR_USAGE, "missing --fasta-file FILE: the sequences to learn from");
    if (learns && !tokenizer->output_file)
        return dt_fail(DT_ERR_USAGE, "missing --output-file FILE: the tokenizer.json to write");
    if (learns && tokenizer->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: excluded by --fasta-file, which learns a "
                                     "new one");
    if (!learns && dt_option_given(&tokenizer->parsed, "vocabulary-size"))
        return dt_fail(DT_ERR_USAGE, "--vocabulary-size: only with --fasta-file and --output-file");
    return DT_OK;
}

const dt_command dt_tokenizer_command = {
    .name = "tokenizer",
    .summary = "Learns a byte-pair vocabulary from FASTA, and shows how sequences are cut into "
               "tokens.",
    .usage = "--fasta-file FILE --output-file FILE | --encode SEQUENCE ... [options]",
    .tables = {DT_OPTION_TABLE(options)},
    .options_size = sizeof(dt_tokenizer_options),
    .check = check,
    .examples = {"deeptaxa tokenizer --fasta-file train.fna.gz --output-file tokenizer.json",
                 "deeptaxa tokenizer --tokenizer-file tokenizer.json --encode "
                 "AGAGTTTGATCCTGGCTCAG"},
};
