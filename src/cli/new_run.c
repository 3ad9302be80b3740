#include "cli/new_run.h"

#include <string.h>

#include "core/log.h"
#include "sequence/tokenizer_json.h"
#include "train/schedule.h"

dt_model_type dt_asked_model_type(const dt_train_options *o)
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
        .type = dt_asked_model_type(o),
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

dt_status dt_asked_level_weights(dt_run_settings *settings, const dt_train_options *o,
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
    return dt_asked_level_weights(settings, o, dataset->taxonomy.tax_ranks);
}

static dt_status copy_taxonomy(dt_taxonomy *to, const dt_taxonomy *from)
{
    for (int32_t r = 0; r < from->tax_ranks; ++r)
        DT_TRY(dt_taxonomy_add_rank(to, from->rank[r].name, from->rank[r].classes,
                                    (const char *const *)from->rank[r].label));
    return DT_OK;
}

dt_status dt_new_run(dt_run *run, const dt_train_options *o, const dt_dataset *dataset)
{
    DT_TRY(check_encoding(o, dataset));
    run->config = config_from(o, dataset);
    DT_TRY(read_vocabulary(&run->config, dataset));
    DT_TRY(dt_model_config_check(&run->config));
    DT_TRY(settings_from(&run->settings, o, dataset));
    DT_TRY(copy_taxonomy(&run->taxonomy, &dataset->taxonomy));
    if (dataset->tokenizer_json)
        DT_TRY(copy_text(&run->tokenizer_json, dataset->tokenizer_json));
    DT_TRY(dt_fingerprints_of(&run->sequences, dataset));
    return dt_training_schedule(run, dataset);
}
