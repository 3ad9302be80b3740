/* Which two tokens of a byte-pair encoding stand side by side in an encoding: for all pairs at
 * once, a bit each. For the walk (bpe_walk.h), whose terms and conditions hold here.
 *
 * At a border, x left of it and y right of it, those symbols of x live one after the other that end
 * where x ends: its character, then larger ones, each the right part of the next; and of y those
 * that begin where y begins. x and y encode into themselves unless some pair (a, b) that lives at
 * the border at the same time has a merge of its own, number i, that comes before a and b are used
 * up by merges of their own tokens. (Of equal numbers the left one counts as earlier: several
 * places of one pair merge from left to right.)
 *
 * So merge i = (a, b) parts every x that ends in a, if a is used up there after merge i or not at
 * all, from every y that begins with b, likewise. Let tokens be numbered as a tree is walked in
 * preorder, in which the parent of a token is its right part and younger children (later merges)
 * come first: the x in question are then a row of numbers, a and its younger children with all
 * below them. The same for y with left parts. All that merge i parts is a rectangle, and the whole
 * table is filled in a few milliseconds for 4,096 tokens.
 */
#ifndef DT_SEQUENCE_BPE_BORDER_H
#define DT_SEQUENCE_BPE_BORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "sequence/bpe_merge.h"

#define DT_BORDER_MAX_SYMBOLS 32768 /* whose table takes 128 MB */

/* Zero-initialise; free with dt_border_free(). */
typedef struct {
    uint64_t *parted; /* (symbols, words) bits */
    size_t words;
    uint32_t symbols; /* characters and results of merges */
    uint32_t *row;    /* by id: number of a token as the left one */
    uint32_t *column; /* by id: as the right one */
    bool *usable;     /* by id: the text of a token encodes into it */
} dt_border;

/* Makes the table. Each id is a character, the result of one merge, or neither (then it has no
 * numbers); parts of a merge are characters or results of earlier ones; at most
 * DT_BORDER_MAX_SYMBOLS symbols. */
dt_status dt_border_create(dt_border *border, const dt_merges *merges, int32_t vocabulary_size,
                           const uint16_t *character, int32_t character_count);
void dt_border_free(dt_border *border);

/* Whether a pair in a row and a column are neighbours in an encoding. */
static inline bool dt_border_holds(const dt_border *border, uint32_t row, uint32_t column)
{
    return !(border->parted[row * border->words + column / 64] >> column % 64 & 1);
}

#endif
