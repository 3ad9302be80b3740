#include "train/plan.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/log.h"
#include "data/batch.h"
#include "io/output.h"
#include "model/fit.h"
#include "run/checkpoint.h"
#include "train/efficiency.h"
#include "train/step.h"

/* The matrices of a micro-batch should be just large enough for full speed: beyond this many
 * tokens, memory grows and speed does not. */
#define HOST_MICRO_BATCH_TOKENS 8192
#define GPU_MICRO_BATCH_TOKENS (64 * 1024)
#define MOST_BAGS 4096

/* Batches are divided equally by tokens, not by sequences: if lengths differ, a rank's share may
 * have more sequences than an even division gives. Allows for a quarter more; a larger share is
 * computed in two micro-batches. */
static int32_t largest_share(int32_t batch_size, int32_t ranks)
{
    const int64_t even = ((int64_t)batch_size + ranks - 1) / ranks;
    const int64_t larger = even + even / 4;
    return ranks == 1 || larger > batch_size ? batch_size : (int32_t)larger;
}

/* Context of batch_bound(), which assumes that the longest sequences are in one batch. */
typedef struct {
    const dt_dataset *dataset;
    int32_t max_length;
} token_count;

static dt_status batch_bound(const void *context, int32_t requested, int32_t *sequences,
                             int64_t *tokens)
{
    const token_count *count = context;
    *sequences = requested;
    return dt_batch_max_tokens(count->dataset, count->max_length, requested, tokens);
}

static dt_fit fit_of(dt_model *model, const token_count *count, bool fixed)
{
    return (dt_fit){
        .model = model,
        .bound = batch_bound,
        .context = count,
        .flag = "micro-batch-size",
        .advice = "lower --max-length, --hidden-size or --num-hidden-layers",
        .fixed = fixed,
    };
}

/* Returns the mean length of a sequence in tokens, at least 1. */
static int64_t mean_tokens(const dt_dataset *dataset, int64_t max_length)
{
    const int64_t mean = dt_dataset_token_count(dataset) / dataset->count;
    return mean < 1 ? 1 : mean < max_length ? mean : max_length;
}

/* Returns the smallest micro-batch that reaches full speed, at most `share`. A bag of k-mers has no
 * activations for each token. */
static int32_t default_micro_batch(const dt_model *model, const dt_dataset *dataset, int32_t share)
{
    if (dt_model_has_bag(dt_model_config_of(model)))
        return share < MOST_BAGS ? share : MOST_BAGS;
    const int64_t max_length = dt_model_config_of(model)->max_length;
    const int64_t tokens =
        dt_model_backend(model)->host_memory ? HOST_MICRO_BATCH_TOKENS : GPU_MICRO_BATCH_TOKENS;
    const int64_t sequences = tokens / mean_tokens(dataset, max_length);
    return sequences < 1 ? 1 : sequences < share ? (int32_t)sequences : share;
}

dt_status dt_plan_micro_batch(dt_run_settings *settings, const dt_micro_batch_plan *plan)
{
    const token_count count = {plan->dataset, dt_model_config_of(plan->model)->max_length};
    dt_fit fit = fit_of(plan->model, &count, plan->fixed);
    const int32_t share = largest_share(settings->batch_size, plan->comm->world_size);
    int32_t sequences = settings->micro_batch < share ? settings->micro_batch : share;
    if (settings->micro_batch == 0)
        sequences = default_micro_batch(plan->model, plan->dataset, share);
    fit.sharing = plan->comm->local_size;
    DT_TRY(dt_fit_batch(&fit, plan->reserve, &sequences));
    settings->micro_batch = sequences;
    return DT_OK;
}

dt_status dt_plan_copy_fits(bool *fits, const dt_run_settings *settings,
                            const dt_micro_batch_plan *plan)
{
    const token_count count = {plan->dataset, dt_model_config_of(plan->model)->max_length};
    const dt_fit fit = fit_of(plan->model, &count, plan->fixed);
    const int64_t copy =
        dt_checkpoint_copy_elements(dt_model_params(plan->model)) * (int64_t)sizeof(float);
    dt_memory_limit total;
    dt_memory_limit available;
    int64_t planned = 0;
    dt_memory_limits("", plan->comm->local_size, &total, &available);
    /* the rest of a ulimit limit already excludes the memory that this process has allocated */
    if (dt_model_backend(plan->model)->host_memory && !(total.own && plan->reserve))
        DT_TRY(dt_fit_bytes(&fit, settings->micro_batch, &planned));
    *fits = (double)(planned + copy) <= DT_SHARE_OF_HOST * (double)total.bytes;
    return DT_OK;
}

