#include "run/torch_progress.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "run/settings.h"
#include "run/torch_value.h"

/* ---- settings -------------------------------------------------------------------------------- */

/* The optimizer's own numbers, which its resumed runs keep, else those of its configuration. */
static dt_status read_rule(const dt_torch_file *file, dt_run_settings *settings)
{
    dt_update_rule *rule = &settings->rule;
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *from = dt_pickle_get(root, "optimizer_config");
    const dt_pickle_value *groups =
        dt_pickle_get(dt_pickle_get(root, "optimizer_state_dict"), "param_groups");
    double betas[2] = {rule->beta1, rule->beta2};
    const char *rate = "lr";
    if (groups && groups->kind == DT_PICKLE_LIST && groups->items->count > 0) {
        from = &groups->items->value[0];
        if (dt_pickle_get(from, "initial_lr")) /* "lr" is that of the next update */
            rate = "initial_lr";
    }
    DT_TRY(dt_torch_double(file, from, rate, false, &settings->learning_rate));
    DT_TRY(dt_torch_double(file, from, "eps", false, &rule->eps));
    DT_TRY(dt_torch_double(file, from, "weight_decay", false, &rule->weight_decay));
    if (dt_torch_given(dt_pickle_get(from, "betas")))
        DT_TRY(dt_torch_doubles(file, dt_pickle_get(from, "betas"), "betas", 2, betas));
    rule->beta1 = betas[0];
    rule->beta2 = betas[1];
    if (settings->learning_rate < 0.0 || rule->eps < 0.0 || rule->weight_decay < 0.0 ||
        rule->beta1 < 0.0 || rule->beta1 >= 1.0 || rule->beta2 < 0.0 || rule->beta2 >= 1.0)
        return dt_torch_wrong(file, "the optimizer's settings: a rate, eps, decay or beta",
                              "in its range");
    return DT_OK;
}

static dt_status read_schedule(const dt_torch_file *file, dt_run_settings *settings)
{
    const dt_pickle_value *schedule = dt_pickle_get(dt_torch_root(file), "scheduler");
    dt_update_rule *rule = &settings->rule;
    if (!dt_torch_given(schedule))
        return DT_OK;
    DT_TRY(dt_torch_int64(file, schedule, "num_warmup_steps", &rule->warmup_steps));
    DT_TRY(dt_torch_int64(file, schedule, "num_training_steps", &rule->total_steps));
    if (rule->warmup_steps > rule->total_steps)
        return dt_torch_wrong(file, "num_warmup_steps", "at most num_training_steps");
    if (rule->total_steps > 0)
        settings->warmup_ratio = (double)rule->warmup_steps / (double)rule->total_steps;
    return DT_OK;
}

static dt_status read_losses(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    dt_run_settings *settings = &run->settings;
    const dt_pickle_value *weights = dt_pickle_get(root, "level_weights");
    if (dt_torch_given(weights)) {
        settings->level_weight_count = run->config.tax_ranks;
        DT_TRY(dt_torch_doubles(file, weights, "level_weights", run->config.tax_ranks,
                                settings->level_weight));
    }
    for (int32_t r = 0; r < settings->level_weight_count; ++r)
        if (settings->level_weight[r] < 0.0)
            return dt_torch_wrong(file, "level_weights", "at least 0");
    settings->focal_sum = dt_pickle_is_text(dt_pickle_get(root, "focal_reduction"), "sum");
    return dt_torch_double(file, root, "focal_gamma", false, &settings->focal_gamma);
}

static dt_status optional_int(const dt_torch_file *file, const char *key, int64_t *out)
{
    const dt_pickle_value *root = dt_torch_root(file);
    return dt_torch_given(dt_pickle_get(root, key)) ? dt_torch_int64(file, root, key, out) : DT_OK;
}

static dt_status read_sizes(const dt_torch_file *file, dt_run_settings *settings)
{
    int64_t epochs = settings->epochs;
    int64_t batch = settings->batch_size;
    int64_t seed = settings->seed;
    DT_TRY(optional_int(file, "seed", &seed)); /* not in all versions */
    DT_TRY(optional_int(file, "epochs", &epochs));
    DT_TRY(optional_int(file, "batch_size", &batch));
    DT_TRY(optional_int(file, "dataset_size", &settings->total_sequences));
    DT_TRY(optional_int(file, "train_size", &settings->training_sequences));
    DT_TRY(optional_int(file, "val_size", &settings->validation_sequences));
    if (epochs > INT32_MAX || batch < 1 || batch > INT32_MAX)
        return dt_torch_wrong(file, "epochs or batch_size", "a usual number");
    settings->seed = (uint32_t)seed;
    settings->epochs = (int32_t)epochs;
    settings->batch_size = (int32_t)batch;
    if (settings->total_sequences > 0)
        settings->val_split =
            (double)settings->validation_sequences / (double)settings->total_sequences;
    return DT_OK;
}

