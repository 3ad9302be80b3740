#include "core/group.h"

/* Sorts (id, row) pairs with a radix sort, one byte per pass. Returns the sorted pairs. */
static const uint64_t *sort_rows(const int32_t *ids, int64_t rows, int32_t largest_id,
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
    return from;
}

int32_t dt_group_rows(const dt_groups *out, const int32_t *ids, int64_t rows, int32_t largest_id,
                      uint64_t *scratch)
{
    const uint64_t *sorted = sort_rows(ids, rows, largest_id, scratch);
    int32_t groups = 0;
    for (int64_t i = 0; i < rows; ++i) {
        const int32_t row = (int32_t)(sorted[i] & 0xffffffffu);
        if (i == 0 || sorted[i] >> 32 != sorted[i - 1] >> 32)
            out->first[groups++] = (int32_t)i;
        out->order[i] = row;
        out->group_of_row[row] = groups - 1;
    }
    out->first[groups] = (int32_t)rows;
    return groups;
}
