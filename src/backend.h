/* The contract of a device: everything the model needs from a CPU or a GPU.
 *
 * A backend holds the parameters, their gradients and the optimizer's moments as flat vectors, and
 * computes a fixed set of coarse operations on packed batches. The model (src/model) is written
 * once against this table of functions; cpu/ and cuda/ implement it, each as a module that
 * dt_backend_open() loads by name.
 *
 * Rules that every operation follows
 *   - Asynchronous: an operation may return before its work is done; operations of one backend take
 *     effect in the order of their calls. Only sync, download, vector_read and state_read wait;
 *     batch_upload waits at most for the work on the batch before the last one, download_finish
 *     for one copy and what was asked for before it.
 *     What an operation is handed by value or through a host pointer may be reused as soon as it
 *     returns. The CPU backend simply works before it returns.
 *   - No status: an operation that fails makes the backend's error sticky, later operations do
 *     nothing, and check() reports it. So a layer reads as mathematics.
 *   - No allocation and no waiting inside an operation, apart from the ones above. (The CPU in bf16
 *     lays a weight out when it is used first.)
 *   - Outputs come first, then inputs, then parameters, then sizes. Shapes stand in comments, row
 *     major. N: rows of a token matrix, B: sequences of the batch, H: hidden size, R: taxonomic
 *     ranks, C: classes of all ranks together.
 *   - "accumulates" means: is added to what the gradient vector holds.
 *   - Activations are `void *` into memory of the backend, elements of activation_size bytes;
 *     statistics (sums that need range: means, log-sums, logits) of statistic_size bytes; indices
 *     int32_t. Only the backend reads through them; of a copy that was downloaded
 *     dt_backend_floats() reads the activations.
 *   - Parameters are addressed by their offset in the flat vector (dt_param), so that a backend may
 *     read a low-precision copy at the same offset.
 *   - Packed: a batch holds its sequences back to back, without padding; token matrices have
 *     batch->size.rows rows: the tokens, rounded up to a multiple of the backend's row_multiple,
 * not necessarily the next (and never beyond that of the reserved tokens). Rows in excess belong to
 * no sequence; what is activation there is finite and what is gradient zero, so that they
 * contribute to nothing, sums over all rows included.
 *   - Padded: what several convolution layers work on has P = B · L rows, L = max_length; row
 *     b · L + t is position t of sequence b, its own up to its length and padding after it, which
 *     is computed like the others.
 *   - Dropout keeps a value where its Philox draw (core/philox.h, counter as written there) is at
 *     least the threshold and divides it by 1 - p. Masks are never stored: the backward operation
 *     draws them again.
 *   - Results do not depend on chance: no float atomics, no sums in an order that varies.
 */
#ifndef DT_BACKEND_H
#define DT_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define DT_MAX_KERNELS 16
#define DT_EVENT_SLOTS 256      /* events of a caller: ranges of gradients */
#define DT_PROFILE_EVENTS 4096  /* further slots behind them, for who measures operations */
#define DT_BACKEND_TAX_RANKS 32 /* as DT_MAX_TAX_RANKS */
#define DT_DOWNLOAD_SLOTS 6     /* copies to the host that may be under way at a time */

typedef int64_t dt_param; /* offset of a tensor in the flat parameter vector, in elements */
#define DT_NO_PARAM ((dt_param)-1)

typedef struct dt_backend dt_backend;
typedef struct dt_backend_ops dt_backend_ops;

/* ---- batches ----------------------------------------------------------------------------------
 */

typedef struct {
    int32_t sequences; /* B */
    int32_t longest;   /* tokens of the longest sequence */
    int64_t tokens;    /* of all sequences */
    int64_t rows;      /* N: rows of a token matrix, a multiple of row_multiple */
} dt_batch_size;

/* A micro-batch as the host packs it: everything that changes from one to the next stands here, so
 * that a recorded graph of operations can be run again on another one. */
