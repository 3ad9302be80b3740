#include "model/config.h"

#include "core/philox.h"

static dt_status check_at_least(const char *flag, int32_t value, int32_t least)
{
    if (value < least)
        return dt_fail(DT_ERR_USAGE, "%s %d: must be at least %d", flag, value, least);
    return DT_OK;
}

static dt_status check_onehot(const dt_model_config *config)
{
    const bool bases = config->encoding == DT_ENCODING_ONEHOT;
    if (dt_model_has_bag(config) && !bases)
        return dt_fail(
            DT_ERR_USAGE,
            "--encoding %s cannot be combined with --model-type kmer, which reads bases: "
            "use --encoding onehot, also for `deeptaxa prepare`",
            dt_encoding_name(config->encoding));
    if (bases && dt_model_has_encoder(config))
        return dt_fail(DT_ERR_USAGE,
                       "--encoding onehot cannot be combined with --model-type %s, only with cnn "
                       "and kmer: the BERT encoder reads tokens",
                       dt_model_type_name(config->type));
    if (bases && dt_model_has_cnn(config) && config->embed_dim != DT_ONEHOT_CHANNELS)
        return dt_fail(DT_ERR_USAGE,
                       "--embed-dim %d cannot be combined with --encoding onehot, which has %d "
                       "channels and no embedding: omit --embed-dim",
                       config->embed_dim, DT_ONEHOT_CHANNELS);
    return DT_OK;
}

dt_status dt_model_config_check(const dt_model_config *config)
{
    DT_TRY(check_onehot(config));
    DT_TRY(check_at_least("--max-length", config->max_length, 3));
    DT_TRY(check_at_least("--embed-dim", config->embed_dim, 1));
    DT_TRY(check_at_least("--num-filters", config->filters, 1));
    DT_TRY(check_at_least("--kernel-sizes", config->kernels, 1));
    DT_TRY(check_at_least("--num-conv-layers", config->conv_layers, 1));
    DT_TRY(check_at_least("--hidden-size", config->hidden, 1));
    DT_TRY(check_at_least("--num-hidden-layers", config->layers, 1));
    DT_TRY(check_at_least("--num-attention-heads", config->heads, 1));
    DT_TRY(check_at_least("--intermediate-size", config->intermediate, 1));
    if (dt_model_has_bag(config) && (config->kmer_size < 1 || config->kmer_size > DT_KMER_MAX))
        return dt_fail(DT_ERR_USAGE, "--kmer-size %d: must be from 1 to %d", config->kmer_size,
                       DT_KMER_MAX);
    if (config->kernels > DT_MAX_KERNELS)
        return dt_fail(DT_ERR_USAGE, "--kernel-sizes: at most %d widths", DT_MAX_KERNELS);
    for (int32_t k = 0; k < config->kernels; ++k)
        if (config->width[k] < 1 || config->width[k] % 2 == 0)
            return dt_fail(DT_ERR_USAGE, "--kernel-sizes %d: widths must be positive odd numbers",
                           config->width[k]);
    if (config->conv_layers > DT_MAX_CONV_LAYERS)
        return dt_fail(DT_ERR_USAGE, "--num-conv-layers: at most %d", DT_MAX_CONV_LAYERS);
    if (dt_model_has_encoder(config) && config->hidden % config->heads != 0)
        return dt_fail(DT_ERR_USAGE,
                       "--hidden-size %d is not divisible by --num-attention-heads %d",
                       config->hidden, config->heads);
    if (config->heads > DT_STREAM_PARTS - 1)
        return dt_fail(DT_ERR_USAGE, "--num-attention-heads: at most %d", DT_STREAM_PARTS - 1);
    if (config->layers > DT_MAX_ENCODER_LAYERS)
        return dt_fail(DT_ERR_USAGE, "--num-hidden-layers: at most %d", DT_MAX_ENCODER_LAYERS);
    if (!(config->dropout >= 0.0 && config->dropout < 1.0))
        return dt_fail(DT_ERR_USAGE, "--hidden-dropout-prob %g: must be in [0, 1)",
                       config->dropout);
    if (config->vocabulary < 1 || config->tax_ranks < 1 || config->tax_ranks > DT_MAX_TAX_RANKS)
        return dt_fail(DT_ERR_INTERNAL, "a model without vocabulary or taxonomic ranks");
    return DT_OK;
}

#define ROW(enumerator, name, encoder, cnn, deep, bag) {#name, encoder, cnn, deep, bag},
static const struct {
    const char *name;
    bool encoder, cnn, deep, bag;
} types[] = {DT_MODEL_TYPES(ROW)};

const char *dt_model_type_name(dt_model_type type)
{
    return types[type].name;
}

bool dt_model_has_encoder(const dt_model_config *config)
{
    return types[config->type].encoder;
}

bool dt_model_has_cnn(const dt_model_config *config)
{
    return types[config->type].cnn;
}

bool dt_model_is_deep(const dt_model_config *config)
{
    return types[config->type].deep;
}

bool dt_model_has_bag(const dt_model_config *config)
{
    return types[config->type].bag;
}
