#include "run/torch_content.h"

#include <math.h>
#include <stdio.h>

/* ---- keys with values ------------------------------------------------------------------------ */

static void put_none(dt_pickle_writer *pickle, const char *key)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_none(pickle);
}

static void put_bool(dt_pickle_writer *pickle, const char *key, bool value)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_bool(pickle, value);
}

static void put_int(dt_pickle_writer *pickle, const char *key, int64_t value)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_int(pickle, value);
}

/* A value that is not known yet, NaN, is 0, as in DeepTaxa's files. */
static void put_double(dt_pickle_writer *pickle, const char *key, double value)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_double(pickle, isnan(value) ? 0.0 : value);
}

static void put_text(dt_pickle_writer *pickle, const char *key, const char *text)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_text(pickle, text ? text : "");
}

static void put_doubles(dt_pickle_writer *pickle, const char *key, int32_t count,
                        const double *values)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_begin_list(pickle);
    for (int32_t i = 0; i < count; ++i)
        dt_pickle_put_double(pickle, values[i]);
    dt_pickle_end_list(pickle);
}

static void put_int64s(dt_pickle_writer *pickle, const char *key, int64_t count,
                       const int64_t *values)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_begin_list(pickle);
    for (int64_t i = 0; i < count; ++i)
        dt_pickle_put_int(pickle, values[i]);
    dt_pickle_end_list(pickle);
}

static void begin_dict(dt_pickle_writer *pickle, const char *key)
{
    dt_pickle_put_text(pickle, key);
    dt_pickle_begin_dict(pickle);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void put_cnn_sizes(dt_pickle_writer *pickle, const dt_model_config *config)
{
    put_int(pickle, "embed_dim", config->embed_dim);
    put_int(pickle, "num_filters", config->filters);
    dt_pickle_put_text(pickle, "kernel_sizes");
    dt_pickle_begin_list(pickle);
    for (int32_t k = 0; k < config->kernels; ++k)
        dt_pickle_put_int(pickle, config->width[k]);
    dt_pickle_end_list(pickle);
    put_int(pickle, "num_conv_layers", config->conv_layers);
}

/* The items of model_config of a CNN without an encoder. */
static void put_cnn_config(dt_pickle_writer *pickle, const dt_model_config *config)
{
    const bool onehot = config->encoding == DT_ENCODING_ONEHOT;
    put_int(pickle, "vocab_size", onehot ? 0 : config->vocabulary);
    put_cnn_sizes(pickle, config);
    put_double(pickle, "hidden_dropout_prob", config->dropout);
    put_text(pickle, "input_mode", dt_encoding_name(config->encoding));
    put_bool(pickle, "mask_padding", config->mask_padding);
}

/* The items of a BertConfig of `transformers` that describe the encoder. */
static void put_bert_config(dt_pickle_writer *pickle, const dt_model_config *config)
{
    put_int(pickle, "vocab_size", config->vocabulary);
    put_int(pickle, "hidden_size", config->hidden);
    put_int(pickle, "num_hidden_layers", config->layers);
    put_int(pickle, "num_attention_heads", config->heads);
    put_int(pickle, "intermediate_size", config->intermediate);
    put_text(pickle, "hidden_act", "gelu");
    put_double(pickle, "hidden_dropout_prob", config->dropout);
    put_double(pickle, "attention_probs_dropout_prob", config->dropout);
    put_int(pickle, "max_position_embeddings", config->max_length);
    put_int(pickle, "type_vocab_size", 2);
    put_double(pickle, "initializer_range", 0.02);
    put_double(pickle, "layer_norm_eps", 1e-12);
    put_int(pickle, "pad_token_id", 0); /* DeepTaxa leaves BertConfig's default */
}

static void put_hybrid_config(dt_pickle_writer *pickle, const dt_model_config *config)
{
    begin_dict(pickle, "cnn");
    put_cnn_sizes(pickle, config);
    put_double(pickle, "dropout_prob", config->dropout);
    put_bool(pickle, "mask_padding", config->mask_padding);
    dt_pickle_end_dict(pickle);
    begin_dict(pickle, "bert");
    put_bert_config(pickle, config);
    dt_pickle_end_dict(pickle);
}

static void put_model(dt_pickle_writer *pickle, const dt_run *run)
{
    const dt_model_config *config = &run->config;
    put_text(pickle, "model_type", dt_model_type_name(config->type));
    put_text(pickle, "encoding", dt_encoding_name(config->encoding));
    put_double(pickle, "hidden_dropout_prob", config->dropout);
    begin_dict(pickle, "model_config");
    switch (config->type) {
    case DT_MODEL_HYBRID:
        put_hybrid_config(pickle, config);
        break;
    case DT_MODEL_BERT:
        put_bert_config(pickle, config);
        break;
    case DT_MODEL_CNN:
        put_cnn_config(pickle, config);
        break;
    case DT_MODEL_KMER: /* refused by dt_torch_write() */
        break;
    }
    dt_pickle_end_dict(pickle);
    put_int(pickle, "max_length", config->max_length);
    put_int(pickle, "total_parameters", run->parameters);
}

static void put_taxonomy(dt_pickle_writer *pickle, const dt_taxonomy *taxonomy)
{
    char level[16];
    dt_pickle_put_text(pickle, "taxonomic_ranks");
    dt_pickle_begin_list(pickle);
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        dt_pickle_put_text(pickle, taxonomy->rank[r].name);
    dt_pickle_end_list(pickle);
    begin_dict(pickle, "num_labels_per_level");
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        snprintf(level, sizeof level, "%d", r);
        put_int(pickle, level, taxonomy->rank[r].classes);
    }
    dt_pickle_end_dict(pickle);
    begin_dict(pickle, "level_label2id");
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        dt_pickle_put_int(pickle, r);
        dt_pickle_begin_dict(pickle);
        for (int32_t c = 0; c < taxonomy->rank[r].classes; ++c)
            put_int(pickle, taxonomy->rank[r].label[c], c);
        dt_pickle_end_dict(pickle);
    }
    dt_pickle_end_dict(pickle);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void put_optimizer_settings(dt_pickle_writer *pickle, const dt_update_rule *rule)
{
    begin_dict(pickle, "optimizer_config");
    put_double(pickle, "lr", rule->learning_rate);
    put_doubles(pickle, "betas", 2, (const double[]){rule->beta1, rule->beta2});
    put_double(pickle, "eps", rule->eps);
    put_double(pickle, "weight_decay", rule->weight_decay);
    dt_pickle_end_dict(pickle);
    begin_dict(pickle, "scheduler");
    put_int(pickle, "num_warmup_steps", rule->warmup_steps);
    put_int(pickle, "num_training_steps", rule->total_steps);
    dt_pickle_end_dict(pickle);
}