typedef struct {
    int32_t sequences;         /* B >= 1 */
    int32_t tax_ranks;         /* R */
    const int32_t *token_ids;  /* (tokens) */
    const int32_t *cu_seqlens; /* (B + 1): sequence b has rows cu_seqlens[b] … cu_seqlens[b+1]-1 */
    const int32_t *labels;  /* (B, R) classes; -1: unknown, contributes no loss. NULL: none known */
    uint32_t seed;          /* Philox key */
    uint32_t step;          /* Philox c[3]: micro-steps of the global batch since the start */
    int64_t first_sequence; /* Philox c[2] of sequence 0: its position in the GLOBAL batch */
    double loss_scale[DT_BACKEND_TAX_RANKS]; /* (R) factor of each sequence's loss at a tax_rank:
                                  level weight / (global batch · accumulation steps), or with
                                  class weights level weight / (their global sum · steps) */
} dt_batch;

/* The same on the device: made by batch_upload, read by operations. The model reads `size` only. */
typedef struct {
    dt_batch_size size;
} dt_device_batch;

/* ---- what operations are told ------------------------------------------------------------------
 */

typedef struct {
    double p;        /* probability to drop; 0: no dropout (evaluation) */
    uint32_t stream; /* dt_stream(purpose, layer, 0) */
} dt_dropout;

/* Which rows an activation has: one a token, or one a sequence (its token at position 0). */
typedef enum { DT_ROWS_TOKENS, DT_ROWS_SEQUENCES } dt_row_kind;

typedef struct {        /* LayerNorm(word[id] + position[t] + type[0]), then dropout */
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
} dt_embedding;

typedef struct {    /* dropout(x) + residual, then LayerNorm */
    dt_param gamma; /* (H) */
    dt_param beta;  /* (H) */
    int32_t hidden;
    double eps;
    dt_row_kind rows;
    dt_dropout dropout;
} dt_add_norm;

typedef struct {          /* scaled dot-product attention of each sequence with itself */
    int32_t heads;        /* A */
    int32_t head_size;    /* d; H = A · d; head h has columns h·d … h·d+d-1 */
    dt_row_kind queries;  /* DT_ROWS_SEQUENCES: only position 0 of each sequence asks */
    int64_t query_stride; /* elements from one row of q (and dq) to the next */
    int64_t key_stride;   /* of k, v, dk, dv */
    dt_dropout dropout;   /* on the probabilities; head h draws from stream + h */
} dt_attention;

/* Embedding, one layer of convolutions of several widths, ReLU, dropout, and the maximum over the
 * positions 0 … L-1 of the sequence padded to L = max_length with zero vectors, for each of the
 * F · kernels channels (kernel by kernel). Of a sequence of n tokens the positions 0 … min(n + h,
 * L) - 1 are computed, h half of the widest kernel, for all kernels alike: past them no kernel sees
 * a token. The m positions that remain all hold c = ReLU(bias): without mask_padding c joins the
 * maximum when m > 0; with dropout it joins as c/(1-p) unless all m are dropped, one draw with
 * probability p^m from the stream `padding_stream` (counter: channel / 4, 0, sequence, step), draw
 * < threshold(p^m) drops. With mask_padding only the sequence's own tokens take part. */
typedef struct {
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
} dt_conv_max;

/* The input of convolution layers: the embedding of each token, zeros in the padding. Without a
 * table one channel a token id: 1 in channel `id`, zeros for ids of dim and above. */
typedef struct {
    dt_param table;     /* (vocabulary, dim); row `frozen_row` is zero and gets no gradient.
                           DT_NO_PARAM: one-hot */
    int32_t frozen_row; /* -1: none */
    int32_t vocabulary;
    int32_t dim;
    int32_t max_length; /* L */
} dt_lookup;

typedef enum {
    DT_RESIDUAL_NONE,
    DT_RESIDUAL_IDENTITY,   /* x itself; channels == filters */
    DT_RESIDUAL_PROJECTION, /* a convolution of width 1 */
} dt_residual;

