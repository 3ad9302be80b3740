#include "sequence/bpe_walk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sequence/bpe_border.h"

#define NO_TOKEN UINT32_MAX
#define NO_CLASS UINT16_MAX
#define MAX_JUMP_BITS 12     /* 16 KB: fits the L1 cache */
#define AHEAD_BITS 6         /* the set of possible followers of a token fits a word */
#define DEAD_END 0x80000000u /* flag in a jump: no token continues; the other bits are a token */
#define MAX_CHILDREN ((size_t)1 << 26) /* entries of the trie's table, 4 bytes each */

/* A token as the walk needs it. */
typedef struct {
    uint32_t length;  /* in characters */
    uint32_t shorter; /* the longest proper prefix that is a token, or NO_TOKEN */
    uint32_t row;     /* numbers in dt_border */
    uint32_t column;
    uint64_t followers; /* bit c: some token can follow it if the next characters have code c */
} walk_token;

struct dt_bpe_walk {
    const dt_merges *merges;
    dt_border border;
    walk_token *tokens; /* by id; length 0: not a symbol of words */
    uint32_t *made;     /* by id: 1 + the merge whose result the token is, 0 for characters */
    uint16_t *class_of; /* by id: number of the character, NO_CLASS for other tokens */
    /* A trie of the tokens' characters, `width` (1 << shift) children per node. */
    uint32_t width;
    uint32_t shift;
    uint32_t *child; /* (node_count, width): node index, 0 if there is none */
    size_t child_capacity;
    uint32_t *node_token; /* (node_count): the longest token on the path to the node, or NO_TOKEN */
    size_t token_capacity;
    uint32_t node_count;
    /* A code is a sequence of characters, `shift` bits each, the first one highest. */
    uint32_t *jump; /* by code of jump_length characters: their node in the trie, or DEAD_END and a
                       token */
    uint32_t jump_length;
    uint32_t ahead_length; /* characters of a code of `followers`; 0: not used */
};