/* Class weights are left out, so that DeepTaxa takes those of its command line. */
static void put_settings(dt_pickle_writer *pickle, const dt_run *run)
{
    const dt_run_settings *settings = &run->settings;
    double weights[DT_MAX_TAX_RANKS];
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        weights[r] = dt_level_weight(settings, r);
    put_text(pickle, "run_uuid", settings->run_uuid);
    put_optimizer_settings(pickle, &settings->rule);
    put_int(pickle, "batch_size", settings->batch_size);
    put_int(pickle, "epochs", settings->epochs);
    put_double(pickle, "focal_gamma", settings->focal_gamma);
    put_text(pickle, "focal_reduction", settings->focal_sum ? "sum" : "mean");
    if (!settings->focal_weight)
        put_none(pickle, "focal_weight");
    put_doubles(pickle, "level_weights", run->config.tax_ranks, weights);
    put_int(pickle, "seed", settings->seed);
    put_text(pickle, "fasta_file", settings->fasta_file);
    put_text(pickle, "taxonomy_file", settings->taxonomy_file);
    put_int(pickle, "dataset_size", settings->total_sequences);
    put_int(pickle, "train_size", settings->training_sequences);
    put_int(pickle, "val_size", settings->validation_sequences);
    put_double(pickle, "scaler_init_scale", DT_LOSS_SCALE_START);
    if (run->split.training_count == 0) /* published by DeepTaxa */
        return;
    begin_dict(pickle, "dataset_split");
    put_int64s(pickle, "train_idx", run->split.training_count, run->split.training);
    put_int64s(pickle, "val_idx", run->split.validation_count, run->split.validation);
    dt_pickle_end_dict(pickle);
}

static void put_progress(dt_pickle_writer *pickle, const dt_run *run)
{
    const dt_run_progress *progress = &run->progress;
    const int32_t measured = progress->evaluated_epoch > 0 ? run->config.tax_ranks : 0;
    put_int(pickle, "epoch", progress->epoch);
    put_text(pickle, "session_end_time", run->timestamp);
    put_text(pickle, "checkpoint_end_time", run->timestamp);
    put_double(pickle, "current_train_time", progress->training_time);
    put_double(pickle, "current_eval_time", progress->evaluation_time);
    put_double(pickle, "current_train_loss", progress->training_loss);
    put_double(pickle, "val_loss", progress->validation_loss);
    begin_dict(pickle, "metrics");
    for (int32_t r = 0; r < measured; ++r) {
        const dt_metrics *metrics = &progress->metrics[r];
        dt_pickle_put_int(pickle, r);
        dt_pickle_begin_dict(pickle);
        put_double(pickle, "accuracy", metrics->accuracy);
        put_double(pickle, "precision", metrics->precision);
        put_double(pickle, "recall", metrics->recall);
        put_double(pickle, "f1_score", metrics->f1);
        dt_pickle_end_dict(pickle);
    }
    dt_pickle_end_dict(pickle);
}

