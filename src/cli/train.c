/* deeptaxa train: from the checked command line to a training. */
#include "cli/train_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/profiling.h"
#include "cli/stop_signal.h"
#include "comm.h"
#include "core/file.h"
#include "core/log.h"
#include "core/pool.h"
#include "io/dataset_build.h"
#include "io/shards.h"
#include "io/tokenizer_json.h"
#include "model/checkpoint.h"
#include "profile/profiled_backend.h"
#include "profile/profiled_comm.h"
#include "train/newest.h"
#include "train/ranks.h"
#include "train/trainer.h"

/* ---- from options to the run --------------------------------------------------------------------
 */

static dt_model_type model_type(const dt_train_options *o)
{
    switch ((dt_model_type_choice)o->model_type) {
    case DT_MODEL_TYPE_BERT:
        return DT_MODEL_BERT;
    case DT_MODEL_TYPE_CNN:
        return DT_MODEL_CNN;
    case DT_MODEL_TYPE_HYBRID:
        break;
    }
    return DT_MODEL_HYBRID;
}

/* Without one-hot the dataset's tokenizer tells of vocabulary and padding. */
static dt_status read_vocabulary(dt_model_config *config, const dt_dataset *dataset)
{
    dt_tokenizer *tokenizer;
    if (dataset->encoding == DT_ENCODING_ONEHOT)
        DT_TRY(dt_tokenizer_create_onehot(&tokenizer));
    else
        DT_TRY(dt_tokenizer_from_json(dataset->tokenizer_json, strlen(dataset->tokenizer_json),
                                      dataset->tokenizer_name, &tokenizer));
    config->vocabulary = dt_tokenizer_vocabulary_size(tokenizer);
    config->pad_id = dt_tokenizer_pad_id(tokenizer);
    dt_tokenizer_destroy(tokenizer);
    return DT_OK;
}

/* Channels of what the CNN reads: those of one-hot bases stand for an --embed-dim that is not
 * given. */
static int32_t embed_dim(const dt_train_options *o, dt_encoding encoding)
{
    return encoding == DT_ENCODING_ONEHOT && !dt_option_given(&o->parsed, "embed-dim")
               ? DT_ONEHOT_CHANNELS
               : (int32_t)o->embed_dim;
}

static dt_model_config config_from(const dt_train_options *o, const dt_dataset *dataset)
{
    dt_model_config config = {
        .type = model_type(o),
        .encoding = dataset->encoding,
        .max_length = (int32_t)o->max_length,
        .embed_dim = embed_dim(o, dataset->encoding),
        .filters = (int32_t)o->num_filters,
        .kernels = o->kernel_sizes.count,
        .conv_layers = (int32_t)o->num_conv_layers,
        .hidden = (int32_t)o->hidden_size,
        .layers = (int32_t)o->num_hidden_layers,
        .heads = (int32_t)o->num_attention_heads,
        .intermediate = (int32_t)o->intermediate_size,
        .dropout = o->hidden_dropout_prob,
        .mask_padding = o->mask_padding,
        .tax_ranks = dataset->taxonomy.tax_ranks,
    };
    for (int32_t k = 0; k < config.kernels; ++k)
        config.width[k] = (int32_t)o->kernel_sizes.value[k];
    for (int32_t r = 0; r < config.tax_ranks; ++r)
        config.classes[r] = dataset->taxonomy.rank[r].classes;
    return config;
}

/* Shards have the encoding that they were prepared with. */
static dt_status check_encoding(const dt_train_options *o, const dt_dataset *dataset)
{
    if (dt_option_given(&o->parsed, "encoding") && (dt_encoding)o->encoding != dataset->encoding)
        return dt_fail(DT_ERR_USAGE,
                       "--encoding %s: the shards of --data %s were prepared with --encoding %s: "
                       "leave the flag out, or prepare others",
                       dt_encoding_name((dt_encoding)o->encoding), o->data,
                       dt_encoding_name(dataset->encoding));
    return DT_OK;
}