/* Fills in characters and lengths; returns false if the merges do not meet the walk's condition. */
static bool measure_tokens(dt_bpe_walk *walk, int32_t vocabulary_size, const uint16_t *character,
                           int32_t character_count)
{
    for (int32_t id = 0; id < vocabulary_size; ++id)
        walk->class_of[id] = NO_CLASS;
    for (int32_t i = 0; i < character_count; ++i) {
        walk->tokens[character[i]].length = 1;
        walk->class_of[character[i]] = (uint16_t)i;
    }
    const dt_merges *merges = walk->merges;
    for (uint32_t i = 0; i < merges->count; ++i) {
        const uint32_t left = walk->tokens[merges->left[i]].length;
        const uint32_t right = walk->tokens[merges->right[i]].length;
        walk_token *result = &walk->tokens[merges->result[i]];
        if (left == 0 || right == 0 || result->length || left + right > MAX_CHILDREN)
            return false;
        result->length = left + right;
        walk->made[merges->result[i]] = i + 1;
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

/* Adds the path of a token's characters and sets *node to its end. Descends into the parts of the
 * token, the left one first; `stack` holds the right parts still to do (capacity: the token's
 * length). */
static dt_status add_text(dt_bpe_walk *walk, uint16_t id, uint16_t *stack, uint32_t *node)
{
    size_t depth = 0;
    stack[depth++] = id;
    *node = 0;
    while (depth) {
        uint16_t part = stack[--depth];
        while (walk->made[part]) {
            stack[depth++] = walk->merges->right[walk->made[part] - 1];
            part = walk->merges->left[walk->made[part] - 1];
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
        const uint32_t length = walk->tokens[id].length;
        if (!walk->border.usable[id])
            continue;
        nodes += length;
        *longest = length > *longest ? length : *longest;
    }
    return nodes * walk->width;
}

/* Sets node_token to the longest token on the path to each node, including the node's own, and
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

/* Returns the node of the last `jump_length` characters of `code`; if there is none, DEAD_END and
 * the longest token on the path. */
static uint32_t follow_code(const dt_bpe_walk *walk, uint32_t code)
{
    uint32_t node = 0;
    for (uint32_t i = walk->jump_length; i-- > 0;) {
        const uint32_t class = code >> i * walk->shift & (walk->width - 1);
        const uint32_t next = walk->child[((size_t)node << walk->shift) + class];
        if (!next)
            return walk->node_token[node] | DEAD_END;
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
        if (!walk->border.usable[id])
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

/* ---- the followers of a token ---------------------------------------------------------------- */

/* Sets bit c of consistent[column / 64 …] for each usable token whose text agrees with code c as
 * far as both extend. */
static void mark_beginnings(const dt_bpe_walk *walk, int32_t vocabulary_size, uint64_t *consistent,
                            uint32_t *code)
{
    const uint32_t length = walk->ahead_length;
    for (int32_t id = 0; id < vocabulary_size; ++id)
        if (walk->class_of[id] != NO_CLASS)
            code[id] = (uint32_t)walk->class_of[id] << (length - 1) * walk->shift;
    const dt_merges *merges = walk->merges;
    for (uint32_t i = 0; i < merges->count; ++i) {
        const uint32_t left = walk->tokens[merges->left[i]].length;
        code[merges->result[i]] =
            code[merges->left[i]] |
            (left < length ? code[merges->right[i]] >> left * walk->shift : 0);
    }
    for (int32_t id = 0; id < vocabulary_size; ++id) {
        const walk_token *token = &walk->tokens[id];
        if (!walk->border.usable[id])
            continue;
        const uint32_t open = token->length < length ? length - token->length : 0;
        for (uint32_t c = code[id]; c < code[id] + (1u << open * walk->shift); ++c)
            consistent[c * walk->border.words + token->column / 64] |= (uint64_t)1
                                                                       << token->column % 64;
    }
}

/* Returns true if some token of a set can be the right neighbour of the tokens in a row. */
static bool any_holds(const dt_border *border, uint32_t row, const uint64_t *set)
{
    const uint64_t *parted = border->separated + row * border->words;
    for (size_t w = 0; w < border->words; ++w)
        if (set[w] & ~parted[w])
            return true;
    return false;
}

static dt_status find_followers(dt_bpe_walk *walk, int32_t vocabulary_size)
{
    walk->ahead_length = walk->shift ? AHEAD_BITS / walk->shift : 0;
    if (walk->ahead_length == 0)
        return DT_OK;
    const uint32_t codes = 1u << walk->ahead_length * walk->shift;
    uint64_t *consistent = NULL;
    uint32_t *code = NULL;
    dt_status status = DT_NEW(consistent, codes * walk->border.words);
    if (status == DT_OK)
        status = DT_NEW(code, (size_t)vocabulary_size);
    if (status == DT_OK)
        mark_beginnings(walk, vocabulary_size, consistent, code);
    for (int32_t id = 0; id < vocabulary_size && status == DT_OK; ++id)
        for (uint32_t c = 0; c < codes && walk->border.usable[id]; ++c)
            if (any_holds(&walk->border, walk->tokens[id].row, consistent + c * walk->border.words))
                walk->tokens[id].followers |= (uint64_t)1 << c;
    free(consistent);
    free(code);
    return status;
}

/* ---- building -------------------------------------------------------------------------------- */

/* *fits: the walk can be used; if not, the caller destroys what was built. */
static dt_status build(dt_bpe_walk *walk, int32_t vocabulary_size, const uint16_t *character,
                       int32_t character_count, bool *fits)
{
    uint32_t longest;
    const size_t entries = (size_t)vocabulary_size;
    DT_TRY(DT_NEW(walk->tokens, entries));
    DT_TRY(DT_NEW(walk->class_of, entries));
    DT_TRY(DT_NEW(walk->made, entries));
    *fits = (uint64_t)walk->merges->count + (uint64_t)character_count <= DT_BORDER_MAX_SYMBOLS &&
            measure_tokens(walk, vocabulary_size, character, character_count);
    if (!*fits)
        return DT_OK;
    DT_TRY(
        dt_border_create(&walk->border, walk->merges, vocabulary_size, character, character_count));
    for (int32_t id = 0; id < vocabulary_size; ++id) {
        walk->tokens[id].row = walk->border.row[id];
        walk->tokens[id].column = walk->border.column[id];
    }
    *fits = trie_bound(walk, vocabulary_size, &longest) <= MAX_CHILDREN;
    if (!*fits)
        return DT_OK;
    DT_TRY(build_trie(walk, vocabulary_size, longest));
    return find_followers(walk, vocabulary_size);
}

dt_status dt_bpe_walk_create(dt_bpe_walk **out, const dt_merges *merges, int32_t vocabulary_size,
                             const uint16_t *character, int32_t character_count)
{
    bool fits = false;
    *out = NULL;
    if (merges->repeated || character_count < 1)
        return DT_OK;
    dt_bpe_walk *walk;
    DT_TRY(DT_NEW(walk, 1));
    walk->merges = merges;
    while (((int64_t)1 << walk->shift) < character_count)
        walk->shift++;
    walk->width = 1u << walk->shift;
    const dt_status status = build(walk, vocabulary_size, character, character_count, &fits);
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
    dt_border_free(&walk->border);
    free(walk->tokens);
    free(walk->made);
    free(walk->class_of);
    free(walk->child);
    free(walk->node_token);
    free(walk->jump);
    free(walk);
}

/* ---- walking --------------------------------------------------------------------------------- */

/* A sequence of characters without unknown ones. */
typedef struct {
    const uint16_t *symbols; /* (n) */
    const uint16_t *code;    /* (n) of the jump_length characters from each position */
    uint8_t *dead;           /* (n + 1) no chain leads from the position to the end */
    size_t n;
} stretch;

/* Returns the longest token at a position, which is not the end. */
static uint32_t longest_token(const dt_bpe_walk *walk, const stretch *text, size_t place)
{
    uint32_t node = 0;
    size_t i = place;
    if (walk->jump_length > 0 && text->n - place >= walk->jump_length) {
        node = walk->jump[text->code[place]];
        if (node & DEAD_END)
            return node & ~DEAD_END;
        i += walk->jump_length;
    }
    for (; i < text->n; ++i) {
        const uint32_t class = walk->class_of[text->symbols[i]];
        const uint32_t next = walk->child[((size_t)node << walk->shift) + class];
        if (!next)
            break;
        node = next;
    }
    return walk->node_token[node];
}

static bool are_neighbours(const dt_bpe_walk *walk, uint32_t left, uint32_t right)
{
    return dt_border_holds(&walk->border, walk->tokens[left].row, walk->tokens[right].column);
}

/* Returns true if a chain may continue after this token at a position. */
static bool can_continue(const dt_bpe_walk *walk, const stretch *text, const walk_token *token,
                         size_t place)
{
    if (text->dead[place])
        return false;
    if (walk->ahead_length == 0 || text->n - place < walk->ahead_length)
        return true;
    const uint32_t code =
        text->code[place] >> (walk->jump_length - walk->ahead_length) * walk->shift;
    return token->followers >> code & 1;
}

/* Walks over characters without unknown ones. */
static dt_status walk_stretch(const dt_bpe_walk *walk, const stretch *text, uint16_t *out,
                              size_t *count)
{
    const walk_token *tokens = walk->tokens;
    size_t place = 0;
    size_t k = 0;
    uint32_t token = longest_token(walk, text, 0);
    for (;;) {
        while (token != NO_TOKEN &&
               (!can_continue(walk, text, &tokens[token], place + tokens[token].length) ||
                (k && !are_neighbours(walk, out[k - 1], token))))
            token = tokens[token].shorter;
        if (token != NO_TOKEN) {
            out[k++] = (uint16_t)token;
            place += tokens[token].length;
            if (place == text->n)
                break;
            token = longest_token(walk, text, place);
            continue;
        }
        if (k == 0)
            return dt_fail(DT_ERR_INTERNAL, "the tokenizer's walk found no encoding");
        text->dead[place] = 1;
        token = out[--k];
        place -= tokens[token].length;
        token = tokens[token].shorter;
    }
    *count = k;
    return DT_OK;
}

void dt_walk_work_free(dt_walk_work *work)
{
    free(work->code);
    free(work->dead);
    *work = (dt_walk_work){0};
}

/* Computes the codes of a stretch, from its end; the last ones are not used. */
static void make_codes(const dt_bpe_walk *walk, const uint16_t *symbols, size_t n, uint16_t *code)
{
    if (walk->jump_length == 0)
        return;
    const uint32_t top = (walk->jump_length - 1) * walk->shift;
    uint32_t next = 0;
    for (size_t i = n; i-- > 0;) {
        next = (uint32_t)walk->class_of[symbols[i]] << top | next >> walk->shift;
        code[i] = (uint16_t)next;
    }
}

dt_status dt_bpe_walk_encode(const dt_bpe_walk *walk, dt_walk_work *work, const uint16_t *symbols,
                             size_t n, uint16_t *out, size_t *count)
{
    *count = 0;
    DT_TRY(DT_GROW(work->code, work->code_capacity, n));
    DT_TRY(DT_GROW(work->dead, work->dead_capacity, n + 1));
    size_t i = 0;
    while (i < n) {
        if (walk->class_of[symbols[i]] == NO_CLASS) {
            out[(*count)++] = symbols[i++];
            continue;
        }
        size_t end = i + 1;
        while (end < n && walk->class_of[symbols[end]] != NO_CLASS)
            ++end;
        const stretch text = {
            .symbols = symbols + i, .code = work->code, .dead = work->dead, .n = end - i};
        size_t tokens = 0;
        memset(work->dead, 0, text.n + 1);
        make_codes(walk, text.symbols, text.n, work->code);
        DT_TRY(walk_stretch(walk, &text, out + *count, &tokens));
        *count += tokens;
        i = end;
    }
    return DT_OK;
}
