/* The same encoding as bpe_merge.h, found in one walk from left to right: O(n) for a word of n
 * characters, and the fast way for nucleotides.
 *
 * What makes it possible (A. van Antwerpen and A. Neubeck, "So many tokens, so little time", GitHub
 * blog, 2024, describe the idea; the argument is repeated here because exactness hangs on it). Let
 * each token be the result of one merge at most, whose parts are characters or results of EARLIER
 * merges; every learnt vocabulary is so. Then:
 *   1. A stretch of a word's tokens, taken alone, encodes into just these tokens: no merge crossed
 *      its ends in the word, so the same merges happen without the rest of the word.
 *   2. A chain of tokens of which each and each two neighbours encode into themselves is the
 *      encoding of its text: the first merge across a border would happen in the two tokens beside
 *      the border alone, too.
 * By 1, the encoding of the first p characters is unique, so a place p is reached with one and the
 * same last token, whatever was tried before: a place from which no chain leads on is dead for
 * good. The walk takes the longest token that fits after the one before, a shorter one where the
 * rest fails, and steps back where none is left; each place is left behind once, so it ends in
 * O(n).
 *
 * Whether two tokens encode into themselves is looked up (bpe_border.h). A token after which none
 * can stand, as the next few characters are, is passed over at once, which saves two of three steps
 * back in nucleotides.
 */
#ifndef DT_SEQUENCE_BPE_WALK_H
#define DT_SEQUENCE_BPE_WALK_H

#include <stdint.h>

#include "sequence/bpe_merge.h"

typedef struct dt_bpe_walk dt_bpe_walk; /* immutable: threads may share it */

/* Prepares the walk for a vocabulary of which `character` (character_count ids) are the single
 * characters. *out becomes NULL, without an error, where the walk cannot be used: a merge is not as
 * described above, a symbol other than the characters takes part in merges, there are more than
 * DT_BORDER_MAX_SYMBOLS symbols, or the alphabet is so large that its tables would be (256 MB).
 * `merges` must outlive it. */
dt_status dt_bpe_walk_create(dt_bpe_walk **out, const dt_merges *merges, int32_t vocabulary_size,
                             const uint16_t *character, int32_t character_count);
void dt_bpe_walk_destroy(dt_bpe_walk *walk); /* NULL is fine */

/* Working memory of one thread, for one walk. Zero-initialise; free with dt_walk_work_free(). */
typedef struct {
    uint16_t *code;
    size_t code_capacity;
    uint8_t *dead;
    size_t dead_capacity;
} dt_walk_work;

void dt_walk_work_free(dt_walk_work *work);

/* Encodes symbols[0 … n-1], ids of characters, into out (room for n), *count tokens. An id that is
 * no character (the unknown token) stands for itself and parts the word. */
dt_status dt_bpe_walk_encode(const dt_bpe_walk *walk, dt_walk_work *work, const uint16_t *symbols,
                             size_t n, uint16_t *out, size_t *count);

#endif
