/* Learning a vocabulary from a FASTA file. */
#ifndef DT_DATA_LEARN_TOKENIZER_H
#define DT_DATA_LEARN_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "sequence/strand.h"

/* A vocabulary, and what it was learnt from. */
typedef struct {
    char *json; /* the text of its tokenizer.json, the caller's to free() */
    int32_t tokens;
    int64_t sequences;
    int64_t bases;
} dt_learnt_tokenizer;

/* Learns up to `size` tokens from the sequences of a FASTA file ("-": standard input), normalised
 * (sequence/normalize.h) or as they are, and turned by the profile `strand`, or with NULL not. */
dt_status dt_learn_tokenizer(const char *fasta_file, bool normalize,
                             const dt_strand_profile *strand, int32_t size,
                             dt_learnt_tokenizer *learnt);

#endif
