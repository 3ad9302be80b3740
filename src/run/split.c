#include "run/split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/memory.h"
#include "core/mt19937.h"

static void shuffle_indices(int64_t *indices, int64_t count, uint32_t seed)
{
    for (int64_t i = 0; i < count; ++i)
        indices[i] = i;
    dt_mt19937 generator;
    dt_mt19937_seed(&generator, seed);
    dt_mt19937_shuffle(&generator, indices, count);
}

static dt_status count_parts(dt_split *split, int64_t count, double validation_share)
{
    *split = (dt_split){0};
    /* The same two double operations as Python's int(N * (1 - validation_share)). */
    const double training_share = 1.0 - validation_share;
    const bool usable = validation_share >= 0.0 && validation_share < 1.0 && count > 0;
    const int64_t training_count = usable ? (int64_t)((double)count * training_share) : 0;
    if (training_count < 1)
        return dt_fail(DT_ERR_INPUT,
                       "no sequences are left for training (total: %lld, --val-split: %g): add "
                       "sequences or lower --val-split",
                       (long long)count, validation_share);
    split->training_count = training_count;
    split->validation_count = count - training_count;
    return DT_OK;
}

dt_status dt_split_create(dt_split *split, int64_t count, double validation_share, uint32_t seed)
{
    DT_TRY(count_parts(split, count, validation_share));
    dt_status status = DT_NEW(split->training, (size_t)count);
    if (status == DT_OK)
        status = DT_NEW(split->validation, (size_t)split->validation_count);
    if (status != DT_OK) {
        dt_split_free(split);
        return status;
    }
    shuffle_indices(split->training, count, seed);
    memcpy(split->validation, split->training + split->training_count,
           (size_t)split->validation_count * sizeof *split->validation);
    return DT_OK;
}

/* ---- marks ------------------------------------------------------------------------------------
 *
 * The shuffle exchanges place i = count-1 … 1 with a random place j_i <= i. After the exchanges of
 * i = count-1 … training_count the last places, the validation part, are final. Marking those places
 * and undoing these exchanges in reverse order moves each mark to the number that the place had at
 * the beginning, which is its own. The draws are repeated block by block from a copy of the
 * generator at the beginning of each block, so that they need not be in memory. */

#define BLOCK ((int64_t)1 << 16) /* draws */

/* Draws j_i for i = last, last - 1 … last - count + 1. */
static void draw_block(dt_mt19937 *generator, int64_t last, int64_t count, int64_t *drawn)
{
    for (int64_t k = 0; k < count; ++k)
        drawn[k] = (int64_t)dt_mt19937_interval(generator, (uint64_t)(last - k));
}

static void undo_block(uint8_t *marks, int64_t last, int64_t count, const int64_t *drawn)
{
    for (int64_t k = count - 1; k >= 0; --k) {
        const bool mark = dt_bit(marks, last - k);
        dt_bit_set(marks, last - k, dt_bit(marks, drawn[k]));
        dt_bit_set(marks, drawn[k], mark);
    }
}

static dt_status move_marks(const dt_split *split, uint32_t seed)
{
    const int64_t last = split->training_count + split->validation_count - 1;
    const int64_t draws = split->validation_count;
    const int64_t blocks = (draws + BLOCK - 1) / BLOCK;
    dt_mt19937 *at; /* (blocks + 1) the generator at the beginning of each */
    int64_t *drawn = NULL;
    DT_TRY(DT_NEW(at, (size_t)blocks + 1));
    dt_status status = DT_NEW(drawn, BLOCK);
    if (status == DT_OK)
        dt_mt19937_seed(&at[0], seed);
    for (int64_t b = 0; b < blocks && status == DT_OK; ++b) {
        at[b + 1] = at[b];
        draw_block(&at[b + 1], last - b * BLOCK, b < blocks - 1 ? BLOCK : draws - b * BLOCK, drawn);
    }
    for (int64_t b = blocks - 1; b >= 0 && status == DT_OK; --b) {
        const int64_t size = b < blocks - 1 ? BLOCK : draws - b * BLOCK;
        draw_block(&at[b], last - b * BLOCK, size, drawn);
        undo_block(split->marks, last - b * BLOCK, size, drawn);
    }
    free(drawn);
    free(at);
    return status;
}

dt_status dt_split_create_marks(dt_split *split, int64_t count, double validation_share,
                                uint32_t seed)
{
    DT_TRY(count_parts(split, count, validation_share));
    DT_TRY(DT_NEW(split->marks, dt_bits_bytes(count)));
    for (int64_t i = split->training_count; i < count; ++i)
        dt_bit_set(split->marks, i, true);
    return move_marks(split, seed);
}

dt_status dt_split_add_marks(dt_split *split)
{
    const int64_t count = split->training_count + split->validation_count;
    free(split->marks);
    DT_TRY(DT_NEW(split->marks, dt_bits_bytes(count)));
    for (int64_t i = 0; i < split->validation_count; ++i) {
        if (split->validation[i] < 0 || split->validation[i] >= count)
            return dt_fail(DT_ERR_INPUT, "invalid sequence numbers in the split");
        dt_bit_set(split->marks, split->validation[i], true);
    }
    return DT_OK;
}

int64_t dt_split_next(const dt_split *split, int64_t *next)
{
    while (!dt_bit(split->marks, *next))
        ++*next;
    return (*next)++;
}

void dt_split_free(dt_split *split)
{
    free(split->training);
    free(split->validation);
    free(split->marks);
    *split = (dt_split){0};
}