/* One layer of convolutions over the L positions of each sequence, for each kernel k of F filters:
 *     r_k = dropout(ReLU(convolution_k(x) + bias_k)),   y_k = r_k (+ residual_k of x)
 * with zeros beyond both ends. Kernel k has the columns k·F … k·F+F-1 of r and y, which are its
 * channels in dropout's draws. */
typedef struct {
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
} dt_conv_layer;

/* Maximum over the positions of each sequence: all L, or with mask_padding its own. */
typedef struct {
    int32_t channels;
    int32_t max_length; /* L */
    bool mask_padding;
} dt_position_max;

/* (ReLU and) dropout of a matrix with one row a sequence, whose columns fall into `parts` of equal
 * width: part i draws from stream + i, as channel 0 … columns-1. */
typedef struct {
    bool relu;
    int32_t parts;
    int32_t columns; /* of a part */
    dt_dropout dropout;
} dt_activation;

typedef struct { /* classes of all tax_ranks: rank r has columns first[r] … first[r+1]-1 */
    int32_t tax_ranks;
    int32_t first[DT_BACKEND_TAX_RANKS + 1]; /* first[tax_ranks] = C */
} dt_class_layout;

typedef struct {     /* logits = x · Wᵀ + b */
    dt_param weight; /* (classes, hidden) */
    dt_param bias;   /* (classes) */
    int32_t hidden, classes;
    int64_t x_stride;     /* elements from one row of x (and dx) to the next */
    int64_t logit_stride; /* of logits and dlogits */
} dt_heads;

typedef enum { DT_LOSS_CROSS_ENTROPY, DT_LOSS_FOCAL } dt_loss_type;

/* Loss of one sequence at one tax_rank, times the batch's loss_scale there: ce = class weight of
 * the true class · cross entropy; focal: (1 - e^-ce)^gamma · ce. */
typedef struct {
    dt_class_layout classes;
    dt_loss_type type;
    double focal_gamma;
    const void *class_weight; /* (C) statistics on the device; NULL: all 1 */
} dt_loss;

/* What the classifier says of one sequence at one taxonomic rank. */
typedef struct {
    int32_t label;    /* class with the largest logit; the lowest of equals */
    int32_t better;   /* classes with a larger logit than the true one; -1 without a label.
                         So the true class is among the k best when 0 <= better < k */
    float confidence; /* softmax maximum, logits divided by the tax_rank's temperature */
    float entropy;    /* of the same softmax, nats */
    float loss;       /* cross entropy at temperature 1; 0 without a label */
} dt_prediction;

typedef enum { DT_PARAMETERS, DT_GRADIENTS, DT_EXP_AVG, DT_EXP_AVG_SQ, DT_VECTORS } dt_vector;

/* Constants of a run for the parameter update. */
typedef struct {
    double learning_rate;
    double beta1, beta2, eps, weight_decay;
    double max_grad_norm;   /* <= 0: no clipping */
    int64_t warmup_steps;   /* W */
    int64_t total_steps;    /* T */
    int64_t schedule_start; /* updates that were done before the schedule's first one */
    bool dynamic_scale;     /* fp16: the loss scale of dt_update_state is adjusted */
} dt_update_rule;

/* State of the update, on the device, advanced by update(); part of a checkpoint. */
typedef struct {
    int64_t steps;            /* t: updates done */
    int64_t skipped;          /* updates left out because of bad numbers, in all */
    int32_t skipped_in_row;   /* of these, without a good one in between */
    int32_t scale_good_steps; /* updates since the loss scale last changed */
    double loss_scale;        /* 1 unless dynamic_scale */
    double grad_norm;         /* of the last update, before clipping; not finite when skipped */
    double last_rate;         /* learning rate of the last update */
    double loss;              /* scaled sum over this rank's sequences of the last update */
    double loss_sum[DT_BACKEND_TAX_RANKS]; /* per tax_rank, summed over the updates since the host
                               last wrote the state; skipped updates are left out */
    int64_t loss_updates;                  /* number of updates in loss_sum */
} dt_update_state;