void dt_torch_put_content(dt_pickle_writer *pickle, const dt_run *run, const char *tokenizer_name)
{
    put_model(pickle, run);
    put_taxonomy(pickle, &run->taxonomy);
    if (run->temperatures > 0)
        put_doubles(pickle, "level_temperatures", run->temperatures, run->temperature);
    put_text(pickle, "tokenizer_name", tokenizer_name);
    put_none(pickle, "tokenizer_revision");
    put_settings(pickle, run);
    put_progress(pickle, run);
}

/* ---- the state of a training ----------------------------------------------------------------- */

/* Returns the number of updates since the start of the schedule. */
static int64_t scheduled_steps(const dt_run *run)
{
    return run->progress.update.steps - run->settings.rule.schedule_start;
}

/* Returns the learning rate of the next update. */
static double next_rate(const dt_run *run)
{
    const dt_update_rule *rule = &run->settings.rule;
    return dt_scheduled_rate(rule->learning_rate, scheduled_steps(run), rule->warmup_steps,
                             rule->total_steps);
}

static void put_scaler(dt_pickle_writer *pickle, const dt_run *run)
{
    const dt_update_state *state = &run->progress.update;
    if (!run->settings.rule.dynamic_scale) {
        put_none(pickle, "scaler_state_dict");
        return;
    }
    begin_dict(pickle, "scaler_state_dict");
    put_double(pickle, "scale", state->loss_scale);
    put_double(pickle, "growth_factor", DT_LOSS_SCALE_GROWTH);
    put_double(pickle, "backoff_factor", DT_LOSS_SCALE_BACKOFF);
    put_int(pickle, "growth_interval", DT_LOSS_SCALE_INTERVAL);
    put_int(pickle, "_growth_tracker", state->scale_good_steps);
    dt_pickle_end_dict(pickle);
}

void dt_torch_put_schedule(dt_pickle_writer *pickle, const dt_run *run)
{
    const double rate = next_rate(run);
    begin_dict(pickle, "scheduler_state_dict");
    put_doubles(pickle, "base_lrs", 1, &run->settings.rule.learning_rate);
    put_int(pickle, "last_epoch", scheduled_steps(run));
    put_int(pickle, "_step_count", scheduled_steps(run) + 1);
    put_bool(pickle, "_is_initial", false);
    put_bool(pickle, "_get_lr_called_within_step", false);
    put_doubles(pickle, "_last_lr", 1, &rate);
    dt_pickle_put_text(pickle, "lr_lambdas");
    dt_pickle_begin_list(pickle);
    dt_pickle_begin_dict(pickle);
    dt_pickle_end_dict(pickle);
    dt_pickle_end_list(pickle);
    dt_pickle_end_dict(pickle);
    put_scaler(pickle, run);
}

void dt_torch_put_param_groups(dt_pickle_writer *pickle, const dt_run *run, int32_t parameters)
{
    const dt_update_rule *rule = &run->settings.rule;
    dt_pickle_begin_list(pickle);
    dt_pickle_begin_dict(pickle);
    put_double(pickle, "lr", next_rate(run));
    dt_pickle_put_text(pickle, "betas");
    dt_pickle_begin_tuple(pickle);
    dt_pickle_put_double(pickle, rule->beta1);
    dt_pickle_put_double(pickle, rule->beta2);
    dt_pickle_end_tuple(pickle);
    put_double(pickle, "eps", rule->eps);
    put_double(pickle, "weight_decay", rule->weight_decay);
    put_bool(pickle, "amsgrad", false);
    put_bool(pickle, "maximize", false);
    put_none(pickle, "foreach");
    put_bool(pickle, "capturable", false);
    put_bool(pickle, "differentiable", false);
    put_none(pickle, "fused");
    put_bool(pickle, "decoupled_weight_decay", true);
    put_double(pickle, "initial_lr", rule->learning_rate);
    dt_pickle_put_text(pickle, "params");
    dt_pickle_begin_list(pickle);
    for (int32_t i = 0; i < parameters; ++i)
        dt_pickle_put_int(pickle, i);
    dt_pickle_end_list(pickle);
    dt_pickle_end_dict(pickle);
    dt_pickle_end_list(pickle);
}