/* Settings that no file has: DeepTaxa takes them from the command line of the resumed run. */
#define UNKNOWN                                                                                    \
    "accum-steps loss-type focal-weight class-weights early-stopping-patience "                    \
    "early-stopping-min-delta max-grad-norm eval-every"

dt_status dt_torch_read_settings(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *scaler = dt_pickle_get(root, "scaler_state_dict");
    dt_run_settings *settings = &run->settings;
    const bool has_seed = dt_torch_given(dt_pickle_get(root, "seed")); /* of ours */
    char *text = NULL;
    DT_TRY(dt_torch_text(root, "run_uuid", &text));
    snprintf(settings->run_uuid, sizeof settings->run_uuid, "%s", text ? text : "unknown");
    free(text);
    DT_TRY(dt_torch_text(root, "fasta_file", &settings->fasta_file));
    DT_TRY(dt_torch_text(root, "taxonomy_file", &settings->taxonomy_file));
    DT_TRY(dt_copy_text(&run->unknown, has_seed ? UNKNOWN : UNKNOWN " seed"));
    DT_TRY(read_sizes(file, settings));
    DT_TRY(read_rule(file, settings));
    dt_set_rate(settings);
    DT_TRY(read_schedule(file, settings));
    settings->normalize = true;
    settings->world_size = 1;
    settings->gpu = dt_torch_given(scaler); /* DeepTaxa scales the loss, in fp16, on a GPU alone */
    settings->rule.dynamic_scale = settings->gpu;
    snprintf(settings->precision, sizeof settings->precision, settings->gpu ? "fp16" : "fp32");
    return read_losses(file, run);
}

/* ---- progress -------------------------------------------------------------------------------- */

/* The measures of the epoch's evaluation, which is not of every epoch. */
static dt_status read_evaluation(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *metrics = dt_pickle_get(root, "metrics");
    dt_run_progress *progress = &run->progress;
    if (!metrics || metrics->kind != DT_PICKLE_DICT || metrics->items->count == 0)
        return DT_OK;
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        const dt_pickle_value *rank = dt_pickle_get_int(metrics, r);
        dt_metrics *to = &progress->metrics[r];
        DT_TRY(dt_torch_double(file, rank, "accuracy", true, &to->accuracy));
        DT_TRY(dt_torch_double(file, rank, "precision", true, &to->precision));
        DT_TRY(dt_torch_double(file, rank, "recall", true, &to->recall));
        DT_TRY(dt_torch_double(file, rank, "f1_score", true, &to->f1));
    }
    progress->evaluated_epoch = progress->epoch;
    DT_TRY(dt_torch_double(file, root, "current_eval_time", false, &progress->evaluation_time));
    return dt_torch_measure(file, root, "val_loss", &progress->validation_loss);
}

/* Copies sequence numbers of a list; seen: (total) those that occurred before. */
static dt_status read_indices(const dt_torch_file *file, const dt_pickle_value *list, int64_t total,
                              bool *seen, int64_t *out)
{
    for (int64_t i = 0; i < list->items->count; ++i) {
        const dt_pickle_value *value = &list->items->value[i];
        if (value->kind != DT_PICKLE_INT || value->integer < 0 || value->integer >= total ||
            seen[value->integer])
            return dt_torch_wrong(file, "dataset_split", "each sequence once");
        seen[value->integer] = true;
        out[i] = value->integer;
    }
    return DT_OK;
}

static dt_status read_split(const dt_torch_file *file, const dt_pickle_value *split, dt_run *run)
{
    const dt_pickle_value *training = dt_pickle_get(split, "train_idx");
    const dt_pickle_value *validation = dt_pickle_get(split, "val_idx");
    if (!training || training->kind != DT_PICKLE_LIST || !validation ||
        validation->kind != DT_PICKLE_LIST || training->items->count < 1)
        return dt_torch_wrong(file, "dataset_split", "train_idx and val_idx");
    dt_split *to = &run->split;
    to->training_count = training->items->count;
    to->validation_count = validation->items->count;
    const int64_t total = to->training_count + to->validation_count;
    bool *seen;
    DT_TRY(DT_NEW(to->training, (size_t)to->training_count));
    DT_TRY(DT_NEW(to->validation, (size_t)to->validation_count));
    DT_TRY(DT_NEW(seen, (size_t)total));
    dt_status status = read_indices(file, training, total, seen, to->training);
    if (status == DT_OK)
        status = read_indices(file, validation, total, seen, to->validation);
    free(seen);
    run->settings.total_sequences = total;
    run->settings.training_sequences = to->training_count;
    run->settings.validation_sequences = to->validation_count;
    run->settings.val_split = (double)to->validation_count / (double)total;
    return status;
}

