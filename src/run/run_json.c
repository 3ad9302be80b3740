#include "run/run_json.h"

#include <stdio.h>

static void put_size(dt_json *json, const char *key, bool applies, int32_t size)
{
    if (applies)
        dt_json_put_int(json, key, size);
    else
        dt_json_put_null(json, key);
}

static void kernel_sizes(dt_json *json, const dt_model_config *c)
{
    dt_json_key(json, "kernel_sizes");
    if (!dt_model_has_cnn(c)) {
        dt_json_null(json);
        return;
    }
    dt_json_array(json);
    for (int32_t k = 0; k < c->kernels; ++k)
        dt_json_int(json, c->width[k]);
    dt_json_end(json);
}

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
    const dt_model_config *c = &run->config;
    const bool cnn = dt_model_has_cnn(c);
    const bool encoder = dt_model_has_encoder(c);
    dt_json_key(json, "model_details");
    dt_json_object(json);
    dt_json_put_string(json, "model_type", dt_model_type_name(c->type));
    dt_json_put_string(json, "tokenizer_name", run->settings.tokenizer_name);
    dt_json_put_string(json, "encoding", dt_encoding_name(c->encoding));
    dt_json_put_int(json, "current_epoch", run->progress.epoch);
    dt_json_put_int(json, "total_parameters", run->parameters);
    dt_json_put_int(json, "max_length", c->max_length);
    put_size(json, "embed_dim", cnn, c->embed_dim);
    put_size(json, "num_filters", cnn, c->filters);
    kernel_sizes(json, c);
    put_size(json, "num_conv_layers", cnn, c->conv_layers);
    put_size(json, "hidden_size", encoder, c->hidden);
    put_size(json, "num_hidden_layers", encoder, c->layers);
    put_size(json, "num_attention_heads", encoder, c->heads);
    put_size(json, "intermediate_size", encoder, c->intermediate);
    dt_json_put_double(json, "dropout_prob", c->dropout);
    dt_json_put_bool(json, "mask_padding", c->mask_padding);
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
    dt_json_put_double(json, "learning_rate", s->rule.learning_rate);
    dt_json_put_int(json, "batch_size", s->batch_size);
    dt_json_put_int(json, "accum_steps", s->accum_steps);
    dt_json_put_int(json, "target_epochs", s->epochs);
    dt_json_put_string(json, "loss_type", dt_loss_type_name(s->loss_type));
    dt_json_put_double(json, "focal_gamma", s->focal_gamma);
    dt_json_put_string(json, "focal_reduction", s->focal_sum ? "sum" : "mean");
    dt_json_put_string(json, "focal_weight", s->focal_weight);
    dt_json_put_string(json, "class_weights", dt_class_weights_name(s->class_weights));
    dt_json_key(json, "level_weights");
    dt_json_array(json);
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        dt_json_double(json, dt_level_weight(s, r));
    dt_json_end(json);
    optimizer_summary(json, "optimizer_summary", &s->rule);
    if (kind == DT_RUN_JSON_DESCRIPTION)
        optimizer_summary(json, "optimizer", &s->rule);
    dt_json_put_int(json, "scheduler_steps", s->rule.total_steps);
    dt_json_put_int(json, "early_stopping_patience", s->early_stopping_patience);
    dt_json_put_double(json, "early_stopping_min_delta", s->early_stopping_min_delta);
    dt_json_put_int(json, "seed", s->seed);
    dt_json_put_double(json, "scheduler_warmup_ratio", s->warmup_ratio);
    dt_json_put_double(json, "max_grad_norm", s->rule.max_grad_norm);
    dt_json_put_double(json, "val_split", s->val_split);
    dt_json_put_int(json, "eval_every", s->eval_every);
    dt_json_put_int(json, "micro_batch_size", s->micro_batch);
    dt_json_put_bool(json, "normalize", s->normalize);
    dt_json_end(json);
}

/* {"0": the shortest, "1": that of 1 per cent …} in bases */
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
    dt_json_put_int(json, "turned_sequences", run->strand.turned);
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
    dataset_info(json, run);
    taxonomic_levels(json, &run->taxonomy);
}

void dt_run_json_measures(dt_json *json, const dt_run *run)
{
    char level[16];
    dt_json_key(json, "validation_metrics");
    if (run->progress.evaluated_epoch == 0) {
        dt_json_null(json);
        return;
    }
    dt_json_object(json);
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        const dt_measures *m = &run->progress.measures[r];
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