static dt_status copy_text(char **to, const char *from)
{
    *to = strdup(from ? from : "");
    return *to ? DT_OK : dt_fail(DT_ERR_MEMORY, "out of memory: a file name");
}

static dt_status level_weights(dt_run_settings *settings, const dt_train_options *o,
                               int32_t tax_ranks)
{
    if (o->no_level_weights || o->level_weights.count == 0)
        return DT_OK;
    if (o->level_weights.count != tax_ranks)
        return dt_fail(DT_ERR_USAGE, "--level-weights: %d weights for %d taxonomic ranks",
                       o->level_weights.count, tax_ranks);
    settings->level_weight_count = tax_ranks;
    memcpy(settings->level_weight, o->level_weights.value,
           (size_t)tax_ranks * sizeof *settings->level_weight);
    return DT_OK;
}

static dt_status settings_from(dt_run_settings *settings, const dt_train_options *o,
                               const dt_dataset *dataset)
{
    *settings = (dt_run_settings){
        .seed = (uint32_t)o->seed,
        .epochs = (int32_t)o->epochs,
        .batch_size = (int32_t)o->batch_size,
        .accum_steps = (int32_t)o->accum_steps,
        .warmup_ratio = o->scheduler_warmup_ratio,
        .val_split = o->val_split,
        .rule = {.learning_rate = o->learning_rate,
                 .beta1 = o->optimizer_betas.value[0],
                 .beta2 = o->optimizer_betas.value[1],
                 .eps = o->optimizer_eps,
                 .weight_decay = o->optimizer_weight_decay,
                 .max_grad_norm = o->max_grad_norm},
        .loss_type = o->loss_type,
        .focal_gamma = o->focal_gamma,
        .focal_sum = o->focal_reduction == 1,
        .class_weights = o->class_weights,
        .eval_every = (int32_t)o->eval_every,
        .early_stopping_patience = (int32_t)o->early_stopping_patience,
        .early_stopping_min_delta = o->early_stopping_min_delta,
        .normalize = dataset->normalized,
    };
    DT_TRY(copy_text(&settings->fasta_file, dataset->fasta_file));
    DT_TRY(copy_text(&settings->taxonomy_file, dataset->taxonomy_file));
    DT_TRY(copy_text(&settings->tokenizer_name, dataset->tokenizer_name));
    if (o->focal_weight)
        DT_TRY(copy_text(&settings->focal_weight, o->focal_weight));
    if (o->loss_type != DT_LOSS_FOCAL && (dt_option_given(&o->parsed, "focal-gamma") ||
                                          dt_option_given(&o->parsed, "focal-reduction")))
        dt_notice("--focal-gamma and --focal-reduction are not used: --loss-type is %s",
                  dt_loss_type_name(o->loss_type));
    return level_weights(settings, o, dataset->taxonomy.tax_ranks);
}

static dt_status copy_taxonomy(dt_taxonomy *to, const dt_taxonomy *from)
{
    for (int32_t r = 0; r < from->tax_ranks; ++r)
        DT_TRY(dt_taxonomy_add_rank(to, from->rank[r].name, from->rank[r].classes,
                                    (const char *const *)from->rank[r].label));
    return DT_OK;
}

/* A run that starts at its beginning. */
static dt_status new_run(dt_checkpoint *run, const dt_train_options *o, const dt_dataset *dataset)
{
    DT_TRY(check_encoding(o, dataset));
    run->config = config_from(o, dataset);
    DT_TRY(read_vocabulary(&run->config, dataset));
    DT_TRY(dt_model_config_check(&run->config));
    DT_TRY(settings_from(&run->settings, o, dataset));
    DT_TRY(copy_taxonomy(&run->taxonomy, &dataset->taxonomy));
    if (dataset->tokenizer_json)
        DT_TRY(copy_text(&run->tokenizer_json, dataset->tokenizer_json));
    return dt_training_schedule(run, dataset);
}

