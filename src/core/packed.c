#include "core/packed.h"

dt_status dt_packed_check(const dt_packed *packed, const dt_packed_capacity *capacity)
{
    if (packed->sequences < 1 || packed->sequences > capacity->sequences || packed->tax_ranks < 0 ||
        packed->tax_ranks > capacity->tax_ranks)
        return dt_fail(
            DT_ERR_INTERNAL,
            "a batch of %d sequences and %d taxonomic ranks exceeds the reserved capacity",
            packed->sequences, packed->tax_ranks);
    for (int32_t b = 0; b < packed->sequences; ++b)
        if (packed->cu_seqlens[b + 1] <= packed->cu_seqlens[b])
            return dt_fail(DT_ERR_INTERNAL, "sequence %d of a batch has no tokens", b);
    const int64_t tokens = packed->cu_seqlens[packed->sequences];
    if (packed->cu_seqlens[0] != 0 || tokens > capacity->tokens)
        return dt_fail(DT_ERR_INTERNAL, "a batch of %lld tokens exceeds the reserved %lld tokens",
                       (long long)tokens, (long long)capacity->tokens);
    for (int64_t row = 0; row < tokens; ++row)
        if (packed->token_ids[row] < 0)
            return dt_fail(DT_ERR_INTERNAL, "a token id of a batch is negative");
    return DT_OK;
}

dt_packed_extent dt_packed_rows(int32_t *sequence_of_row, const dt_packed *packed)
{
    dt_packed_extent extent = {0};
    for (int32_t b = 0; b < packed->sequences; ++b) {
        const int32_t end = packed->cu_seqlens[b + 1];
        const int32_t length = end - packed->cu_seqlens[b];
        if (length > extent.longest)
            extent.longest = length;
        for (int32_t row = packed->cu_seqlens[b]; row < end; ++row) {
            sequence_of_row[row] = b;
            if (packed->token_ids[row] > extent.largest_id)
                extent.largest_id = packed->token_ids[row];
        }
    }
    return extent;
}
