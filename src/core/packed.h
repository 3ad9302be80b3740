/* Packed sequences: B of them stand back to back, T tokens in all, without padding. What every
 * device looks at on the host before its operations take such a batch. */
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

/* What memory was reserved for; all 0 before that. */
typedef struct {
    int32_t sequences;
    int32_t tax_ranks;
    int64_t tokens;
} dt_packed_capacity;

/* What operations rely on so as not to leave their memory. DT_ERR_INTERNAL where the batch does not
 * fit the room, has no sequence or one without a token, does not begin at row 0, or has a negative
 * token id. */
dt_status dt_packed_check(const dt_packed *packed, const dt_packed_capacity *room);

typedef struct {
    int32_t longest;    /* tokens of the longest sequence */
    int32_t largest_id; /* of all token ids */
} dt_packed_extent;

/* Says of each row to which sequence it belongs, and returns what was seen on the way. Of a batch
 * that dt_packed_check() has passed. */
dt_packed_extent dt_packed_rows(int32_t *sequence_of_row /* (T) */, const dt_packed *packed);

#endif
