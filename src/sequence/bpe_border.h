/* A table of the pairs of tokens that can be neighbours in an encoding, one bit per pair. Used by
 * the walk (bpe_walk.h); its terms and conditions apply here.
 *
 * Consider a border between the tokens x (left) and y (right) while they are merged. The symbols
 * that end where x ends are, one after the other, its last character and then larger symbols, each
 * the right part of the next; the symbols that begin where y begins correspond. x and y encode into
 * themselves unless there is a pair (a, b) of such symbols, present at the border at the same time,
 * that is a merge, number i, and i comes before a and b are used up by the merges of their own
 * tokens. (Of equal numbers the left one is earlier: several occurrences of a pair are merged from
 * left to right.)
 *
 * So merge i = (a, b) separates every x that ends in a, if a is used up there after merge i or not
 * at all, from every y that begins with b, under the same condition. Number the tokens in preorder
 * in the tree in which the parent of a token is its right part and younger children (later merges)
 * come first: the x in question then have consecutive numbers, namely a and its younger children
 * with all their descendants. The same holds for y with left parts. Each merge thus separates a
 * rectangle of pairs, and the whole table is filled in a few milliseconds for 4,096 tokens.
 */
#ifndef DT_SEQUENCE_BPE_BORDER_H
#define DT_SEQUENCE_BPE_BORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "sequence/bpe_merge.h"

#define DT_BORDER_MAX_SYMBOLS 32768 /* the table then takes 128 MB */

/* Zero-initialise; free with dt_border_free(). */
typedef struct {
    uint64_t *separated; /* (symbols, words) bits: 1 for pairs that cannot be neighbours */
    size_t words;
    uint32_t symbols; /* characters and results of merges */
    uint32_t *row;    /* by id: number of a token on the left */
    uint32_t *column; /* by id: number of a token on the right */
    bool *usable;     /* by id: the text of the token encodes into the token */
} dt_border;

/* Creates the table. Each id is a character, the result of one merge, or neither (then it has no
 * numbers); the parts of a merge are characters or results of earlier merges; at most
 * DT_BORDER_MAX_SYMBOLS symbols. */
dt_status dt_border_create(dt_border *border, const dt_merges *merges, int32_t vocabulary_size,
                           const uint16_t *character, int32_t character_count);
void dt_border_free(dt_border *border);

/* Returns true if the tokens of a row and a column can be neighbours in an encoding. */
static inline bool dt_border_holds(const dt_border *border, uint32_t row, uint32_t column)
{
    return !(border->separated[row * border->words + column / 64] >> column % 64 & 1);
}

#endif
