/* Learns a byte-pair encoding from sequences (Sennrich et al., ACL 2016): the most frequent pair of
 * neighbouring symbols repeatedly becomes a new token.
 *
 * Of equally frequent pairs, the one with the smaller left id, then the smaller right id, is
 * chosen; occurrences are counted with overlaps and merged from left to right. The trainer of the
 * Hugging Face `tokenizers` library does the same: the same text gives the same vocabulary and the
 * same merges in the same order (tests/parity).
 *
 * Ids: 0 [UNK], 1 [CLS], 2 [SEP], 3 [PAD], 4 [MASK], then the alphabet in byte order, then one
 * token per merge. The alphabet is A, C, G and T, and every other ASCII letter that is at least 1 %
 * of the characters (lower case that was not normalised; U). All other characters, usually N,
 * separate words: no token extends across them, and the tokenizer maps them to [UNK].
 *
 * Memory is bounded: of more than `max_bases` characters only a sample is used, every second,
 * fourth, eighth … sequence, spread evenly over all that were added. Learning takes about 20 bytes
 * per character.
 */
#ifndef DT_SEQUENCE_BPE_LEARN_H
#define DT_SEQUENCE_BPE_LEARN_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "sequence/tokenizer.h"

#define DT_BPE_DEFAULT_SIZE 4096
#define DT_BPE_DEFAULT_BASES ((size_t)16 << 20) /* 11,000 full-length 16S sequences */

typedef struct dt_bpe_learner dt_bpe_learner;

/* A learnt encoding. */
typedef struct {
    int32_t vocabulary_size; /* less than the target if no pair occurs twice any more */
    char **token;            /* (vocabulary_size) */
    int64_t merge_count;
    const char **merge_left;  /* (merge_count) pointers into token */
    const char **merge_right; /* (merge_count) */
    int64_t sequences_added;  /* sequences given to the learner */
    int64_t sequences_used;   /* sequences in its sample */
    int64_t bases_used;
} dt_bpe;

/* Creates a learner. target_size: entries of the vocabulary, including special tokens. DT_ERR_USAGE
 * if it is smaller than the special tokens and A, C, G, T, or larger than DT_MAX_VOCABULARY.
 * max_bases > 0, at most 2^30. */
dt_status dt_bpe_learner_create(dt_bpe_learner **out, int32_t target_size, size_t max_bases);
void dt_bpe_learner_destroy(dt_bpe_learner *learner); /* NULL is allowed */

/* Adds a copy of one sequence, normalised as for encoding. */
dt_status dt_bpe_learner_add(dt_bpe_learner *learner, const char *sequence, size_t length);

/* Learns from the sequences added. DT_ERR_INPUT if there are none, or no character of the alphabet;
 * DT_ERR_USAGE if the alphabet itself exceeds the target size. */
dt_status dt_bpe_learner_finish(dt_bpe_learner *learner, dt_bpe **out);
void dt_bpe_destroy(dt_bpe *bpe); /* NULL is allowed */

/* Describes the learnt tokenizer: [CLS] … [SEP], pre-tokenizer Whitespace. The spec points into
 * `bpe`. */
void dt_bpe_spec(const dt_bpe *bpe, dt_tokenizer_spec *spec);

#endif
