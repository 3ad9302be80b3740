/* The interface of a compute device: everything that the model needs from a CPU or a GPU.
 *
 * A backend holds the parameters, their gradients and the optimizer's moments as flat vectors, and
 * runs a fixed set of coarse operations on packed batches. The model (src/model) is written once,
 * against this table of functions. cpu/ and cuda/ implement it, each as a module that
 * dt_backend_open() loads by name. layers.h declares the parameters of the layers (dt_attention,
 * ...).
 *
 * Rules for every operation
 *   - Asynchronous: an operation may return before its work is done; the operations of a backend
 *     take effect in call order (see branch() for an exception). Only sync, download, vector_read
 *     and state_read wait for all of it. batch_upload waits at most for the work on the batch before
 *     the last one; download_finish waits for one copy and the operations called before it was
 *     started. Arguments passed by value or through a host pointer may be reused once the operation
 *     has returned. On the CPU backend every operation is complete when it returns.
 *   - No status: an operation that fails sets the backend's sticky error, later operations do
 *     nothing, and check() reports the error. Layer code therefore reads like the formulas.
 *   - No allocation and no waiting inside an operation, apart from the exceptions above. (In bf16,
 *     the CPU backend repacks a weight when it is first used.)
 *   - Arguments: outputs first, then inputs, parameters and sizes. Shapes are given in comments,
 *     row-major. N: rows of a token matrix, B: sequences in the batch, H: hidden size, R: taxonomic
 *     ranks, C: classes of all ranks together.
 *   - "accumulates": the result is added to the current content of the gradient vector
 *     (gradients_replace() changes that).
 *   - Activations are `void *` into the backend's memory, with elements of activation_size bytes;
 *     statistics (values that need range: means, log-sums, logits) have statistic_size bytes;
 *     indices are int32_t. Only the backend dereferences these pointers; dt_backend_floats()
 *     converts a downloaded copy of activations.
 *   - Parameters are addressed by their offset in the flat vector (dt_param), so that a backend can
 *     keep a low-precision copy at the same offsets.
 *   - Packed: a batch holds its sequences back to back, without padding. Token matrices have
 *     batch->size.rows rows: the number of tokens rounded up to a multiple of the backend's
 *     row_multiple, not necessarily the next one, but at most the reserved tokens rounded up in the
 *     same way. The extra rows belong to no sequence; their activations are finite and their
 *     gradients zero, so that they do not contribute to any result, including sums over all rows;
 *     their statistics are never read.
 *   - Padded: stacked convolution layers work on matrices of P = B · L rows, L = max_length. Row b
 *     · L + t is position t of sequence b: one of its tokens if t is less than its length, else
 *     padding, which is computed like the tokens.
 *   - Dropout keeps a value if its Philox draw (core/philox.h defines the counter) is at least the
 *     threshold, and divides it by 1 - p. Masks are never stored: the backward operation draws them
 *     again.
 *   - Results are deterministic: no float atomics, and no sums whose order varies.
 *
 * To add an operation, add its type, with a comment that says what it computes, and its name to the
 * list below the types. The list generates the table as well as the prototypes and tables of the
 * backends: no backend links without all functions of the list, and src/profile does not compile
 * without a wrapper for each compute operation.
 */
#ifndef DT_BACKEND_H
#define DT_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model_limits.h"
#include "core/range.h"
#include "core/status.h"

#define DT_EVENT_SLOTS 256     /* the caller's events: ranges of gradients, and the next one */
#define DT_UPDATE_SLOT 255     /* for communicators: the end of an update */
#define DT_PROFILE_EVENTS 4096 /* the slots after those, for src/profile */
#define DT_DOWNLOAD_SLOTS 6    /* concurrent copies to the host */

typedef int64_t dt_param; /* offset of a tensor in the flat parameter vector, in elements */
#define DT_NO_PARAM ((dt_param)-1)

typedef enum { DT_PARAMETERS, DT_GRADIENTS, DT_EXP_AVG, DT_EXP_AVG_SQ, DT_VECTORS } dt_vector;

typedef struct dt_backend dt_backend;
typedef struct dt_backend_ops dt_backend_ops;

typedef struct dt_dropout dt_dropout; /* defined in layers.h, as are the next ones */
typedef struct dt_embedding dt_embedding;
typedef struct dt_add_norm dt_add_norm;
typedef struct dt_attention dt_attention;
typedef struct dt_conv_max dt_conv_max;
typedef struct dt_lookup dt_lookup;
typedef struct dt_bag dt_bag;
typedef struct dt_conv_layer dt_conv_layer;
typedef struct dt_position_max dt_position_max;
typedef struct dt_activation dt_activation;
typedef struct dt_class_layout dt_class_layout;
typedef struct dt_heads dt_heads;
typedef struct dt_loss dt_loss;
typedef struct dt_lineages dt_lineages;
typedef struct dt_prediction dt_prediction;
typedef struct dt_update_rule dt_update_rule; /* core/update_rule.h */
typedef struct dt_update_state dt_update_state;

