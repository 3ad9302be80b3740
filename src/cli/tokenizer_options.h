/* The checked command line of `deeptaxa tokenizer`. */
#ifndef DT_CLI_TOKENIZER_OPTIONS_H
#define DT_CLI_TOKENIZER_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    /* learning: both or neither */
    const char *fasta_file;  /* sequences to learn from; "-": standard input */
    const char *output_file; /* tokenizer.json to write */
    int64_t vocabulary_size; /* tokens, including special tokens */

    /* encoding */
    dt_texts encode;            /* sequences to encode; count 0: none */
    const char *tokenizer_file; /* tokenizer.json; NULL: the one just learnt, or see
                                   dt_choose_tokenizer() */
    int64_t max_length;         /* tokens, including special tokens; 0: no limit */

    bool no_normalize;
} dt_tokenizer_options;

extern const dt_command dt_tokenizer_command;

#endif
