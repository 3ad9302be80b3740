/* The state of the CUDA backend, and the host-side declarations that its files share. src/backend.h
 * and layers.h describe the operations; each file implements the forward and backward operations of
 * one topic. Declarations shared by kernels are in device.cuh.
 *
 * Number formats. Activations have a type T: __nv_bfloat16, __half or float; every operation is a
 * template over it, and there is one table of operations per type. Statistics, logits, flat vectors
 * and all sums are float. In bf16 and fp16, a copy of the parameters in T is stored at the same
 * offsets, for matrix products and embedding rows; kernels that read few parameters use the float
 * ones.
 *
 * Order. All work goes to one stream, so that effects follow the order of calls, except that of a
 * branch (branch.cu), which goes to a second one. Sums over rows are computed in two stages of fixed
 * shape, never with atomics.
 *
 * Scratch memory of the backend, which operations share one after the other: `sums` and `workspace`
 * exist for each stream; `sequence_sums` is used by fuse_backward and loss, `norm_sums` and `state`
 * by loss and update, and cuDNN's handle by attention, none of which may be in a branch.
 *
 * Rows. A token matrix has batch->size.rows rows, the number of tokens rounded up, so that few
 * shapes occur. Kernels write zeros to the extra rows, so gradients are zero there too.
 *
 * Recording. The operations launched for one batch are replayed on other batches of the same
 * dt_batch_shape (step.cu). For grids, addresses and sizes the host may therefore use only the
 * shape of a batch; everything else it looks at must be a check through dt_cuda_ids_in() or its
 * siblings, which a replay repeats. Kernels read the exact sizes from dt_batch_facts.
 */
#ifndef DT_CUDA_BACKEND_CUDA_H
#define DT_CUDA_BACKEND_CUDA_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

extern "C" {
#include "backend.h"
#include "core/philox.h"
#include "core/update_rule.h"
#include "layers.h"
}

/* ---- batches ------------------------------------------------------------------------------- */

/* What differs between batches of one shape. Kernels read it from device memory, so that a recorded
 * step can be replayed on another batch. */
typedef struct {
    int32_t sequences;
    int32_t tokens;
    int32_t groups;  /* distinct token ids */
    int32_t longest; /* tokens of the longest sequence */
    int32_t has_labels;
    uint32_t seed, step;
    int64_t first_sequence;
    double loss_scale[DT_MAX_TAX_RANKS];
} dt_batch_facts;

/* A batch for kernels: device addresses. */
typedef struct {
    const dt_batch_facts *facts;
    const int32_t *token_ids;       /* (tokens) */
    const int32_t *cu_seqlens;      /* (B + 1) */
    const int32_t *sequence_of_row; /* (tokens) */
    const int32_t *labels;          /* (B, R) */
    /* The rows in the order of their token ids (and of their own number among equals): group g has
     * order[group_first[g]] … order[group_first[g + 1] - 1]. */
    const int32_t *order;        /* (tokens) */
    const int32_t *group_first;  /* (tokens + 1) */
    const int32_t *group_of_row; /* (tokens) */
} dt_batch_view;

/* Everything that the host may use of a batch when it launches kernels: the sizes of
 * dt_batch_facts, rounded up so that few different shapes occur, and the buffer of the batch.
 * Compared as bytes. */
typedef struct {
    int64_t rows;    /* of token matrices */
    int64_t groups;  /* distinct token ids */
    int32_t longest; /* tokens of the longest sequence */
    int32_t sequences;
    int32_t tax_ranks;
    int32_t slot; /* which of the two batch buffers */
} dt_batch_shape;

/* What operations require of a batch. */
typedef struct {
    int32_t vocabulary;     /* all token ids are below this */
    int32_t max_length;     /* no sequence has more tokens */
    dt_class_layout labels; /* labels are classes of this layout; tax_ranks 0: not checked */
} dt_batch_limits;

typedef struct {
    dt_device_batch device; /* must be first: the model holds a pointer to it */
    dt_batch_view view;
    dt_batch_shape shape;
    bool has_labels;
    int32_t largest_id;
    int32_t least_label[DT_MAX_TAX_RANKS]; /* of each taxonomic rank */
    int32_t largest_label[DT_MAX_TAX_RANKS];
    char *pinned;       /* pinned host memory with the layout of `memory` */
    void *memory;       /* device */
    int64_t bytes;      /* of both */
    cudaEvent_t copied; /* the pinned memory may be reused */
    bool copying;
} dt_cuda_batch;

/* A copy to the host through pinned memory, from download_start to download_finish. */
typedef struct {
    char *pinned;
    int64_t capacity;   /* its size in bytes */
    cudaEvent_t copied; /* the copy to pinned memory is complete */
    bool busy;          /* started, not finished */
    void *host;         /* destination of download_finish */
    int64_t bytes;
} dt_cuda_transfer;