/* ---- batches ------------------------------------------------------------------------------- */

typedef struct {
    int32_t sequences; /* B */
    int32_t longest;   /* tokens of the longest sequence */
    int64_t tokens;    /* of all sequences */
    int64_t rows;      /* N: rows of a token matrix, a multiple of row_multiple */
} dt_batch_size;

/* A micro-batch as packed by the host. It holds everything that changes from one micro-batch to the
 * next, so that a recorded graph of operations can be replayed on another one. */
typedef struct {
    int32_t sequences;         /* B >= 1 */
    int32_t tax_ranks;         /* R */
    const int32_t *token_ids;  /* (tokens) */
    const int32_t *cu_seqlens; /* (B + 1): sequence b has rows cu_seqlens[b] … cu_seqlens[b+1]-1 */
    const int32_t *labels;     /* (B, R) classes; -1: unknown, contributes no loss. NULL: all
                               unknown */
    uint32_t seed;             /* Philox key */
    uint32_t step;             /* Philox c[3]: micro-steps of the global batch since the start */
    int64_t first_sequence;    /* Philox c[2] of sequence 0: its position in the GLOBAL batch */
    double loss_scale[DT_MAX_TAX_RANKS]; /* (R) factor of each sequence's loss at a tax_rank:
                              level weight / (global batch · accumulation steps), or with
                              class weights level weight / (their global sum · steps) */
} dt_batch;

/* The same on the device: created by batch_upload, read by operations. The model reads only
 * `size`. */
typedef struct {
    dt_batch_size size;
} dt_device_batch;

/* ---- a backend ----------------------------------------------------------------------------- */

typedef enum {
    DT_PRECISION_AUTO,
    DT_PRECISION_FP32,
    DT_PRECISION_BF16,
    DT_PRECISION_FP16
} dt_precision;

/* How a GPU computes attention. fused: on tensor cores, scores are never stored (bf16 and fp16, head
 * sizes 32, 64 and 128); plain: any head size and precision; cudnn: cuDNN's attention, which draws
 * its own dropout masks. auto: fused if it supports the case, else plain, in bf16 and fp16 with a
 * notice. The CPU backend has a single implementation and accepts only auto. */
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
    dt_precision precision;  /* of the inputs of large products, and of 2-byte activations; never
                                auto */
    int32_t activation_size; /* bytes per element, as are the next two */
    int32_t statistic_size;
    int32_t master_size;  /* of the flat vectors: 4 (float), 8 in the double build for tests */
    int32_t row_multiple; /* >= 1: the number of rows of a token matrix is a multiple of it */
    bool host_memory;     /* device pointers are ordinary host memory */
    /* for communicators */
    char device_id[32];      /* identifies the GPU on this host: its PCI bus id; "": no GPU */
    const char *comm_module; /* the module that sums gradients on such devices, e.g. "nccl"; NULL:
                                they are summed in host memory */
};

/* ---- operations: memory, vectors, batches -------------------------------------------------- */

typedef void dt_op_destroy(dt_backend *backend);

/* Returns the sticky error, or DT_OK. Does not wait. */
typedef dt_status dt_op_check(dt_backend *backend);
/* Waits until all operations called so far are done; returns check(). */
typedef dt_status dt_op_sync(dt_backend *backend);

/* Memory: only before the first step, never during one (upload and download: not while operations
 * are being recorded). */

/* Allocates `bytes` of zeroed device memory, 256-byte aligned. The message of DT_ERR_MEMORY states
 * the requested size. */
typedef dt_status dt_op_alloc(dt_backend *backend, void **out, int64_t bytes);
typedef void dt_op_free(dt_backend *backend, void *memory); /* NULL is fine */
/* Returns the bytes that can still be allocated, and the total of the device. */
typedef void dt_op_memory(dt_backend *backend, int64_t *available, int64_t *total);
typedef void dt_op_upload(dt_backend *backend, void *device, const void *host, int64_t bytes);
typedef void dt_op_download(dt_backend *backend, void *host, const void *device,
                            int64_t bytes); /* waits */
/* Asynchronous copies: the device continues to compute while results are copied to the host.
 * download_start enqueues a copy of `rows` rows of `bytes` bytes, `stride` bytes apart on the
 * device; later operations may overwrite the source. Once download_finish has waited for the copy
 * of its slot, the rows are in `host`, back to back; `host` must stay valid until then and must not
 * be read before. Each download_start must be followed by one download_finish before its slot is
 * started or reserved again, even after an error (the content of `host` is then undefined). A copy
 * may not exceed the rows · bytes reserved for its slot. download_reserve allocates host memory for
 * copies of up to `bytes` in slot 0 … DT_DOWNLOAD_SLOTS-1; a size below that of an earlier
 * reservation changes nothing. */
