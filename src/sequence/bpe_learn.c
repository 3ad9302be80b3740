#include "sequence/bpe_learn.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sequence/heap.h"

#define SPECIALS 5
#define MIN_COUNT 2u   /* a pair that occurs once is not significant */
#define RARE_PERCENT 1 /* letters below this share are not in the alphabet */
#define GONE (-2)      /* `previous` of a symbol that was merged into its left neighbour */

static const char *const special_name[SPECIALS] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
static const int32_t special_id[SPECIALS] = {0, 1, 2, 3, 4};

struct dt_bpe_learner {
    int32_t target_size;
    size_t max_bases;
    int64_t added;
    int64_t stride; /* every stride-th sequence is in the sample */
    dt_text bases;  /* the sample, concatenated */
    size_t *end;    /* (count) where each ends in `bases` */
    size_t count;
    size_t end_capacity;
};

/* --- the sample ------------------------------------------------------------------------------- */

dt_status dt_bpe_learner_create(dt_bpe_learner **out, int32_t target_size, size_t max_bases)
{
    *out = NULL;
    if (target_size < SPECIALS + 4 || target_size > DT_MAX_VOCABULARY)
        return dt_fail(DT_ERR_USAGE, "a vocabulary of %d entries: choose %d to %d", target_size,
                       SPECIALS + 4, DT_MAX_VOCABULARY);
    if (max_bases < 1 || max_bases > (size_t)1 << 30)
        return dt_fail(DT_ERR_USAGE, "a sample of %zu bases: choose 1 to %zu", max_bases,
                       (size_t)1 << 30);
    DT_TRY(DT_NEW(*out, 1));
    (*out)->target_size = target_size;
    (*out)->max_bases = max_bases;
    (*out)->stride = 1;
    return DT_OK;
}

void dt_bpe_learner_destroy(dt_bpe_learner *learner)
{
    if (!learner)
        return;
    dt_text_free(&learner->bases);
    free(learner->end);
    free(learner);
}

/* Removes every second sequence from the sample. */
static void halve_sample(dt_bpe_learner *learner)
{
    size_t kept = 0;
    size_t length = 0;
    for (size_t i = 0; i < learner->count; i += 2) {
        const size_t start = i ? learner->end[i - 1] : 0;
        const size_t bytes = learner->end[i] - start;
        memmove(learner->bases.data + length, learner->bases.data + start, bytes);
        length += bytes;
        learner->end[kept++] = length;
    }
    learner->count = kept;
    learner->bases.length = length;
    learner->stride *= 2;
}

dt_status dt_bpe_learner_add(dt_bpe_learner *learner, const char *sequence, size_t length)
{
    const int64_t number = learner->added++;
    while (learner->count > 1 && number % learner->stride == 0 &&
           learner->bases.length + length > learner->max_bases)
        halve_sample(learner);
    if (number % learner->stride != 0)
        return DT_OK;
    const size_t room = learner->max_bases - learner->bases.length;
    DT_TRY(DT_GROW(learner->end, learner->end_capacity, learner->count + 1));
    DT_TRY(dt_text_add(&learner->bases, sequence, length < room ? length : room));
    learner->end[learner->count++] = learner->bases.length;
    return DT_OK;
}

/* --- counting pairs --------------------------------------------------------------------------- */

/* A symbol of the text, in a doubly linked list per word; -1 at its ends. */
typedef struct {
    int32_t previous;
    int32_t next;
    uint16_t id;
} symbol;

/* The occurrences of a pair: positions of its left symbol, ascending. An entry is stale once its
 * symbols have changed, so it is checked before use; `count` is exact. */
typedef struct {
    uint32_t key; /* left << 16 | right */
    uint32_t count;
    int32_t *places;
    size_t place_count;
    size_t place_capacity;
} pair;

typedef struct {
    symbol *symbols;
    size_t symbol_count;
    pair *pairs; /* pairs that occur, or occurred, at least MIN_COUNT times */
    size_t pair_count;
    size_t pair_capacity;
    uint32_t *slots; /* hash table: index of the pair + 1 */
    size_t slot_count;
    dt_heap queue; /* (UINT32_MAX - count) << 32 | key; the count may be stale */
    /* All pairs created by the current merge contain the new token, so they are counted in tables
     * indexed by the other symbol: */
    pair *before;      /* (target_size) (other, new) */
    pair *after;       /* (target_size) (new, other), and (new, new) */
    uint16_t *touched; /* symbols with an entry in `before` or `after`, with repetitions */
    size_t touched_count;
    size_t touched_capacity;
    int32_t *merges; /* (merge_count, 2) ids of the parts */
    size_t merge_count;
    size_t merge_capacity;
} work;