/* ---- resuming -----------------------------------------------------------------------------------
 */

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
    DT_TRY(level_weights(&asked, o, run->config.tax_ranks));
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
    const dt_model_type asked = model_type(o);
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
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i)
        DT_TRY(check_given(o, pairs[i].flag, pairs[i].asked, pairs[i].stored));
    for (int32_t k = 0; k < c->kernels; ++k)
        DT_TRY(check_given(o, "kernel-sizes", (double)o->kernel_sizes.value[k], c->width[k]));
    DT_TRY(check_resumed_schedule(o, s));
    DT_TRY(check_resumed_loss(o, s));
    return check_resumed_weights(o, run);
}

/* The sequences must be the ones that the checkpoint's split numbers. */
static dt_status check_resumed_data(const dt_checkpoint *run, const dt_dataset *dataset,
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
    if (run->settings.sequences_per_shard != sequences_per_shard)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run streams shards of %lld sequences, on which its order depends, "
                       "and the input has others: resume with the same --data",
                       path, (long long)run->settings.sequences_per_shard);
    return DT_OK;
}

static dt_status read_resumed(dt_checkpoint *run, const dt_train_options *o, const char *path)
{
    DT_TRY(dt_checkpoint_read(path, run));
    if (!run->has_optimizer)
        return dt_fail(DT_ERR_INPUT, "%s: holds weights only: training cannot go on from it", path);
    DT_TRY(check_resumed_flags(o, run));
    DT_TRY(change_schedule(run, o));
    if (run->progress.epoch >= run->settings.epochs && !run->progress.evaluation_due)
        dt_notice("%s: all %d epochs are done", path, run->settings.epochs);
    return DT_OK;
}

/* ---- the command --------------------------------------------------------------------------------
 */

/* Everything the command holds; freed in one place. */
typedef struct {
    dt_checkpoint run;
    dt_dataset dataset;
    dt_backend *backend;
    dt_comm *comm;
    dt_profile *profile; /* NULL: none */
    dt_pool *pool;
    const atomic_int *stop;
    bool resumes;
    char resume_path[PATH_MAX];
    dt_checkpoint init; /* of --init-weights, without its tensors; empty: none */
    char init_path[PATH_MAX];
    bool together;               /* the ranks have the same failure (dt_agree) */
    int64_t sequences_per_shard; /* of a set that is streamed; else 0 */
} train_command;

/* Shards shuffled together where they are streamed: enough to mix well, and with as many read ahead
 * still little memory. */
#define SHARDS_AT_A_TIME 4

/* A piece of a batch must not need more shards than there is room for. */
static dt_status stream_shards(train_command *t, const dt_train_options *o)
{
    const int64_t batch = t->resumes ? t->run.settings.batch_size : o->batch_size;
    DT_TRY(dt_shards_stream(o->data, (int64_t)2 * SHARDS_AT_A_TIME, &t->dataset,
                            &t->sequences_per_shard));
    if (batch > t->sequences_per_shard)
        return dt_fail(DT_ERR_USAGE,
                       "--stream-data: a batch of %lld sequences is larger than a shard of %lld: "
                       "prepare larger ones (--sequences-per-shard)",
                       (long long)batch, (long long)t->sequences_per_shard);
    return DT_OK;
}

static dt_status read_shards(train_command *t, const dt_train_options *o)
{
    const bool streams = t->resumes ? t->run.settings.shards_at_a_time > 0 : o->stream_data;
    return streams ? stream_shards(t, o) : dt_shards_read(o->data, &t->dataset);
}