typedef dt_status dt_op_download_reserve(dt_backend *backend, int32_t slot, int64_t bytes);
typedef void dt_op_download_start(dt_backend *backend, void *host, const void *device, int64_t rows,
                                  int64_t bytes, int64_t stride, int32_t slot);
typedef void dt_op_download_finish(dt_backend *backend, int32_t slot);

/* Allocates the vectors of `count` zeroed elements: only the parameters, or all four for training.
 * On failure nothing is allocated, and it may be called again. */
typedef dt_status dt_op_vectors_alloc(dt_backend *backend, int64_t count, bool training);
/* Returns the bytes of device memory that vectors_alloc() takes, including the low-precision
 * copy. */
typedef int64_t dt_op_vectors_bytes(dt_backend *backend, int64_t count, bool training);
/* Limits the moments to elements offset … offset+count-1, the share of this rank: call it before
 * vectors_bytes() and vectors_alloc(). update() then changes these parameters only; vector_write()
 * leaves out moments of other elements, and vector_read() must not ask for them. */
typedef void dt_op_moments_share(dt_backend *backend, int64_t offset, int64_t count);
/* Copies `count` elements from `offset` on; host elements have master_size bytes. Writing
 * parameters refreshes the low-precision copy. vector_read waits. */
typedef void dt_op_vector_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                                const void *host);
typedef void dt_op_vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                               void *host);
/* Returns the device address of a vector's element 0, for a communicator; of a share of moments, that
 * of its first element. */
typedef void *dt_op_vector_data(dt_backend *backend, dt_vector which);

/* Reserves memory for batches, before the first upload; replaces an earlier reservation. */
typedef dt_status dt_op_batch_reserve(dt_backend *backend, int32_t max_sequences,
                                      int64_t max_tokens, int32_t tax_ranks);
/* Returns the bytes of device memory that batch_reserve() takes. */
typedef int64_t dt_op_batch_bytes(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                                  int32_t tax_ranks);
/* Copies a batch to the device. The result is valid until the second call after this one, which
 * waits until the operations that read it are done. */
typedef const dt_device_batch *dt_op_batch_upload(dt_backend *backend, const dt_batch *batch);

/* Copies the state of the optimizer update to or from the device. state_read waits. */
typedef void dt_op_state_write(dt_backend *backend, const dt_update_state *state);
typedef void dt_op_state_read(dt_backend *backend, dt_update_state *state);

/* ---- operations: layers, forward and backward side by side --------------------------------- */

typedef void dt_op_embedding_forward(dt_backend *backend, void *y /* (N, H) */,
                                     void *statistics /* (N, 2) mean and 1/standard deviation */,
                                     const dt_device_batch *batch, const dt_embedding *embedding);
/* accumulates the gradients of all five parameters */
typedef void dt_op_embedding_backward(dt_backend *backend, const void *dy /* (N, H) */,
                                      const void *statistics, const dt_device_batch *batch,
                                      const dt_embedding *embedding, void *scratch /* (N, H) */);

/* y = x · Wᵀ + b */
typedef void dt_op_linear_forward(dt_backend *backend, void *y /* (rows, out) */,
                                  const void *x /* (rows, in) */, dt_param weight /* (out, in) */,
                                  dt_param bias /* (out) */, int64_t rows, int32_t in, int32_t out);
/* dx = dy · W, or dx += dy · W with add_dx; dx NULL: not computed. Accumulates dW = dyᵀ · x and db
 * = Σ rows dy; bias DT_NO_PARAM: no db, as the operation that writes dy accumulates it. */
typedef void dt_op_linear_backward(dt_backend *backend, void *dx /* (rows, in) */, bool add_dx,
                                   const void *dy /* (rows, out) */, const void *x, dt_param weight,
                                   dt_param bias, int64_t rows, int32_t in, int32_t out);

/* u = x · Wᵀ + b, y = gelu(u) = u/2 · (1 + erf(u/√2)); y may be NULL (then only u), u may be NULL
 * if there is no backward pass */
typedef void dt_op_linear_gelu_forward(dt_backend *backend, void *y /* (rows, out) */,
                                       void *u /* (rows, out) */, const void *x, dt_param weight,
                                       dt_param bias, int64_t rows, int32_t in, int32_t out);
/* du = dy · gelu'(u), in place: du_dy holds dy before and du after. Accumulates db = Σ rows du for
 * the bias of the linear layer that computes u. */
typedef void dt_op_gelu_backward(dt_backend *backend, void *du_dy /* (rows, columns) */,
                                 const void *u, dt_param bias /* (columns) */, int64_t rows,
                                 int32_t columns);

