/* A set of labelled sequences, tokenised, whole in memory: 2 bytes a token, no padding. */
#ifndef DT_DATA_DATASET_H
#define DT_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int64_t count;       /* sequences */
    uint16_t *tokens;    /* of all sequences back to back, specials included, not truncated */
    int64_t *offsets;    /* (count + 1) where each sequence starts in `tokens` */
    int32_t *labels;     /* (count, tax_ranks) classes */
    char *ids;           /* of all sequences, each ended by '\0' */
    int64_t *id_offsets; /* (count + 1) where each id starts in `ids` */
    dt_taxonomy taxonomy;
    char *tokenizer_json; /* the whole tokenizer.json, '\0'-ended */
    char *tokenizer_name; /* file it was read from, or "learnt from <FASTA>" */
    int32_t suffix_count; /* tokens at the end of a sequence that truncation keeps: [SEP] */
    bool normalized;      /* sequences were normalised before tokenising (sequence/normalize.h) */
    char *fasta_file;     /* as the user named them */
    char *taxonomy_file;
} dt_dataset;

void dt_dataset_free(dt_dataset *dataset); /* leaves it empty */

/* Copies the tokens of sequence i, cut to max_length tokens with the suffix kept, to `out` (room
 * for max_length). Returns their number. */
int32_t dt_dataset_tokens(const dt_dataset *dataset, int64_t i, int32_t max_length, int32_t *out);

/* The number that dt_dataset_tokens() returns. */
int32_t dt_dataset_length(const dt_dataset *dataset, int64_t i, int32_t max_length);

static inline const char *dt_dataset_id(const dt_dataset *dataset, int64_t i)
{
    return dataset->ids + dataset->id_offsets[i];
}

#endif
