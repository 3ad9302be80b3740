/* The configuration of a model, from the command line or a checkpoint (docs/model.md 2). */
#ifndef DT_MODEL_CONFIG_H
#define DT_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model_limits.h"
#include "core/status.h"
#include "sequence/kmer.h"
#include "sequence/onehot.h"
#include "taxonomy/taxonomy.h"

/* Maximum number of encoder layers: each reports a range of gradients with its own event (of
 * DT_EVENT_SLOTS), and the random stream of initial values has 12 bits for the tensor's number. */
#define DT_MAX_ENCODER_LAYERS 240

#define DT_MAX_CONV_LAYERS 64

/* TYPE(DT_MODEL_…, name, encoder, cnn, deep, bag) for each model type. The name is the value of
 * --model-type and is stored in checkpoints. encoder, cnn: has this branch; a type with both fuses
 * them (docs/model.md). deep: the CNN's layers are residual blocks, and the heads have two layers.
 * bag: reads the set of a sequence's k-mers (sequence/kmer.h) instead of its tokens.
 * To add a type, add a row; code that treats types differently beyond these columns uses a switch
 * without default, which does not compile until it has a case for the new type. */
#define DT_MODEL_TYPES(TYPE)                                                                       \
    TYPE(HYBRID, hybridcnnbert, true, true, false, false)                                          \
    TYPE(BERT, bert, true, false, false, false)                                                    \
    TYPE(CNN, cnn, false, true, true, false)                                                       \
    TYPE(KMER, kmer, false, false, false, true)

#define DT_MODEL_ENUMERATOR(enumerator, name, encoder, cnn, deep, bag) DT_MODEL_##enumerator,
typedef enum { DT_MODEL_TYPES(DT_MODEL_ENUMERATOR) } dt_model_type;
#undef DT_MODEL_ENUMERATOR

/* The choices of --model-type: "hybridcnnbert|bert|cnn|kmer". */
#define DT_MODEL_BAR_NAME(enumerator, name, encoder, cnn, deep, bag) "|" #name
#define DT_MODEL_TYPE_CHOICES (&(DT_MODEL_TYPES(DT_MODEL_BAR_NAME))[1])

typedef struct {
    dt_model_type type;
    dt_encoding encoding; /* one-hot: of the types cnn, which has no embedding then, and E = 4, and
                             kmer, which requires it */
    int32_t vocabulary;   /* V: token ids are 0 … V-1 */
    int32_t pad_id;       /* its row of the CNN's embedding is zero; -1: no padding token */
    int32_t max_length;   /* L: maximum tokens of a sequence, including special tokens, or bases */
    int32_t embed_dim;    /* E: width of the CNN's embedding */
    int32_t filters;      /* F: channels of each kernel width */
    int32_t kernels;      /* number of kernel widths */
    int32_t width[DT_MAX_KERNELS];
    int32_t conv_layers;
    int32_t kmer_size;                 /* k of the type kmer, 1 … DT_KMER_MAX */
    int32_t hidden;                    /* H; of the type kmer the width of the embeddings */
    int32_t layers;                    /* encoder layers */
    int32_t heads;                     /* A: attention heads */
    int32_t intermediate;              /* I: width of the feed-forward layer */
    double dropout;                    /* p */
    bool mask_padding;                 /* exclude padded positions from the CNN's maximum */
    int32_t tax_ranks;                 /* R */
    int32_t classes[DT_MAX_TAX_RANKS]; /* C_r */
} dt_model_config;

/* Returns DT_ERR_USAGE for an invalid configuration; the message names the flag to change. */
dt_status dt_model_config_check(const dt_model_config *config);

/* Returns the value of --model-type: "hybridcnnbert", … */
const char *dt_model_type_name(dt_model_type type);

/* The columns of DT_MODEL_TYPES. Config values of a missing branch are ignored. */
bool dt_model_has_encoder(const dt_model_config *config);
bool dt_model_has_cnn(const dt_model_config *config);
bool dt_model_is_deep(const dt_model_config *config);
bool dt_model_has_bag(const dt_model_config *config);

/* Returns whether the encoder at position 0 and the projected CNN features are fused. */
static inline bool dt_model_is_fused(const dt_model_config *config)
{
    return dt_model_has_encoder(config) && dt_model_has_cnn(config);
}

/* Returns the width of a sequence embedding. */
static inline int32_t dt_model_features(const dt_model_config *config)
{
    return dt_model_has_cnn(config) && !dt_model_has_encoder(config)
               ? config->filters * config->kernels
               : config->hidden;
}

/* Returns the k of the k-mers that the model reads, and that its batches hold instead of tokens; 0:
 * it reads tokens. */
static inline int32_t dt_model_kmer_size(const dt_model_config *config)
{
    return dt_model_has_bag(config) ? config->kmer_size : 0;
}

#endif