/* For every head and query: y = dropout(softmax(q kᵀ / √d)) v over the query's own sequence. Scores
 * are not stored; `log_sum` is the log of each softmax denominator. Nq is N or B. */
typedef void dt_op_attention_forward(dt_backend *backend, void *y /* (Nq, H) */,
                                     void *log_sum /* (Nq, A) */,
                                     const void *q /* (Nq, H) strided */,
                                     const void *k /* (N, H) strided */, const void *v,
                                     const dt_device_batch *batch, const dt_attention *attention);
/* For queries of all tokens (on the CPU backend also for single ones): sets dq, dk, dv; dy may be
 * overwritten. Accumulates db = (Σ rows dq, Σ rows dk, Σ rows dv) for the
 * biases of the linear layers that compute q, k, v; bias DT_NO_PARAM: no db. The CPU backend needs
 * no scratch: it may be NULL there. */
typedef void dt_op_attention_backward(dt_backend *backend, void *dq, void *dk, void *dv,
                                      void *dy /* (Nq, H) */, const void *y, const void *log_sum,
                                      const void *q, const void *k, const void *v,
                                      dt_param bias /* (3, H) */, const dt_device_batch *batch,
                                      const dt_attention *attention,
                                      void *scratch /* (Nq, A) statistics */);
/* The same for a single query per sequence, together with the linear layer (k, v) = x · Wᵀ + b: sets
 * dq and dx = (dk, dv) · W, and accumulates dW = (dk, dv)ᵀ · x and the gradients of the three biases.
 * dk and dv of a head are multiples of one vector each, so that a backend need not store them.
 * `scratch` has the bytes of single_attention_scratch(). */
typedef void dt_op_single_attention_backward(
    dt_backend *backend, void *dq /* (B, H) */, void *dx /* (N, H) */, void *dy /* (B, H) */,
    const void *y, const void *log_sum, const void *q, const void *k, const void *v,
    const void *x /* (N, H) */, dt_param weight /* (2, H, H): of k, v */,
    dt_param bias /* (3, H): of q, k, v */, const dt_device_batch *batch,
    const dt_attention *attention, void *scratch);

/* s = dropout(x) + residual, stored in place of x (backward needs it); y = LayerNorm(s) */
typedef void dt_op_add_norm_forward(dt_backend *backend, void *y /* (rows, H) */,
                                    void *x_s /* (rows, H) */, void *statistics /* (rows, 2) */,
                                    const void *residual /* (rows, H) */,
                                    const dt_device_batch *batch, const dt_add_norm *norm);
/* dresidual = ds and dx = dropout'(ds); accumulates the gradients of gamma, beta and bias.
 * dresidual may be dy. */
typedef void dt_op_add_norm_backward(dt_backend *backend, void *dx, void *dresidual, const void *dy,
                                     const void *s, const void *statistics,
                                     const dt_device_batch *batch, const dt_add_norm *norm);

/* y[b] = x[row of position 0 of sequence b]; backward: dx[that row] += dy[b] */
typedef void dt_op_gather_first_forward(dt_backend *backend, void *y /* (B, H) */,
                                        const void *x /* (N, H) */, const dt_device_batch *batch,
                                        int32_t hidden);
typedef void dt_op_gather_first_backward(dt_backend *backend, void *dx /* (N, H) */,
                                         const void *dy /* (B, H) */, const dt_device_batch *batch,
                                         int32_t hidden);

/* y[b] = mean of x over the tokens of sequence b; backward: dx of each of them = dy[b] / n */
typedef void dt_op_mean_forward(dt_backend *backend, void *y /* (B, H) */,
                                const void *x /* (N, H) */, const dt_device_batch *batch,
                                int32_t hidden);
typedef void dt_op_mean_backward(dt_backend *backend, void *dx /* (N, H) */,
                                 const void *dy /* (B, H) */, const dt_device_batch *batch,
                                 int32_t hidden);

/* y[b] = Σ table[id] / √n over the n tokens of sequence b (bag of embeddings) */
typedef void dt_op_bag_forward(dt_backend *backend, void *y /* (B, dim) */,
                               const dt_device_batch *batch, const dt_bag *bag);
/* accumulates the gradient of the table */
typedef void dt_op_bag_backward(dt_backend *backend, const void *dy /* (B, dim) */,
                                const dt_device_batch *batch, const dt_bag *bag);

/* y = dropout(x), or dropout(ReLU(x)); y may be x */
typedef void dt_op_activate_forward(dt_backend *backend, void *y /* (B, parts·columns) */,
                                    const void *x, const dt_device_batch *batch,
                                    const dt_activation *activation);
/* y: the output of forward (read only with ReLU); dx may be dy */
typedef void dt_op_activate_backward(dt_backend *backend, void *dx, const void *dy, const void *y,
                                     const dt_device_batch *batch, const dt_activation *activation);

