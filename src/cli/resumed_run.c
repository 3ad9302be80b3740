#include "cli/resumed_run.h"

#include <string.h>

#include "cli/new_run.h"
#include "cli/shared_options.h"
#include "core/log.h"
#include "train/schedule.h"

static dt_status check_given(const dt_train_options *o, const char *flag, double asked,
                             double stored)
{
    if (dt_option_given(&o->parsed, flag) && asked != stored)
        return dt_fail(DT_ERR_USAGE,
                       "--%s %g: the run to resume was started with %g, and a resumed run keeps "
                       "its settings: leave the flag out or start a new run",
                       flag, asked, stored);
    return DT_OK;
}

static dt_status check_given_name(const dt_train_options *o, const char *flag, const char *asked,
                                  const char *stored)
{
    if (dt_option_given(&o->parsed, flag) && strcmp(asked, stored) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "--%s %.40s: the run to resume was started with %.40s, and a resumed run "
                       "keeps its settings: leave the flag out or start a new run",
                       flag, asked, stored);
    return DT_OK;
}

static dt_status check_resumed_loss(const dt_train_options *o, const dt_run_settings *s)
{
    DT_TRY(check_given_name(o, "loss-type", dt_loss_type_name(o->loss_type),
                            dt_loss_type_name(s->loss_type)));
    DT_TRY(check_given(o, "focal-gamma", o->focal_gamma, s->focal_gamma));
    DT_TRY(check_given_name(o, "focal-reduction", o->focal_reduction == 1 ? "sum" : "mean",
                            s->focal_sum ? "sum" : "mean"));
    DT_TRY(check_given_name(o, "focal-weight", o->focal_weight,
                            s->focal_weight ? s->focal_weight : "none"));
    return check_given_name(o, "class-weights", dt_class_weights_name(o->class_weights),
                            dt_class_weights_name(s->class_weights));
}

static dt_status check_resumed_weights(const dt_train_options *o, const dt_checkpoint *run)
{
    if (!o->no_level_weights && o->level_weights.count == 0)
        return DT_OK;
    dt_run_settings asked = {0};
    DT_TRY(dt_asked_level_weights(&asked, o, run->config.tax_ranks));
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        if (dt_level_weight(&asked, r) != dt_level_weight(&run->settings, r))
            return dt_fail(DT_ERR_USAGE,
                           "--level-weights: the run to resume was started with others (%g at %s), "
                           "and a resumed run keeps its settings: leave the flag out or start a "
                           "new run",
                           dt_level_weight(&run->settings, r), run->taxonomy.rank[r].name);
    return DT_OK;
}

static dt_status check_resumed_type(const dt_train_options *o, const dt_checkpoint *run)
{
    const dt_model_type asked = dt_asked_model_type(o);
    if (dt_option_given(&o->parsed, "model-type") && asked != run->config.type)
        return dt_fail(DT_ERR_USAGE,
                       "--model-type %s: the run to resume trains %s, and a resumed run keeps its "
                       "settings: leave the flag out or start a new run",
                       dt_model_type_name(asked), dt_model_type_name(run->config.type));
    return DT_OK;
}

static dt_status check_resumed_encoding(const dt_train_options *o, const dt_checkpoint *run)
{
    const dt_encoding stored = run->config.encoding;
    DT_TRY(check_given_name(o, "encoding", dt_encoding_name((dt_encoding)o->encoding),
                            dt_encoding_name(stored)));
    if (stored == DT_ENCODING_ONEHOT && o->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: the run to resume was started with "
                                     "--encoding onehot, which needs none: leave the flag out");
    return DT_OK;
}

/* Settings that --reset-lr-on-resume takes from the command line anew. */
static dt_status check_resumed_schedule(const dt_train_options *o, const dt_run_settings *s)
{
    const bool extends = o->epochs > s->epochs;
    if (o->reset_lr_on_resume)
        return DT_OK;
    if (!extends)
        DT_TRY(check_given(o, "epochs", (double)o->epochs, s->epochs));
    DT_TRY(check_given(o, "learning-rate", o->learning_rate, s->rule.learning_rate));
    DT_TRY(check_given(o, "scheduler-warmup-ratio", o->scheduler_warmup_ratio, s->warmup_ratio));
    DT_TRY(check_given(o, "early-stopping-patience", (double)o->early_stopping_patience,
                       s->early_stopping_patience));
    return check_given(o, "early-stopping-min-delta", o->early_stopping_min_delta,
                       s->early_stopping_min_delta);
}

/* More epochs, or a schedule that begins anew. */
static dt_status change_schedule(dt_checkpoint *run, const dt_train_options *o)
{
    dt_run_settings *s = &run->settings;
    const bool epochs = dt_option_given(&o->parsed, "epochs");
    if (!o->reset_lr_on_resume) {
        if (epochs && o->epochs > s->epochs)
            dt_training_extend(run, (int32_t)o->epochs);
        return DT_OK;
    }
    if (epochs)
        s->epochs = (int32_t)o->epochs;
    if (dt_option_given(&o->parsed, "learning-rate"))
        s->rule.learning_rate = o->learning_rate;
    if (dt_option_given(&o->parsed, "scheduler-warmup-ratio"))
        s->warmup_ratio = o->scheduler_warmup_ratio;
    if (dt_option_given(&o->parsed, "early-stopping-patience"))
        s->early_stopping_patience = (int32_t)o->early_stopping_patience;
    if (dt_option_given(&o->parsed, "early-stopping-min-delta"))
        s->early_stopping_min_delta = o->early_stopping_min_delta;
    return dt_training_restart(run);
}

