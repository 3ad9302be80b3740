#include "sequence/bpe_merge.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* The word as a doubly linked list: a merge unlinks its right symbol. */
struct dt_merge_links {
    int32_t previous; /* -1 before the first */
    int32_t next;     /* n after the last; 0 if merged into its left neighbour */
};

dt_status dt_merges_init(dt_merges *merges, uint32_t count)
{
    *merges = (dt_merges){0};
    size_t slots = 64;
    while (slots < (size_t)count * 4)
        slots *= 2;
    merges->mask = (uint32_t)(slots - 1);
    dt_status status = DT_NEW(merges->slots, slots);
    if (status == DT_OK)
        status = DT_NEW(merges->filter, slots * 4 / 64);
    if (status == DT_OK)
        status = DT_NEW(merges->left, count);
    if (status == DT_OK)
        status = DT_NEW(merges->right, count);
    if (status == DT_OK)
        status = DT_NEW(merges->result, count);
    if (status != DT_OK) {
        dt_merges_free(merges);
        return status;
    }
    for (size_t i = 0; i < slots; ++i)
        merges->slots[i].index = DT_NO_MERGE;
    return DT_OK;
}

void dt_merges_add(dt_merges *merges, uint16_t left, uint16_t right, uint16_t result)
{
    const uint32_t pair = (uint32_t)left << 16 | right;
    const uint32_t hash = dt_merges_hash(left, right);
    const uint32_t bit = hash & (merges->mask << 2 | 3);
    merges->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    uint32_t i = hash & merges->mask;
    while (merges->slots[i].pair != pair && merges->slots[i].index != DT_NO_MERGE)
        i = (i + 1) & merges->mask;
    merges->repeated += merges->slots[i].index != DT_NO_MERGE;
    merges->slots[i] = (dt_merge_slot){.pair = pair, .index = merges->count};
    merges->left[merges->count] = left;
    merges->right[merges->count] = right;
    merges->result[merges->count] = result;
    merges->count++;
}

void dt_merges_free(dt_merges *merges)
{
    free(merges->slots);
    free(merges->filter);
    free(merges->left);
    free(merges->right);
    free(merges->result);
    *merges = (dt_merges){0};
}

void dt_merge_work_free(dt_merge_work *work)
{
    dt_heap_free(&work->queue);
    free(work->links);
    *work = (dt_merge_work){0};
}

/* Queue entries are merge index << 32 | position of the left symbol. There are never more than 3n:
 * n - 1 at first, and at most two more for each of n - 1 merges. */
static void push_pair(const dt_merges *merges, dt_merge_work *work, const uint16_t *symbols,
                      int32_t left, int32_t right)
{
    const uint32_t index = dt_merges_find(merges, symbols[left], symbols[right]);
    if (index != DT_NO_MERGE)
        dt_heap_push(&work->queue, (uint64_t)index << 32 | (uint32_t)left);
}

/* Returns true if the queue entry is current: neither symbol has been merged since. */
static bool is_current(const dt_merges *merges, const struct dt_merge_links *links,
                       const uint16_t *symbols, size_t n, uint32_t index, int32_t place)
{
    const int32_t next = links[place].next;
    return next != 0 && (size_t)next < n && symbols[place] == merges->left[index] &&
           symbols[next] == merges->right[index];
}

dt_status dt_merges_apply(const dt_merges *merges, dt_merge_work *work, uint16_t *symbols, size_t n,
                          size_t *merged)
{
    *merged = n;
    if (n < 2)
        return DT_OK;
    DT_TRY(DT_GROW(work->links, work->link_capacity, n));
    DT_TRY(dt_heap_reserve(&work->queue, 3 * n));
    struct dt_merge_links *links = work->links;
    const int32_t end = (int32_t)n;
    for (int32_t i = 0; i < end; ++i)
        links[i] = (struct dt_merge_links){.previous = i - 1, .next = i + 1};
    work->queue.count = 0;
    for (int32_t i = 0; i + 1 < end; ++i)
        push_pair(merges, work, symbols, i, i + 1);
    while (work->queue.count) {
        const uint64_t entry = dt_heap_pop(&work->queue);
        const uint32_t index = (uint32_t)(entry >> 32);
        const int32_t place = (int32_t)(entry & UINT32_MAX);
        if (!is_current(merges, links, symbols, n, index, place))
            continue;
        const int32_t gone = links[place].next;
        const int32_t next = links[gone].next;
        symbols[place] = merges->result[index];
        links[place].next = next;
        links[gone].next = 0;
        if (next < end) {
            links[next].previous = place;
            push_pair(merges, work, symbols, place, next);
        }
        if (links[place].previous >= 0)
            push_pair(merges, work, symbols, links[place].previous, place);
    }
    size_t kept = 0;
    for (int32_t i = 0; i < end; i = links[i].next)
        symbols[kept++] = symbols[i];
    *merged = kept;
    return DT_OK;
}