/* `position`: that of the maximum, a token position, or -1 for the value c of the padding */
typedef void dt_op_conv_max_forward(dt_backend *backend, void *y /* (B, F·kernels) */,
                                    int32_t *position /* (B, F·kernels) */, void *scratch,
                                    const dt_device_batch *batch, const dt_conv_max *conv);
/* Accumulates the gradients of the embedding, the weights and the biases. `scratch` is what forward
 * left there. */
typedef void dt_op_conv_max_backward(dt_backend *backend, const void *dy /* (B, F·kernels) */,
                                     const void *y, const int32_t *position, void *scratch,
                                     const dt_device_batch *batch, const dt_conv_max *conv);

/* Stacked convolution layers, on padded matrices: lookup, conv_layer, position_max. */
typedef void dt_op_lookup_forward(dt_backend *backend, void *y /* (P, dim) */,
                                  const dt_device_batch *batch, const dt_lookup *lookup);
/* accumulates the gradient of the table; not for one-hot */
typedef void dt_op_lookup_backward(dt_backend *backend, const void *dy /* (P, dim) */,
                                   const dt_device_batch *batch, const dt_lookup *lookup);
/* r and y are the same memory if and only if there is no residual */
typedef void dt_op_conv_layer_forward(dt_backend *backend, void *y /* (P, F·kernels) */,
                                      void *r /* (P, F·kernels) */,
                                      const void *x /* (P, channels) */, void *scratch,
                                      const dt_device_batch *batch, const dt_conv_layer *layer);
/* Sets dx (NULL: not computed) and accumulates the gradients of all parameters. dz receives the
 * gradient before ReLU and dropout; it may be dy if there is no residual. */
typedef void dt_op_conv_layer_backward(dt_backend *backend, void *dx /* (P, channels) */,
                                       void *dz /* (P, F·kernels) */,
                                       const void *dy /* (P, F·kernels) */, const void *r,
                                       const void *x, void *scratch, const dt_device_batch *batch,
                                       const dt_conv_layer *layer);
/* `position`: that of the maximum, the first of equal ones; backward sets dx */
typedef void dt_op_position_max_forward(dt_backend *backend, void *y /* (B, channels) */,
                                        int32_t *position /* (B, channels) */,
                                        const void *x /* (P, channels) */,
                                        const dt_device_batch *batch, const dt_position_max *max);
typedef void dt_op_position_max_backward(dt_backend *backend, void *dx /* (P, channels) */,
                                         const void *dy /* (B, channels) */,
                                         const int32_t *position, const dt_device_batch *batch,
                                         const dt_position_max *max);

/* y = dropout(w_cnn · cnn + w_bert · bert + bert) */
typedef void dt_op_fuse_forward(dt_backend *backend, void *y /* (B, H) */, const void *cnn,
                                const void *bert, dt_param w_cnn /* (1) */,
                                dt_param w_bert /* (1) */, const dt_device_batch *batch,
                                int32_t hidden, const dt_dropout *dropout);
typedef void dt_op_fuse_backward(dt_backend *backend, void *dcnn, void *dbert, const void *dy,
                                 const void *cnn, const void *bert, dt_param w_cnn, dt_param w_bert,
                                 const dt_device_batch *batch, int32_t hidden,
                                 const dt_dropout *dropout);

/* Heads that read the same x are stored back to back and computed as one; logits are statistics.
 * Backward sets dx. */
typedef void dt_op_heads_forward(dt_backend *backend,
                                 void *logits /* (B, classes) strided statistics */,
                                 const void *x /* (B, hidden) strided */, int32_t sequences,
                                 const dt_heads *heads);
typedef void dt_op_heads_backward(dt_backend *backend, void *dx /* (B, hidden) strided */,
                                  const void *dlogits /* (B, classes) strided statistics */,
                                  const void *x, int32_t sequences, const dt_heads *heads);

/* ---- operations: queries about a layer, which return immediately --------------------------- */

/* Returns DT_ERR_USAGE, with a message that names the flag to use, if the attention method in the
 * backend's options does not support this head size. */
typedef dt_status dt_op_attention_check(dt_backend *backend, int32_t head_size, bool training);
/* Returns the bytes of `scratch` that single_attention_backward needs for batches of up to this
 * size. */
typedef int64_t dt_op_single_attention_scratch(dt_backend *backend, const dt_attention *attention,
                                               int32_t max_sequences, int64_t max_rows);
/* Returns the bytes of `scratch` that conv_max needs for batches of up to this size; may be 0. */
typedef int64_t dt_op_conv_max_scratch(dt_backend *backend, const dt_conv_max *conv,
                                       int32_t max_sequences, int64_t max_tokens, bool training);
