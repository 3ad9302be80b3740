/* The checked command line of `deeptaxa prepare`. */
#ifndef DT_CLI_PREPARE_OPTIONS_H
#define DT_CLI_PREPARE_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *fasta_file;     /* never NULL; "-": standard input */
    const char *taxonomy_file;  /* NULL: lineages are in the headers of fasta_file */
    const char *output_dir;     /* never NULL */
    const char *tokenizer_file; /* tokenizer.json; NULL: see dt_choose_tokenizer() */
    int encoding;               /* dt_encoding; one-hot without a tokenizer_file */
    bool no_normalize;
    int orientation; /* dt_orientation */
    int64_t sequences_per_shard;
    const char *region; /* dt_primers_choose(), as are the next two */
    const char *forward_primer;
    const char *reverse_primer;
    int64_t threads;           /* 0: all available */
    double collective_timeout; /* seconds; 0: no limit */
} dt_prepare_options;

extern const dt_command dt_prepare_command;

#endif
