#include "sequence/strand_array.h"

#include <stdlib.h>

#include "core/memory.h"

static const int64_t shape[] = {DT_STRAND_KMERS};

dt_status dt_strand_put(dt_container *file, const dt_strand_info *strand)
{
    int32_t *weights;
    if (!strand->profile)
        return DT_OK;
    DT_TRY(DT_NEW(weights, DT_STRAND_KMERS));
    for (int32_t x = 0; x < DT_STRAND_KMERS; ++x)
        weights[x] = strand->profile->weight[x];
    const dt_status status =
        dt_container_put_array(file, "strand/weights", DT_ELEMENT_INT32, 1, shape, weights);
    free(weights);
    DT_TRY(status);
    DT_TRY(dt_container_put_attribute_int(file, "strand", "auto", strand->sorted));
    return dt_container_put_attribute_int(file, "strand", "turned", strand->reoriented);
}

static dt_status get_weights(dt_container *file, const char *path, dt_strand_profile *profile)
{
    int32_t *weights;
    bool ok = true;
    DT_TRY(DT_NEW(weights, DT_STRAND_KMERS));
    const dt_status status =
        dt_container_get_array(file, "strand/weights", DT_ELEMENT_INT32, 1, shape, weights);
    for (int32_t x = 0; x < DT_STRAND_KMERS && status == DT_OK; ++x) {
        ok = ok && weights[x] >= -INT16_MAX && weights[x] <= INT16_MAX;
        profile->weight[x] = (int16_t)weights[x];
    }
    free(weights);
    DT_TRY(status);
    if (!ok || !dt_strand_profile_fits(profile))
        return dt_fail(DT_ERR_INPUT, "%s: damaged: not a valid strand profile", path);
    return DT_OK;
}

dt_status dt_strand_get(dt_container *file, const char *path, dt_strand_info *strand)
{
    bool there;
    int64_t sorted;
    DT_TRY(dt_container_has(file, "strand/weights", &there));
    if (!there)
        return DT_OK;
    DT_TRY(DT_NEW(strand->profile, 1));
    DT_TRY(get_weights(file, path, strand->profile));
    DT_TRY(dt_container_get_attribute_int(file, "strand", "auto", &sorted));
    strand->sorted = sorted != 0;
    return dt_container_get_attribute_int(file, "strand", "turned", &strand->reoriented);
}