/* Returns the bytes of `scratch` that conv_layer needs for batches of up to max_sequences. */
typedef int64_t dt_op_conv_layer_scratch(dt_backend *backend, const dt_conv_layer *layer,
                                         int32_t max_sequences, bool training);

/* ---- operations: loss, prediction, update -------------------------------------------------- */

/* The lineage layer (docs/model.md 3). Forward: marginals (B, C), for each class the logarithm of the
 * sum of e^(sum of its logits) over the lineages with that class, -1e30 for a class without lineages;
 * nodes (B, nodes), the same for each node and the lineages below it, which backward reads. Backward:
 * the gradient of the logits from that of the marginals; `scratch` has the size of `nodes`. All are
 * statistics. */
typedef void dt_op_lineage_forward(dt_backend *backend, void *marginals, void *nodes,
                                   const void *logits /* (B, C) */, int32_t sequences,
                                   const dt_lineages *lineages);
typedef void dt_op_lineage_backward(dt_backend *backend, void *dlogits /* (B, C) */, void *scratch,
                                    const void *dmarginals /* (B, C) */, const void *nodes,
                                    int32_t sequences, const dt_lineages *lineages);

/* Computes the loss at all taxonomic ranks in one pass. The logits are overwritten with their
 * gradient (times the batch's loss_scale and the loss scale of the update state); the loss is added
 * to the pending sum of this update. */
typedef void dt_op_loss(dt_backend *backend, void *logits_dlogits /* (B, C) */,
                        const dt_device_batch *batch, const dt_loss *loss);
/* For evaluation and prediction. temperature: (R) host values; NULL: all 1. */
typedef void dt_op_classify(dt_backend *backend, dt_prediction *out /* (B, R) device */,
                            const void *logits /* (B, C) */, const dt_device_batch *batch,
                            const dt_class_layout *classes, const double *temperature);

typedef void dt_op_gradients_zero(dt_backend *backend);
/* While `replace` is set, an operation that accumulates gradients replaces them instead: those of
 * all its parameters, as if they had been zero. The first micro-batch of an update then needs no
 * gradients_zero() and its operations do not read the gradients. Each parameter must be one of a
 * single operation. NULL: not supported. */
typedef void dt_op_gradients_replace(dt_backend *backend, bool replace);
/* For communicators that sum gradients in bf16: round `count` gradients from `offset` on to the
 * nearest bf16 value (core/bf16.h), and convert them back. `native_stream`: the communicator's
 * stream (cudaStream_t) on which to run, independent of the backend's other work; NULL: in call
 * order like every operation. Devices without streams accept only NULL. */
typedef void dt_op_gradients_to_bf16(dt_backend *backend, void *out /* (count) bf16 */,
                                     int64_t offset, int64_t count, void *native_stream);
typedef void dt_op_gradients_from_bf16(dt_backend *backend, const void *in /* (count) bf16 */,
                                       int64_t offset, int64_t count, void *native_stream);

/* Makes one update, AdamW or LAMB, of the elements 0 … count-1 (LAMB: of the rule's tensors, which
 * lie within) from their gradients, which are divided by the loss scale, then clipped by their global
 * L2 norm; the learning rate follows the linear schedule (core/update_rule.h). If the norm or the
 * loss is not finite, the update is skipped and counted as skipped. After moments_share() only the
 * share is updated, by AdamW alone; the norm is that of all elements. */
typedef void dt_op_update(dt_backend *backend, int64_t count, const dt_update_rule *rule);
/* Refreshes the low-precision copy of `count` parameters from `offset` on, which a communicator has
 * written. NULL: there is none. */
typedef void dt_op_parameters_refresh(dt_backend *backend, int64_t offset, int64_t count);

/* ---- operations: events and recorded steps (optional) -------------------------------------- */

/* Records the end of all operations called so far as event `slot` (0 … DT_EVENT_SLOTS +
 * DT_PROFILE_EVENTS - 1). */
typedef void dt_op_event_record(dt_backend *backend, int32_t slot);
/* Returns the native handle of an event (cudaEvent_t), for a communicator's stream to wait on. */
typedef void *dt_op_event_handle(dt_backend *backend, int32_t slot);
/* Makes later operations wait for a native event of a communicator. */
typedef void dt_op_event_wait(dt_backend *backend, void *native_event);
/* Returns the seconds on the device from event `from` to event `to`; waits for both. */
typedef double dt_op_event_seconds(dt_backend *backend, int32_t from, int32_t to);
/* A branch: the operations between BEGIN and END may run beside those that follow END. They start
 * after all operations called before BEGIN, and the operations after JOIN start after them. Neither
 * may write memory that the other one uses. A branch may have convolutions, lookups, maxima over
 * positions, linear layers and events; the three points follow each other. NULL: all operations run
 * in call order. */
