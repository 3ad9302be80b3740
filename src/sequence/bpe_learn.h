/* Learns a byte-pair encoding from sequences (Sennrich et al., ACL 2016): again and again, the pair
 * of neighbouring symbols that occurs most often becomes a new token.
 *
 * Of pairs that occur equally often, the one with the smaller left id, then the smaller right id,
 * is taken; occurrences are counted overlapping and merged from left to right. That is what the
 * trainer of the Hugging Face `tokenizers` library does, and the result is the same vocabulary and
 * merges, in the same order, for the same text (tests/parity).
 *
 * Ids: 0 [UNK], 1 [CLS], 2 [SEP], 3 [PAD], 4 [MASK], then the alphabet in byte order, then one
 * token a merge. The alphabet is A, C, G and T, and each other ASCII letter that makes up 1 % of
 * the characters or more (lower case that was not normalised; U). Every other character, N as a
 * rule, parts the words: no token reaches across it, and the tokenizer makes it [UNK].
 *
 * Memory is bounded: of more than `max_bases` characters a sample is kept, every second, fourth,
 * eighth … sequence, evenly over all that were added. Learning takes about 20 bytes a character.
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

/* What was learnt. */
typedef struct {
    int32_t vocabulary_size;  /* less than asked for where no pair occurs twice any more */
    char **token;             /* (vocabulary_size) */
    int64_t merge_count;      /* */
    const char **merge_left;  /* (merge_count) point into token */
    const char **merge_right; /* (merge_count) */
    int64_t sequences_added;  /* what the learner was given */
    int64_t sequences_used;   /* and what it kept */
    int64_t bases_used;
} dt_bpe;

/* target_size: entries of the vocabulary, specials included. DT_ERR_USAGE when it is smaller than
 * the specials and A, C, G, T, or larger than DT_MAX_VOCABULARY. max_bases > 0, at most 2^30. */
dt_status dt_bpe_learner_create(dt_bpe_learner **out, int32_t target_size, size_t max_bases);
void dt_bpe_learner_destroy(dt_bpe_learner *learner); /* NULL is fine */

/* Adds one sequence, normalised as it will be for encoding. The bytes are copied. */
dt_status dt_bpe_learner_add(dt_bpe_learner *learner, const char *sequence, size_t length);

/* Learns from what was added. DT_ERR_INPUT when nothing was, or no character of it is in the
 * alphabet; DT_ERR_USAGE when the alphabet alone is larger than the target size. */
dt_status dt_bpe_learner_finish(dt_bpe_learner *learner, dt_bpe **out);
void dt_bpe_destroy(dt_bpe *bpe); /* NULL is fine */

/* The tokenizer of what was learnt: [CLS] … [SEP], pre-tokenizer Whitespace. The spec points into
 * `bpe`. */
void dt_bpe_spec(const dt_bpe *bpe, dt_tokenizer_spec *spec);

#endif
