/* The byte-pair-encoding tokenizer: nucleotides to token ids, exactly as the Hugging Face
 * `tokenizers` library does it for the same `tokenizer.json` (Sennrich et al., ACL 2016). Merges
 * are applied by rank, leftmost first, in O(n log n) for a word of n characters through a priority
 * queue (bpe_merge.h), and in O(n) where the merges allow it, as those of every learnt vocabulary
 * do (bpe_walk.h).
 *
 * Reading and writing the JSON file is sequence/tokenizer_json.h; learning a vocabulary is
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
#define DT_MAX_AFFIX 8          /* ids before, and ids after a sequence */

/* What cuts the text into words before the merges, which never cross the end of a word. */
typedef enum {
    DT_PRE_TOKENIZER_NONE,             /* the whole text is one word */
    DT_PRE_TOKENIZER_WHITESPACE,       /* `Whitespace`: \w+|[^\w\s]+ of Unicode */
    DT_PRE_TOKENIZER_WHITESPACE_SPLIT, /* `WhitespaceSplit`: at white space only */
} dt_pre_tokenizer;

typedef struct dt_tokenizer dt_tokenizer; /* immutable once built: threads may share it */
typedef struct dt_encoder dt_encoder;     /* the working memory of one thread */

/* What a tokenizer.json says, as dt_tokenizer_create() takes it. All is copied. */
typedef struct {
    int32_t vocabulary_size;  /* 1 + largest id */
    const char *const *token; /* (vocabulary_size) UTF-8; NULL where an id is not used */
    int64_t merge_count;
    const char *const *merge_left;  /* (merge_count) by rank, the first is merged first */
    const char *const *merge_right; /* (merge_count) */
    dt_pre_tokenizer pre_tokenizer;
    int32_t unk_id;       /* -1: unknown characters are dropped */
    bool fuse_unk;        /* a run of unknown characters in a word is one token, not one each */
    int32_t pad_id;       /* of the padding token, [PAD]: its embedding stays zero; -1: none */
    int32_t prefix_count; /* ids put before a sequence: [CLS] */
    int32_t suffix_count; /* ids put after a sequence: [SEP]; truncation keeps them */
    int32_t prefix[DT_MAX_AFFIX];
    int32_t suffix[DT_MAX_AFFIX];
    int32_t special_count;     /* added tokens, found in the raw text before anything else */
    const int32_t *special_id; /* (special_count); where two match, the longer one counts */
} dt_tokenizer_spec;

/* DT_ERR_INPUT when a merge names a token that the vocabulary lacks, and the like. As in the
 * library that is copied, a pair that is listed twice merges at its last place in the list. */
dt_status dt_tokenizer_create(dt_tokenizer **out, const dt_tokenizer_spec *spec);
/* The tokenizer of --encoding onehot (sequence/onehot.h): one id a byte, no special tokens; the
 * unknown token is DT_ONEHOT_OTHER. */
dt_status dt_tokenizer_create_onehot(dt_tokenizer **out);
void dt_tokenizer_destroy(dt_tokenizer *tokenizer); /* NULL is fine */

dt_encoding dt_tokenizer_encoding(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_vocabulary_size(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_pad_id(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_unk_id(const dt_tokenizer *tokenizer);
/* Number of ids put before and after a sequence. */
int32_t dt_tokenizer_prefix_count(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_suffix_count(const dt_tokenizer *tokenizer);
/* The text of a token, NULL for an id that is not used. Belongs to the tokenizer. */
const char *dt_tokenizer_token(const dt_tokenizer *tokenizer, int32_t id);

dt_status dt_encoder_create(dt_encoder **out, const dt_tokenizer *tokenizer);
void dt_encoder_destroy(dt_encoder *encoder); /* NULL is fine */

/* Encodes `length` bytes of UTF-8, prefix and suffix included. An invalid byte counts as U+FFFD:
 * one unknown character, no letter. max_length > 0 truncates to that many tokens, specials included
 * (the suffix stays; DT_ERR_USAGE when prefix and suffix alone are more); 0 does not. *tokens
 * belongs to the encoder and is valid until its next call. */
dt_status dt_encoder_encode(dt_encoder *encoder, const char *bytes, size_t length,
                            int32_t max_length, const uint16_t **tokens, int32_t *count);

#endif
