/* Learning a strand profile or a vocabulary from a FASTA file ("-": standard input). The sequences
 * are normalised (sequence/normalize.h) if `normalize`, and replaced by their amplicons with
 * `amplicons` (data/sequence_reader.h; NULL: not). */
#ifndef DT_DATA_LEARN_H
#define DT_DATA_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "sequence/primer.h"
#include "sequence/strand.h"

/* Learns the profile of the strand that most sequences are on (dt_strand_learner_…()). */
dt_status dt_learn_strand(const char *fasta_file, bool normalize, const dt_cut *amplicons,
                          dt_strand_profile *profile);

/* A vocabulary, and the data it was learnt from. */
typedef struct {
    char *json; /* text of its tokenizer.json; the caller frees it */
    int32_t tokens;
    int64_t sequences;
    int64_t bases;
} dt_learnt_tokenizer;

/* Learns up to `size` tokens. `strand` is the profile by which sequences are reoriented; NULL: they
 * are not. */
dt_status dt_learn_tokenizer(const char *fasta_file, bool normalize, const dt_cut *amplicons,
                             const dt_strand_profile *strand, int32_t size,
                             dt_learnt_tokenizer *learnt);

#endif