/* ---- the table ------------------------------------------------------------------------------ */

typedef enum {
    DT_PRECISION_AUTO,
    DT_PRECISION_FP32,
    DT_PRECISION_BF16,
    DT_PRECISION_FP16
} dt_precision;

/* How a GPU computes attention. fused: one kernel, scores never stored (bf16 and fp16, head sizes
 * 64 and 128); plain: products with a softmax between; cudnn: the library's, whose dropout masks
 * are not ours. auto: fused where it can, else plain. The CPU has one way of its own, and takes
 * auto only. */
typedef enum {
    DT_ATTENTION_AUTO,
    DT_ATTENTION_FUSED,
    DT_ATTENTION_CUDNN,
    DT_ATTENTION_PLAIN
} dt_attention_method;

struct dt_backend {
    const dt_backend_ops *ops;
    const char *name;        /* "cpu", "cuda" */
    char description[256];   /* for the user: processor or GPU, library, number of threads */
    dt_precision precision;  /* of the large products' inputs, and of activations of 2 bytes; never
                                auto */
    int32_t activation_size; /* bytes of an element, as are the next two */
    int32_t statistic_size;
    int32_t master_size;  /* of the flat vectors: 4 (float), 8 in the double build for tests */
    int32_t row_multiple; /* >= 1: token matrices have a multiple of so many rows */
    bool host_memory;     /* its pointers are ordinary host memory */
    /* for communicators */
    char device_id[32]; /* names the GPU among those of this host, as its PCI bus id; "": none */
    const char *comm_module; /* the module that sums gradients on such devices, as "nccl"; NULL:
                                none, they are summed in host memory */
};

struct dt_backend_ops {
    void (*destroy)(dt_backend *backend);

    /* The sticky error, DT_OK when there is none. Does not wait. */
    dt_status (*check)(dt_backend *backend);
    /* Waits until all that was asked for is done; returns check(). */
    dt_status (*sync)(dt_backend *backend);

    /* -- memory: before the first step, never within one (upload and download: not while operations
     * are recorded) -- */

    /* `bytes` of zeroed device memory, 256-byte aligned. DT_ERR_MEMORY says how much was asked for.
     */
    dt_status (*alloc)(dt_backend *backend, void **out, int64_t bytes);
    void (*free)(dt_backend *backend, void *memory); /* NULL is fine */
    /* Bytes that can still be allocated, and that the device has. */
    void (*memory)(dt_backend *backend, int64_t *available, int64_t *total);
    void (*upload)(dt_backend *backend, void *device, const void *host, int64_t bytes);
    void (*download)(dt_backend *backend, void *host, const void *device,
                     int64_t bytes); /* waits */
    /* Copies that nobody waits for yet, so that the device goes on while the host takes results.
     * download_start asks for `rows` rows of `bytes` bytes, which stand `stride` bytes apart on the
     * device; what is asked for later may overwrite them there. Once download_finish has waited
     * for the copy of its slot, they stand back to back in the `host` that download_start was
     * given, which must stay until then and not be read before. Every start is followed by one
     * finish before its slot is started or reserved again, also after an error (then `host` holds
     * anything). A slot takes up to as many bytes, rows · bytes, as were reserved for it.
     * download_reserve: memory of the host for copies of up to `bytes`, in one of the slots 0 …
     * DT_DOWNLOAD_SLOTS-1. Reserving less than a slot has changes nothing. */
    dt_status (*download_reserve)(dt_backend *backend, int32_t slot, int64_t bytes);
    void (*download_start)(dt_backend *backend, void *host, const void *device, int64_t rows,
                           int64_t bytes, int64_t stride, int32_t slot);
    void (*download_finish)(dt_backend *backend, int32_t slot);

    /* -- flat vectors -- */

