#include "predict/truth_use.h"

#include <stdlib.h>

#include "core/memory.h"

dt_status dt_truth_use_create(dt_truth_use *use, const dt_truth *truth)
{
    *use = (dt_truth_use){.truth = truth};
    dt_status status = DT_OK;
    for (int32_t r = 0; truth && r < truth->model->tax_ranks && status == DT_OK; ++r)
        if (truth->column[r] >= 0)
            status = DT_NEW(use->seen[r], (size_t)dt_truth_numbers(truth, r));
    if (status != DT_OK)
        dt_truth_use_free(use);
    return status;
}

void dt_truth_use_free(dt_truth_use *use)
{
    for (int32_t r = 0; r < DT_MAX_TAX_RANKS; ++r)
        free(use->seen[r]);
    *use = (dt_truth_use){0};
}

void dt_truth_use_add(dt_truth_use *use, const dt_predicted *predicted)
{
    const dt_truth *truth = use->truth;
    for (int32_t i = 0; truth && i < predicted->sequences; ++i) {
        const int32_t *numbers = predicted->truth + (ptrdiff_t)i * predicted->tax_ranks;
        const dt_text *id = &predicted->record[i].id;
        if (!predicted->has_row[i])
            continue;
        dt_bare_matches_add(&use->bare_matches, &truth->table, id->data, id->length);
        for (int32_t r = 0; r < predicted->tax_ranks; ++r)
            if (use->seen[r])
                use->seen[r][numbers[r]] = true;
    }
}

dt_status dt_truth_use_report(const dt_truth_use *use, const char *fasta)
{
    if (!use->truth)
        return DT_OK;
    dt_bare_matches_report(&use->bare_matches, &use->truth->table, fasta);
    return dt_truth_report_unknown(use->truth, use->seen);
}
