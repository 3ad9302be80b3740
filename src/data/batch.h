/* Packing: chosen sequences of a dataset, back to back, as the device wants them. */
#ifndef DT_DATA_BATCH_H
#define DT_DATA_BATCH_H

#include <stdint.h>

#include "backend.h"
#include "data/dataset.h"

/* The host memory behind a dt_batch. */
typedef struct {
    int32_t max_sequences;
    int64_t max_tokens;
    int32_t tax_ranks;
    int32_t *token_ids;  /* (max_tokens) */
    int32_t *cu_seqlens; /* (max_sequences + 1) */
    int32_t *labels;     /* (max_sequences, tax_ranks) */
} dt_batch_memory;

dt_status dt_batch_memory_create(dt_batch_memory *memory, int32_t max_sequences, int64_t max_tokens,
                                 int32_t tax_ranks);
void dt_batch_memory_free(dt_batch_memory *memory);

/* Packs the `count` sequences indices[0 … count-1] with their labels. The batch points into
 * `memory`, which must be large enough; seed, step, first_sequence and loss_scale are zero, the
 * caller sets what it needs. */
dt_batch dt_batch_pack(dt_batch_memory *memory, const dt_dataset *dataset, const int64_t *indices,
                       int32_t count, int32_t max_length);

/* Divides a global batch, the `total` sequences indices[0 … total-1], into `parts` contiguous
 * shares with as equal numbers of tokens as whole sequences allow, since the slowest rank is waited
 * for: share `index` is *begin … *begin + *count - 1. None is empty unless sequences are fewer than
 * parts. */
void dt_batch_share(const dt_dataset *dataset, const int64_t *indices, int64_t total,
                    int32_t max_length, int64_t parts, int64_t index, int64_t *begin,
                    int64_t *count);

/* Tokens that a batch of `piece` sequences can have at most: the longest `piece` ones of the
 * dataset together, each cut to max_length. */
dt_status dt_batch_most_tokens(const dt_dataset *dataset, int32_t max_length, int32_t piece,
                               int64_t *tokens);

#endif
