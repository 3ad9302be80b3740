#include "work.h"

double dt_forward_work(const dt_model_config *config, int64_t tokens)
{
    const double n = (double)tokens;
    const double h = config->hidden;
    const double i = config->intermediate;
    const double full_layers = config->layers - 1;
    double widths = 0.0;
    double classes = 0.0;
    for (int32_t k = 0; k < config->kernels; ++k)
        widths += config->width[k];
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        classes += config->classes[r];
    const double full_layer = 2.0 * (4.0 * h * h + 2.0 * h * i) * n + 4.0 * n * n * h;
    const double last_layer =
        2.0 * 2.0 * h * h * n + 2.0 * (2.0 * h * h + 2.0 * h * i) + 4.0 * n * h;
    const double convolutions = 2.0 * config->embed_dim * config->filters * widths * n;
    const double projection = 2.0 * config->filters * config->kernels * h;
    return full_layers * full_layer + last_layer + convolutions + projection + 2.0 * h * classes;
}