static void free_pairs(pair *pairs, size_t count)
{
    for (size_t i = 0; pairs && i < count; ++i)
        free(pairs[i].places);
    free(pairs);
}

static void free_work(work *w, int32_t target_size)
{
    free(w->symbols);
    free_pairs(w->pairs, w->pair_count);
    free_pairs(w->before, (size_t)target_size);
    free_pairs(w->after, (size_t)target_size);
    free(w->slots);
    free(w->touched);
    free(w->merges);
    dt_heap_free(&w->queue);
}

static size_t slot_of(const work *w, uint32_t key)
{
    size_t i = ((uint64_t)key * 0x9E3779B97F4A7C15u) >> 32 & (w->slot_count - 1);
    while (w->slots[i] && w->pairs[w->slots[i] - 1].key != key)
        i = (i + 1) & (w->slot_count - 1);
    return i;
}

static pair *find_pair(const work *w, uint32_t key)
{
    const uint32_t found = w->slots[slot_of(w, key)];
    return found ? &w->pairs[found - 1] : NULL;
}

static dt_status grow_slots(work *w)
{
    const size_t count = w->slot_count ? w->slot_count * 2 : 1024;
    uint32_t *slots;
    DT_TRY(DT_NEW(slots, count));
    free(w->slots);
    w->slots = slots;
    w->slot_count = count;
    for (size_t i = 0; i < w->pair_count; ++i)
        w->slots[slot_of(w, w->pairs[i].key)] = (uint32_t)i + 1;
    return DT_OK;
}

static dt_status push_count(work *w, const pair *p)
{
    DT_TRY(dt_heap_reserve(&w->queue, w->queue.count + 1));
    dt_heap_push(&w->queue, (uint64_t)(UINT32_MAX - p->count) << 32 | p->key);
    return DT_OK;
}

/* Moves *from, with its positions, to the pairs that may be merged, or discards it. */
static dt_status store_pair(work *w, pair *from)
{
    dt_status status = DT_OK;
    if (from->count >= MIN_COUNT) {
        if (w->pair_count * 2 >= w->slot_count)
            DT_TRY(grow_slots(w));
        DT_TRY(DT_GROW(w->pairs, w->pair_capacity, w->pair_count + 1));
        w->slots[slot_of(w, from->key)] = (uint32_t)w->pair_count + 1;
        w->pairs[w->pair_count++] = *from;
        status = push_count(w, from);
    } else {
        free(from->places);
    }
    *from = (pair){0};
    return status;
}

static dt_status count_place(pair *p, uint32_t key, int32_t place)
{
    p->key = key;
    p->count++;
    DT_TRY(DT_GROW(p->places, p->place_capacity, p->place_count + 1));
    p->places[p->place_count++] = place;
    return DT_OK;
}

static uint32_t key_of(uint16_t left, uint16_t right)
{
    return (uint32_t)left << 16 | right;
}

/* --- the alphabet and the text ---------------------------------------------------------------- */