/* ---- the backend --------------------------------------------------------------------------- */

/* Device memory of the update: its state, and values passed between the kernels of one update. */
typedef struct {
    dt_update_state state;                /* must be first: copied by state_write and state_read */
    double pending[DT_MAX_TAX_RANKS];     /* loss since the last update */
    int32_t good;                         /* this update is made, not skipped */
    float keep, step, correction, factor; /* of AdamW, see update.cu */
} dt_cuda_state;

typedef struct dt_product_cache dt_product_cache;
typedef struct dt_product_choices dt_product_choices;
typedef struct dt_step_cache dt_step_cache;

/* A stream and the scratch memory of the operations on it. */
typedef struct {
    cudaStream_t stream;
    float *sums;     /* device (DT_CUDA_SUMS): first stage of sums over rows */
    void *workspace; /* device, DT_CUDA_WORKSPACE bytes, of cuBLASLt */
} dt_cuda_lane;

#define DT_CUDA_EVENTS (DT_EVENT_SLOTS + DT_PROFILE_EVENTS)

typedef struct {
    dt_backend base; /* first */
    int device;
    int multiprocessors;
    dt_status error; /* sticky */
    char message[512];
    cudaStream_t stream; /* the current one; `sums` and `workspace` belong to it */
    dt_cuda_lane other;  /* the one that is not current */
    cudaEvent_t branch_begun, branch_ended;
    cudaEvent_t event[DT_CUDA_EVENTS]; /* created on first use */
    int64_t count;                     /* elements of each vector */
    float *vector[DT_VECTORS];
    dt_range share; /* elements whose moments are here; they are the first of their vectors */
    void *low;      /* (count) parameters in T; NULL in fp32 */
    bool half;      /* T is __half */
    dt_attention_method attention; /* requested by the user; used by attention.cu */
    bool plain_noticed;            /* the notice that auto means plain was given */
    double *norm_sums;
    dt_cuda_state *state; /* device */
    dt_cuda_batch slot[2];
    int next_slot;
    dt_cuda_transfer copy[DT_DOWNLOAD_SLOTS];
    int32_t max_sequences;
    int64_t max_tokens;
    int32_t max_tax_ranks;
    uint64_t *sort_keys;   /* host (2, max_tokens) */
    double *sequence_sums; /* device (B, max(R, 2)): one number per sequence, to be summed in
                              order */
    float *sums;           /* device (DT_CUDA_SUMS): first stage of sums over rows */
    cublasLtHandle_t cublas;
    dt_product_cache *products;
    dt_product_choices *choices;
    void *workspace; /* device, DT_CUDA_WORKSPACE bytes, of cuBLASLt */
    dt_step_cache *steps;
    bool recording;              /* the stream is being captured: no work is executed yet */
    bool replace;                /* gradients are replaced, not added to (gradients_replace) */
    dt_batch_limits limits;      /* required by the operations since recording began */
    struct dt_cuda_cudnn *cudnn; /* NULL: cuDNN is not used */
} dt_cuda;

#define DT_CUDA_SUMS ((int64_t)4 << 20)       /* floats */
#define DT_CUDA_WORKSPACE ((int64_t)32 << 20) /* bytes */
#define DT_CUDA_SEQUENCES 65535               /* per batch: limit of the third grid dimension */
#define DT_CUDA_ROW_UNIT 64                   /* rows of a batch are a multiple of this */

static inline dt_cuda *dt_cuda_of(dt_backend *backend)
{
    return (dt_cuda *)backend;
}

static inline const dt_cuda_batch *dt_cuda_batch_of(const dt_device_batch *batch)
{
    return (const dt_cuda_batch *)batch;
}

/* Returns true if an operation may start: there is no sticky error, and the calling thread now uses
 * our device. */
bool dt_cuda_ready(dt_cuda *cuda);

