#include "sequence/bpe_walk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define NO_TOKEN UINT32_MAX
#define NO_CLASS UINT16_MAX
#define MAX_JUMP_BITS 12 /* 16 KB: stays in the first-level cache */
#define DIED 0x80000000u /* in a jump: no token goes on that way */
#define MEMO_USED 1u     /* flags below the tag of a remembered pair */
#define MEMO_HOLDS 2u
#define MAX_CHILDREN ((size_t)1 << 26) /* entries of the trie's table, 4 bytes each */

/* How a token came to be. Characters: made = 0, no parts. Merge i: made = i + 1. */
typedef struct {
    uint32_t made;    /* NO_TOKEN: never made, the id is no symbol of a word */
    uint16_t left;    /* its parts */
    uint16_t right;   /* */
    uint32_t length;  /* in characters */
    uint32_t shorter; /* the longest other token that it begins with, NO_TOKEN when there is none */
    bool usable;      /* its own text encodes into it */
} walk_token;

struct dt_bpe_walk {
    const dt_merges *merges;
    walk_token *tokens; /* by id */
    uint16_t *class_of; /* by id: number of the character, NO_CLASS for other tokens */
    /* A trie of the tokens' characters, `width` (1 << shift) children a node. */
    uint32_t width;
    uint32_t shift;
    uint32_t *child; /* (node_count, width): node index, 0 where there is none */
    size_t child_capacity;
    uint32_t *node_token; /* (node_count): the longest token on the way to the node, or NO_TOKEN */
    size_t token_capacity;
    uint32_t node_count;
    /* Where the first `jump_length` characters of a text lead, by their numbers strung together. */
    uint32_t *jump;
    uint32_t jump_length;
};

/* True when no merge crosses the border between x and y before each of them is complete and used
 * up: x by merge `x_used`, y by merge `y_used` (as `made` counts). Equal numbers: several places of
 * one pair merge from left to right, so a crossing pair comes after x's use and before y's. */
static bool border_holds(const dt_bpe_walk *walk, uint16_t x, uint16_t y, uint32_t x_used,
                         uint32_t y_used)
{
    for (;;) {
        const uint32_t index = dt_merges_find(walk->merges, x, y);
        if (index != DT_NO_MERGE && index + 1 < x_used && index + 1 <= y_used)
            return false;
        const walk_token *left = &walk->tokens[x];
        const walk_token *right = &walk->tokens[y];
        if (left->made > right->made) {
            x_used = left->made;
            x = left->right;
        } else if (right->made) {
            y_used = right->made;
            y = right->left;
        } else {
            return true;
        }
    }
}

/* Whether two tokens stand side by side in an encoding: remembered, since a text asks the same
 * again and again. Multiplying by an odd number is one to one, so place and tag together tell the
 * pair. */
static bool are_neighbours(const dt_bpe_walk *walk, uint32_t *memo, uint16_t left, uint16_t right)
{
    const uint32_t hash = ((uint32_t)left << 16 | right) * 0x9E3779B1u;
    uint32_t *entry = &memo[hash >> (32 - DT_WALK_MEMO_BITS)];
    const uint32_t tag = hash << DT_WALK_MEMO_BITS | MEMO_USED;
    if ((*entry & ~MEMO_HOLDS) != tag)
        *entry = tag | (border_holds(walk, left, right, UINT32_MAX, UINT32_MAX) ? MEMO_HOLDS : 0);
    return *entry & MEMO_HOLDS;
}

/* Fills in how each token is made; false where the merges are not as the walk needs them. */
static bool order_tokens(dt_bpe_walk *walk, int32_t vocabulary_size, const uint16_t *character,
                         int32_t character_count)
{
    for (int32_t id = 0; id < vocabulary_size; ++id) {
        walk->tokens[id].made = NO_TOKEN;
        walk->class_of[id] = NO_CLASS;
    }
    for (int32_t i = 0; i < character_count; ++i) {
        walk->tokens[character[i]] = (walk_token){.made = 0, .length = 1, .usable = true};
        walk->class_of[character[i]] = (uint16_t)i;
    }
    const dt_merges *merges = walk->merges;
    for (uint32_t i = 0; i < merges->count; ++i) {
        const walk_token *left = &walk->tokens[merges->left[i]];
        const walk_token *right = &walk->tokens[merges->right[i]];
        walk_token *result = &walk->tokens[merges->result[i]];
        if (left->made == NO_TOKEN || right->made == NO_TOKEN || result->made != NO_TOKEN)
            return false;
        *result = (walk_token){.made = i + 1,
                               .left = merges->left[i],
                               .right = merges->right[i],
                               .length = left->length + right->length};
        /* merge i itself uses both parts up: what would cross their border has to come before it */
        result->usable = left->usable && right->usable &&
                         border_holds(walk, result->left, result->right, i + 1, i + 1);
    }
    return true;
}

