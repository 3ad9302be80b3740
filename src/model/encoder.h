/* The BERT branch: embeddings and post-LayerNorm encoder layers on packed tokens (Devlin et al.,
 * NAACL 2019; docs/model.md 2).
 *
 * The hybrid model reads the encoder's output at position 0 only, so its last layer computes keys
 * and values of all tokens, but everything else for position 0 only. All other layers are full.
 */
#ifndef DT_MODEL_ENCODER_H
#define DT_MODEL_ENCODER_H

#include "layers.h"
#include "model/arena.h"
#include "model/config.h"
#include "model/params.h"

/* Offsets of one layer's parameters. */
typedef struct {
    dt_param qkv_weight;    /* (3H, H): query, key, value */
    dt_param qkv_bias;      /* (3H) */
    dt_param output_weight; /* (H, H) */
    dt_param output_bias;
    dt_param output_gamma, output_beta;
    dt_param up_weight; /* (I, H) */
    dt_param up_bias;
    dt_param down_weight; /* (H, I) */
    dt_param down_bias;
    dt_param down_gamma, down_beta;
    int64_t range_begin, range_end; /* of the whole layer in the flat vector */
} dt_layer_params;

/* The activations that one layer keeps for its backward pass. M = N in a full layer; M = B in a
 * last layer that computes position 0 only. */
typedef struct {
    const void *x;     /* (N, H) input */
    void *x_first;     /* (B, H) its position 0; only if M = B */
    void *q;           /* (M, H): in a full layer the first columns of (N, 3H) q, k, v */
    void *k;           /* (N, H) strided */
    void *v;           /* (N, H) strided */
    void *context;     /* (M, H) output of the attention */
    void *log_sum;     /* (M, A) */
    void *sum1;        /* (M, H) */
    void *statistics1; /* (M, 2) */
    void *y1;          /* (M, H) */
    void *u;           /* (M, I) */
    void *g;           /* (M, I) gelu(u) */
    void *sum2;        /* (M, H) */
    void *statistics2; /* (M, 2) */
    void *y2;          /* (M, H) output */
} dt_layer_state;

typedef struct {
    dt_model_config config;
    bool first_only; /* compute the output of position 0 only */
    dt_embedding embedding;
    int64_t embedding_begin, embedding_end; /* range of its parameters */
    dt_layer_params *layer;                 /* (layers) */
    dt_layer_state *state;                  /* (layers) */

    void *embedded;   /* (N, H) */
    void *statistics; /* (N, 2) of the embedding's LayerNorm */

    /* gradients, training only */
    void *dx;   /* (N, H) with respect to a layer's input */
    void *da;   /* (N, H) */
    void *dqkv; /* (N, 3H); scratch of the attention with single queries */
    void *du;   /* (N, max(I, H)); scratch of the attention, (N, A) statistics */
    void *dq;   /* (B, H) */
} dt_encoder_stack;

/* Adds the encoder's parameters to the table, last layer first (the order of the backward pass). */
dt_status dt_encoder_stack_create(dt_encoder_stack *stack, const dt_model_config *config,
                                  dt_param_table *table);
void dt_encoder_stack_free(dt_encoder_stack *stack);

/* Takes the buffers for batches of up to this size from the arena; max_rows is a multiple of the
 * backend's row granularity. */
void dt_encoder_stack_reserve(dt_encoder_stack *stack, dt_arena *arena, dt_backend *backend,
                              int64_t max_rows, int32_t max_sequences, bool training);

/* Returns the encoder's output: (N, H) of all tokens, or with first_only (B, H) of position 0.
 * training: with dropout. */
const void *dt_encoder_stack_forward(dt_encoder_stack *stack, dt_backend *backend,
                                     const dt_device_batch *batch, bool training);

/* Backward pass from the gradient of the output, which is overwritten: dy (B, H) with first_only,
 * otherwise stack->dx (N, H), written by the caller. Calls `done(context, begin, end)` for each
 * range of the gradient vector as soon as it is final. */
typedef void (*dt_range_done)(void *context, int64_t begin, int64_t end);
void dt_encoder_stack_backward(dt_encoder_stack *stack, dt_backend *backend,
                               const dt_device_batch *batch, void *dy, dt_range_done done,
                               void *context);

/* Calls `done` for all ranges in the same order, without computing anything. */
void dt_encoder_stack_ranges(const dt_encoder_stack *stack, dt_range_done done, void *context);

#endif
