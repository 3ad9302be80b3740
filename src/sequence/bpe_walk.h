/* The encoding of bpe_merge.h, found in a single walk from left to right: O(n) for a word of n
 * characters, and the fast method for nucleotides.
 *
 * Why this is correct (A. van Antwerpen and A. Neubeck, "So many tokens, so little time", GitHub
 * blog, 2024, describe the idea; the argument is repeated here because exactness depends on it).
 * Let each token be the result of at most one merge, whose parts are characters or results of
 * EARLIER merges, as in every learnt vocabulary. Then:
 *   1. Consecutive tokens of a word, taken as a text of their own, encode into the same tokens: no
 *      merge crossed their ends in the word, so the same merges happen without the rest of it.
 *   2. A chain of tokens in which each token and each pair of neighbours encodes into itself is the
 *      encoding of its text: the first merge across a border would also happen in the text of the
 *      two tokens at that border.
 * By 1, the encoding of the first p characters is unique, so that position p is always reached with
 * the same last token: a position from which no chain continues is dead and need not be tried
 * again. The walk takes the longest token that may follow the previous one, a shorter one if the
 * rest fails, and steps back if none is left; it leaves each position only once, hence O(n).
 *
 * Whether two tokens encode into themselves is looked up (bpe_border.h). A token that no other can
 * follow, given the next few characters, is skipped at once, which saves two of three steps back in
 * nucleotides.
 */
#ifndef DT_SEQUENCE_BPE_WALK_H
#define DT_SEQUENCE_BPE_WALK_H

#include <stdint.h>

#include "sequence/bpe_merge.h"

typedef struct dt_bpe_walk dt_bpe_walk; /* immutable: threads may share it */

/* Prepares the walk for a vocabulary whose single characters are `character` (character_count ids).
 * Sets *out to NULL, without an error, if the walk cannot be used: a merge does not meet the
 * condition above, a symbol other than the characters takes part in merges, there are more than
 * DT_BORDER_MAX_SYMBOLS symbols, or the tables would be too large (256 MB) because of the size of
 * the alphabet. `merges` must outlive the walk. */
dt_status dt_bpe_walk_create(dt_bpe_walk **out, const dt_merges *merges, int32_t vocabulary_size,
                             const uint16_t *character, int32_t character_count);
void dt_bpe_walk_destroy(dt_bpe_walk *walk); /* NULL is allowed */

/* Working memory of one thread, for one walk. Zero-initialise; free with dt_walk_work_free(). */
typedef struct {
    uint16_t *code;
    size_t code_capacity;
    uint8_t *dead;
    size_t dead_capacity;
} dt_walk_work;

void dt_walk_work_free(dt_walk_work *work);

/* Encodes symbols[0 … n-1], ids of characters, into `out` (capacity n), *count tokens. An id that
 * is not a character (the unknown token) is copied and separates words. */
dt_status dt_bpe_walk_encode(const dt_bpe_walk *walk, dt_walk_work *work, const uint16_t *symbols,
                             size_t n, uint16_t *out, size_t *count);

#endif
