/* What `deeptaxa tokenizer` is asked for: its command line, checked. */
#ifndef DT_CLI_TOKENIZER_OPTIONS_H
#define DT_CLI_TOKENIZER_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    /* learning: both or neither */
    const char *fasta_file;  /* sequences to learn from; "-": standard input */
    const char *output_file; /* tokenizer.json to write */
    int64_t vocabulary_size; /* entries, specials included */

    /* encoding */
    dt_texts encode; /* sequences to look at; count 0: none */
    const char
        *tokenizer_file; /* tokenizer.json; NULL: the one just learnt, or the installation's */
    int64_t max_length;  /* tokens, specials included; 0: no limit */

    bool no_normalize;
} dt_tokenizer_options;

extern const dt_command dt_tokenizer_command;

#endif