    /* Makes the vectors of `count` elements, zeroed: parameters only, or all four for training. On
     * failure there are none, and it may be called again. */
    dt_status (*vectors_alloc)(dt_backend *backend, int64_t count, bool training);
    /* Bytes of device memory that vectors_alloc() takes, low-precision copy included. */
    int64_t (*vectors_bytes)(dt_backend *backend, int64_t count, bool training);
    /* `count` elements from `offset`, host side of master_size bytes an element. Writing parameters
     * refreshes the low-precision copy. vector_read waits. */
    void (*vector_write)(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         const void *host);
    void (*vector_read)(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                        void *host);
    /* The device address of a vector's element 0, for a communicator. */
    void *(*vector_data)(dt_backend *backend, dt_vector which);
    /* For a communicator that sums gradients in bf16: `count` of them from `offset` are rounded to
     * the nearest (core/bf16.h), and back. `native_stream` is a stream of the communicator's
     * (cudaStream_t) which they then go to, whatever this backend was asked for; NULL: in order,
     * as all operations. A device without streams takes NULL only. */
    void (*gradients_to_bf16)(dt_backend *backend, void *out /* (count) bf16 */, int64_t offset,
                              int64_t count, void *native_stream);
    void (*gradients_from_bf16)(dt_backend *backend, const void *in /* (count) bf16 */,
                                int64_t offset, int64_t count, void *native_stream);
    void (*gradients_zero)(dt_backend *backend);

    /* -- batches -- */

    /* Room for the batches to come, before the first upload; takes the place of what was reserved
     * before. */
    dt_status (*batch_reserve)(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                               int32_t tax_ranks);
    /* Bytes of device memory that batch_reserve() takes. */
    int64_t (*batch_bytes)(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                           int32_t tax_ranks);
    /* The batch on the device. Valid until the next call but one, which waits until no operation
     * asked for so far reads it any more. */
    const dt_device_batch *(*batch_upload)(dt_backend *backend, const dt_batch *batch);

    /* -- layers: forward and backward side by side -- */

    void (*embedding_forward)(dt_backend *backend, void *y /* (N, H) */,
                              void *statistics /* (N, 2) mean and 1/deviation */,
                              const dt_device_batch *batch, const dt_embedding *embedding);
    /* accumulates the gradients of all five parameters */
    void (*embedding_backward)(dt_backend *backend, const void *dy /* (N, H) */,
                               const void *statistics, const dt_device_batch *batch,
                               const dt_embedding *embedding, void *scratch /* (N, H) */);

    /* y = x · Wᵀ + b */
    void (*linear_forward)(dt_backend *backend, void *y /* (rows, out) */,
                           const void *x /* (rows, in) */, dt_param weight /* (out, in) */,
                           dt_param bias /* (out) */, int64_t rows, int32_t in, int32_t out);
    /* dx = dy · W, or dx += dy · W with add_dx; dx NULL: not wanted. Accumulates dW = dyᵀ · x and
     * db = Σ rows dy. */
    void (*linear_backward)(dt_backend *backend, void *dx /* (rows, in) */, bool add_dx,
                            const void *dy /* (rows, out) */, const void *x, dt_param weight,
                            dt_param bias, int64_t rows, int32_t in, int32_t out);

    /* u = x · Wᵀ + b, y = gelu(u) = u/2 · (1 + erf(u/√2)); y may be NULL (then only u), u may be
     * NULL when nothing will be asked backward */
    void (*linear_gelu_forward)(dt_backend *backend, void *y /* (rows, out) */,
                                void *u /* (rows, out) */, const void *x, dt_param weight,
                                dt_param bias, int64_t rows, int32_t in, int32_t out);
    /* du = dy · gelu'(u), in place: du_dy holds dy before and du after */
    void (*gelu_backward)(dt_backend *backend, void *du_dy /* (count) */, const void *u,
                          int64_t count);