/* Sets the sticky error, unless there is one already. */
void dt_cuda_fail(dt_cuda *cuda, dt_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns false, with a sticky error that contains `doing`, if a CUDA call failed. */
bool dt_cuda_ok(dt_cuda *cuda, cudaError_t code, const char *doing);

/* The same for the kernel launch just before. */
void dt_cuda_launched(dt_cuda *cuda, const char *kernel);

/* Allocates zeroed device memory. */
dt_status dt_cuda_memory_new(dt_cuda *cuda, void **out, int64_t bytes);

static inline float *dt_cuda_param(const dt_cuda *cuda, dt_param offset)
{
    return cuda->vector[DT_PARAMETERS] + offset;
}

/* Kernels and products that write every element of a gradient once add to it, or with
 * cuda->replace set it. The others add; dt_cuda_gradients_start() precedes them. */
static inline float *dt_cuda_gradient(const dt_cuda *cuda, dt_param offset)
{
    return cuda->vector[DT_GRADIENTS] + offset;
}

/* With cuda->replace, clears `count` gradients. */
void dt_cuda_gradients_start(dt_cuda *cuda, dt_param offset, int64_t count);

/* Parameters in the type of activations. */
template <typename T> static inline const T *dt_cuda_weight(const dt_cuda *cuda, dt_param offset)
{
    return (const T *)cuda->low + offset;
}
template <> inline const float *dt_cuda_weight<float>(const dt_cuda *cuda, dt_param offset)
{
    return cuda->vector[DT_PARAMETERS] + offset;
}

static inline bool dt_is_aligned(const void *address)
{
    return ((uintptr_t)address & 15) == 0;
}

static inline int64_t dt_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Return false, with a sticky error, if the batch has a token id >= vocabulary, a sequence of more
 * than max_length tokens, or a label that is not a class of its taxonomic rank. While a step is
 * being recorded, the limit is stored with the recording. */
bool dt_cuda_ids_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t vocabulary);
bool dt_cuda_lengths_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t max_length);
bool dt_cuda_labels_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_class_layout *classes);

/* All these checks at once, for a step that was recorded with these limits. */
bool dt_cuda_batch_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_batch_limits *limits);

static inline dt_batch_limits dt_cuda_no_limits(void)
{
    dt_batch_limits limits = {};
    limits.vocabulary = limits.max_length = INT32_MAX;
    return limits;
}

/* The units that batch sizes are rounded up to. They grow with the size, so that an epoch has few
 * shapes and rounding adds little work (batch.cu has the numbers). Both functions are monotonic. */
int64_t dt_cuda_row_unit(int64_t tokens);
int64_t dt_cuda_rounded_groups(int64_t groups);

/* Dropout parameters for kernels; float, as on the CPU. */
typedef struct {
    uint32_t stream;
    uint32_t threshold;
    float kept; /* 1 / (1 - p) */
} dt_drop;

static inline dt_drop dt_drop_of(const dt_dropout *dropout)
{
    return dt_drop{dropout->stream, dt_dropout_threshold(dropout->p),
                   (float)(1.0 / (1.0 - dropout->p))};
}

/* ---- matrix products (product.cu) ----------------------------------------------------------- */

typedef enum { DT_NUMBER_FLOAT, DT_NUMBER_BF16, DT_NUMBER_HALF } dt_number;

template <typename T> constexpr dt_number dt_number_of()
{
    return sizeof(T) == sizeof(float) ? DT_NUMBER_FLOAT : DT_NUMBER_HALF;
}
template <> constexpr dt_number dt_number_of<__nv_bfloat16>()
{
    return DT_NUMBER_BF16;
}

/* C = op(A) · op(B), + C with `add` or + bias: op(A) (m, k), op(B) (k, n), op transposes if
 * requested; row-major, ld* is the row stride in elements. Both inputs have one type; sums are
 * float. */
typedef struct {
    int64_t m, n, k;
    const void *a, *b;
    void *c;
    int64_t lda, ldb, ldc;
    const void *bias; /* (n), of the type of C; NULL: none. Not together with `add` */
    dt_number inputs, output;
    bool transpose_a, transpose_b;
    bool add;
} dt_product;

void dt_cuda_product(dt_cuda *cuda, const dt_product *product);

/* The same without cuBLASLt (plain_product.cu): slow, but supports any shape and alignment. */
void dt_cuda_plain_product(dt_cuda *cuda, const dt_product *product);

/* Sets every row of C to the bias. */
void dt_cuda_bias_rows(dt_cuda *cuda, const dt_product *product);

dt_status dt_cuda_products_open(dt_cuda *cuda);
void dt_cuda_products_close(dt_cuda *cuda);

/* Returns whether products are only timed (choices_time). */
bool dt_cuda_rehearses(const dt_cuda *cuda);

/* Returns whether a step need not be computed, because its products are only timed
 * (choices_time) and it has no new ones (`known`) or the time is up. */
bool dt_cuda_rehearsed(const dt_cuda *cuda, bool known);

/* ---- attention by cuDNN (attention_cudnn.cu) ------------------------------------------------- */

/* Loads cuDNN and creates a handle on the backend's stream. Fails with a one-line message if the
 * library is missing, too old or not built in, and in fp32. */
dt_status dt_cuda_cudnn_open(dt_cuda *cuda);
void dt_cuda_cudnn_close(dt_cuda *cuda);

/* Returns DT_ERR_DEVICE for unsupported head sizes, and for training if its gradients would not be
 * deterministic. The operations check again. */
