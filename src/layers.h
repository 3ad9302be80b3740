/* The parameters of the backend's operations: one struct per layer, then heads, loss and
 * prediction. backend.h needs only their typedefs; files that fill or read these structs include
 * this header. Shape letters as in backend.h.
 */
#ifndef DT_LAYERS_H
#define DT_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "core/loss.h"
#include "core/model_limits.h"

struct dt_dropout {
    double p;        /* probability of dropping a value; 0: no dropout (evaluation) */
    uint32_t stream; /* dt_stream(purpose, layer, 0) */
};

/* What a row of an activation belongs to: a token, or a sequence (its token at position 0). */
typedef enum { DT_ROWS_TOKENS, DT_ROWS_SEQUENCES } dt_row_kind;

struct dt_embedding {   /* LayerNorm(word[id] + position[t] + type[0]), then dropout */
    dt_param word;      /* (V, H); row `frozen_row` gets no gradient */
    dt_param position;  /* (L, H), L = max_length */
    dt_param type;      /* (2, H); only row 0 is used */
    dt_param gamma;     /* (H) */
    dt_param beta;      /* (H) */
    int32_t frozen_row; /* -1: none */
    int32_t vocabulary;
    int32_t max_length;
    int32_t hidden;
    double eps;
    dt_dropout dropout;
};

struct dt_add_norm { /* dropout(x) + residual, then LayerNorm */
    dt_param gamma;  /* (H) */
    dt_param beta;   /* (H) */
    dt_param bias;   /* (H) of the linear layer that computes x: its gradient is Σ rows dx */
    int32_t hidden;
    double eps;
    dt_row_kind rows;
    dt_dropout dropout;
};

struct dt_attention {     /* scaled dot-product self-attention within each sequence */
    int32_t heads;        /* A */
    int32_t head_size;    /* d; H = A · d; head h has columns h·d … h·d+d-1 */
    dt_row_kind queries;  /* DT_ROWS_SEQUENCES: position 0 of each sequence is the only query */
    int64_t query_stride; /* elements from one row of q (and dq) to the next */
    int64_t key_stride;   /* of k, v, dk, dv */
    dt_dropout dropout;   /* on the probabilities; head h draws from stream + h */
};

/* Embedding, one layer of convolutions of several widths, ReLU, dropout, and the maximum over the
 * positions 0 … L-1 for each of the F · kernels channels (kernel by kernel), where each sequence is
 * padded with zero vectors to L = max_length.
 *
 * For a sequence of n tokens, the positions 0 … min(n + h, L) - 1 are computed for all kernels,
 * where h is half the width of the widest one; no kernel sees a token beyond them. The remaining m
 * positions all have the value c = ReLU(bias). Without mask_padding, c takes part in the maximum if
 * m > 0; with dropout it takes part as c/(1-p) unless all m are dropped, which has probability p^m
 * and is decided by one draw: they are dropped if the draw from the stream `padding_stream`
 * (counter: channel / 4, 0, sequence, step) is < threshold(p^m). With mask_padding, only the tokens
 * of the sequence take part. */
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
 * table the input is one-hot: 1 in channel `id`; all zeros if id >= dim. */
struct dt_lookup {
    dt_param table;     /* (vocabulary, dim); row `frozen_row` is zero and gets no gradient.
                           DT_NO_PARAM: one-hot */
    int32_t frozen_row; /* -1: none */
    int32_t vocabulary;
    int32_t dim;
    int32_t max_length; /* L */
};

/* The sum of a sequence's embeddings, divided by the root of their number. */
struct dt_bag {
    dt_param table; /* (rows, dim) */
    int32_t rows;   /* ids are 0 … rows; the id `rows` has no row: its embedding is zero */
    int32_t dim;
};

typedef enum {
    DT_RESIDUAL_NONE,
    DT_RESIDUAL_IDENTITY,   /* x itself; channels == filters */
    DT_RESIDUAL_PROJECTION, /* a convolution of width 1 */
} dt_residual;

/* One layer of convolutions over the L positions of each sequence. For each kernel k, with F
 * filters:
 *     r_k = dropout(ReLU(convolution_k(x) + bias_k)),   y_k = r_k (+ residual_k of x)
 * with zeros beyond both ends. Kernel k has columns k·F … k·F+F-1 of r and y; these are also its
 * channel numbers in the dropout draws. */
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

/* Maximum over the positions of each sequence: all L, or with mask_padding those of its tokens. */
struct dt_position_max {
    int32_t channels;
    int32_t max_length; /* L */
    bool mask_padding;
};

/* Dropout, optionally after ReLU, of a matrix with one row per sequence. Its columns are divided
 * into `parts` blocks of equal width; block i draws from stream + i, with channels 0 …
 * columns-1. */
struct dt_activation {
    bool relu;
    int32_t parts;
    int32_t columns; /* per block */
    dt_dropout dropout;
};

struct dt_class_layout { /* classes of all taxonomic ranks: rank r has columns first[r] …
                            first[r+1]-1 */
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

/* The tree of the lineages in a training set (taxonomy/lineage_tree.h). Nodes are numbered by
 * taxonomic rank, those below one node back to back; a class is that of one or more nodes. Columns are
 * those of the logits. The arrays are on the device. */
struct dt_lineages {
    dt_class_layout classes;
    int32_t first[DT_MAX_TAX_RANKS + 1]; /* nodes of tax_rank r: first[r] … first[r+1]-1 */
    const int32_t *parent;               /* (nodes) -1 at the first tax_rank */
    const int32_t *column;               /* (nodes) of the node's class */
    const int32_t *child;  /* (nodes above the last tax_rank, + 1) children of node n: child[n] …
                              child[n+1]-1 */
    const int32_t *of;     /* (C + 1) nodes of column c: node[of[c]] … node[of[c+1]-1] */
    const int32_t *node;   /* (nodes) */
    const int32_t *shared; /* (shared_count) columns of several nodes, or of none */
    int32_t shared_count;
};

/* Loss of a sequence at a taxonomic rank, times the batch's loss_scale for that rank:
 * dt_loss_value() of ce = class weight of the true class · cross entropy. */
struct dt_loss {
    dt_class_layout classes;
    dt_loss_type type;
    double gamma;             /* of the focal loss */
    const void *class_weight; /* (C) statistics on the device; NULL: all 1 */
};

/* The prediction for one sequence at one taxonomic rank. */
struct dt_prediction {
    int32_t label;    /* class with the largest logit; the lowest index among equals */
    int32_t better;   /* number of classes with a larger logit than the true one, so that the true
                         class is in the top k if 0 <= better < k; -1: no label */
    float confidence; /* maximum of the softmax of the logits divided by the rank's temperature */
    float entropy;    /* of the same softmax, nats */
    float loss;       /* cross entropy at temperature 1; 0 without a label */
};

#endif
