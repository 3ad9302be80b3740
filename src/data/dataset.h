/* A set of labelled, tokenised sequences: 2 bytes per token or base, no padding. It is in memory, or
 * streamed: then only the sequences that are held (dt_dataset_hold) are, and all arrays of this
 * struct are NULL. */
#ifndef DT_DATA_DATASET_H
#define DT_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/memory.h"
#include "core/status.h"
#include "data/stream.h"
#include "data/survey.h"
#include "sequence/onehot.h"
#include "sequence/primer.h"
#include "sequence/strand.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int64_t count;           /* sequences */
    dt_shard_stream *stream; /* NULL: all sequences are in memory */
    dt_survey *survey;       /* of a streamed set, once it is known; otherwise NULL */
    FILE *token_file;        /* has the tokens instead of `tokens`, for dt_shards_write() alone
                                (data/dataset_build.h); NULL: none */
    uint16_t *tokens;        /* of all sequences, with special tokens, not truncated; NULL also for
                                an index (data/shards.h) */
    uint32_t *token_hashes;  /* (count) dt_token_hash() of each sequence (data/fingerprints.h); only
                                of an index; NULL: unknown */
    int64_t *offsets;        /* (count + 1) where each sequence starts in `tokens` */
    int32_t *bases;          /* (count) letters of each sequence before tokenising; NULL: unknown
                                (dt_dataset_bases) */
    int32_t *labels;         /* (count, tax_ranks) classes */
    char *ids;               /* of all sequences, each followed by '\0' */
    int64_t *id_offsets;     /* (count + 1) where each id starts in `ids` */
    char checksum[32];       /* of a streamed set: data_checksum of dataset.json */
    dt_taxonomy taxonomy;
    dt_encoding encoding;  /* kind of the tokens: a tokenizer's, or bases (sequence/onehot.h) */
    char *tokenizer_json;  /* text of tokenizer.json; NULL with one-hot */
    char *tokenizer_name;  /* file name, "learnt from <FASTA>" or "onehot" */
    int32_t suffix_count;  /* tokens at the end that truncation keeps: [SEP] */
    bool normalized;       /* normalised before tokenising (sequence/normalize.h) */
    dt_strand_info strand; /* of the sequences as tokenised */
    dt_primers primers;    /* that the sequences were cut out with */
    char *fasta_file;      /* as given by the user */
    char *taxonomy_file;
} dt_dataset;

/* Frees the content and clears the struct. */
void dt_dataset_free(dt_dataset *dataset);

/* dt_stream_begin() and dt_stream_hold() (data/stream.h); without a stream they do nothing. begin
 * announces the sequences to be used, in order, of which the first `first` are already done; hold
 * waits for the tokens of the uses first … first + count - 1. */
dt_status dt_dataset_begin(const dt_dataset *dataset, const int64_t *order, int64_t count,
                           int64_t first);
dt_status dt_dataset_hold(const dt_dataset *dataset, int64_t first, int64_t count);

/* Returns the number of tokens of sequence i, not truncated; *begin, unless NULL: the first one. With
 * a stream, the sequence must be held. */
int64_t dt_dataset_all_tokens(const dt_dataset *dataset, int64_t i, const uint16_t **begin);

/* Copies the tokens of sequence i, truncated to max_length tokens including the suffix, to `out`
 * (max_length). Returns their number. With a stream, the sequence must be held. */
int32_t dt_dataset_tokens(const dt_dataset *dataset, int64_t i, int32_t max_length, int32_t *out);

/* Returns the number that dt_dataset_tokens() would return. With a stream, the sequence must be
 * held. */
int32_t dt_dataset_length(const dt_dataset *dataset, int64_t i, int32_t max_length);

/* Returns the classes (tax_ranks) of sequence i. With a stream, the sequence must be held. */
const int32_t *dt_dataset_labels(const dt_dataset *dataset, int64_t i);

/* Returns the tokens of all sequences, not truncated. */
int64_t dt_dataset_token_count(const dt_dataset *dataset);

/* Returns the number of letters of sequence i after normalisation; -1 if unknown (shards of an
 * older version). */
int64_t dt_dataset_bases(const dt_dataset *dataset, int64_t i);

/* Returns the bytes of memory for tokens: all of them, or the shards that a stream holds at a
 * time. */
int64_t dt_dataset_token_bytes(const dt_dataset *dataset);

/* Appends one line per taxonomic rank: its name, its number of labels and, as an example, the label
 * of the first sequence that has one, so that the user sees what was read as which rank. */
dt_status dt_dataset_show_ranks(dt_text *out, const dt_dataset *dataset);

/* Sets *ids to the ids of the sequences items[0 … count-1], which are in ascending order: `count`
 * pointers and the texts they point to, in one allocation that the caller frees. */
dt_status dt_dataset_ids(const dt_dataset *dataset, const int64_t *items, int64_t count,
                         const char ***ids);

/* Returns the id of sequence i. Not with a stream. */
static inline const char *dt_dataset_id(const dt_dataset *dataset, int64_t i)
{
    return dataset->ids + dataset->id_offsets[i];
}

#endif
