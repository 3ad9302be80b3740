#include "predict/region_use.h"

#include "core/log.h"

#define WARN_ABOVE 10 /* one sequence in ten */

void dt_region_use_add(dt_region_use *use, const dt_predicted *predicted)
{
    if (!predicted->amplicon)
        return;
    use->sequences += predicted->sequences;
    for (int32_t i = 0; i < predicted->sequences; ++i)
        use->results[predicted->amplicon[i].result]++;
}

bool dt_region_use_report(const dt_region_use *use, const char *file)
{
    const int64_t both = use->results[DT_AMPLICON_FOUND];
    const int64_t one = use->results[DT_AMPLICON_NO_FORWARD] + use->results[DT_AMPLICON_NO_REVERSE];
    const char *region = use->trained->region[0] ? use->trained->region : "its primers";
    if (use->cuts)
        dt_info("%s: %lld of %lld sequences were cut to the region of the model (%s); the others "
                "do not have both primers and are predicted as they are",
                file, (long long)both, (long long)use->sequences, region);
    if (!use->cuts && both * WARN_ABOVE > use->sequences) {
        dt_warn("%s: %lld of %lld sequences have both primers of the region that the model was "
                "trained on (%s): cut the region out with --extract auto, or expect wrong labels",
                file, (long long)both, (long long)use->sequences, region);
        return true;
    }
    if (one * WARN_ABOVE <= use->sequences)
        return false;
    dt_warn(
        "%s: %lld of %lld sequences have one primer of the region that the model was trained on "
        "(%s), so they cover another region, or this primer was not removed: train a model on "
        "their region (train --region), or expect wrong labels",
        file, (long long)one, (long long)use->sequences, region);
    return true;
}