/* A flag that contradicts the checkpoint is refused, not overridden in silence. */
static dt_status check_resumed_flags(const dt_train_options *o, const dt_checkpoint *run)
{
    const dt_model_config *c = &run->config;
    const dt_run_settings *s = &run->settings;
    const struct {
        const char *flag;
        double asked, stored;
    } pairs[] = {
        {"max-length", (double)o->max_length, c->max_length},
        {"embed-dim", (double)o->embed_dim, c->embed_dim},
        {"num-filters", (double)o->num_filters, c->filters},
        {"num-conv-layers", (double)o->num_conv_layers, c->conv_layers},
        {"hidden-size", (double)o->hidden_size, c->hidden},
        {"num-hidden-layers", (double)o->num_hidden_layers, c->layers},
        {"num-attention-heads", (double)o->num_attention_heads, c->heads},
        {"intermediate-size", (double)o->intermediate_size, c->intermediate},
        {"hidden-dropout-prob", o->hidden_dropout_prob, c->dropout},
        {"mask-padding", o->mask_padding, c->mask_padding},
        {"batch-size", (double)o->batch_size, s->batch_size},
        {"accum-steps", (double)o->accum_steps, s->accum_steps},
        {"optimizer-eps", o->optimizer_eps, s->rule.eps},
        {"optimizer-weight-decay", o->optimizer_weight_decay, s->rule.weight_decay},
        {"max-grad-norm", o->max_grad_norm, s->rule.max_grad_norm},
        {"seed", (double)o->seed, s->seed},
        {"val-split", o->val_split, s->val_split},
        {"eval-every", (double)o->eval_every, s->eval_every},
        {"stream-data", o->stream_data, s->shards_at_a_time > 0},
        {"no-normalize", o->no_normalize, !s->normalize},
        {"optimizer-betas", o->optimizer_betas.value[0], s->rule.beta1},
        {"optimizer-betas", o->optimizer_betas.value[1], s->rule.beta2},
        {"kernel-sizes", o->kernel_sizes.count, c->kernels},
    };
    DT_TRY(check_resumed_type(o, run));
    DT_TRY(check_resumed_encoding(o, run));
    DT_TRY(check_given_name(o, "orientation",
                            o->orientation == DT_ORIENTATION_AUTO ? "auto" : "forward",
                            run->strand.sorted ? "auto" : "forward"));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i)
        DT_TRY(check_given(o, pairs[i].flag, pairs[i].asked, pairs[i].stored));
    for (int32_t k = 0; k < c->kernels; ++k)
        DT_TRY(check_given(o, "kernel-sizes", (double)o->kernel_sizes.value[k], c->width[k]));
    DT_TRY(check_resumed_schedule(o, s));
    DT_TRY(check_resumed_loss(o, s));
    return check_resumed_weights(o, run);
}

dt_status dt_check_resumed_data(const dt_checkpoint *run, const dt_dataset *dataset,
                                int64_t sequences_per_shard, const char *path)
{
    if (dataset->count != run->settings.total_sequences)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on %lld sequences, the input has %lld: resume with "
                       "the same files",
                       path, (long long)run->settings.total_sequences, (long long)dataset->count);
    if (!dt_taxonomy_equal(&run->taxonomy, &dataset->taxonomy))
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with other taxonomic labels than the input has: "
                       "resume with the same files",
                       path);
    if (run->config.encoding != dataset->encoding)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --encoding %s, and the shards of --data were "
                       "prepared with %s: resume with the same --data",
                       path, dt_encoding_name(run->config.encoding),
                       dt_encoding_name(dataset->encoding));
    if (run->tokenizer_json && strcmp(run->tokenizer_json, dataset->tokenizer_json) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with another tokenizer than the input is given "
                       "with: leave --tokenizer-file out, or resume with the same --data",
                       path);
    if (run->settings.normalize != dataset->normalized)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on sequences that were %snormalised, and those of "
                       "the input %s: resume with the same files",
                       path, run->settings.normalize ? "" : "not ",
                       dataset->normalized ? "were" : "were not");
    if (run->strand.sorted != dataset->strand.sorted)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --orientation %s, and the shards of the input "
                       "were prepared with the other: resume with the same --data",
                       path, run->strand.sorted ? "auto" : "forward");
    if (run->settings.sequences_per_shard != sequences_per_shard)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run streams shards of %lld sequences, on which its order depends, "
                       "and the input has others: resume with the same --data",
                       path, (long long)run->settings.sequences_per_shard);
    return DT_OK;
}

dt_status dt_read_resumed(dt_checkpoint *run, const dt_train_options *o, const char *path)
{
    DT_TRY(dt_checkpoint_read(path, run));
    if (!run->has_optimizer)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: holds weights only, and a run goes on with its optimizer's state: resume "
            "from a checkpoint of the run itself, or start a new run with "
            "--init-weights %s",
            path, path);
    DT_TRY(check_resumed_flags(o, run));
    DT_TRY(change_schedule(run, o));
    if (run->progress.epoch >= run->settings.epochs && !run->progress.evaluation_due)
        dt_notice("%s: all %d epochs are done", path, run->settings.epochs);
    return DT_OK;
}
