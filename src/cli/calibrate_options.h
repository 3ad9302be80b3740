/* The checked command line of `deeptaxa calibrate`. */
#ifndef DT_CLI_CALIBRATE_OPTIONS_H
#define DT_CLI_CALIBRATE_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *fasta_file;         /* never NULL; "-": standard input */
    const char *taxonomy_file;      /* never NULL */
    const char *tokenizer_file;     /* of a model that has none; NULL: where the programs look */
    const char *checkpoint;         /* never NULL */
    const char *expect_sha256;      /* NULL: not given */
    const char *add_references;     /* FASTA; NULL: none */
    const char *reference_taxonomy; /* its table; NULL: lineages are in its headers */
    const char *output_file;        /* NULL: in the directory of the checkpoint */

    int64_t batch_size;
    int device;          /* index into auto|cpu|cuda; dt_option_choice() gives its name */
    int precision;       /* dt_precision */
    int attention;       /* dt_attention_method */
    int64_t threads;     /* 0: all available */
    int64_t num_workers; /* tokenisation threads; 0: same as `threads` */
} dt_calibrate_options;

extern const dt_command dt_calibrate_command;

#endif
