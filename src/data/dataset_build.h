/* FASTA and taxonomy table → labelled, tokenised sequences in memory.
 *
 * One thread reads ahead while the others normalise and encode; the sequences keep the order of
 * the FASTA file, and the result does not depend on the number of threads. Labels are numbered over
 * the whole taxonomy table, sequence or not (docs/model.md 1).
 *
 * Said to the user, each once with its count: gap characters that were dropped, sequences that were
 * reverse-complemented, sequences without a row (they become `Unclassified` at every rank) and
 * those with one once annotations of the ids are left out, rows without a sequence, sequences that
 * share a row, sequences that a model cannot judge (sequence/judge.h), ranks of a single class.
 */
#ifndef DT_DATA_DATASET_BUILD_H
#define DT_DATA_DATASET_BUILD_H

#include <stdbool.h>

#include "comm.h"
#include "core/status.h"
#include "data/dataset.h"
#include "sequence/tokenizer.h"

typedef struct {
    const char *fasta_file;          /* plain or compressed; "-" is standard input */
    const char *taxonomy_file;       /* either format of taxonomy/taxonomy_table.h; "-" likewise */
    bool normalize;                  /* sequence/normalize.h; off with --no-normalize */
    const dt_strand_profile *strand; /* --orientation auto: sequences of the other strand are
                                        turned; NULL: all stay, and their profile is learnt */
    int threads;                     /* that read and encode; 1 or more */
    const dt_tokenizer *tokenizer;
    const char *tokenizer_json; /* the whole file, copied into the dataset; NULL with one-hot */
    const char *tokenizer_name; /* likewise */
    dt_comm *comm;   /* processes that share the tokenising (data/token_shares.h); NULL: alone */
    bool everywhere; /* all of them want the tokens, not world_rank 0 alone */
    bool *agreed;    /* with comm: set when all have the same failure (dt_agree) */
} dt_dataset_build_options;

/* DT_ERR_USAGE where FASTA and taxonomy should both come from standard input ("-") or one pipe, or
 * one of them be read so by several processes, of which it reaches one; comm NULL: one process. */
dt_status dt_check_standard_input(const char *fasta_file, const char *taxonomy_file,
                                  const dt_comm *comm);

/* Builds the dataset; freed with dt_dataset_free(). Collective where there is a communicator: the
 * processes agree on a failure, and one that *agreed does not tell must end the others.
 * DT_ERR_INPUT as io/fasta.h and taxonomy/taxonomy_table.h say, and for an id that occurs twice in
 * the FASTA file, a sequence of gap characters only, and files whose ids have nothing in common. On
 * failure the dataset is empty. */
dt_status dt_dataset_build(dt_dataset *dataset, const dt_dataset_build_options *options);

#endif
