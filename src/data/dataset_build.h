/* Builds a dataset in memory from a FASTA file and a taxonomy table.
 *
 * One thread reads ahead while the others normalise and encode. The sequences keep the order of
 * the FASTA file; the result does not depend on the number of threads. All labels of the taxonomy
 * table are numbered, also those without a sequence (docs/model.md 1).
 *
 * Logs each of the following once, with its count: amplicons, dropped gap characters,
 * reverse-complemented sequences, sequences without a row (`Unclassified` at every rank), sequences
 * whose id matches only without annotations, rows without a sequence, sequences that share a row,
 * sequences that a model cannot judge (sequence/judge.h), ranks with a single class.
 */
#ifndef DT_DATA_DATASET_BUILD_H
#define DT_DATA_DATASET_BUILD_H

#include <stdbool.h>

#include "comm.h"
#include "core/status.h"
#include "data/dataset.h"
#include "sequence/primer.h"
#include "sequence/tokenizer.h"

typedef struct {
    const char *fasta_file;          /* plain or compressed; "-": standard input */
    const char *taxonomy_file;       /* format: taxonomy/taxonomy_table.h; "-" likewise; NULL, or
                                        the path of fasta_file: lineages are in its headers */
    bool normalize;                  /* sequence/normalize.h */
    const dt_cut *amplicons;         /* train on the amplicons of the sequences, without those that
                                        have none (data/sequence_reader.h); NULL: on all */
    const dt_strand_profile *strand; /* reorient sequences of the other strand (--orientation
                                        auto); NULL: keep all, and learn their profile */
    int threads;                     /* for reading and encoding; at least 1 */
    const dt_tokenizer *tokenizer;
    const char *tokenizer_json; /* text of the file, copied; NULL with one-hot */
    const char *tokenizer_name; /* copied */
    bool trained; /* the sequences of a trained model: nothing is said about classes */
    dt_comm
        *comm; /* processes that share the tokenising (data/token_shares.h); NULL: one process */
    const char *token_folder; /* the tokens, most of the memory, go to an unnamed temporary file in
                                 this folder (dataset->token_file), unless several processes share
                                 them; NULL: they stay in memory */
    bool everywhere;          /* all processes need the tokens, not only world_rank 0 */
    bool *agreed;             /* with comm: set if all processes have the same failure (dt_agree) */
} dt_dataset_build_options;

/* Returns DT_ERR_USAGE if FASTA and taxonomy are both standard input ("-") or the same pipe, or if
 * several processes would have to read one of them from there. taxonomy_file NULL: lineages are in
 * the headers of fasta_file; comm NULL: one process. */
dt_status dt_check_standard_input(const char *fasta_file, const char *taxonomy_file,
                                  const dt_comm *comm);

/* Builds the dataset; free it with dt_dataset_free(). Collective with a communicator: if the
 * processes have the same failure, *agreed is set; otherwise a process that fails must abort the
 * others. DT_ERR_INPUT as in io/fasta.h and taxonomy/taxonomy_table.h, for a duplicate id in the
 * FASTA file, for a sequence of gap characters only, and if the files have no ids in common. On
 * failure the dataset is empty. */
dt_status dt_dataset_build(dt_dataset *dataset, const dt_dataset_build_options *options);

#endif