static dt_status add_node(dt_bpe_walk *walk, uint32_t *node)
{
    const size_t width = walk->width;
    const size_t nodes = (size_t)walk->node_count + 1;
    DT_TRY(DT_GROW(walk->child, walk->child_capacity, nodes * width));
    DT_TRY(DT_GROW(walk->node_token, walk->token_capacity, nodes));
    memset(walk->child + walk->node_count * width, 0, width * sizeof *walk->child);
    walk->node_token[walk->node_count] = NO_TOKEN;
    *node = walk->node_count++;
    return DT_OK;
}

/* Adds the path of a token's characters and sets *node to its end. The characters are met in order
 * by going down the parts, the left one first; `stack` holds the right ones that are still to do
 * and has room for the token's length. */
static dt_status add_text(dt_bpe_walk *walk, uint16_t id, uint16_t *stack, uint32_t *node)
{
    size_t depth = 0;
    stack[depth++] = id;
    *node = 0;
    while (depth) {
        uint16_t part = stack[--depth];
        while (walk->tokens[part].made) {
            stack[depth++] = walk->tokens[part].right;
            part = walk->tokens[part].left;
        }
        const size_t place = ((size_t)*node << walk->shift) + walk->class_of[part];
        uint32_t next = walk->child[place];
        if (!next) {
            DT_TRY(add_node(walk, &next));
            walk->child[place] = next;
        }
        *node = next;
    }
    return DT_OK;
}

static size_t trie_bound(const dt_bpe_walk *walk, int32_t vocabulary_size, uint32_t *longest)
{
    size_t nodes = 1;
    *longest = 1;
    for (int32_t id = 0; id < vocabulary_size; ++id) {
        const walk_token *token = &walk->tokens[id];
        if (token->made == NO_TOKEN || !token->usable)
            continue;
        nodes += token->length;
        *longest = token->length > *longest ? token->length : *longest;
    }
    return nodes * walk->width;
}

/* Makes node_token the longest token on the way to each node, the node's own included, and sets
 * `shorter` of each token. Parents have smaller indices than their children, so one pass suffices.
 */
static void link_tokens(dt_bpe_walk *walk)
{
    uint32_t *const token = walk->node_token;
    for (uint32_t node = 0; node < walk->node_count; ++node) {
        const uint32_t *child = walk->child + ((size_t)node << walk->shift);
        for (uint32_t c = 0; c < walk->width; ++c) {
            if (!child[c])
                continue;
            if (token[child[c]] == NO_TOKEN)
                token[child[c]] = token[node];
            else
                walk->tokens[token[child[c]]].shorter = token[node];
        }
    }
}

/* The node that the last `jump_length` characters of `code` lead to. */
static uint32_t follow_code(const dt_bpe_walk *walk, uint32_t code)
{
    uint32_t node = 0;
    for (uint32_t i = walk->jump_length; i-- > 0;) {
        const uint32_t class = code >> i * walk->shift & (walk->width - 1);
        const uint32_t next = walk->child[((size_t)node << walk->shift) + class];
        if (!next)
            return node | DIED;
        node = next;
    }
    return node;
}

static dt_status build_jump(dt_bpe_walk *walk)
{
    walk->jump_length = walk->shift ? MAX_JUMP_BITS / walk->shift : 0;
    const size_t codes = (size_t)1 << walk->jump_length * walk->shift;
    DT_TRY(DT_NEW(walk->jump, codes));
    for (size_t code = 0; code < codes; ++code)
        walk->jump[code] = follow_code(walk, (uint32_t)code);
    return DT_OK;
}

static dt_status build_trie(dt_bpe_walk *walk, int32_t vocabulary_size, uint32_t longest)
{
    uint32_t node;
    DT_TRY(add_node(walk, &node));
    uint16_t *stack;
    DT_TRY(DT_NEW(stack, longest + 1));
    dt_status status = DT_OK;
    for (int32_t id = 0; id < vocabulary_size && status == DT_OK; ++id) {
        if (walk->tokens[id].made == NO_TOKEN || !walk->tokens[id].usable)
            continue;
        status = add_text(walk, (uint16_t)id, stack, &node);
        if (status == DT_OK)
            walk->node_token[node] = (uint32_t)id;
    }
    free(stack);
    DT_TRY(status);
    link_tokens(walk);
    return build_jump(walk);
}

