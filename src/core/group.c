#include "core/group.h"

#include <string.h>

/* Sorts the rows with a counter for each id. counter (largest_id + 1) */
static void count_rows(int32_t *order, const int32_t *ids, int64_t rows, int32_t largest_id,
                       int32_t *counter)
{
    memset(counter, 0, ((size_t)largest_id + 1) * sizeof *counter);
    for (int64_t row = 0; row < rows; ++row)
        counter[ids[row]]++;
    int32_t before = 0;
    for (int32_t id = 0; id <= largest_id; ++id) {
        const int32_t count = counter[id];
        counter[id] = before;
        before += count;
    }
    for (int64_t row = 0; row < rows; ++row)
        order[counter[ids[row]]++] = (int32_t)row;
}

/* Sorts (id, row) pairs with a radix sort, one byte per pass. */
static void sort_rows(int32_t *order, const int32_t *ids, int64_t rows, int32_t largest_id,
                      uint64_t *scratch)
{
    uint64_t *from = scratch;
    uint64_t *to = scratch + rows;
    for (int64_t row = 0; row < rows; ++row)
        from[row] = (uint64_t)(uint32_t)ids[row] << 32 | (uint64_t)row;
    for (int shift = 32; shift < 64 && (int64_t)largest_id >> (shift - 32) != 0; shift += 8) {
        int64_t start[257] = {0};
        for (int64_t i = 0; i < rows; ++i)
            start[(from[i] >> shift & 0xff) + 1]++;
        for (int digit = 0; digit < 256; ++digit)
            start[digit + 1] += start[digit];
        for (int64_t i = 0; i < rows; ++i)
            to[start[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    for (int64_t i = 0; i < rows; ++i)
        order[i] = (int32_t)(from[i] & 0xffffffffu);
}

int32_t dt_group_rows(const dt_groups *out, const int32_t *ids, int64_t rows, int32_t largest_id,
                      uint64_t *scratch)
{
    if (largest_id < rows)
        count_rows(out->order, ids, rows, largest_id, (int32_t *)(void *)scratch);
    else
        sort_rows(out->order, ids, rows, largest_id, scratch);
    int32_t groups = 0;
    for (int64_t i = 0; i < rows; ++i) {
        const int32_t row = out->order[i];
        if (i == 0 || ids[row] != ids[out->order[i - 1]])
            out->first[groups++] = (int32_t)i;
        out->group_of_row[row] = groups - 1;
    }
    out->first[groups] = (int32_t)rows;
    return groups;
}