typedef enum { DT_BRANCH_BEGIN, DT_BRANCH_END, DT_BRANCH_JOIN } dt_branch_point;
typedef void dt_op_branch(dt_backend *backend, dt_branch_point point);
/* The operations on a batch that follow its upload can be recorded once and replayed on other
 * batches. step_begin() returns how to handle the operations that would be called next:
 *   - DT_STEP_RUN: call them as usual; do not call step_end().
 *   - DT_STEP_RECORD: call them, then step_end(). None of them starts before that, and no operation
 *     that waits, allocates or uses host memory may be called in between.
 *   - DT_STEP_REPLAYED: they have been enqueued as recorded; call nothing.
 *
 * A replay repeats what was recorded under the same `key` for a batch of the same size after the
 * backend's rounding. Contents, labels and all other fields of dt_batch may differ; they are
 * checked as the operations would check them. The sequence of calls may therefore depend only on
 * size.sequences and size.rows of the batch and on `key`, and the memory passed to the operations
 * must still be allocated (batch_reserve discards all recordings). A call of gradients_replace()
 * among the operations is one of these calls.
 *
 * Events recorded among the operations are recorded again by each replay: wait for one only after
 * step_begin() or step_end() has returned. */
enum { DT_STEP_RUN, DT_STEP_RECORD, DT_STEP_REPLAYED };
typedef int dt_op_step_begin(dt_backend *backend, const dt_device_batch *batch, uint64_t key);
/* Launches the recorded operations. Returns false if they could not be recorded: none of them was
 * or will be executed, and the caller must call them again as for DT_STEP_RUN. The backend prints a
 * notice and does not record any further steps. */
typedef bool dt_op_step_end(dt_backend *backend);

/* ---- operations: algorithms of matrix products (optional) ---------------------------------- */

/* A device's library may have several algorithms for a product, which differ in speed and in
 * rounding. Without these operations it chooses by itself, the same ones in every run on the same
 * type of device. With them, the fastest ones are chosen by timing, and the choices can be given to
 * other ranks and to a resumed run, which then compute the same bits. */

/* choices_time(true) forgets earlier choices and begins a rehearsal: the products of the operations
 * called from now on are timed. step_begin() returns DT_STEP_RUN for shapes that the rehearsal
 * needs, at most for a few seconds, and otherwise DT_STEP_REPLAYED, but enqueues nothing. The
 * operations do not compute what they say: until choices_time(false), call only batch_upload,
 * step_begin, and operations on that batch; afterwards the gradients and the pending loss are
 * zero. */
typedef void dt_op_choices_time(dt_backend *backend, bool on);
/* Returns the choices as a text whose first line says what they are valid for: the type of device,
 * the version of its library, the number format. The text is valid until the next call of these
 * operations; NULL after an error. */
typedef const char *dt_op_choices_read(dt_backend *backend);
/* Makes later operations use these choices. Returns false if they are not valid here; then there
 * are no choices. */
typedef bool dt_op_choices_write(dt_backend *backend, const char *text);

/* ---- the list of operations ---------------------------------------------------------------- */

/* OP(name) for every operation, in groups. A backend defines a prefixed function for each:
 * dt_cpu_<name>, dt_cuda_<name>. */
/* clang-format off */

/* Memory, vectors, batches, the state of the update. */
#define DT_SERVICE_OPERATIONS(OP)                                                                  \
    OP(destroy) OP(check) OP(sync)                                                                 \
    OP(alloc) OP(free) OP(memory)                                                                  \
    OP(upload) OP(download) OP(download_reserve) OP(download_start) OP(download_finish)            \
    OP(moments_share) OP(vectors_alloc) OP(vectors_bytes)                                          \
    OP(vector_write) OP(vector_read) OP(vector_data)                                               \
    OP(batch_reserve) OP(batch_bytes) OP(batch_upload)                                             \
    OP(state_write) OP(state_read)

/* Operations on activations, in the precision that the backend was opened with. */
#define DT_LAYER_OPERATIONS(OP)                                                                    \
    OP(embedding_forward) OP(embedding_backward)                                                   \
    OP(linear_forward) OP(linear_backward) OP(linear_gelu_forward) OP(gelu_backward)               \
    OP(attention_forward) OP(attention_backward) OP(single_attention_backward)                     \
    OP(add_norm_forward) OP(add_norm_backward)                                                     \
    OP(gather_first_forward) OP(gather_first_backward) OP(mean_forward) OP(mean_backward)          \
    OP(bag_forward) OP(bag_backward) OP(activate_forward) OP(activate_backward)                    \
    OP(conv_max_forward) OP(conv_max_backward)                                                     \
    OP(lookup_forward) OP(lookup_backward) OP(conv_layer_forward) OP(conv_layer_backward)          \
    OP(position_max_forward) OP(position_max_backward)                                             \
    OP(fuse_forward) OP(fuse_backward) OP(heads_forward) OP(heads_backward)

