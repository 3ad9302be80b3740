/* The model as it was published, for tests that change a few of its sizes. */
#ifndef DT_TESTS_PUBLISHED_SIZES_H
#define DT_TESTS_PUBLISHED_SIZES_H

#include "model/config.h"

/* vocabulary, pad_id, tax_ranks and classes are still to be set. */
static inline dt_model_config published_sizes(void)
{
    return (dt_model_config){
        .type = DT_MODEL_HYBRID,
        .pad_id = -1,
        .max_length = 512,
        .embed_dim = 896,
        .filters = 256,
        .kernels = 3,
        .width = {3, 5, 7},
        .conv_layers = 1,
        .kmer_size = 7,
        .hidden = 896,
        .layers = 4,
        .heads = 7,
        .intermediate = 3584,
        .dropout = 0.2,
    };
}

#endif