/* Collective. Shards are read by every rank by itself; a FASTA file is tokenised together. */
static dt_status read_input(train_command *t, const dt_train_options *o)
{
    if (o->data)
        return dt_agree(t->comm, read_shards(t, o), &t->together);
    /* a tokenizer that is named all the same is read, for check_resumed_data() to compare */
    const dt_checkpoint *from = t->resumes ? &t->run : &t->init;
    const bool stored_tokenizer = from->tokenizer_json && !o->tokenizer_file;
    const dt_input input = {
        .fasta_file = o->fasta_file,
        .taxonomy_file = o->taxonomy_file,
        .encoding = t->resumes ? t->run.config.encoding : (dt_encoding)o->encoding,
        .tokenizer_file = o->tokenizer_file,
        .tokenizer_name = o->tokenizer_name,
        .tokenizer_json = stored_tokenizer ? from->tokenizer_json : NULL,
        .tokenizer_json_name = stored_tokenizer ? from->settings.tokenizer_name : NULL,
        .normalize = t->resumes ? t->run.settings.normalize : !o->no_normalize,
        .threads = o->num_workers > 0 ? o->num_workers : o->threads,
        .comm = t->comm,
        .everywhere = true,
        .together = &t->together,
    };
    return dt_read_input(&input, &t->dataset);
}

static dt_status read_dataset(train_command *t, const dt_train_options *o)
{
    dt_profile_begin(t->profile, DT_LANE_MAIN, DT_PART_INPUT);
    const dt_status status = read_input(t, o);
    dt_profile_end(t->profile, DT_LANE_MAIN);
    return status;
}

/* First of all: only world_rank 0 speaks, and who fails tells the others. */
static dt_status open_comm(train_command *t, const dt_train_options *o)
{
    const dt_comm_options options = {.kind = (dt_comm_kind)o->comm,
                                     .collective_timeout = o->collective_timeout};
    DT_TRY(dt_comm_open(&options, &t->comm));
    dt_log_quiet(t->comm->world_rank != 0);
    if (o->dry_run)
        return DT_OK; /* nothing to measure */
    DT_TRY(dt_agree(t->comm, dt_profiling_begin(&t->profile, o->profile, o->profile_trace),
                    &t->together));
    return dt_profiled_comm(&t->comm, t->profile);
}

/* A resumed run keeps its number format where the device has it and no other one is asked for.
 * Threads that the command line leaves open are divided by the ranks that may run on the same
 * processors. */
static dt_status open_backend(train_command *t, const dt_train_options *o, int32_t sharing)
{
    char device[16];
    const bool keeps = t->resumes && t->run.settings.gpu;
    int threads = dt_thread_count(o->threads);
    if (o->threads == 0)
        threads = threads / sharing > 1 ? threads / sharing : 1;
    const dt_backend_options options = {
        .threads = t->comm->world_size == 1 ? (int32_t)o->threads : threads,
        .device = t->comm->local_rank,
        .round_robin = true,
        .precision = (dt_precision)o->precision,
        .gpu_default = keeps ? dt_precision_named(t->run.settings.precision) : DT_PRECISION_AUTO,
        .attention = (dt_attention_method)o->attention,
    };
    dt_option_choice(&dt_train_command, "device", o->device, device, sizeof device);
    DT_TRY(dt_backend_open(device, &options, &t->backend));
    DT_TRY(dt_profiled_backend(&t->backend, t->profile));
    if (!t->resumes) /* before the input is read; dt_model_create() asks again */
        DT_TRY(t->backend->ops->attention_check(
            t->backend, (int32_t)(o->hidden_size / o->num_attention_heads), true));
    return dt_pool_create(&t->pool, threads);
}

/* Decides what is resumed: with --resume auto rank 0 looks, and tells the others. Collective. */
static dt_status choose_resumed(train_command *t, const dt_train_options *o)
{
    if (!o->resume)
        return DT_OK;
    if (strcmp(o->resume, "auto") != 0) {
        t->resumes = true;
        return dt_checkpoint_path(o->resume, t->resume_path);
    }
    dt_status status = DT_OK;
    if (t->comm->world_rank == 0)
        status = dt_newest_checkpoint(o->output_dir, t->resume_path);
    DT_TRY(dt_agree(t->comm, status, &t->together));
    DT_TRY(t->comm->ops->broadcast(t->comm, t->resume_path, sizeof t->resume_path, 0));
    t->resumes = t->resume_path[0] != '\0';
    if (t->resumes)
        dt_info("--resume auto: goes on from %s", t->resume_path);
    else
        dt_notice("--resume auto: no checkpoint in %s; a new run starts", o->output_dir);
    return DT_OK;
}