/* Queries about a layer, for the same precision. */
#define DT_LAYER_QUERIES(OP)                                                                       \
    OP(attention_check) OP(single_attention_scratch) OP(conv_max_scratch) OP(conv_layer_scratch)

/* Operations on logits and flat vectors, whose format does not depend on the precision. */
#define DT_LOSS_OPERATIONS(OP)                                                                     \
    OP(lineage_forward) OP(lineage_backward) OP(loss) OP(classify) OP(update)                      \
    OP(gradients_zero) OP(gradients_to_bf16) OP(gradients_from_bf16)

/* NULL in the table of a device that does not need them. */
#define DT_OPTIONAL_OPERATIONS(OP)                                                                 \
    OP(event_record) OP(event_handle) OP(event_wait) OP(event_seconds) OP(step_begin) OP(step_end)  \
    OP(choices_time) OP(choices_read) OP(choices_write)                                            \
    OP(gradients_replace) OP(branch) OP(parameters_refresh)

#define DT_REQUIRED_OPERATIONS(OP)                                                                 \
    DT_SERVICE_OPERATIONS(OP) DT_LAYER_OPERATIONS(OP) DT_LAYER_QUERIES(OP) DT_LOSS_OPERATIONS(OP)

#define DT_BACKEND_OPERATIONS(OP) DT_REQUIRED_OPERATIONS(OP) DT_OPTIONAL_OPERATIONS(OP)

/* clang-format on */

struct dt_backend_ops {
#define DT_OPERATION(name) dt_op_##name *name; /* NOLINT(bugprone-macro-parentheses) */
    DT_BACKEND_OPERATIONS(DT_OPERATION)
#undef DT_OPERATION
};

/* ---- for backends: a share of the moments (moments_share) ---------------------------------- */

/* Returns those of the elements offset … offset+count-1 of a vector that are stored. */
static inline dt_range dt_vector_stored(dt_range share, dt_vector which, int64_t offset,
                                        int64_t count)
{
    const dt_range all = {offset, offset + count};
    return which < DT_EXP_AVG ? all : dt_range_common(all, share);
}

/* Returns the place of a stored element in the memory of its vector. */
static inline int64_t dt_vector_place(dt_range share, dt_vector which, int64_t element)
{
    return which < DT_EXP_AVG ? element : element - share.begin;
}

/* ---- opening a backend --------------------------------------------------------------------- */

typedef struct {
    int32_t threads;  /* CPU threads; 0: all that the process may use */
    int32_t device;   /* GPU number on this host, among those in CUDA_VISIBLE_DEVICES */
    bool round_robin; /* numbers past the last GPU wrap around: for ranks that share GPUs, or see
                         one each */
    bool training;    /* a backend refuses a precision that it supports only for prediction */
    dt_precision precision;
    dt_precision gpu_default; /* what `auto` selects on a GPU; if this is auto too: bf16 */
    dt_attention_method attention;
} dt_backend_options;

/* "fp32", "bf16", "fp16", "auto"; dt_precision_named() returns auto for any other text. */
const char *dt_precision_name(dt_precision precision);
dt_precision dt_precision_named(const char *name);

/* Converts downloaded activations from the backend's number format to floats. */
void dt_backend_floats(const dt_backend *backend, float *out, const void *activations,
                       int64_t count);

/* Opens a backend by name: "cpu", "cuda", or "cpu64" (double precision, for tests). (The commands
 * choose one for "auto": cli/device.h.) If the CPU backend is installed for several instruction sets, the
 * best one that this processor supports is used. The message of DT_ERR_DEVICE explains why a
 * backend is not available. */
dt_status dt_backend_open(const char *name, const dt_backend_options *options, dt_backend **out);

/* Sets in the environment how long waiting threads of a CPU backend spin before they sleep.
 * dt_backend_open() does so as well, which is too late where another thread may read the environment:
 * dt_comm_open() comes first. */
void dt_backend_let_waiting_threads_sleep(void);

/* Writes the name of the device that dt_backend_open() would open, with what its results may depend
 * on (driver, libraries), without starting it; "": there is no such device. DT_ERR_DEVICE: there is
 * one that cannot be used, or the module cannot be loaded. A CPU has the backend's name. */
dt_status dt_backend_identify(const char *name, const dt_backend_options *options, char *out,
                              size_t size);

/* Exported by each backend module as "dt_backend_module". */
typedef struct {
    int32_t contract; /* DT_BACKEND_CONTRACT of its build: must be equal to the loader's */
    dt_status (*open)(const dt_backend_options *options, dt_backend **out);
    dt_status (*identify)(const dt_backend_options *options, char *out,
                          size_t size); /* NULL: the CPU */
} dt_backend_entry;

#define DT_BACKEND_CONTRACT 14

#endif
