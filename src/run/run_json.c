#include "run/run_json.h"

#include <stdio.h>

#include "run/settings.h"

static void described_details(dt_json *json, const dt_run *run)
{
    dt_json_put_string(json, "run_uuid", run->settings.run_uuid);
    dt_json_put_string(json, "tokenizer", run->settings.tokenizer_name);
    dt_json_put_int(json, "epoch", run->progress.epoch);
    dt_json_put_double(json, "hidden_dropout_prob", run->config.dropout);
    dt_json_put_bool(json, "output_attentions", false);
    dt_json_put_bool(json, "optimizer_state", run->has_optimizer);
}

static void model_details(dt_json *json, const dt_run *run, dt_run_json_kind kind)
{
    dt_json_key(json, "model_details");
    dt_json_object(json);
    dt_json_put_string(json, "tokenizer_name", run->settings.tokenizer_name);
    dt_json_put_int(json, "current_epoch", run->progress.epoch);
    dt_json_put_int(json, "total_parameters", run->parameters);
    dt_settings_json(json, run, DT_SECTION_MODEL);
    if (run->lineages.tax_ranks)
        dt_json_put_int(json, "lineages", dt_lineage_tree_lineages(&run->lineages));
    if (run->temperatures) {
        dt_json_key(json, "temperatures");
        dt_json_array(json);
        for (int32_t r = 0; r < run->temperatures; ++r)
            dt_json_double(json, run->temperature[r]);
        dt_json_end(json);
    }
    if (kind == DT_RUN_JSON_DESCRIPTION)
        described_details(json, run);
    dt_json_end(json);
}

static void optimizer_summary(dt_json *json, const char *key, const dt_update_rule *rule)
{
    dt_json_key(json, key);
    dt_json_object(json);
    dt_json_put_double(json, "lr", rule->learning_rate);
    dt_json_key(json, "betas");
    dt_json_array(json);
    dt_json_double(json, rule->beta1);
    dt_json_double(json, rule->beta2);
    dt_json_end(json);
    dt_json_put_double(json, "eps", rule->eps);
    dt_json_put_double(json, "weight_decay", rule->weight_decay);
    dt_json_end(json);
}

static void training_hyperparameters(dt_json *json, const dt_run *run, dt_run_json_kind kind)
{
    const dt_run_settings *s = &run->settings;
    dt_json_key(json, "training_hyperparameters");
    dt_json_object(json);
    dt_settings_json(json, run, DT_SECTION_TRAINING);
    optimizer_summary(json, "optimizer_summary", &s->rule);
    if (kind == DT_RUN_JSON_DESCRIPTION)
        optimizer_summary(json, "optimizer", &s->rule);
    dt_json_put_int(json, "scheduler_steps", s->rule.total_steps);
    if (s->micro_batch > 0)
        dt_json_put_int(json, "micro_batch_size", s->micro_batch);
    else /* of a .pt file */
        dt_json_put_null(json, "micro_batch_size");
    dt_json_put_bool(json, "normalize", s->normalize);
    dt_json_end(json);
}

/* Writes percentiles of the lengths in bases: {"0": shortest, "1": 1st percentile, …} */
static void training_lengths(dt_json *json, const dt_length_quantiles *lengths)
{
    char percent[16];
    dt_json_key(json, "training_length_quantiles");
    if (!lengths->known) {
        dt_json_null(json);
        return;
    }
    dt_json_object(json);
    for (int q = 0; q < DT_LENGTH_QUANTILES; ++q) {
        snprintf(percent, sizeof percent, "%d", dt_length_percent[q]);
        dt_json_put_int(json, percent, lengths->bases[q]);
    }
    dt_json_end(json);
}

static void region(dt_json *json, const dt_primers *primers)
{
    if (!primers->forward[0])
        return;
    dt_json_put_string(json, "region", primers->region);
    dt_json_put_string(json, "forward_primer", primers->forward);
    dt_json_put_string(json, "reverse_primer", primers->reverse);
}

static void dataset_info(dt_json *json, const dt_run *run)
{
    const dt_run_settings *settings = &run->settings;
    dt_json_key(json, "dataset_info");
    dt_json_object(json);
    dt_json_put_int(json, "total_sequences", settings->total_sequences);
    dt_json_put_int(json, "training_sequences", settings->training_sequences);
    dt_json_put_int(json, "validation_sequences", settings->validation_sequences);
    dt_json_put_string(json, "fasta_file", settings->fasta_file);
    dt_json_put_string(json, "taxonomy_file", settings->taxonomy_file);
    dt_json_put_string(json, "orientation", run->strand.sorted ? "auto" : "forward");
    dt_json_put_int(json, "turned_sequences", run->strand.reoriented);
    region(json, &run->primers);
    training_lengths(json, &run->lengths);
    dt_json_end(json);
}

static void taxonomic_levels(dt_json *json, const dt_taxonomy *taxonomy)
{
    char level[16];
    dt_json_key(json, "taxonomic_levels");
    dt_json_object(json);
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        snprintf(level, sizeof level, "%d", r);
        dt_json_key(json, level);
        dt_json_object(json);
        dt_json_put_string(json, "rank", taxonomy->rank[r].name);
        dt_json_put_int(json, "labels", taxonomy->rank[r].classes);
        dt_json_end(json);
    }
    dt_json_end(json);
}

void dt_run_json(dt_json *json, const dt_run *run, dt_run_json_kind kind)
{
    model_details(json, run, kind);
    training_hyperparameters(json, run, kind);
    if (kind != DT_RUN_JSON_PREDICTION)
        dataset_info(json, run);
    taxonomic_levels(json, &run->taxonomy);
}

void dt_run_json_tax_metrics(dt_json *json, const dt_run *run)
{
    char level[16];
    dt_json_key(json, "validation_metrics");
    if (run->progress.evaluated_epoch == 0) {
        dt_json_null(json);
        return;
    }
    dt_json_object(json);
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        const dt_metrics *m = &run->progress.metrics[r];
        snprintf(level, sizeof level, "%d", r);
        dt_json_key(json, level);
        dt_json_object(json);
        dt_json_put_double(json, "accuracy", m->accuracy);
        dt_json_put_double(json, "precision", m->precision);
        dt_json_put_double(json, "recall", m->recall);
        dt_json_put_double(json, "f1_score", m->f1);
        dt_json_end(json);
    }
    dt_json_end(json);
}

void dt_run_json_system(dt_json *json, bool gpu, const char *device, const char *precision)
{
    dt_json_key(json, "system_info");
    dt_json_object(json);
    dt_json_put_bool(json, "cuda_available", gpu);
    dt_json_put_string(json, "gpu", gpu ? device : NULL);
    dt_json_put_string(json, "device", device);
    dt_json_put_string(json, "precision", precision);
}

void dt_run_json_invocation(dt_json *json, const dt_invocation *invocation)
{
    dt_json_put_string(json, "command_line", invocation->command_line);
    dt_json_key(json, "options");
    dt_json_object(json);
    for (int32_t i = 0; i < invocation->options; ++i)
        dt_json_put_string(json, invocation->option[i].name, invocation->option[i].value);
    dt_json_end(json);
}
