/* Packed sequences: B sequences with T tokens in total, concatenated without padding; and the
 * checks that all devices make on the host before computing such a batch. */
#ifndef DT_CORE_PACKED_H
#define DT_CORE_PACKED_H

#include <stdint.h>

#include "core/status.h"

typedef struct {
    int32_t sequences;         /* B */
    int32_t tax_ranks;         /* R: labels of a sequence */
    const int32_t *cu_seqlens; /* (B + 1) sequence b has the rows cu_seqlens[b] … [b + 1] - 1 */
    const int32_t *token_ids;  /* (T), T = cu_seqlens[B] */
} dt_packed;

/* The maximum sizes for which memory was reserved; initially 0. */
typedef struct {
    int32_t sequences;
    int32_t tax_ranks;
    int64_t tokens;
} dt_packed_capacity;

/* Checks what operations rely on to stay within their memory. DT_ERR_INTERNAL if the batch exceeds
 * the capacity, has no sequence or an empty one, does not begin at row 0, or has a negative token
 * id. */
dt_status dt_packed_check(const dt_packed *packed, const dt_packed_capacity *capacity);

typedef struct {
    int32_t longest;    /* tokens of the longest sequence */
    int32_t largest_id; /* of all token ids */
} dt_packed_extent;

/* Sets the sequence number of each row and returns the maxima. The batch must have passed
 * dt_packed_check(). */
dt_packed_extent dt_packed_rows(int32_t *sequence_of_row /* (T) */, const dt_packed *packed);

#endif