    /* DT_ERR_USAGE, with the flag that helps, where heads of this size cannot be computed the way
     * that the options of the backend ask for. */
    dt_status (*attention_check)(dt_backend *backend, int32_t head_size, bool training);
    /* For every head and query: y = dropout(softmax(q kᵀ / √d)) v over the query's own sequence.
     * Scores are never kept; `log_sum` is the log of each softmax's denominator. Nq is N or B. */
    void (*attention_forward)(dt_backend *backend, void *y /* (Nq, H) */,
                              void *log_sum /* (Nq, A) */, const void *q /* (Nq, H) strided */,
                              const void *k /* (N, H) strided */, const void *v,
                              const dt_device_batch *batch, const dt_attention *attention);
    /* sets dq, dk, dv; dy may be overwritten */
    void (*attention_backward)(dt_backend *backend, void *dq, void *dk, void *dv,
                               void *dy /* (Nq, H) */, const void *y, const void *log_sum,
                               const void *q, const void *k, const void *v,
                               const dt_device_batch *batch, const dt_attention *attention);

    /* s = dropout(x) + residual replaces x (it is needed backward); y = LayerNorm(s) */
    void (*add_norm_forward)(dt_backend *backend, void *y /* (rows, H) */,
                             void *x_s /* (rows, H) */, void *statistics /* (rows, 2) */,
                             const void *residual /* (rows, H) */, const dt_device_batch *batch,
                             const dt_add_norm *norm);
    /* dresidual = ds and dx = dropout'(ds); accumulates the gradients of gamma and beta. dresidual
     * may be dy. */
    void (*add_norm_backward)(dt_backend *backend, void *dx, void *dresidual, const void *dy,
                              const void *s, const void *statistics, const dt_device_batch *batch,
                              const dt_add_norm *norm);

    /* y[b] = x[row of position 0 of sequence b]; backward: dx[that row] += dy[b] */
    void (*gather_first_forward)(dt_backend *backend, void *y /* (B, H) */,
                                 const void *x /* (N, H) */, const dt_device_batch *batch,
                                 int32_t hidden);
    void (*gather_first_backward)(dt_backend *backend, void *dx /* (N, H) */,
                                  const void *dy /* (B, H) */, const dt_device_batch *batch,
                                  int32_t hidden);

    /* y[b] = mean of x over the tokens of sequence b; backward: dx of each of them = dy[b] / n */
    void (*mean_forward)(dt_backend *backend, void *y /* (B, H) */, const void *x /* (N, H) */,
                         const dt_device_batch *batch, int32_t hidden);
    void (*mean_backward)(dt_backend *backend, void *dx /* (N, H) */, const void *dy /* (B, H) */,
                          const dt_device_batch *batch, int32_t hidden);

    /* y = dropout(x), or dropout(ReLU(x)); y may be x */
    void (*activate_forward)(dt_backend *backend, void *y /* (B, parts·columns) */, const void *x,
                             const dt_device_batch *batch, const dt_activation *activation);
    /* y is what forward gave (read with ReLU only); dx may be dy */
    void (*activate_backward)(dt_backend *backend, void *dx, const void *dy, const void *y,
                              const dt_device_batch *batch, const dt_activation *activation);

    /* `position` is where the maximum was found: a token position, or -1 for c of the padding */
    void (*conv_max_forward)(dt_backend *backend, void *y /* (B, F·kernels) */,
                             int32_t *position /* (B, F·kernels) */, void *scratch,
                             const dt_device_batch *batch, const dt_conv_max *conv);
    /* accumulates the gradients of the embedding, the weights and the biases */
    void (*conv_max_backward)(dt_backend *backend, const void *dy /* (B, F·kernels) */,
                              const void *y, const int32_t *position, void *scratch,
                              const dt_device_batch *batch, const dt_conv_max *conv);
    /* Bytes of `scratch` that conv_max needs for batches of up to this size (0: none). */
    int64_t (*conv_max_scratch)(dt_backend *backend, const dt_conv_max *conv, int32_t max_sequences,
                                int64_t max_tokens, bool training);