static dt_status check_world(const train_command *t, const dt_train_options *o)
{
    const int32_t ranks = t->comm->world_size;
    const int64_t batch = t->resumes ? t->run.settings.batch_size : o->batch_size;
    if (ranks > batch)
        return dt_fail(DT_ERR_USAGE,
                       "%d ranks for a batch of %lld sequences: some would have nothing to do; "
                       "start at most %lld ranks, or raise --batch-size",
                       ranks, (long long)batch, (long long)batch);
    return o->data ? DT_OK : dt_check_standard_input(o->fasta_file, o->taxonomy_file, t->comm);
}

/* What the run's settings say of the machine. The size of the pieces is kept where a resumed run
 * stays on as many ranks and its kind of device, so that it goes on with the same rounding. */
static void set_machine(train_command *t, const dt_train_options *o)
{
    dt_run_settings *settings = &t->run.settings;
    const bool gpu = !t->backend->host_memory;
    if (o->micro_batch_size > 0)
        settings->micro_batch = (int32_t)o->micro_batch_size;
    else if (settings->gpu != gpu || settings->world_size != t->comm->world_size)
        settings->micro_batch = 0; /* chosen anew */
    snprintf(settings->device, sizeof settings->device, "%s", t->backend->description);
    settings->world_size = t->comm->world_size;
    settings->gpu = gpu;
}

static dt_status stopped_while_reading(const train_command *t)
{
    if (atomic_load(t->stop) == 0)
        return DT_OK;
    return dt_fail(DT_STOPPED,
                   "stopped by a signal while the input was read: start it again the same way");
}

/* Weights for tokens mean nothing for bases. */
static dt_status check_init(const train_command *t, dt_encoding encoding)
{
    const dt_encoding stored = t->init.config.encoding;
    if (stored == encoding)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "--init-weights %s: was trained with --encoding %s, this run is to read %s: "
                   "start both with the same",
                   t->init_path, dt_encoding_name(stored), dt_encoding_name(encoding));
}

static dt_status read_init(train_command *t, const dt_train_options *o)
{
    if (!o->init_weights || t->resumes)
        return DT_OK;
    DT_TRY(dt_checkpoint_path(o->init_weights, t->init_path));
    DT_TRY(dt_checkpoint_read(t->init_path, &t->init));
    return o->data ? DT_OK : check_init(t, (dt_encoding)o->encoding);
}

/* What can be told at once is told before the input is read. */
static dt_status prepare_machine(train_command *t, const dt_train_options *o, int32_t sharing)
{
    if (t->resumes)
        DT_TRY(read_resumed(&t->run, o, t->resume_path));
    DT_TRY(read_init(t, o));
    DT_TRY(check_world(t, o));
    return open_backend(t, o, sharing);
}

/* What fits in shape and may still mean something else is told. */
static void warn_of_init(const train_command *t)
{
    const dt_taxonomy *there = &t->init.taxonomy;
    const dt_taxonomy *here = &t->run.taxonomy;
    if (t->init.tokenizer_json && strcmp(t->init.tokenizer_json, t->dataset.tokenizer_json) != 0)
        dt_warn("%s was trained with another tokenizer: its embeddings are those of other tokens",
                t->init_path);
    for (int32_t r = 0; r < here->tax_ranks && r < there->tax_ranks; ++r) {
        const int32_t classes = here->rank[r].classes;
        bool same = true;
        if (classes != there->rank[r].classes)
            continue; /* its head starts afresh */
        for (int32_t c = 0; c < classes && same; ++c)
            same = strcmp(here->rank[r].label[c], there->rank[r].label[c]) == 0;
        if (!same)
            dt_warn("%s has as many labels at rank %s, but others: its head there is taken all the "
                    "same",
                    t->init_path, here->rank[r].name);
    }
}

