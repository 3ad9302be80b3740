#include "sequence/bpe_border.h"

#include <stdlib.h>

#include "core/memory.h"

/* The numbering of the tokens in one of the two trees. */
typedef struct {
    uint32_t *first; /* by id: its number; its descendants follow */
    uint32_t *end;   /* by id: end of its descendants, without children already placed */
    uint32_t *size;  /* by id: number of tokens in its subtree */
} token_tree;

static void free_tree(token_tree *tree)
{
    free(tree->end);
    free(tree->size);
}

/* `first` becomes part of the result. */
static dt_status begin_tree(token_tree *tree, uint32_t *first, int32_t vocabulary_size)
{
    tree->first = first;
    DT_TRY(DT_NEW(tree->end, (size_t)vocabulary_size));
    return DT_NEW(tree->size, (size_t)vocabulary_size);
}

/* Computes subtree sizes, from the youngest token to the oldest, and numbers the characters.
 * part[i] is the parent of the result of merge i. */
static void number_roots(token_tree *tree, const dt_merges *merges, const uint16_t *part,
                         const uint16_t *character, int32_t character_count)
{
    for (int32_t c = 0; c < character_count; ++c)
        tree->size[character[c]] = 1;
    for (uint32_t i = 0; i < merges->count; ++i)
        tree->size[merges->result[i]] = 1;
    for (uint32_t i = merges->count; i-- > 0;)
        tree->size[part[i]] += tree->size[merges->result[i]];
    uint32_t next = 0;
    for (int32_t c = 0; c < character_count; ++c) {
        tree->first[character[c]] = next;
        next += tree->size[character[c]];
        tree->end[character[c]] = next;
    }
}

/* Gives a child the last of its parent's remaining numbers: older children come first. */
static void place(token_tree *tree, uint16_t parent, uint16_t child)
{
    tree->end[child] = tree->end[parent];
    tree->end[parent] -= tree->size[child];
    tree->first[child] = tree->end[parent];
}

/* Sets bits begin … end-1 of a row. */
static void set_bits(uint64_t *row, uint32_t begin, uint32_t end)
{
    const uint64_t first = ~(uint64_t)0 << begin % 64;
    const uint64_t last = ~(uint64_t)0 >> (63 - (end - 1) % 64);
    const uint32_t from = begin / 64;
    const uint32_t to = (end - 1) / 64;
    if (from == to) {
        row[from] |= first & last;
        return;
    }
    row[from] |= first;
    for (uint32_t w = from + 1; w < to; ++w)
        row[w] = ~(uint64_t)0;
    row[to] |= last;
}

/* Processes the merges in order. When the result of merge i is placed in one tree but not yet in
 * the other, the remaining numbers below its parts are the pairs that it separates. */
static void fill(dt_border *border, const dt_merges *merges, token_tree *rights, token_tree *lefts)
{
    for (uint32_t i = 0; i < merges->count; ++i) {
        const uint16_t a = merges->left[i];
        const uint16_t b = merges->right[i];
        const uint16_t result = merges->result[i];
        border->usable[result] = border->usable[a] && border->usable[b] &&
                                 dt_border_holds(border, rights->first[a], lefts->first[b]);
        place(rights, b, result);
        for (uint32_t row = rights->first[a]; row < rights->end[a]; ++row)
            set_bits(border->separated + row * border->words, lefts->first[b], lefts->end[b]);
        place(lefts, a, result);
    }
}

dt_status dt_border_create(dt_border *border, const dt_merges *merges, int32_t vocabulary_size,
                           const uint16_t *character, int32_t character_count)
{
    token_tree rights = {0};
    token_tree lefts = {0};
    dt_status status;
    *border = (dt_border){.symbols = (uint32_t)character_count + merges->count};
    border->words = (border->symbols + 63) / 64;
    DT_TRY_OR(done, DT_NEW(border->row, (size_t)vocabulary_size));
    DT_TRY_OR(done, DT_NEW(border->column, (size_t)vocabulary_size));
    DT_TRY_OR(done, DT_NEW(border->usable, (size_t)vocabulary_size));
    DT_TRY_OR(done, DT_NEW(border->separated, border->symbols * border->words));
    DT_TRY_OR(done, begin_tree(&rights, border->row, vocabulary_size));
    DT_TRY_OR(done, begin_tree(&lefts, border->column, vocabulary_size));
    number_roots(&rights, merges, merges->right, character, character_count);
    number_roots(&lefts, merges, merges->left, character, character_count);
    for (int32_t c = 0; c < character_count; ++c)
        border->usable[character[c]] = true;
    fill(border, merges, &rights, &lefts);
done:
    free_tree(&rights);
    free_tree(&lefts);
    if (status != DT_OK)
        dt_border_free(border);
    return status;
}

void dt_border_free(dt_border *border)
{
    free(border->separated);
    free(border->row);
    free(border->column);
    free(border->usable);
    *border = (dt_border){0};
}
