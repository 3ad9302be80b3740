/* Packs selected sequences of a dataset into a batch for the device, without padding. */
#ifndef DT_DATA_BATCH_H
#define DT_DATA_BATCH_H

#include <stdint.h>

#include "backend.h"
#include "data/dataset.h"

/* Host memory of a dt_batch. */
typedef struct {
    int32_t max_sequences;
    int64_t max_tokens;
    int32_t tax_ranks;
    int32_t kmer_size;   /* not 0: the sequences are bases, and packed as sets of k-mers
                            (sequence/kmer.h); to be set by the owner */
    int32_t *token_ids;  /* (max_tokens) */
    int32_t *cu_seqlens; /* (max_sequences + 1) */
    int32_t *labels;     /* (max_sequences, tax_ranks) */
} dt_batch_memory;

dt_status dt_batch_memory_create(dt_batch_memory *memory, int32_t max_sequences, int64_t max_tokens,
                                 int32_t tax_ranks);
void dt_batch_memory_free(dt_batch_memory *memory);

/* Changes the tokens of sequence b of a batch, before k-mers are made of them. */
typedef void (*dt_batch_edit)(void *context, int32_t b, int32_t *tokens);

/* Packs the sequences indices[0 … count-1] with their labels, changed by `edit` unless it is NULL. The
 * batch points into `memory`, which must be large enough for their tokens, or bases. seed, step,
 * first_sequence and loss_scale are zero; the caller sets them as needed. */
dt_batch dt_batch_pack(dt_batch_memory *memory, const dt_dataset *dataset, const int64_t *indices,
                       int32_t count, int32_t max_length, dt_batch_edit edit, void *context);

/* Divides a global batch, the sequences indices[0 … total-1], into `parts` contiguous shares with
 * about equal numbers of tokens, so that no rank waits long for another. Share `index` is *begin …
 * *begin + *count - 1. No share is empty unless there are fewer sequences than parts. */
void dt_batch_share(const dt_dataset *dataset, const int64_t *indices, int64_t total,
                    int32_t max_length, int64_t parts, int64_t index, int64_t *begin,
                    int64_t *count);

/* Sets *tokens to the largest number of tokens that a micro-batch can have: those of the
 * `micro_batch` longest sequences of the dataset, each truncated to max_length. A streamed dataset
 * needs its survey, with the same max_length. */
dt_status dt_batch_max_tokens(const dt_dataset *dataset, int32_t max_length, int32_t micro_batch,
                              int64_t *tokens);

#endif
