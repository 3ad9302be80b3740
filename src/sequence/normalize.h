/* What is done to a sequence before it is tokenised: upper case, U becomes T, gap characters '-'
 * and '.' are dropped (docs/model.md 1; DeepTaxa itself leaves the bytes as they are). */
#ifndef DT_SEQUENCE_NORMALIZE_H
#define DT_SEQUENCE_NORMALIZE_H

#include <stddef.h>

/* Normalises in place; returns the new length (the bytes beyond are unspecified, no '\0' is added).
 * length - result = gap characters that were dropped. */
size_t dt_normalize(char *sequence, size_t length);

/* Gap characters that dt_normalize() would drop. */
size_t dt_count_gaps(const char *sequence, size_t length);

#endif
