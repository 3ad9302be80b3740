/* Normalisation of a sequence before it is tokenised: upper case, U replaced by T, and the gap
 * characters '-' and '.' removed (docs/model.md 1). DeepTaxa itself does not change sequences. */
#ifndef DT_SEQUENCE_NORMALIZE_H
#define DT_SEQUENCE_NORMALIZE_H

#include <stddef.h>

/* Normalises in place; returns the new length. length - result = gap characters removed. The bytes
 * beyond are unspecified; no '\0' is added. */
size_t dt_normalize(char *sequence, size_t length);

/* Gap characters that dt_normalize() would drop. */
size_t dt_count_gaps(const char *sequence, size_t length);

#endif
