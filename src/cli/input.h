/* From the files that a command line names to labelled, tokenised sequences in memory: the part
 * that `train` and `prepare` share. */
#ifndef DT_CLI_INPUT_H
#define DT_CLI_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/status.h"
#include "data/dataset.h"

typedef struct {
    const char *fasta_file;
    const char *taxonomy_file; /* NULL: lineages are in the headers of fasta_file */
    dt_encoding encoding; /* one-hot: a tokenizer is not looked for; one that is named is told */
    const char *tokenizer_file; /* --tokenizer-file, NULL when not given */
    const char *tokenizer_name; /* --tokenizer-name, NULL when not given */
    /* A tokenizer that is known already, from the checkpoint of a run that goes on: its text and
     * what to call it. Both NULL: chosen by the two above. */
    const char *tokenizer_json;
    const char *tokenizer_json_name;
    bool trained;       /* the sequences of a trained model, whose tokenizer is not told */
    bool normalize;     /* sequence/normalize.h */
    bool orient;        /* --orientation auto: sequences of the other strand are turned */
    dt_primers primers; /* the sequences are cut to their amplicons; empty: they are not */
    const dt_strand_profile *strand; /* by this profile; NULL: by one learnt of the sequences */
    int threads;                     /* that tokenise, at least 1 (cli/threads.h) */
    dt_comm *comm;                   /* processes that tokenise together; NULL: alone */
    const char *token_folder;        /* as in data/dataset_build.h */
    bool everywhere;                 /* all of them want the tokens, not world_rank 0 alone */
    bool *agreed;                    /* with comm: set when all have the same failure (dt_agree) */
} dt_input;

/* Cuts amplicons, where primers are given; takes or learns the strand (sequence/strand.h) where
 * that is asked for; takes, chooses (dt_choose_tokenizer()) or learns the tokenizer, saying which;
 * then builds the dataset, freed with dt_dataset_free(). DT_ERR_INPUT as data/dataset_build.h says,
 * and where something should be learnt from standard input or a pipe, which can be read only once:
 * told before it is opened. */
dt_status dt_read_input(const dt_input *input, dt_dataset *dataset);

#endif
