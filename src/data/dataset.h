/* A set of labelled sequences, tokenised: 2 bytes a token or base, no padding. The tokens are in
 * memory, or come shard by shard from a stream; all the rest is always in memory. */
#ifndef DT_DATA_DATASET_H
#define DT_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "data/stream.h"
#include "sequence/onehot.h"
#include "sequence/strand.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int64_t count;    /* sequences */
    uint16_t *tokens; /* of all sequences back to back, specials included, not truncated; NULL
                         with a stream */
    dt_token_stream *stream; /* NULL: `tokens` has them all */
    uint32_t *token_hashes;  /* (count) with a stream: dt_token_hash() of each sequence; NULL: not
                                known (data/fingerprints.h) */
    int64_t *offsets;        /* (count + 1) where each sequence starts in `tokens` */
    int32_t *bases;          /* (count) letters of each sequence before it was tokenised; NULL:
                                not known (dt_dataset_bases) */
    int32_t *labels;         /* (count, tax_ranks) classes */
    char *ids;               /* of all sequences, each ended by '\0' */
    int64_t *id_offsets;     /* (count + 1) where each id starts in `ids` */
    dt_taxonomy taxonomy;
    dt_encoding encoding;  /* what the tokens are: a tokenizer's, or bases (sequence/onehot.h) */
    char *tokenizer_json;  /* the whole tokenizer.json, '\0'-ended; NULL with one-hot */
    char *tokenizer_name;  /* file it was read from, "learnt from <FASTA>", or "onehot" */
    int32_t suffix_count;  /* tokens at the end of a sequence that truncation keeps: [SEP] */
    bool normalized;       /* sequences were normalised before tokenising (sequence/normalize.h) */
    dt_strand_info strand; /* of the sequences as they were tokenised */
    char *fasta_file;      /* as the user named them */
    char *taxonomy_file;
} dt_dataset;

void dt_dataset_free(dt_dataset *dataset); /* leaves it empty */

/* What a stream must know (data/stream.h); without one both do nothing. begin: the sequences that
 * will be used, in order, the first `first` of them done with. hold: waits for the tokens of the
 * uses first … first + count - 1. */
dt_status dt_dataset_begin(const dt_dataset *dataset, const int64_t *order, int64_t count,
                           int64_t first);
dt_status dt_dataset_hold(const dt_dataset *dataset, int64_t first, int64_t count);

/* Copies the tokens of sequence i (held, with a stream), cut to max_length tokens with the suffix
 * kept, to `out` (room for max_length). Returns their number. */
int32_t dt_dataset_tokens(const dt_dataset *dataset, int64_t i, int32_t max_length, int32_t *out);

/* The number that dt_dataset_tokens() returns. */
int32_t dt_dataset_length(const dt_dataset *dataset, int64_t i, int32_t max_length);

/* Letters of sequence i as it was tokenised, that is after normalisation; -1 where shards of an
 * older version do not tell. */
int64_t dt_dataset_bases(const dt_dataset *dataset, int64_t i);

/* Memory that the tokens take, all of them or those of a stream at one time. */
int64_t dt_dataset_token_bytes(const dt_dataset *dataset);

/* Adds a line for each taxonomic rank: its name, how many labels it has, and as an example that of
 * the first sequence with one, so that it is seen what was read as which rank. */
dt_status dt_dataset_show_ranks(dt_text *out, const dt_dataset *dataset);

static inline const char *dt_dataset_id(const dt_dataset *dataset, int64_t i)
{
    return dataset->ids + dataset->id_offsets[i];
}

#endif
