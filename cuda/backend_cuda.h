/* The CUDA backend's own state, and what its files share on the host's side. The operations
 * themselves are described in src/backend.h and layers.h; each file holds the forward and the backward side of
 * one subject. What kernels share stands in device.cuh.
 *
 * Numbers. Activations have a type T: __nv_bfloat16, __half or float; every operation is a template
 * over it, and there is one table of operations for each. Statistics, logits, flat vectors and all
 * sums are float. In bf16 and fp16 a copy of the parameters in T stands at the same offsets, for
 * the matrix products and embedding rows; kernels that read few parameters take the float ones.
 *
 * Order. All work goes to one stream, so that effects follow the calls. Sums over rows are taken in
 * two stages of fixed shape, never with atomics.
 *
 * Rows. A token matrix has batch->size.rows rows, the number of tokens rounded up, so that shapes
 * recur. Kernels write zeros to the rows in excess; so a gradient has nothing there either.
 *
 * Recording. What operations ask for on one batch is replayed on others of the same dt_batch_shape
 * (step.cu). So of a batch the host may use, for grids, addresses and sizes, its shape alone, and
 * what it looks at besides is a check that goes through dt_cuda_ids_in() and its neighbours, which
 * a replay makes again. Kernels read the exact numbers in dt_batch_facts.
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

/* What changes from one batch to the next, in device memory: kernels read it there, so that a
 * recorded step can be run again on another batch. */
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

/* A batch as kernels see it: device addresses. */
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

/* All that the host knows of a batch when it starts kernels: the sizes of dt_batch_facts rounded
 * up, so that few different ones occur, and where the batch stands. Compared as bytes. */
typedef struct {
    int64_t rows;    /* of token matrices */
    int64_t groups;  /* distinct token ids */
    int32_t longest; /* tokens of the longest sequence */
    int32_t sequences;
    int32_t tax_ranks;
    int32_t slot; /* in which of the two batches' memory */
} dt_batch_shape;

/* What operations want of a batch before they take it. */
typedef struct {
    int32_t vocabulary;     /* token ids are below */
    int32_t max_length;     /* no sequence has more tokens */
    dt_class_layout labels; /* are such classes; without tax_ranks: are not looked at */
} dt_batch_limits;

typedef struct {
    dt_device_batch device; /* first: what the model holds a pointer to */
    dt_batch_view view;
    dt_batch_shape shape;
    bool has_labels;
    int32_t largest_id;
    int32_t least_label[DT_MAX_TAX_RANKS]; /* of each taxonomic rank */
    int32_t largest_label[DT_MAX_TAX_RANKS];
    char *pinned;       /* host memory of the same layout as `memory` */
    void *memory;       /* device */
    int64_t bytes;      /* of both */
    cudaEvent_t copied; /* the pinned memory may be written again */
    bool copying;
} dt_cuda_batch;

/* A copy to the host between download_start and download_finish, by way of pinned memory. */
typedef struct {
    char *pinned;
    int64_t room;       /* bytes of it */
    cudaEvent_t copied; /* it holds what was asked for */
    bool busy;          /* started, not finished */
    void *host;         /* where download_finish puts it */
    int64_t bytes;
} dt_cuda_transfer;

/* ---- the backend --------------------------------------------------------------------------- */

/* Device memory of the update: its state, and what one update hands from kernel to kernel. */
typedef struct {
    dt_update_state state;                /* first: what state_write and state_read copy */
    double pending[DT_MAX_TAX_RANKS];     /* loss since the last update */
    int32_t good;                         /* this update is done, not skipped */
    float keep, step, correction, factor; /* of AdamW, see update.cu */
} dt_cuda_state;

typedef struct dt_product_cache dt_product_cache;
typedef struct dt_step_cache dt_step_cache;

#define DT_CUDA_EVENTS (DT_EVENT_SLOTS + DT_PROFILE_EVENTS)

typedef struct {
    dt_backend base; /* first */
    int device;
    int multiprocessors;
    dt_status error; /* sticky */
    char message[512];
    cudaStream_t stream;
    cudaEvent_t event[DT_CUDA_EVENTS]; /* made when first used */
    int64_t count;                     /* elements of each vector */
    float *vector[DT_VECTORS];
    void *low;                     /* (count) parameters in T; NULL in fp32 */
    bool half;                     /* T is __half */
    dt_attention_method attention; /* that the user asked for; attention.cu decides with it */
    double *norm_sums;
    dt_cuda_state *state; /* device */
    dt_cuda_batch slot[2];
    int next_slot;
    dt_cuda_transfer copy[DT_DOWNLOAD_SLOTS];
    int32_t max_sequences;
    int64_t max_tokens;
    int32_t max_tax_ranks;
    uint64_t *sort_keys;   /* host (2, max_tokens) */
    double *sequence_sums; /* device (B, max(R, 2)): one number a sequence, to be added in order */
    float *sums;           /* device (DT_CUDA_SUMS): first stage of sums over rows */
    cublasLtHandle_t cublas;
    dt_product_cache *products;
    void *workspace; /* device, DT_CUDA_WORKSPACE bytes, of cuBLASLt */
    dt_step_cache *steps;
    bool recording;              /* the stream is captured: nothing is done yet */
    dt_batch_limits limits;      /* what operations have wanted since it began */
    struct dt_cuda_cudnn *cudnn; /* NULL: attention is not computed by cuDNN */
} dt_cuda;

