#include "run/run.h"

#include <stdlib.h>

void dt_run_settings_free(dt_run_settings *settings)
{
    free(settings->fasta_file);
    free(settings->taxonomy_file);
    free(settings->tokenizer_name);
    free(settings->focal_weight);
    *settings = (dt_run_settings){0};
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
    free(checkpoint->loss_sums.sum);
    *checkpoint = (dt_run){0};
}