/* ---- output --------------------------------------------------------------------------------- */

/* Returns the length of the layer's name within a tensor's name: up to the number of the encoder
 * layer, otherwise the first one or two components. */
static int layer_name_length(const char *name)
{
    static const char encoder[] = "bert.encoder.layer.";
    const char *end;
    if (strncmp(name, encoder, sizeof encoder - 1) == 0)
        end = strchr(name + sizeof encoder - 1, '.');
    else if (strncmp(name, "bert.", 5) == 0)
        end = strchr(name + 5, '.');
    else if (strncmp(name, "classifiers.", 12) == 0)
        end = strchr(name + 12, '.');
    else
        end = strchr(name, '.');
    return end ? (int)(end - name) : (int)strlen(name);
}

/* Returns whether a tensor before `i` belongs to the same layer. */
static bool was_shown(const dt_param_table *table, int32_t i, int length)
{
    for (int32_t j = 0; j < i; ++j)
        if (layer_name_length(table->spec[j].name) == length &&
            strncmp(table->spec[j].name, table->spec[i].name, (size_t)length) == 0)
            return true;
    return false;
}

dt_status dt_plan_parameters(dt_text *out, const dt_param_table *table)
{
    char number[32];
    DT_TRY(dt_text_addf(out, "%-32s %16s\n", "Layer", "Parameters"));
    for (int32_t i = 0; i < table->count; ++i) {
        const char *name = table->spec[i].name;
        const int length = layer_name_length(name);
        int64_t parameters = 0;
        if (was_shown(table, i, length))
            continue;
        for (int32_t j = i; j < table->count; ++j)
            if (layer_name_length(table->spec[j].name) == length &&
                strncmp(table->spec[j].name, name, (size_t)length) == 0)
                parameters += table->spec[j].count;
        DT_TRY(
            dt_text_addf(out, "%-32.*s %16s\n", length, name, dt_with_commas(parameters, number)));
    }
    return dt_text_addf(out, "%-32s %16s\n", "Total parameters",
                        dt_with_commas(table->parameters, number));
}

static int64_t batches_of_update(const dt_run_settings *settings)
{
    return dt_update_sequences(settings) / settings->batch_size;
}

/* Prints what to do if ranks have too few sequences; a resumed run keeps its batch. */
static void notice_starving(const dt_run_settings *s, const dt_step_cost *cost, bool resumed)
{
    const int32_t ranks = s->world_size;
    const int32_t even = (s->batch_size + ranks - 1) / ranks;
    const int32_t sufficient = dt_sufficient_share(cost);
    const int32_t share = sufficient > even ? sufficient : even;
    const int32_t fewer = s->batch_size / sufficient > 1 ? s->batch_size / sufficient : 1;
    const int32_t scaling = s->rate_scaling == DT_RATE_AS_GIVEN ? DT_RATE_SQRT : s->rate_scaling;
    const int64_t batch = (int64_t)share * ranks;
    char larger[256] = "";
    if (!resumed)
        snprintf(larger, sizeof larger,
                 "set --batch-size-per-rank %d (a batch of %lld; --scale-learning-rate %s then "
                 "makes the learning rate %.3g instead of %.3g), or ",
                 share, (long long)batch, scaling == DT_RATE_SQRT ? "sqrt" : "linear",
                 dt_scaled_rate(s->learning_rate, (dt_rate_scaling)scaling,
                                batch * batches_of_update(s)),
                 s->rule.learning_rate);
    dt_notice("each rank has too few sequences: about %.0f %% of a step is spent on its %.3g "
              "(estimated): %sstart at most %d rank%s",
              100.0 * dt_efficiency(cost, s->batch_size, ranks), (double)s->batch_size / ranks,
              larger, fewer, fewer == 1 ? "" : "s");
}