dt_status dt_cuda_cudnn_check(const dt_cuda *cuda, int32_t head_size, bool training);

/* ---- sums over rows (column_sums.cu) --------------------------------------------------------- */

/* out (columns) += the sum of the rows of x (rows, stride), of which `columns` columns are summed.
 * Uses cuda->sums. */
template <typename T>
void dt_cuda_column_sums(dt_cuda *cuda, float *out, const T *x, int64_t rows, int64_t columns,
                         int64_t stride);

/* The blocks of a kernel that sums rows while it handles them (dt_sum_rows() in device.cuh). */
typedef struct {
    int64_t blocks;    /* over the rows; 0, with a sticky error: there is no room for their sums */
    int64_t rows_each; /* rows of one of them */
    dim3 grid, threads;
} dt_row_sums;

/* width: neighbouring columns of a thread. */
dt_row_sums dt_cuda_row_sums(dt_cuda *cuda, int64_t rows, int64_t columns, int width);

/* Where up to three sums over the same rows are added, (columns) each. */
typedef struct {
    float *of[3];
} dt_totals;

/* The second stage, for kernels whose blocks have stored their own sums in cuda->sums (S, blocks,
 * columns): totals.of[s] += the sum of those of s, over the blocks in a fixed order. */
void dt_cuda_add_partials(dt_cuda *cuda, const dt_totals &totals, int sums, int64_t blocks,
                          int64_t columns);

/* Returns the number of blocks for which cuda->sums has room, but at most `most`; if it has none,
 * 0 with a sticky error. */
int64_t dt_cuda_partial_blocks(dt_cuda *cuda, int64_t most, int sums, int64_t columns);

/* ---- sums over the rows of each token id (group_sums.cu) -------------------------------------- */

/* gradient (ids, columns), row `id` += the sum of the rows of dy that belong to tokens with that id,
 * unless it is frozen_row. dy has one row per token (length 0), `length` rows per sequence, or one per
 * sequence, which is multiplied by 1/√tokens (DT_ROW_PER_BAG). Uses cuda->sums. */
#define DT_ROW_PER_BAG (-1)
template <typename T>
void dt_cuda_group_sums(dt_cuda *cuda, float *gradient, const T *dy, const dt_cuda_batch *batch,
                        int64_t columns, int64_t length, int32_t frozen_row);

/* ---- shared between operations --------------------------------------------------------------- */

void dt_cuda_vectors_free(dt_cuda *cuda);
void dt_cuda_batch_free(dt_cuda *cuda);
void dt_cuda_downloads_free(dt_cuda *cuda);

/* y = gelu(u); y may be u */
template <typename T>
void dt_cuda_gelu_forward(dt_cuda *cuda, void *y, const void *u, int64_t count);

int64_t dt_cuda_update_bytes(int64_t count); /* of norm_sums */

/* ---- recorded steps (step.cu) ---------------------------------------------------------------- */

dt_status dt_cuda_steps_open(dt_cuda *cuda);
void dt_cuda_steps_close(dt_cuda *cuda);

/* Discards all recordings, since they contain addresses that are about to be freed. */
void dt_cuda_steps_forget(dt_cuda *cuda);

/* ---- branches (branch.cu) -------------------------------------------------------------------- */

dt_status dt_cuda_branch_open(dt_cuda *cuda);
void dt_cuda_branch_close(dt_cuda *cuda);

/* ---- the operations ------------------------------------------------------------------------- */

#define DT_CUDA_PROTOTYPE(name) dt_op_##name dt_cuda_##name;
DT_SERVICE_OPERATIONS(DT_CUDA_PROTOTYPE)
DT_LOSS_OPERATIONS(DT_CUDA_PROTOTYPE)
DT_OPTIONAL_OPERATIONS(DT_CUDA_PROTOTYPE)
#undef DT_CUDA_PROTOTYPE

#define DT_CUDA_TEMPLATE(name) template <typename T> dt_op_##name dt_cuda_##name;
DT_LAYER_OPERATIONS(DT_CUDA_TEMPLATE)
DT_LAYER_QUERIES(DT_CUDA_TEMPLATE)
#undef DT_CUDA_TEMPLATE

#define DT_FOR_ACTIVATION_TYPES(INSTANTIATE)                                                       \
    INSTANTIATE(float)                                                                             \
    INSTANTIATE(__nv_bfloat16)                                                                     \
    INSTANTIATE(__half)

/* Use at the end of the file that defines an operation: instantiates it for all types of
 * activations. */
#define DT_CUDA_OPERATION(name)                                                                    \
    template dt_op_##name dt_cuda_##name<float>;                                                   \
    template dt_op_##name dt_cuda_##name<__nv_bfloat16>;                                           \
    template dt_op_##name dt_cuda_##name<__half>

#endif