    /* The same with several layers, on padded matrices. */
    void (*lookup_forward)(dt_backend *backend, void *y /* (P, dim) */,
                           const dt_device_batch *batch, const dt_lookup *lookup);
    /* accumulates the gradient of the table; not for one-hot */
    void (*lookup_backward)(dt_backend *backend, const void *dy /* (P, dim) */,
                            const dt_device_batch *batch, const dt_lookup *lookup);
    /* r and y are the same memory exactly when there is no residual */
    void (*conv_layer_forward)(dt_backend *backend, void *y /* (P, F·kernels) */,
                               void *r /* (P, F·kernels) */, const void *x /* (P, channels) */,
                               void *scratch, const dt_device_batch *batch,
                               const dt_conv_layer *layer);
    /* Sets dx (NULL: not wanted) and accumulates the gradients of all parameters. dz receives the
     * gradient before ReLU and dropout; it may be dy when there is no residual. */
    void (*conv_layer_backward)(dt_backend *backend, void *dx /* (P, channels) */,
                                void *dz /* (P, F·kernels) */, const void *dy /* (P, F·kernels) */,
                                const void *r, const void *x, void *scratch,
                                const dt_device_batch *batch, const dt_conv_layer *layer);
    /* Bytes of `scratch` that conv_layer needs for batches of up to so many sequences. */
    int64_t (*conv_layer_scratch)(dt_backend *backend, const dt_conv_layer *layer,
                                  int32_t max_sequences, bool training);
    /* `position` is where the maximum was found, the first of equals; backward sets dx */
    void (*position_max_forward)(dt_backend *backend, void *y /* (B, channels) */,
                                 int32_t *position /* (B, channels) */,
                                 const void *x /* (P, channels) */, const dt_device_batch *batch,
                                 const dt_position_max *max);
    void (*position_max_backward)(dt_backend *backend, void *dx /* (P, channels) */,
                                  const void *dy /* (B, channels) */, const int32_t *position,
                                  const dt_device_batch *batch, const dt_position_max *max);

    /* y = dropout(w_cnn · cnn + w_bert · bert + bert) */
    void (*fuse_forward)(dt_backend *backend, void *y /* (B, H) */, const void *cnn,
                         const void *bert, dt_param w_cnn /* (1) */, dt_param w_bert /* (1) */,
                         const dt_device_batch *batch, int32_t hidden, const dt_dropout *dropout);
    void (*fuse_backward)(dt_backend *backend, void *dcnn, void *dbert, const void *dy,
                          const void *cnn, const void *bert, dt_param w_cnn, dt_param w_bert,
                          const dt_device_batch *batch, int32_t hidden, const dt_dropout *dropout);

    /* Heads that read the same x stand back to back and are one; logits are statistics. Backward
     * sets dx. */
    void (*heads_forward)(dt_backend *backend, void *logits /* (B, classes) strided statistics */,
                          const void *x /* (B, hidden) strided */, int32_t sequences,
                          const dt_heads *heads);
    void (*heads_backward)(dt_backend *backend, void *dx /* (B, hidden) strided */,
                           const void *dlogits /* (B, classes) strided statistics */, const void *x,
                           int32_t sequences, const dt_heads *heads);

    /* The loss of all tax_ranks in one pass. logits become their own gradient (times the
     * batch's loss_scale and the update state's loss scale); the loss is added to the pending sum
     * of this update. */
    void (*loss)(dt_backend *backend, void *logits_dlogits /* (B, C) */,
                 const dt_device_batch *batch, const dt_loss *loss);
    /* For evaluation and prediction; temperatures (R) are host values, NULL: all 1. */
    void (*classify)(dt_backend *backend, dt_prediction *out /* (B, R) device */,
                     const void *logits /* (B, C) */, const dt_device_batch *batch,
                     const dt_class_layout *classes, const double *temperature);

    /* -- the update -- */

    /* One AdamW update of the elements 0 … count-1 from their gradients (which are divided by the
     * loss scale, then clipped by their global L2 norm); learning rate by the linear schedule
     * (core/update_rule.h). A norm or loss that is not finite skips it and is counted. */
    void (*update)(dt_backend *backend, int64_t count, const dt_update_rule *rule);
    void (*state_write)(dt_backend *backend, const dt_update_state *state);
    void (*state_read)(dt_backend *backend, dt_update_state *state); /* waits */