#define DT_CUDA_SUMS ((int64_t)4 << 20)       /* floats */
#define DT_CUDA_WORKSPACE ((int64_t)32 << 20) /* bytes */
#define DT_CUDA_SEQUENCES 65535               /* of a batch: the third size of a grid */
#define DT_CUDA_ROW_UNIT 64                   /* rows of a batch are a multiple of this */

static inline dt_cuda *dt_cuda_of(dt_backend *backend)
{
    return (dt_cuda *)backend;
}

static inline const dt_cuda_batch *dt_cuda_batch_of(const dt_device_batch *batch)
{
    return (const dt_cuda_batch *)batch;
}

/* True when an operation may start: no sticky error, and the calling thread uses our device. */
bool dt_cuda_ready(dt_cuda *cuda);

/* Makes the first error sticky. */
void dt_cuda_fail(dt_cuda *cuda, dt_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False, with a sticky error that says what was being done, where a CUDA call failed. */
bool dt_cuda_ok(dt_cuda *cuda, cudaError_t code, const char *doing);

/* The same for the launch of a kernel just before. */
void dt_cuda_launched(dt_cuda *cuda, const char *kernel);

/* Zeroed device memory. */
dt_status dt_cuda_memory_new(dt_cuda *cuda, void **out, int64_t bytes);

static inline float *dt_cuda_param(const dt_cuda *cuda, dt_param offset)
{
    return cuda->vector[DT_PARAMETERS] + offset;
}

static inline float *dt_cuda_gradient(const dt_cuda *cuda, dt_param offset)
{
    return cuda->vector[DT_GRADIENTS] + offset;
}

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

/* False, with a sticky error, when the batch has a token id outside `vocabulary` rows, a sequence
 * of more than max_length tokens, or a label that is no class of its taxonomic rank. While a step
 * is recorded the limit is kept with it. */
bool dt_cuda_ids_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t vocabulary);
bool dt_cuda_lengths_in(dt_cuda *cuda, const dt_cuda_batch *batch, int32_t max_length);
bool dt_cuda_labels_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_class_layout *classes);

/* All of them at once, for a step that was recorded with these limits. */
bool dt_cuda_batch_in(dt_cuda *cuda, const dt_cuda_batch *batch, const dt_batch_limits *limits);

static inline dt_batch_limits dt_cuda_no_limits(void)
{
    dt_batch_limits limits = {};
    limits.vocabulary = limits.max_length = INT32_MAX;
    return limits;
}

/* How sizes of a batch are rounded up: to multiples of units that grow with them, so that the
 * shapes of an epoch are few and what is added is little work. (batch.cu says how many and how
 * much.) Both rise with `count`. */
int64_t dt_cuda_row_unit(int64_t tokens);
int64_t dt_cuda_rounded_groups(int64_t groups);

/* Dropout as kernels take it; float, as on the CPU. */
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

/* C = op(A) · op(B) (+ C with `add`, + bias): op(A) (m, k), op(B) (k, n), op transposes where
 * asked; row major, ld* elements from row to row. Inputs of one type, sums in float. */
typedef struct {
    int64_t m, n, k;
    const void *a, *b;
    void *c;
    int64_t lda, ldb, ldc;
    const void *bias; /* (n), of the type of C; NULL: none */
    dt_number inputs, output;
    bool transpose_a, transpose_b;
    bool add;
} dt_product;

void dt_cuda_product(dt_cuda *cuda, const dt_product *product);

/* The same without cuBLASLt (plain_product.cu): slow, for any shape and alignment. */
void dt_cuda_plain_product(dt_cuda *cuda, const dt_product *product);

dt_status dt_cuda_products_open(dt_cuda *cuda);
void dt_cuda_products_close(dt_cuda *cuda);

/* ---- attention by cuDNN (attention_cudnn.cu) ------------------------------------------------- */

/* Finds the library and a handle, on the backend's stream. One clear line where it is missing, too
 * old or not built in, and in fp32. */
dt_status dt_cuda_cudnn_open(dt_cuda *cuda);
void dt_cuda_cudnn_close(dt_cuda *cuda);

/* DT_ERR_DEVICE for heads that it does not take, and for training where its gradients would depend
 * on chance. The operations check it again. */
dt_status dt_cuda_cudnn_check(const dt_cuda *cuda, int32_t head_size, bool training);

/* ---- what operations need of each other ------------------------------------------------------ */

void dt_cuda_vectors_free(dt_cuda *cuda);
void dt_cuda_batch_free(dt_cuda *cuda);
void dt_cuda_downloads_free(dt_cuda *cuda);

/* y = gelu(u); may be in place */
template <typename T>
void dt_cuda_gelu_forward(dt_cuda *cuda, void *y, const void *u, int64_t count);

int64_t dt_cuda_update_bytes(int64_t count); /* of norm_sums */

/* Refreshes `count` low-precision parameters from `offset`. */
void dt_cuda_refresh_low(dt_cuda *cuda, int64_t offset, int64_t count);

/* ---- recorded steps (step.cu) ---------------------------------------------------------------- */

dt_status dt_cuda_steps_open(dt_cuda *cuda);
void dt_cuda_steps_close(dt_cuda *cuda);

/* Forgets all recordings, which hold addresses that are about to be freed. */
void dt_cuda_steps_forget(dt_cuda *cuda);

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

/* At the end of the file that defines such an operation: makes it for all types of activations. */
#define DT_CUDA_OPERATION(name)                                                                    \
    template dt_op_##name dt_cuda_##name<float>;                                                   \
    template dt_op_##name dt_cuda_##name<__nv_bfloat16>;                                           \
    template dt_op_##name dt_cuda_##name<__half>

#endif
