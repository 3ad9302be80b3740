#include "run/split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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

dt_status dt_split_create(dt_split *split, int64_t count, double validation_share, uint32_t seed)
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
    DT_TRY(DT_NEW(split->training, (size_t)count));
    const dt_status status = DT_NEW(split->validation, (size_t)(count - training_count));
    if (status != DT_OK) {
        dt_split_free(split);
        return status;
    }
    shuffle_indices(split->training, count, seed);
    split->training_count = training_count;
    split->validation_count = count - training_count;
    memcpy(split->validation, split->training + training_count,
           (size_t)split->validation_count * sizeof *split->validation);
    return DT_OK;
}

void dt_split_free(dt_split *split)
{
    free(split->training);
    free(split->validation);
    *split = (dt_split){0};
}