dt_status dt_bpe_walk_create(dt_bpe_walk **out, const dt_merges *merges, int32_t vocabulary_size,
                             const uint16_t *character, int32_t character_count)
{
    *out = NULL;
    if (merges->repeated || character_count < 1)
        return DT_OK;
    dt_bpe_walk *walk;
    DT_TRY(DT_NEW(walk, 1));
    walk->merges = merges;
    while (((int64_t)1 << walk->shift) < character_count)
        walk->shift++;
    walk->width = 1u << walk->shift;
    dt_status status = DT_NEW(walk->tokens, (size_t)vocabulary_size);
    if (status == DT_OK)
        status = DT_NEW(walk->class_of, (size_t)vocabulary_size);
    uint32_t longest = 1;
    const bool fits = status == DT_OK &&
                      order_tokens(walk, vocabulary_size, character, character_count) &&
                      trie_bound(walk, vocabulary_size, &longest) <= MAX_CHILDREN;
    if (fits)
        status = build_trie(walk, vocabulary_size, longest);
    if (status != DT_OK || !fits)
        dt_bpe_walk_destroy(walk);
    else
        *out = walk;
    return status;
}

void dt_bpe_walk_destroy(dt_bpe_walk *walk)
{
    if (!walk)
        return;
    free(walk->tokens);
    free(walk->class_of);
    free(walk->child);
    free(walk->node_token);
    free(walk->jump);
    free(walk);
}

/* The longest token that the text begins with. */
static uint32_t longest_token(const dt_bpe_walk *walk, const uint16_t *symbols, size_t n)
{
    uint32_t node = 0;
    size_t i = 0;
    if (n >= walk->jump_length) {
        uint32_t code = 0;
        for (; i < walk->jump_length; ++i)
            code = code << walk->shift | walk->class_of[symbols[i]];
        node = walk->jump[code];
        if (node & DIED)
            return walk->node_token[node & ~DIED];
    }
    for (; i < n; ++i) {
        const uint32_t class = walk->class_of[symbols[i]];
        const uint32_t next = walk->child[((size_t)node << walk->shift) + class];
        if (!next)
            break;
        node = next;
    }
    return walk->node_token[node];
}

/* The walk over characters alone. dead[p]: no chain leads from p to the end. */
static dt_status walk_stretch(const dt_bpe_walk *walk, dt_walk_work *work, const uint16_t *symbols,
                              size_t n, uint16_t *out, size_t *count)
{
    const walk_token *tokens = walk->tokens;
    uint8_t *const dead = work->dead;
    memset(dead, 0, n + 1);
    size_t place = 0;
    size_t k = 0;
    uint32_t token = longest_token(walk, symbols, n);
    while (place < n) {
        while (token != NO_TOKEN &&
               (dead[place + tokens[token].length] ||
                (k && !are_neighbours(walk, work->memo, out[k - 1], (uint16_t)token))))
            token = tokens[token].shorter;
        if (token != NO_TOKEN) {
            out[k++] = (uint16_t)token;
            place += tokens[token].length;
            token = longest_token(walk, symbols + place, n - place);
            continue;
        }
        if (k == 0)
            return dt_fail(DT_ERR_INTERNAL, "the tokenizer's walk found no encoding");
        dead[place] = 1;
        token = out[--k];
        place -= tokens[token].length;
        token = tokens[token].shorter;
    }
    *count = k;
    return DT_OK;
}

void dt_walk_work_free(dt_walk_work *work)
{
    free(work->memo);
    free(work->dead);
    *work = (dt_walk_work){0};
}

static dt_status reserve_work(dt_walk_work *work, size_t n)
{
    if (!work->memo)
        DT_TRY(DT_NEW(work->memo, (size_t)1 << DT_WALK_MEMO_BITS));
    return DT_GROW(work->dead, work->dead_capacity, n + 1);
}

dt_status dt_bpe_walk_encode(const dt_bpe_walk *walk, dt_walk_work *work, const uint16_t *symbols,
                             size_t n, uint16_t *out, size_t *count)
{
    *count = 0;
    DT_TRY(reserve_work(work, n));
    size_t i = 0;
    while (i < n) {
        if (walk->class_of[symbols[i]] == NO_CLASS) {
            out[(*count)++] = symbols[i++];
            continue;
        }
        size_t end = i + 1;
        while (end < n && walk->class_of[symbols[end]] != NO_CLASS)
            ++end;
        size_t tokens = 0;
        DT_TRY(walk_stretch(walk, work, symbols + i, end - i, out + *count, &tokens));
        *count += tokens;
        i = end;
    }
    return DT_OK;
}
