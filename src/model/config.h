/* The shape of a model: what the command line and a checkpoint say of it (docs/model.md 2). */
#ifndef DT_MODEL_CONFIG_H
#define DT_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/status.h"
#include "sequence/onehot.h"
#include "taxonomy/taxonomy.h"

/* Most encoder layers: each reports a range of gradients with an event of its own (of
 * DT_EVENT_SLOTS), and the initial values number a model's tensors with 12 bits. */
#define DT_MAX_ENCODER_LAYERS 240

#define DT_MAX_CONV_LAYERS 64

typedef enum { DT_MODEL_HYBRID, DT_MODEL_BERT, DT_MODEL_CNN } dt_model_type;

typedef struct {
    dt_model_type type;
    dt_encoding encoding; /* one-hot: the type is cnn, there is no embedding, E = 4 */
    int32_t vocabulary;   /* V: token ids are 0 … V-1 */
    int32_t pad_id;       /* its row of the CNN's embedding is zero; -1: the tokenizer has none */
    int32_t max_length;   /* L: tokens of a sequence, specials included, or bases */
    int32_t embed_dim;    /* E: width of the CNN's embedding */
    int32_t filters;      /* F: channels of each kernel width */
    int32_t kernels;      /* number of kernel widths */
    int32_t width[DT_MAX_KERNELS];
    int32_t conv_layers;
    int32_t hidden;                    /* H */
    int32_t layers;                    /* encoder layers */
    int32_t heads;                     /* A: attention heads */
    int32_t intermediate;              /* I: width of the feed-forward part */
    double dropout;                    /* p */
    bool mask_padding;                 /* padded positions stay out of the CNN's maximum */
    int32_t tax_ranks;                 /* R */
    int32_t classes[DT_MAX_TAX_RANKS]; /* C_r */
} dt_model_config;

/* DT_ERR_USAGE, with the flag to change, for a shape that cannot be. */
dt_status dt_model_config_check(const dt_model_config *config);

/* "hybridcnnbert", …: the value of --model-type. */
const char *dt_model_type_name(dt_model_type type);

/* The parts that a type has: what the others say in a config counts for nothing. */
static inline bool dt_model_has_cnn(const dt_model_config *config)
{
    return config->type != DT_MODEL_BERT;
}
static inline bool dt_model_has_encoder(const dt_model_config *config)
{
    return config->type != DT_MODEL_CNN;
}

/* Width of the vector that stands for a sequence. */
static inline int32_t dt_model_features(const dt_model_config *config)
{
    return config->type == DT_MODEL_CNN ? config->filters * config->kernels : config->hidden;
}

#endif
