#include "model/work.h"

double dt_heads_work(const dt_model_config *config)
{
    double classes = 0.0;
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        classes += config->classes[r];
    return 2.0 * config->hidden * classes;
}

double dt_cnn_work(const dt_model_config *config, int64_t tokens)
{
    double widths = 0.0;
    for (int32_t k = 0; k < config->kernels; ++k)
        widths += config->width[k];
    const double channels = config->embed_dim + (config->conv_layers - 1.0) * config->filters;
    const double convolutions = 2.0 * channels * config->filters * widths * (double)tokens;
    return convolutions + 2.0 * config->filters * config->kernels * config->hidden;
}

double dt_layer_work(const dt_model_config *config, int64_t tokens, bool last)
{
    const double n = (double)tokens;
    const double h = config->hidden;
    const double i = config->intermediate;
    if (last)
        return 2.0 * 2.0 * h * h * n + 2.0 * (2.0 * h * h + 2.0 * h * i) + 4.0 * n * h;
    return 2.0 * (4.0 * h * h + 2.0 * h * i) * n + 4.0 * n * n * h;
}

double dt_forward_work(const dt_model_config *config, int64_t tokens)
{
    double work = dt_heads_work(config);
    if (dt_model_has_encoder(config))
        work += (config->layers - 1) * dt_layer_work(config, tokens, false) +
                dt_layer_work(config, tokens, true);
    if (dt_model_has_cnn(config))
        work += dt_cnn_work(config, tokens);
    if (dt_model_has_bag(config))
        work += (double)config->hidden * (double)tokens;
    return work;
}
