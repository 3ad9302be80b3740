/* The byte-pair-encoding tokenizer: nucleotides to token ids, with the same result as the Hugging
 * Face `tokenizers` library for the same `tokenizer.json` (Sennrich et al., ACL 2016). Merges are
 * applied by rank, leftmost first: in O(n log n) for a word of n characters with a priority queue
 * (bpe_merge.h), or in O(n) if the merges permit it, as those of all learnt vocabularies do
 * (bpe_walk.h).
 *
 * For reading and writing the JSON file see sequence/tokenizer_json.h, for learning a vocabulary
 * sequence/bpe_learn.h.
 */
#ifndef DT_SEQUENCE_TOKENIZER_H
#define DT_SEQUENCE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "sequence/onehot.h"

#define DT_MAX_VOCABULARY 65536 /* token ids fit 16 bits */
#define DT_MAX_AFFIX 8          /* maximum number of ids before a sequence, and after it */

/* How the text is split into words before the merges, which stay within a word. */
typedef enum {
    DT_PRE_TOKENIZER_NONE,             /* the whole text is one word */
    DT_PRE_TOKENIZER_WHITESPACE,       /* `Whitespace`: \w+|[^\w\s]+ of Unicode */
    DT_PRE_TOKENIZER_WHITESPACE_SPLIT, /* `WhitespaceSplit`: split at white space only */
} dt_pre_tokenizer;

typedef struct dt_tokenizer dt_tokenizer; /* immutable once built: threads may share it */
typedef struct dt_encoder dt_encoder;     /* working memory of one thread */

/* Description of a tokenizer, as in tokenizer.json; dt_tokenizer_create() copies it. */
typedef struct {
    int32_t vocabulary_size;  /* 1 + largest id */
    const char *const *token; /* (vocabulary_size) UTF-8; NULL for unused ids */
    int64_t merge_count;
    const char *const *merge_left;  /* (merge_count) in order of rank */
    const char *const *merge_right; /* (merge_count) */
    dt_pre_tokenizer pre_tokenizer;
    int32_t unk_id;       /* -1: unknown characters are removed */
    bool fuse_unk;        /* consecutive unknown characters in a word become one token */
    int32_t pad_id;       /* id of [PAD], whose embedding stays zero; -1: none */
    int32_t prefix_count; /* ids added before a sequence: [CLS] */
    int32_t suffix_count; /* ids added after a sequence: [SEP]; truncation keeps them */
    int32_t prefix[DT_MAX_AFFIX];
    int32_t suffix[DT_MAX_AFFIX];
    int32_t special_count;     /* added tokens, searched in the raw text first */
    const int32_t *special_id; /* (special_count); the longest match counts */
} dt_tokenizer_spec;

/* Creates a tokenizer. DT_ERR_INPUT if the spec is inconsistent, such as a merge of a token that is
 * not in the vocabulary. As in the `tokenizers` library, a pair listed twice has its last rank. */
dt_status dt_tokenizer_create(dt_tokenizer **out, const dt_tokenizer_spec *spec);
/* Creates the tokenizer of --encoding onehot (sequence/onehot.h): one id per byte, no special
 * tokens; the unknown token is DT_ONEHOT_OTHER. */
dt_status dt_tokenizer_create_onehot(dt_tokenizer **out);
void dt_tokenizer_destroy(dt_tokenizer *tokenizer); /* NULL is allowed */

dt_encoding dt_tokenizer_encoding(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_vocabulary_size(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_pad_id(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_unk_id(const dt_tokenizer *tokenizer);
/* Returns the number of ids added before a sequence, or after it. */
int32_t dt_tokenizer_prefix_count(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_suffix_count(const dt_tokenizer *tokenizer);
/* Returns the text of a token, NULL for an unused id. The tokenizer owns it. */
const char *dt_tokenizer_token(const dt_tokenizer *tokenizer, int32_t id);

dt_status dt_encoder_create(dt_encoder **out, const dt_tokenizer *tokenizer);
void dt_encoder_destroy(dt_encoder *encoder); /* NULL is allowed */

/* Encodes `length` bytes of UTF-8, with prefix and suffix. An invalid byte is treated as U+FFFD, an
 * unknown character that is not a letter. max_length > 0 truncates to that many tokens, including
 * prefix and suffix, which are retained (DT_ERR_USAGE if they alone exceed it); 0 does not
 * truncate. The encoder owns *tokens, valid until its next call. */
dt_status dt_encoder_encode(dt_encoder *encoder, const char *bytes, size_t length,
                            int32_t max_length, const uint16_t **tokens, int32_t *count);

#endif
