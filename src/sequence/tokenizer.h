/* The byte-pair-encoding tokenizer: nucleotides to token ids, exactly as the Hugging Face
 * `tokenizers` library does it for the same `tokenizer.json` (Sennrich et al., ACL 2016; here with
 * merges applied by rank through a priority queue, O(n log n) for a word of n characters).
 *
 * Reading and writing the JSON file is io/tokenizer_json.h; learning a vocabulary is
 * sequence/bpe_learn.h.
 */
#ifndef DT_SEQUENCE_TOKENIZER_H
#define DT_SEQUENCE_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MAX_VOCABULARY 65536 /* token ids fit 16 bits */

typedef struct dt_tokenizer dt_tokenizer; /* immutable once built: threads may share it */
typedef struct dt_encoder dt_encoder;     /* the working memory of one thread */

/* What a tokenizer.json says, as dt_tokenizer_create() takes it. All is copied. */
typedef struct {
    int32_t vocabulary_size;  /* 1 + largest id */
    const char *const *token; /* (vocabulary_size) UTF-8; NULL where an id is not used */
    int64_t merge_count;
    const char *const *merge_left;  /* (merge_count) by rank, the first is merged first */
    const char *const *merge_right; /* (merge_count) */
    int32_t unk_id;                 /* -1: unknown characters are dropped */
    int32_t pad_id;                 /* id of the padding token, [PAD]: its embedding stays zero */
    int32_t prefix_count;           /* ids put before a sequence: [CLS] */
    int32_t suffix_count;           /* ids put after a sequence: [SEP]; truncation keeps them */
    int32_t prefix[8];
    int32_t suffix[8];
    int32_t special_count;     /* added tokens, found in the raw text before anything else */
    const int32_t *special_id; /* (special_count) */
} dt_tokenizer_spec;

/* DT_ERR_INPUT when a merge names a token that the vocabulary lacks, and the like. */
dt_status dt_tokenizer_create(dt_tokenizer **out, const dt_tokenizer_spec *spec);
void dt_tokenizer_destroy(dt_tokenizer *tokenizer); /* NULL is fine */

int32_t dt_tokenizer_vocabulary_size(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_pad_id(const dt_tokenizer *tokenizer);
int32_t dt_tokenizer_unk_id(const dt_tokenizer *tokenizer);
/* The text of a token, NULL for an id that is not used. Belongs to the tokenizer. */
const char *dt_tokenizer_token(const dt_tokenizer *tokenizer, int32_t id);

dt_status dt_encoder_create(dt_encoder **out, const dt_tokenizer *tokenizer);
void dt_encoder_destroy(dt_encoder *encoder); /* NULL is fine */

/* Encodes `length` bytes of UTF-8 (invalid bytes count as one unknown character each), prefix and
 * suffix included. max_length > 0 truncates to that many tokens, specials included (the suffix
 * stays); 0 does not. *tokens belongs to the encoder and is valid until its next call. */
dt_status dt_encoder_encode(dt_encoder *encoder, const char *bytes, size_t length,
                            int32_t max_length, const uint16_t **tokens, int32_t *count);

#endif
