/* The parameters of the backend's operations: one struct for each layer, then heads, loss and
 * prediction. backend.h has their typedefs and needs no more; files that fill or read such a struct
 * include this header. Letters of shapes as in backend.h.
 */
#ifndef DT_LAYERS_H
#define DT_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/loss.h"
#include "core/model_limits.h"

struct dt_dropout {
    double p;        /* probability to drop; 0: no dropout (evaluation) */
    uint32_t stream; /* dt_stream(purpose, layer, 0) */
};

/* Which rows an activation has: one a token, or one a sequence (its token at position 0). */
typedef enum { DT_ROWS_TOKENS, DT_ROWS_SEQUENCES } dt_row_kind;

struct dt_embedding {   /* LayerNorm(word[id] + position[t] + type[0]), then dropout */
    dt_param word;      /* (V, H); row `frozen_row` gets no gradient */
    dt_param position;  /* (L, H) */
    dt_param type;      /* (2, H), of which row 0 is used */
    dt_param gamma;     /* (H) */
    dt_param beta;      /* (H) */
    int32_t frozen_row; /* -1: none */
    int32_t vocabulary;
    int32_t hidden;
    double eps;
    dt_dropout dropout;
};

struct dt_add_norm { /* dropout(x) + residual, then LayerNorm */
    dt_param gamma;  /* (H) */
    dt_param beta;   /* (H) */
    int32_t hidden;
    double eps;
    dt_row_kind rows;
    dt_dropout dropout;
};

struct dt_attention {     /* scaled dot-product attention of each sequence with itself */
    int32_t heads;        /* A */
    int32_t head_size;    /* d; H = A · d; head h has columns h·d … h·d+d-1 */
    dt_row_kind queries;  /* DT_ROWS_SEQUENCES: position 0 of each sequence is the only query */
    int64_t query_stride; /* elements from one row of q (and dq) to the next */
    int64_t key_stride;   /* of k, v, dk, dv */
    dt_dropout dropout;   /* on the probabilities; head h draws from stream + h */
};

/* Embedding, one layer of convolutions of several widths, ReLU, dropout, and the maximum over the
 * positions 0 … L-1 of the sequence padded to L = max_length with zero vectors, for each of the
 * F · kernels channels (kernel by kernel). Of a sequence of n tokens the positions 0 … min(n + h,
 * L) - 1 are computed, h half of the widest kernel, for all kernels alike: past them no kernel sees
 * a token. The m positions that remain all hold c = ReLU(bias): without mask_padding c joins the
 * maximum when m > 0; with dropout it joins as c/(1-p) unless all m are dropped, one draw with
 * probability p^m from the stream `padding_stream` (counter: channel / 4, 0, sequence, step), draw
 * < threshold(p^m) drops. With mask_padding only the sequence's own tokens take part. */
struct dt_conv_max {
    dt_param embedding; /* (V, E); row `frozen_row` is zero and gets no gradient */
    int32_t frozen_row;
    int32_t vocabulary;
    int32_t embed_dim;               /* E */
    int32_t filters;                 /* F */
    int32_t kernels;                 /* number of widths */
    int32_t width[DT_MAX_KERNELS];   /* odd */
    dt_param weight[DT_MAX_KERNELS]; /* (F, E, width) */
    dt_param bias[DT_MAX_KERNELS];   /* (F) */
    int32_t max_length;
    bool mask_padding;
    dt_dropout dropout;
    uint32_t padding_stream;
};

/* The input of convolution layers: the embedding of each token, zeros in the padding. Without a
 * table one channel a token id: 1 in channel `id`, zeros for ids of dim and above. */
struct dt_lookup {
    dt_param table;     /* (vocabulary, dim); row `frozen_row` is zero and gets no gradient.
                           DT_NO_PARAM: one-hot */
    int32_t frozen_row; /* -1: none */
    int32_t vocabulary;
    int32_t dim;
    int32_t max_length; /* L */
};

typedef enum {
    DT_RESIDUAL_NONE,
    DT_RESIDUAL_IDENTITY,   /* x itself; channels == filters */
    DT_RESIDUAL_PROJECTION, /* a convolution of width 1 */
} dt_residual;

/* One layer of convolutions over the L positions of each sequence, for each kernel k of F filters:
 *     r_k = dropout(ReLU(convolution_k(x) + bias_k)),   y_k = r_k (+ residual_k of x)
 * with zeros beyond both ends. Kernel k has the columns k·F … k·F+F-1 of r and y, which are its
 * channels in dropout's draws. */
struct dt_conv_layer {
    int32_t channels; /* of x */
    int32_t filters;  /* F */
    int32_t kernels;
    int32_t width[DT_MAX_KERNELS];   /* odd */
    dt_param weight[DT_MAX_KERNELS]; /* (F, channels, width) */
    dt_param bias[DT_MAX_KERNELS];   /* (F) */
    dt_residual residual;
    dt_param projection[DT_MAX_KERNELS];      /* (F, channels) */
    dt_param projection_bias[DT_MAX_KERNELS]; /* (F) */
    int32_t max_length;                       /* L */
    dt_dropout dropout;
};

/* Maximum over the positions of each sequence: all L, or with mask_padding its own. */
struct dt_position_max {
    int32_t channels;
    int32_t max_length; /* L */
    bool mask_padding;
};

/* (ReLU and) dropout of a matrix with one row a sequence, whose columns fall into `parts` of equal
 * width: part i draws from stream + i, as channel 0 … columns-1. */
struct dt_activation {
    bool relu;
    int32_t parts;
    int32_t columns; /* of a part */
    dt_dropout dropout;
};

struct dt_class_layout { /* classes of all tax_ranks: rank r has columns first[r] … first[r+1]-1 */
    int32_t tax_ranks;
    int32_t first[DT_MAX_TAX_RANKS + 1]; /* first[tax_ranks] = C */
};

struct dt_heads {    /* logits = x · Wᵀ + b */
    dt_param weight; /* (classes, hidden) */
    dt_param bias;   /* (classes) */
    int32_t hidden, classes;
    int64_t x_stride;     /* elements from one row of x (and dx) to the next */
    int64_t logit_stride; /* of logits and dlogits */
};

/* Loss of one sequence at one tax_rank, times the batch's loss_scale there: dt_loss_value() of ce =
 * class weight of the true class · cross entropy. */
struct dt_loss {
    dt_class_layout classes;
    dt_loss_type type;
    double gamma;             /* of the focal loss */
    const void *class_weight; /* (C) statistics on the device; NULL: all 1 */
};

/* The classifier's result for one sequence at one taxonomic rank. */
struct dt_prediction {
    int32_t label;    /* class with the largest logit; the lowest of equals */
    int32_t better;   /* classes with a larger logit than the true one; -1 without a label.
                         So the true class is among the k best when 0 <= better < k */
    float confidence; /* softmax maximum, logits divided by the tax_rank's temperature */
    float entropy;    /* of the same softmax, nats */
    float loss;       /* cross entropy at temperature 1; 0 without a label */
};

#endif
