#include "cli/primer_options.h"

#include "sequence/primer.h"

dt_status dt_check_primers(const char *region, const char *forward, const char *reverse)
{
    if (region && (forward || reverse))
        return dt_fail(DT_ERR_USAGE, "--region cannot be combined with --forward-primer and "
                                     "--reverse-primer");
    if (!forward != !reverse)
        return dt_fail(DT_ERR_USAGE, "--forward-primer SEQUENCE and --reverse-primer SEQUENCE must "
                                     "be given together");
    if (region && !dt_region_find(region))
        return dt_fail(DT_ERR_USAGE,
                       "--region %s: must be V1V2, V1V3, V3V4, V4, V4V5 or V1V9; for another one "
                       "give --forward-primer and --reverse-primer",
                       region);
    return DT_OK;
}