dt_status dt_plan_efficiency(dt_text *out, const dt_run *run, const dt_dataset *dataset,
                             int32_t threads, bool resumed)
{
    const dt_run_settings *settings = &run->settings;
    if (settings->world_size == 1)
        return DT_OK;
    const dt_step_cost cost =
        dt_step_cost_of(&run->config, run->parameters, mean_tokens(dataset, run->config.max_length),
                        settings->gpu ? 0 : threads);
    const double efficiency = dt_efficiency(&cost, settings->batch_size, settings->world_size);
    if (efficiency < DT_STARVING)
        notice_starving(settings, &cost, resumed);
    return dt_text_addf(out, "Efficiency: about %.2f (estimated, without the network)\n",
                        efficiency);
}

/* Adds the learning rate in effect and how it came about, if it is scaled. */
static dt_status add_rate(dt_text *out, const dt_run_settings *s)
{
    if (s->rate_scaling == DT_RATE_AS_GIVEN)
        return DT_OK;
    return dt_text_addf(out,
                        "Learning rate: %.6g, %.6g scaled %s to %lld instead of %d sequences\n",
                        s->rule.learning_rate, s->learning_rate,
                        s->rate_scaling == DT_RATE_SQRT ? "by the square root" : "linearly",
                        (long long)dt_update_sequences(s), DT_RATE_SEQUENCES);
}

dt_status dt_plan_run(dt_text *out, const dt_run *run, dt_model *model, const dt_dataset *dataset,
                      bool copy_fits)
{
    const dt_run_settings *settings = &run->settings;
    const int64_t updates = dt_updates_per_epoch(settings->training_sequences, settings);
    char a[32];
    char b[32];
    char c[32];
    int64_t bytes;
    const token_count count = {dataset, run->config.max_length};
    const dt_fit fit = fit_of(model, &count, false);
    DT_TRY(dt_fit_bytes(&fit, settings->micro_batch, &bytes));
    DT_TRY(dt_dataset_show_ranks(out, dataset));
    DT_TRY(dt_text_addf(out, "Sequences: %s for training, %s for validation\n",
                        dt_with_commas(settings->training_sequences, a),
                        dt_with_commas(settings->validation_sequences, b)));
    DT_TRY(dt_text_addf(out, "Steps: %s per epoch, %s in %d epoch%s, including %s of warm-up\n",
                        dt_with_commas(updates, a), dt_with_commas(settings->rule.total_steps, b),
                        settings->epochs, settings->epochs == 1 ? "" : "s",
                        dt_with_commas(settings->rule.warmup_steps, c)));
    DT_TRY(add_rate(out, settings));
    DT_TRY(dt_text_addf(out, "Batch: %s sequences per step",
                        dt_with_commas(dt_update_sequences(settings), a)));
    if (batches_of_update(settings) > 1)
        DT_TRY(dt_text_addf(out, ", accumulated over %lld batches",
                            (long long)batches_of_update(settings)));
    DT_TRY(dt_text_addf(out, ", in micro-batches of at most %d", settings->micro_batch));
    if (settings->world_size > 1)
        DT_TRY(dt_text_addf(out, " on each of %d ranks", settings->world_size));
    DT_TRY(dt_text_addf(out, "\n"));
    DT_TRY(dt_text_addf(out,
                        "Memory: %.2f GB for the model and one micro-batch, %.3f GB for the tokens",
                        (double)bytes * 1e-9, 1e-9 * (double)dt_dataset_token_bytes(dataset)));
    if (copy_fits)
        DT_TRY(dt_text_addf(out, ", %.2f GB for background checkpoints",
                            4e-9 * (double)dt_checkpoint_copy_elements(dt_model_params(model))));
    DT_TRY(dt_text_addf(out, "\nDevice: %s\n", settings->device));
    if (settings->rule.dynamic_scale)
        return dt_text_addf(out, "Precision: %s, loss scale %g\n", settings->precision,
                            run->progress.update.loss_scale);
    return dt_text_addf(out, "Precision: %s\n", settings->precision);
}
