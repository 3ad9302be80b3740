#include "run/run.h"

#include <math.h>
#include <stdlib.h>

void dt_run_settings_free(dt_run_settings *settings)
{
    free(settings->fasta_file);
    free(settings->taxonomy_file);
    free(settings->tokenizer_name);
    free(settings->focal_weight);
    *settings = (dt_run_settings){0};
}

dt_status dt_run_split(dt_run *run, int64_t count, bool marks)
{
    const dt_run_settings *settings = &run->settings;
    return (marks ? dt_split_create_marks : dt_split_create)(&run->split, count,
                                                             settings->val_split, settings->seed);
}

double dt_scaled_rate(double rate, dt_rate_scaling scaling, int64_t sequences)
{
    const double factor = (double)sequences / DT_RATE_SEQUENCES;
    switch (scaling) {
    case DT_RATE_SQRT:
        return rate * sqrt(factor);
    case DT_RATE_LINEAR:
        return rate * factor;
    case DT_RATE_AS_GIVEN:
        break;
    }
    return rate;
}

int64_t dt_batches_per_epoch(int64_t sequences, const dt_run_settings *settings)
{
    return (sequences + settings->batch_size - 1) / settings->batch_size;
}

void dt_set_rate(dt_run_settings *settings)
{
    settings->rule.learning_rate =
        dt_scaled_rate(settings->learning_rate, (dt_rate_scaling)settings->rate_scaling,
                       (int64_t)settings->batch_size * settings->accum_steps);
}

dt_status dt_run_add_lineages(const dt_run *run, dt_model *model)
{
    return dt_run_has_lineage_layer(run) ? dt_model_add_lineages(model, &run->lineages) : DT_OK;
}

void dt_run_free(dt_run *checkpoint)
{
    dt_run_settings_free(&checkpoint->settings);
    dt_taxonomy_free(&checkpoint->taxonomy);
    dt_lineage_tree_free(&checkpoint->lineages);
    dt_strand_info_free(&checkpoint->strand);
    dt_split_free(&checkpoint->split);
    dt_fingerprints_free(&checkpoint->sequences);
    free(checkpoint->tokenizer_json);
    free(checkpoint->choices);
    free(checkpoint->unknown);
    free(checkpoint->loss_sums.sum);
    *checkpoint = (dt_run){0};
}