    /* -- for communicators and recorded steps; NULL where a device has no use for them -- */

    /* Marks the point that all work asked for so far is done, as event `slot` (0 …
     * DT_EVENT_SLOTS + DT_PROFILE_EVENTS - 1). */
    void (*event_record)(dt_backend *backend, int32_t slot);
    /* The native handle of an event (cudaEvent_t), for a communicator's stream to wait on. */
    void *(*event_handle)(dt_backend *backend, int32_t slot);
    /* Later work waits for a native event of a communicator. */
    void (*event_wait)(dt_backend *backend, void *native_event);
    /* Seconds on the device from event `from` to event `to`, for benchmarks; waits for both. */
    double (*event_seconds)(dt_backend *backend, int32_t from, int32_t to);
    /* The operations on one batch, from its upload on, can be recorded once and replayed on others.
     * step_begin() tells what to do with those that would be called next:
     *   DT_STEP_RUN: call them as ever; no step_end().
     *   DT_STEP_RECORD: call them, then step_end(). Until then none of them has begun, and nothing
     *     that waits, allocates or takes host memory may be called.
     *   DT_STEP_REPLAYED: they have been asked for, as they were recorded; call nothing.
     * What is replayed is what was recorded under the same `key` on a batch that had, after the
     * backend's own rounding, the same size; contents, labels and everything in dt_batch may
     * differ, and are checked as the operations would. So of a batch the caller's operations may
     * depend on size.sequences and size.rows alone, and on anything else only through `key`; the
     * memory they were given must still be there (batch_reserve forgets all recordings).
     * Events recorded among them happen again in each replay: who waits for one must ask after
     * step_begin() or step_end() has returned. */
    int (*step_begin)(dt_backend *backend, const dt_device_batch *batch, uint64_t key);
    /* Starts what was recorded. False: it could not be recorded, nothing of it was or will be done,
     * and the caller calls the operations again, as for DT_STEP_RUN. The backend says so in a
     * notice and records no more. */
    bool (*step_end)(dt_backend *backend);
};

enum { DT_STEP_RUN, DT_STEP_RECORD, DT_STEP_REPLAYED };

/* ---- finding one ---------------------------------------------------------------------------- */

typedef struct {
    int32_t threads;  /* CPU: 0 = all that the process may use */
    int32_t device;   /* GPU number on this host, of those that CUDA_VISIBLE_DEVICES leaves */
    bool round_robin; /* a number past the last GPU counts on from the first: for ranks that share
                         GPUs, or that see one each */
    bool training;    /* a backend refuses a precision in which it only predicts */
    dt_precision precision;
    dt_precision gpu_default; /* what `auto` means on a GPU; auto again: bf16 */
    dt_attention_method attention;
} dt_backend_options;

/* "fp32", "bf16", "fp16", "auto"; and back, auto for any other text. */
const char *dt_precision_name(dt_precision precision);
dt_precision dt_precision_named(const char *name);

/* Downloaded activations, in the backend's number format, as floats. */
void dt_backend_floats(const dt_backend *backend, float *out, const void *activations,
                       int64_t count);

/* Opens a backend by name: "cpu", "cuda", "auto" (today the CPU, see backend.c), or "cpu64" (double
 * precision, for tests). Several instruction sets of the CPU backend may be installed; the
 * best one that this processor has is taken. DT_ERR_DEVICE says why a named one cannot be had. */
dt_status dt_backend_open(const char *name, const dt_backend_options *options, dt_backend **out);

/* What a module exports under the name "dt_backend_module". */
typedef struct {
    int32_t contract; /* DT_BACKEND_CONTRACT of its build: refused when different */
    dt_status (*open)(const dt_backend_options *options, dt_backend **out);
} dt_backend_module;

#define DT_BACKEND_CONTRACT 7

#endif