static bool is_letter(int byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* Sets id_of[byte] (0: not in the alphabet) and returns the number of ids in use, or -1 if the text
 * has no character of the alphabet. */
static int32_t choose_alphabet(const dt_text *bases, uint16_t id_of[256])
{
    size_t count[256] = {0};
    size_t known = 0;
    for (size_t i = 0; i < bases->length; ++i)
        count[(unsigned char)bases->data[i]]++;
    int32_t next_id = SPECIALS;
    for (int byte = 0; byte < 256; ++byte) {
        const bool is_base = byte == 'A' || byte == 'C' || byte == 'G' || byte == 'T';
        const bool is_common =
            is_letter(byte) && count[byte] && count[byte] >= bases->length * RARE_PERCENT / 100;
        id_of[byte] = is_base || is_common ? (uint16_t)next_id++ : 0;
        known += id_of[byte] ? count[byte] : 0;
    }
    return known ? next_id : -1;
}

/* Converts the sequences to words of symbols. */
static dt_status build_words(work *w, const dt_bpe_learner *learner, const uint16_t id_of[256])
{
    DT_TRY(DT_NEW(w->symbols, learner->bases.length));
    size_t start = 0;
    for (size_t s = 0; s < learner->count; ++s) {
        int32_t last = -1;
        for (size_t i = start; i < learner->end[s]; ++i) {
            const uint16_t id = id_of[(unsigned char)learner->bases.data[i]];
            if (!id) {
                last = -1;
                continue;
            }
            const int32_t place = (int32_t)w->symbol_count++;
            w->symbols[place] = (symbol){.previous = last, .next = -1, .id = id};
            if (last >= 0)
                w->symbols[last].next = place;
            last = place;
        }
        start = learner->end[s];
    }
    return DT_OK;
}

static dt_status count_first_pairs(work *w, int32_t alphabet_end)
{
    pair *table;
    const size_t width = (size_t)alphabet_end;
    DT_TRY(DT_NEW(table, width * width));
    dt_status status = DT_OK;
    for (size_t i = 0; i < w->symbol_count && status == DT_OK; ++i) {
        const symbol *left = &w->symbols[i];
        if (left->next < 0)
            continue;
        const uint16_t right = w->symbols[left->next].id;
        status = count_place(&table[left->id * width + right], key_of(left->id, right), (int32_t)i);
    }
    for (size_t i = 0; i < width * width && status == DT_OK; ++i)
        status = store_pair(w, &table[i]);
    free_pairs(table, width * width);
    return status;
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Counts one occurrence of (left, right) less; `made` is the result of the current merge. */
static void lose_pair(work *w, uint16_t left, uint16_t right, uint16_t made)
{
    pair *p = left == made    ? &w->after[right]
              : right == made ? &w->before[left]
                              : find_pair(w, key_of(left, right));
    if (p && p->count)
        p->count--;
}

static dt_status gain_pair(work *w, uint16_t left, uint16_t right, uint16_t made, int32_t place)
{
    const uint16_t other = left == made ? right : left;
    pair *p = left == made ? &w->after[other] : &w->before[other];
    if (!p->count) {
        DT_TRY(DT_GROW(w->touched, w->touched_capacity, w->touched_count + 1));
        w->touched[w->touched_count++] = other;
    }
    return count_place(p, key_of(left, right), place);
}

static dt_status merge_at(work *w, int32_t place, uint16_t made)
{
    symbol *const symbols = w->symbols;
    const int32_t gone = symbols[place].next;
    const int32_t previous = symbols[place].previous;
    const int32_t next = symbols[gone].next;
    if (previous >= 0)
        lose_pair(w, symbols[previous].id, symbols[place].id, made);
    if (next >= 0)
        lose_pair(w, symbols[gone].id, symbols[next].id, made);
    symbols[place].id = made;
    symbols[place].next = next;
    symbols[gone].previous = GONE;
    if (previous >= 0)
        DT_TRY(gain_pair(w, symbols[previous].id, made, made, previous));
    if (next >= 0) {
        symbols[next].previous = place;
        DT_TRY(gain_pair(w, made, symbols[next].id, made, place));
    }
    return DT_OK;
}

static dt_status merge_pair(work *w, uint32_t key, const int32_t *places, size_t count,
                            uint16_t made)
{
    const uint16_t left = (uint16_t)(key >> 16);
    const uint16_t right = (uint16_t)key;
    w->touched_count = 0;
    for (size_t i = 0; i < count; ++i) {
        const symbol *s = &w->symbols[places[i]];
        if (s->previous != GONE && s->id == left && s->next >= 0 && w->symbols[s->next].id == right)
            DT_TRY(merge_at(w, places[i], made));
    }
    for (size_t i = 0; i < w->touched_count; ++i) {
        DT_TRY(store_pair(w, &w->before[w->touched[i]]));
        DT_TRY(store_pair(w, &w->after[w->touched[i]]));
    }
    return DT_OK;
}

/* Removes the most frequent pair from the queue; *found is false if no pair is frequent enough. */
static dt_status take_best(work *w, pair *best, bool *found)
{
    *found = false;
    while (w->queue.count && !*found) {
        const uint64_t entry = dt_heap_pop(&w->queue);
        pair *p = find_pair(w, (uint32_t)entry);
        if (!p || p->count < MIN_COUNT)
            continue;
        if (p->count != UINT32_MAX - (uint32_t)(entry >> 32)) {
            DT_TRY(push_count(w, p));
            continue;
        }
        *best = *p;
        *p = (pair){.key = p->key};
        *found = true;
    }
    return DT_OK;
}

static dt_status learn(work *w, int32_t alphabet_end, int32_t target_size)
{
    DT_TRY(DT_NEW(w->before, (size_t)target_size));
    DT_TRY(DT_NEW(w->after, (size_t)target_size));
    DT_TRY(grow_slots(w));
    DT_TRY(count_first_pairs(w, alphabet_end));
    for (int32_t made = alphabet_end; made < target_size; ++made) {
        pair best;
        bool found;
        DT_TRY(take_best(w, &best, &found));
        if (!found)
            break;
        dt_status status = DT_GROW(w->merges, w->merge_capacity, w->merge_count * 2 + 2);
        if (status == DT_OK) {
            w->merges[w->merge_count * 2] = (int32_t)(best.key >> 16);
            w->merges[w->merge_count * 2 + 1] = (int32_t)(best.key & 0xFFFFu);
            w->merge_count++;
            status = merge_pair(w, best.key, best.places, best.place_count, (uint16_t)made);
        }
        free(best.places);
        DT_TRY(status);
    }
    return DT_OK;
}

/* --- the result ------------------------------------------------------------------------------- */

static dt_status join(char **out, const char *left, const char *right)
{
    dt_text text = {0};
    DT_TRY(dt_text_addf(&text, "%s%s", left, right));
    *out = text.data;
    return DT_OK;
}

static dt_status write_result(dt_bpe *bpe, const work *w, const uint16_t id_of[256],
                              int32_t alphabet_end)
{
    bpe->vocabulary_size = alphabet_end + (int32_t)w->merge_count;
    DT_TRY(DT_NEW(bpe->token, (size_t)bpe->vocabulary_size));
    DT_TRY(DT_NEW(bpe->merge_left, w->merge_count));
    DT_TRY(DT_NEW(bpe->merge_right, w->merge_count));
    for (int32_t i = 0; i < SPECIALS; ++i)
        DT_TRY(join(&bpe->token[special_id[i]], special_name[i], ""));
    for (int byte = 0; byte < 256; ++byte) {
        const char text[2] = {(char)byte, '\0'};
        if (id_of[byte])
            DT_TRY(join(&bpe->token[id_of[byte]], text, ""));
    }
    for (size_t i = 0; i < w->merge_count; ++i) {
        bpe->merge_left[i] = bpe->token[w->merges[2 * i]];
        bpe->merge_right[i] = bpe->token[w->merges[2 * i + 1]];
        DT_TRY(
            join(&bpe->token[(size_t)alphabet_end + i], bpe->merge_left[i], bpe->merge_right[i]));
        bpe->merge_count++;
    }
    return DT_OK;
}

static dt_status check_sample(const dt_bpe_learner *learner, int32_t alphabet_end)
{
    if (!learner->count)
        return dt_fail(DT_ERR_INPUT, "no sequences to learn a tokenizer from");
    if (alphabet_end < 0)
        return dt_fail(
            DT_ERR_INPUT,
            "the %zu sequences contain no bases to learn a tokenizer from: A, C, G, T or "
            "other frequent letters",
            learner->count);
    if (alphabet_end > learner->target_size)
        return dt_fail(
            DT_ERR_USAGE,
            "a vocabulary of %d entries is too small for the %d special tokens and the %d "
            "letters of these sequences: choose a larger one",
            learner->target_size, SPECIALS, alphabet_end - SPECIALS);
    return DT_OK;
}

dt_status dt_bpe_learner_finish(dt_bpe_learner *learner, dt_bpe **out)
{
    *out = NULL;
    uint16_t id_of[256];
    const int32_t alphabet_end = choose_alphabet(&learner->bases, id_of);
    DT_TRY(check_sample(learner, alphabet_end));
    work w = {0};
    dt_bpe *bpe = NULL;
    dt_status status = DT_NEW(bpe, 1);
    if (status == DT_OK)
        status = build_words(&w, learner, id_of);
    if (status == DT_OK)
        status = learn(&w, alphabet_end, learner->target_size);
    if (status == DT_OK)
        status = write_result(bpe, &w, id_of, alphabet_end);
    free_work(&w, learner->target_size);
    if (status != DT_OK) {
        dt_bpe_destroy(bpe);
        return status;
    }
    bpe->sequences_added = learner->added;
    bpe->sequences_used = (int64_t)learner->count;
    bpe->bases_used = (int64_t)learner->bases.length;
    *out = bpe;
    return DT_OK;
}

void dt_bpe_destroy(dt_bpe *bpe)
{
    if (!bpe)
        return;
    for (int32_t id = 0; bpe->token && id < bpe->vocabulary_size; ++id)
        free(bpe->token[id]);
    free(bpe->token);
    free(bpe->merge_left);
    free(bpe->merge_right);
    free(bpe);
}

void dt_bpe_spec(const dt_bpe *bpe, dt_tokenizer_spec *spec)
{
    *spec = (dt_tokenizer_spec){
        .vocabulary_size = bpe->vocabulary_size,
        .token = (const char *const *)bpe->token,
        .merge_count = bpe->merge_count,
        .merge_left = bpe->merge_left,
        .merge_right = bpe->merge_right,
        .pre_tokenizer = DT_PRE_TOKENIZER_WHITESPACE,
        .unk_id = 0,
        .pad_id = 3,
        .prefix_count = 1,
        .suffix_count = 1,
        .prefix = {1},
        .suffix = {2},
        .special_count = SPECIALS,
        .special_id = special_id,
    };
}