static dt_status prepare_run(train_command *t, const dt_train_options *o)
{
    if (t->resumes)
        DT_TRY(check_resumed_data(&t->run, &t->dataset, t->sequences_per_shard, t->resume_path));
    else
        DT_TRY(new_run(&t->run, o, &t->dataset));
    if (t->init_path[0]) {
        DT_TRY(check_init(t, t->dataset.encoding));
        warn_of_init(t);
    }
    if (t->sequences_per_shard > 0) {
        t->run.settings.shards_at_a_time = SHARDS_AT_A_TIME;
        t->run.settings.sequences_per_shard = t->sequences_per_shard;
    }
    if (t->run.lineages.tax_ranks == 0) /* a new run, or one that began before it was stored */
        DT_TRY(dt_lineage_tree_build(&t->run.lineages, t->dataset.labels, t->dataset.count,
                                     t->dataset.taxonomy.tax_ranks));
    set_machine(t, o);
    return stopped_while_reading(t);
}

/* A run that is stopped has a profile too; one that fails has none. */
static dt_status train_and_report(train_command *t, const dt_train_options *o,
                                  const dt_training *training)
{
    const dt_status status = dt_train(training);
    if (!t->profile || (status != DT_OK && status != DT_STOPPED))
        return status;
    char stopped[2048];
    snprintf(stopped, sizeof stopped, "%s", status == DT_STOPPED ? dt_error_message() : "");
    bool together = false;
    DT_TRY(dt_agree(t->comm, dt_profiled_backend_collect(t->backend, t->profile), &together));
    DT_TRY(dt_profiling_end(t->profile, t->comm, o->profile_trace));
    return status == DT_STOPPED ? dt_fail(DT_STOPPED, "%s", stopped) : DT_OK;
}

/* Collective from the first line on. */
static dt_status run_training(train_command *t, const dt_train_options *o)
{
    int32_t sharing;
    DT_TRY(dt_agree(t->comm, dt_check_folder(o->output_dir), &t->together));
    DT_TRY(choose_resumed(t, o));
    DT_TRY(dt_ranks_sharing(t->comm, &sharing));
    DT_TRY(dt_agree(t->comm, prepare_machine(t, o, sharing), &t->together));
    DT_TRY(read_dataset(t, o));
    DT_TRY(dt_agree(t->comm, prepare_run(t, o), &t->together));
    const dt_training training = {.run = &t->run,
                                  .resume_path = t->resumes ? t->resume_path : NULL,
                                  .init_path = t->init_path[0] ? t->init_path : NULL,
                                  .dataset = &t->dataset,
                                  .backend = t->backend,
                                  .comm = t->comm,
                                  .pool = t->pool,
                                  .output_dir = o->output_dir,
                                  .fixed_micro_batch = o->micro_batch_size > 0,
                                  .stop = t->stop,
                                  .keep_checkpoints = (int32_t)o->keep_checkpoints,
                                  .save_best_only = o->save_best_only,
                                  .save_every_steps = o->save_every_steps,
                                  .save_every_minutes = o->save_every_minutes,
                                  .validate_on_rank0 = o->validate_on == DT_VALIDATE_ON_RANK0,
                                  .dry_run = o->dry_run,
                                  .verbose = o->verbose,
                                  .profile = t->profile};
    t->together = true; /* dt_train sees to its own failures */
    return train_and_report(t, o, &training);
}

dt_status dt_command_train(const dt_train_options *options)
{
    train_command t = {.stop = dt_stop_signal_watch()};
    dt_status status = open_comm(&t, options);
    if (status == DT_OK)
        status = run_training(&t, options);
    if (status != DT_OK && t.comm && !t.together)
        t.comm->ops->abort(t.comm, status, dt_error_message());
    if (status != DT_OK && t.comm && t.comm->world_size > 1)
        dt_command_tell(&dt_train_command);
    dt_pool_destroy(t.pool);
    if (t.comm)
        t.comm->ops->destroy(t.comm);
    if (t.backend)
        t.backend->ops->destroy(t.backend);
    dt_profile_destroy(t.profile);
    dt_dataset_free(&t.dataset);
    dt_checkpoint_free(&t.run);
    dt_checkpoint_free(&t.init);
    return status;
}