/* Sets the updates done, which the state of each parameter has: as a tensor, or in files of older
 * PyTorch as a number. */
static dt_status read_steps(dt_torch_file *file, const dt_pickle_value *state, int64_t *steps)
{
    *steps = -1;
    for (int64_t i = 1; i < state->items->count; i += 2) {
        const dt_pickle_value *step = dt_pickle_get(&state->items->value[i], "step");
        const dt_torch_tensor *tensor = dt_torch_tensor_of(step);
        float number = step && step->kind == DT_PICKLE_INT ? (float)step->integer : -1.0f;
        if (tensor && tensor->count == 1)
            DT_TRY(dt_torch_read(file, tensor, 0, 1, &number));
        if (!(number >= 0.0f && number < 0x1p24f) || (*steps >= 0 && (float)*steps != number))
            return dt_torch_wrong(file, "step", "the same number of updates for all parameters");
        *steps = (int64_t)number;
    }
    return *steps >= 0 ? DT_OK : dt_torch_wrong(file, "step", "in the optimizer's state");
}

static dt_status read_scale(const dt_torch_file *file, dt_update_state *update)
{
    const dt_pickle_value *scaler = dt_pickle_get(dt_torch_root(file), "scaler_state_dict");
    update->loss_scale = 1.0;
    if (!dt_torch_given(scaler))
        return DT_OK;
    DT_TRY(dt_torch_double(file, scaler, "scale", true, &update->loss_scale));
    if (!(update->loss_scale > 0.0 && update->loss_scale <= (double)FLT_MAX))
        return dt_torch_wrong(file, "scale", "a positive number of 32 bits");
    return dt_torch_int32(file, scaler, "_growth_tracker", &update->scale_good_steps);
}

/* AdamW with the same numbers for all parameters is what the update computes. */
static dt_status check_variant(const dt_torch_file *file, const dt_pickle_value *groups)
{
    static const char *const variants[] = {"amsgrad", "maximize"};
    if (!groups || groups->kind != DT_PICKLE_LIST || groups->items->count != 1)
        return dt_torch_wrong(file, "param_groups", "a list of one group");
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; ++i) {
        bool used = false;
        DT_TRY(dt_torch_flag(file, &groups->items->value[0], variants[i], &used));
        if (used)
            return dt_torch_wrong(file, variants[i], "False");
    }
    return DT_OK;
}

/* DeepTaxa saves between two epochs. */
static dt_status read_optimizer(dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *optimizer = dt_pickle_get(root, "optimizer_state_dict");
    const dt_pickle_value *state = dt_pickle_get(optimizer, "state");
    const dt_pickle_value *scheduler = dt_pickle_get(root, "scheduler_state_dict");
    const dt_pickle_value *split = dt_pickle_get(root, "dataset_split");
    int32_t scheduled = 0;
    if (!state || state->kind != DT_PICKLE_DICT || state->items->count == 0 ||
        !dt_torch_given(scheduler) || !dt_torch_given(split))
        return DT_OK;
    dt_run_settings *settings = &run->settings;
    DT_TRY(check_variant(file, dt_pickle_get(optimizer, "param_groups")));
    DT_TRY(read_split(file, split, run));
    DT_TRY(read_steps(file, state, &run->progress.update.steps));
    DT_TRY(dt_torch_int32(file, scheduler, "last_epoch", &scheduled));
    DT_TRY(read_scale(file, &run->progress.update));
    /* it counts updates that the optimizer skipped, because of the loss scale */
    settings->rule.schedule_start = run->progress.update.steps - scheduled;
    run->progress.micro_steps =
        run->progress.epoch *
        ((settings->training_sequences + settings->batch_size - 1) / settings->batch_size);
    run->has_optimizer = true;
    return DT_OK;
}

dt_status dt_torch_read_progress(dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    dt_run_progress *progress = &run->progress;
    char *time = NULL;
    progress->evaluation_time = (double)NAN;
    progress->training_loss = (double)NAN;
    progress->validation_loss = (double)NAN;
    DT_TRY(dt_torch_int32(file, root, "epoch", &progress->epoch));
    DT_TRY(dt_torch_double(file, root, "current_train_time", false, &progress->training_time));
    DT_TRY(dt_torch_measure(file, root, "current_train_loss", &progress->training_loss));
    DT_TRY(read_evaluation(file, run));
    DT_TRY(dt_torch_text(root, "checkpoint_end_time", &time));
    snprintf(run->timestamp, sizeof run->timestamp, "%s", time ? time : "unknown");
    free(time);
    return read_optimizer(file, run);
}
