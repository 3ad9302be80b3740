/* Attention by cuDNN (cudnn_plan.h describes what it computes).
 *
 * Where cuDNN can, a plan works on the packed matrices of the batch themselves. Deterministic
 * gradients on compute capability 8 and 12 need padded ones; there, rows are copied to matrices
 * (B, S, A, d), with zeros past each sequence, and results are copied back. (With dropout, forward
 * then uses padded matrices too, since only plans of the same shape are known to draw the same
 * mask.) S is rounded up to a multiple of DT_CUDNN_POSITIONS and, in padded plans, B to one of
 * SEQUENCES, so that plans can be reused; added sequences have one token of zeros, since libraries
 * often mishandle a length of zero.
 *
 * Plans and their memory are created when a shape is first used and kept until the backend is
 * closed, since recorded steps may use them. All plans share the memory, because they run one after
 * the other on the stream: a plan uses the last block if it is large enough, else a new one is
 * allocated.
 *
 * Memory, with H = A · d: cuDNN's workspace, which has B · A · S² elements backward (0.25 GB for 64
 * sequences of 512 tokens in the default model); padded plans also have 4 matrices of B · S · H
 * elements forward, 8 backward.
 */
#include <stdlib.h>
#include <string.h>

#include "cuda/attention.cuh"
#include "cuda/cudnn_plan.h"

extern "C" {
#include "core/module.h"
}

#define SEQUENCES 8 /* B is a multiple of this */
#define THREADS 128
#define WIDE 8     /* numbers of 16 bits in 16 bytes */
#define ALIGN 256  /* of each array in the memory of a plan */
#define MATRICES 5 /* copied by one kernel, at most */

typedef struct {
    dt_cudnn_shape shape;
    dt_cudnn_plan *plan;
    void *address[DT_CUDNN_TENSORS]; /* in the memory of plans; NULL: the batch's own */
    void *workspace;
} attention_plan;

/* In the emulator's module the functions are linked in. */
extern "C" const dt_cudnn_functions dt_cudnn_module __attribute__((weak));

struct dt_cuda_cudnn {
    const dt_cudnn_functions *call;
    dt_cudnn *library;
    int32_t compute_major; /* compute capability of the GPU */
    attention_plan *plan;
    int32_t plans;
    void **block; /* device memory; only the last is used by new plans */
    int32_t blocks;
    int64_t block_bytes; /* bytes of the last */
};

/* ---- kernels -------------------------------------------------------------------------------- */

/* The kernels move 16-bit elements, whatever their type. */
typedef struct {
    uint16_t *packed; /* (rows, H), `stride` apart */
    uint16_t *padded; /* (B, S, H) */
    int64_t stride;
} matrix_pair;

typedef struct {
    matrix_pair matrix[MATRICES];
    int32_t hidden; /* H */
    bool aligned;   /* all rows begin at multiples of 16 bytes */
} matrix_list;

/* Tokens of a sequence; 0 for sequences added to the batch. */
__device__ static inline int32_t length_of(const dt_batch_view &batch, int32_t sequence)
{
    return sequence < batch.facts->sequences
               ? batch.cu_seqlens[sequence + 1] - batch.cu_seqlens[sequence]
               : 0;
}

__device__ static inline void copy_row(uint16_t *to, const uint16_t *from, int32_t columns,
                                       bool aligned)
{
    if (aligned) {
        for (int32_t c = (int32_t)threadIdx.x * WIDE; c < columns; c += THREADS * WIDE)
            dt_copy_vec<WIDE>(to + c, from + c);
        return;
    }
    for (int32_t c = (int32_t)threadIdx.x; c < columns; c += THREADS)
        to[c] = from[c];
}

/* Block (position, sequence, matrix): a row of a padded matrix. */
__global__ void pad_kernel(matrix_list list, dt_batch_view batch)
{
    const int32_t position = (int32_t)blockIdx.x;
    const int32_t sequence = (int32_t)blockIdx.y;
    const matrix_pair m = list.matrix[blockIdx.z];
    const int64_t row = (int64_t)sequence * gridDim.x + position;
    uint16_t *to = m.padded + row * list.hidden;
    if (position < length_of(batch, sequence)) {
        const int64_t from = batch.cu_seqlens[sequence] + position;
        copy_row(to, m.packed + from * m.stride, list.hidden, list.aligned);
        return;
    }
    for (int32_t c = (int32_t)threadIdx.x; c < list.hidden; c += THREADS)
        to[c] = 0;
}

/* The reverse copy: rows past the end of a sequence are skipped. */
__global__ void unpad_kernel(matrix_list list, dt_batch_view batch)
{
    const int32_t position = (int32_t)blockIdx.x;
    const int32_t sequence = (int32_t)blockIdx.y;
    const matrix_pair m = list.matrix[blockIdx.z];
    if (position >= length_of(batch, sequence))
        return;
    const int64_t row = batch.cu_seqlens[sequence] + position;
    const int64_t from = (int64_t)sequence * gridDim.x + position;
    copy_row(m.packed + row * m.stride, m.padded + from * list.hidden, list.hidden, list.aligned);
}

/* Copies statistics from (B, A, S) to packed (rows, A), or back, with zeros past each sequence.
 * Block (position / THREADS, head, sequence). */
__global__ void statistics_kernel(float *packed, float *padded, int32_t positions, int32_t heads,
                                  bool pad, dt_batch_view batch)
{
    const int32_t position = (int32_t)(blockIdx.x * THREADS + threadIdx.x);
    const int32_t head = (int32_t)blockIdx.y;
    const int32_t sequence = (int32_t)blockIdx.z;
    if (position >= positions)
        return;
    float *at = padded + ((int64_t)sequence * heads + head) * positions + position;
    if (position >= length_of(batch, sequence)) {
        if (pad)
            *at = 0.0f;
        return;
    }
    float *mine = packed + (int64_t)(batch.cu_seqlens[sequence] + position) * heads + head;
    if (pad)
        *at = *mine;
    else
        *mine = *at;
}

/* Where facts_kernel() writes; NULL: not in the plan. */
typedef struct {
    int32_t *lengths; /* (B) */
    int32_t *at_query, *at_key, *at_output, *at_statistics; /* (B + 1) */
    int64_t *seed, *offset;
    int64_t query_stride, key_stride, output_stride, statistics_stride;
} plan_facts;

/* Writes the lengths, the offsets of packed sequences and the seed for cuDNN. The seed is a Philox
 * draw for the operation's stream, the global position of the batch's first sequence and the step:
 * the same for forward and backward, different for each layer, step, micro-batch and rank. */
__global__ void facts_kernel(plan_facts facts, int32_t sequences, uint32_t stream,
                             dt_batch_view batch)
{
    for (int32_t b = (int32_t)threadIdx.x; b < sequences; b += THREADS) {
        const int32_t length = length_of(batch, b);
        facts.lengths[b] = length > 0 ? length : 1;
    }
    for (int32_t b = (int32_t)threadIdx.x; b <= sequences && facts.at_query; b += THREADS) {
        const int64_t row = batch.cu_seqlens[b];
        facts.at_query[b] = (int32_t)(row * facts.query_stride);
        facts.at_key[b] = (int32_t)(row * facts.key_stride);
        facts.at_output[b] = (int32_t)(row * facts.output_stride);
        facts.at_statistics[b] = (int32_t)(row * facts.statistics_stride);
    }
    if (threadIdx.x > 0)
        return;
    uint32_t draw[4];
    dt_philox(batch.facts->seed, stream, 0, 0, (uint32_t)batch.facts->first_sequence,
              batch.facts->step, draw);
    *facts.seed = (int64_t)((uint64_t)(draw[0] & 0x7fffffffu) << 32 | draw[1]);
    *facts.offset = 0;
}

/* ---- memory and plans ----------------------------------------------------------------------- */

static void sticky(dt_cuda *cuda, dt_status status)
{
    if (status != DT_OK)
        dt_cuda_fail(cuda, status, "%s", dt_error_message());
}

/* Bytes of a tensor in the memory of its plan; 0: it is the batch's own or not in the plan. */
static int64_t tensor_bytes(const dt_cudnn_shape *shape, int tensor)
{
    const int64_t b = shape->sequences;
    const int64_t rows = b * shape->heads * shape->positions;
    switch (tensor) {
    case DT_CUDNN_LENGTHS:
        return b * (int64_t)sizeof(int32_t);
    case DT_CUDNN_AT_QUERY:
    case DT_CUDNN_AT_KEY:
    case DT_CUDNN_AT_OUTPUT:
    case DT_CUDNN_AT_STATISTICS:
        return shape->packed ? (b + 1) * (int64_t)sizeof(int32_t) : 0;
    case DT_CUDNN_SEED:
    case DT_CUDNN_OFFSET:
        return sizeof(int64_t);
    case DT_CUDNN_STATISTICS:
        return shape->packed ? 0 : rows * (int64_t)sizeof(float);
    default:
        return shape->packed || (tensor >= DT_CUDNN_DY && !shape->backward)
                   ? 0
                   : rows * shape->head_size * (int64_t)sizeof(uint16_t);
    }
}

/* Assigns the addresses of a plan's arrays, starting at `base`; returns their total size. The
 * workspace is last. */
static int64_t lay_out(char *base, attention_plan *plan, int64_t workspace)
{
    int64_t used = 0;
    for (int i = 0; i < DT_CUDNN_TENSORS; ++i) {
        const int64_t bytes = tensor_bytes(&plan->shape, i);
        plan->address[i] = bytes > 0 ? base + used : NULL;
        used += dt_ceil_div(bytes, ALIGN) * ALIGN;
    }
    plan->workspace = base + used;
    return used + workspace;
}

/* Finds device memory of `bytes`. If the last block is too small, a new one is allocated for the
 * largest reserved batch, so that there are few blocks. */
static dt_status find_memory(dt_cuda *cuda, int64_t bytes, int64_t most, void **out)
{
    struct dt_cuda_cudnn *state = cuda->cudnn;
    if (state->blocks > 0 && bytes <= state->block_bytes) {
        *out = state->block[state->blocks - 1];
        return DT_OK;
    }
    void **grown =
        (void **)realloc(state->block, (size_t)(state->blocks + 1) * sizeof *state->block);
    if (!grown)
        return dt_fail(DT_ERR_MEMORY, "no memory for the plans of attention");
    state->block = grown;
    const int64_t wanted = most > bytes ? most : bytes;
    DT_TRY(dt_cuda_memory_new(cuda, out, wanted));
    state->block[state->blocks++] = *out;
    state->block_bytes = wanted;
    return DT_OK;
}

/* Returns `count` rounded up to a multiple of `unit`. */
static int32_t round_up(int32_t count, int32_t unit)
{
    return (count + unit - 1) / unit * unit;
}

static dt_status make_plan(dt_cuda *cuda, attention_plan *plan)
{
    struct dt_cuda_cudnn *state = cuda->cudnn;
    void *memory = NULL;
    DT_TRY(state->call->plan_make(state->library, &plan->shape, &plan->plan));
    const int64_t workspace = state->call->plan_workspace(plan->plan);
    const int64_t bytes = lay_out(NULL, plan, workspace);
    const int64_t most =
        dt_ceil_div(bytes, plan->shape.sequences) * round_up(cuda->max_sequences, SEQUENCES);
    const dt_status status = find_memory(cuda, bytes, most, &memory);
    if (status == DT_OK)
        lay_out((char *)memory, plan, workspace);
    else
        state->call->plan_free(plan->plan);
    return status;
}

static bool same_shape(const dt_cudnn_shape *a, const dt_cudnn_shape *b)
{
    return a->sequences == b->sequences && a->positions == b->positions && a->heads == b->heads &&
           a->head_size == b->head_size && a->half == b->half && a->backward == b->backward &&
           a->packed == b->packed && a->query_stride == b->query_stride &&
           a->key_stride == b->key_stride && a->dropout == b->dropout;
}

/* Returns the plan for a shape, creating it if necessary; NULL, with a sticky error, on failure. */
static const attention_plan *find_plan(dt_cuda *cuda, const dt_cudnn_shape *shape)
{
    struct dt_cuda_cudnn *state = cuda->cudnn;
    for (int32_t i = 0; i < state->plans; ++i)
        if (same_shape(&state->plan[i].shape, shape))
            return &state->plan[i];
    attention_plan *grown =
        (attention_plan *)realloc(state->plan, (size_t)(state->plans + 1) * sizeof *state->plan);
    if (!grown) {
        dt_cuda_fail(cuda, DT_ERR_MEMORY, "no memory for the plans of attention");
        return NULL;
    }
    state->plan = grown;
    attention_plan *plan = &state->plan[state->plans];
    memset(plan, 0, sizeof *plan);
    plan->shape = *shape;
    sticky(cuda, make_plan(cuda, plan));
    if (cuda->error)
        return NULL;
    ++state->plans;
    return plan;
}

/* ---- opening -------------------------------------------------------------------------------- */

static dt_status load(const dt_cudnn_functions **out)
{
    void *module = (void *)&dt_cudnn_module;
    if (!module && !dt_module_present("cudnn"))
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: DeepTaxa-MPI was built without cuDNN; build it where "
                       "the headers cudnn.h and cudnn_frontend.h are found, or use --attention auto");
    if (!module)
        DT_TRY(dt_module_symbol("cudnn", "dt_cudnn_module", &module));
    *out = (const dt_cudnn_functions *)module;
    return DT_OK;
}

dt_status dt_cuda_cudnn_open(dt_cuda *cuda)
{
    int major = 0;
    int minor = 0;
    if (cuda->base.activation_size != (int32_t)sizeof(uint16_t))
        return dt_fail(DT_ERR_USAGE, "--attention cudnn: supports bf16 and fp16 only: use "
                                     "--precision bf16, or --attention auto");
    cuda->cudnn = (struct dt_cuda_cudnn *)calloc(1, sizeof *cuda->cudnn);
    if (!cuda->cudnn)
        return dt_fail(DT_ERR_MEMORY, "no memory for cuDNN");
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda,
                   cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, cuda->device),
                   "querying its compute capability");
    if (dt_cuda_ready(cuda))
        dt_cuda_ok(cuda,
                   cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, cuda->device),
                   "querying its compute capability");
    DT_TRY(dt_cuda_check(&cuda->base));
    cuda->cudnn->compute_major = major;
    const dt_cudnn_device device = {10 * major + minor, cuda->multiprocessors, NULL};
    DT_TRY(load(&cuda->cudnn->call));
    return cuda->cudnn->call->open(&cuda->cudnn->library, cuda->stream, &device);
}

void dt_cuda_cudnn_close(dt_cuda *cuda)
{
    struct dt_cuda_cudnn *state = cuda->cudnn;
    if (!state)
        return;
    for (int32_t i = 0; i < state->plans; ++i)
        state->call->plan_free(state->plan[i].plan);
    if (state->call)
        state->call->close(state->library);
    for (int32_t i = 0; i < state->blocks; ++i)
        cudaFree(state->block[i]);
    free(state->plan);
    free(state->block);
    free(state);
    cuda->cudnn = NULL;
}

/* Head sizes: docs.nvidia.com/cudnn, operations, attention, support matrix. */
#define HEAD_UNIT 8
#define LARGEST_HEAD 128

dt_status dt_cuda_cudnn_check(const dt_cuda *cuda, int32_t head_size, bool training)
{
    if (head_size % HEAD_UNIT != 0 || head_size > LARGEST_HEAD)
        return dt_fail(DT_ERR_DEVICE,
                       "--attention cudnn: supports heads of a multiple of %d elements up to %d, "
                       "but this model has heads of %d: use --attention auto",
                       HEAD_UNIT, LARGEST_HEAD, head_size);
    if (training && (cuda->cudnn->compute_major == 10 || cuda->cudnn->compute_major == 11))
        return dt_fail(DT_ERR_DEVICE,
                       "--attention cudnn: cuDNN's gradients with dropout are not deterministic on "
                       "GPUs of compute capability %d: use --attention auto",
                       cuda->cudnn->compute_major);
    return DT_OK;
}

/* ---- forward and backward ------------------------------------------------------------------- */

/* Returns whether a plan can work on the batch's own matrices. */
template <typename T>
static bool can_be_packed(const dt_cuda *cuda, const dt_attention_task<T> &task,
                          const dt_device_batch *batch, bool backward)
{
    const int32_t major = cuda->cudnn->compute_major;
    const bool draws = backward || task.p > 0.0;
    const int64_t stride =
        task.query_stride > task.key_stride ? task.query_stride : task.key_stride;
    return !(draws && (major == 8 || major == 12)) && dt_is_aligned_task(task) &&
           dt_is_aligned(task.log_sum) &&
           batch->size.rows * stride <= INT32_MAX;
}

template <typename T>
static dt_cudnn_shape shape_of(const dt_cuda *cuda, const dt_attention_task<T> &task,
                               const dt_device_batch *batch, bool backward)
{
    const int64_t hidden = (int64_t)task.heads * task.d;
    dt_cudnn_shape shape = {};
    shape.packed = can_be_packed(cuda, task, batch, backward);
    shape.sequences =
        shape.packed ? batch->size.sequences : round_up(batch->size.sequences, SEQUENCES);
    shape.positions = round_up(batch->size.longest, DT_CUDNN_POSITIONS);
    shape.heads = task.heads;
    shape.head_size = task.d;
    shape.query_stride = shape.packed ? task.query_stride : hidden;
    shape.key_stride = shape.packed ? task.key_stride : hidden;
    shape.half = cuda->half;
    shape.backward = backward;
    shape.dropout = task.p;
    return shape;
}

/* Returns the plan for an operation; NULL, with a sticky error, if there is none. */
template <typename T>
static const attention_plan *plan_for(dt_cuda *cuda, const dt_attention_task<T> &task,
                                      const dt_device_batch *batch, bool backward)
{
    sticky(cuda, dt_cuda_cudnn_check(cuda, task.d, backward));
    const dt_cudnn_shape shape = shape_of(cuda, task, batch, backward);
    return cuda->error ? NULL : find_plan(cuda, &shape);
}

/* Adds a matrix to the list of copies between packed and padded matrices. */
static void add_matrix(matrix_list *list, int32_t *count, const attention_plan *plan,
                       dt_cudnn_tensor name, const void *packed, int64_t stride)
{
    matrix_pair *m = &list->matrix[(*count)++];
    m->packed = (uint16_t *)const_cast<void *>(packed);
    m->padded = (uint16_t *)plan->address[name];
    m->stride = stride;
    list->aligned = list->aligned && dt_is_aligned(packed) && stride % WIDE == 0;
}

static matrix_list no_matrices(const attention_plan *plan)
{
    matrix_list list = {};
    list.hidden = plan->shape.heads * plan->shape.head_size;
    list.aligned = true;
    return list;
}

static dim3 matrix_grid(const attention_plan *plan, int32_t count)
{
    return dim3((unsigned)plan->shape.positions, (unsigned)plan->shape.sequences, (unsigned)count);
}

static void pad(dt_cuda *cuda, const attention_plan *plan, const matrix_list &list, int32_t count,
                const dt_batch_view &view)
{
    pad_kernel<<<matrix_grid(plan, count), THREADS, 0, cuda->stream>>>(list, view);
    dt_cuda_launched(cuda, "padding for attention");
}

static void unpad(dt_cuda *cuda, const attention_plan *plan, const matrix_list &list, int32_t count,
                  const dt_batch_view &view)
{
    unpad_kernel<<<matrix_grid(plan, count), THREADS, 0, cuda->stream>>>(list, view);
    dt_cuda_launched(cuda, "packing after attention");
}

static void move_statistics(dt_cuda *cuda, const attention_plan *plan, float *packed, bool padding,
                            const dt_batch_view &view)
{
    const dim3 grid((unsigned)dt_ceil_div(plan->shape.positions, THREADS),
                    (unsigned)plan->shape.heads, (unsigned)plan->shape.sequences);
    statistics_kernel<<<grid, THREADS, 0, cuda->stream>>>(
        packed, (float *)plan->address[DT_CUDNN_STATISTICS], plan->shape.positions,
        plan->shape.heads, padding, view);
    dt_cuda_launched(cuda, "moving statistics of attention");
}

/* Writes lengths, offsets and seed, then runs the plan on the arrays of its own memory and, if it
 * is packed, on the matrices of the task. */
template <typename T>
static void run(dt_cuda *cuda, const attention_plan *plan, const dt_attention_task<T> &task,
                const dt_batch_view &view)
{
    void *const own[DT_CUDNN_TENSORS] = {
        /* in the order of dt_cudnn_tensor */
        (void *)task.q, (void *)task.k, (void *)task.v,
        plan->shape.backward ? (void *)task.y : (void *)task.out, task.log_sum,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, /* of the plan */
        (void *)task.dy, task.dq, task.dk, task.dv};
    void *address[DT_CUDNN_TENSORS];
    for (int i = 0; i < DT_CUDNN_TENSORS; ++i)
        address[i] = plan->address[i] || !plan->shape.packed ? plan->address[i] : own[i];
    const plan_facts facts = {
        (int32_t *)address[DT_CUDNN_LENGTHS], (int32_t *)address[DT_CUDNN_AT_QUERY],
        (int32_t *)address[DT_CUDNN_AT_KEY], (int32_t *)address[DT_CUDNN_AT_OUTPUT],
        (int32_t *)address[DT_CUDNN_AT_STATISTICS], (int64_t *)address[DT_CUDNN_SEED],
        (int64_t *)address[DT_CUDNN_OFFSET], plan->shape.query_stride, plan->shape.key_stride,
        (int64_t)task.heads * task.d, task.heads};
    facts_kernel<<<1, THREADS, 0, cuda->stream>>>(facts, plan->shape.sequences, task.drop.stream,
                                                  view);
    dt_cuda_launched(cuda, "lengths for attention");
    if (!cuda->error)
        sticky(cuda,
               cuda->cudnn->call->plan_run(cuda->cudnn->library, plan->plan, address,
                                           plan->workspace));
}

/* Block (row, head): clears the extra rows of what an operation returns. */
template <typename T>
__global__ void clear_excess_kernel(dt_attention_task<T> task, dt_batch_view batch)
{
    if (task.out)
        dt_clear_excess(task, batch, task.out, (int64_t)task.heads * task.d);
    if (!task.dq)
        return;
    dt_clear_excess(task, batch, task.dq, task.query_stride);
    dt_clear_excess(task, batch, task.dk, task.key_stride);
    dt_clear_excess(task, batch, task.dv, task.key_stride);
}

template <typename T>
static void clear_excess(dt_cuda *cuda, const dt_attention_task<T> &task, const dt_batch_view &view)
{
    const dim3 grid((unsigned)dt_cuda_row_unit(task.rows), (unsigned)task.heads);
    clear_excess_kernel<T><<<grid, THREADS, 0, cuda->stream>>>(task, view);
    dt_cuda_launched(cuda, "clearing extra rows");
}

template <typename T>
bool dt_cuda_attention_cudnn_forward(dt_cuda *cuda, const dt_attention_task<T> &task,
                                     const dt_device_batch *batch)
{
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    const attention_plan *plan = plan_for(cuda, task, batch, false);
    if (!plan)
        return true;
    clear_excess(cuda, task, view);
    if (plan->shape.packed) {
        run(cuda, plan, task, view);
        return true;
    }
    int32_t count = 0;
    matrix_list in = no_matrices(plan);
    add_matrix(&in, &count, plan, DT_CUDNN_Q, task.q, task.query_stride);
    add_matrix(&in, &count, plan, DT_CUDNN_K, task.k, task.key_stride);
    add_matrix(&in, &count, plan, DT_CUDNN_V, task.v, task.key_stride);
    pad(cuda, plan, in, count, view);
    run(cuda, plan, task, view);
    count = 0;
    matrix_list out = no_matrices(plan);
    add_matrix(&out, &count, plan, DT_CUDNN_Y, task.out, out.hidden);
    unpad(cuda, plan, out, count, view);
    move_statistics(cuda, plan, task.log_sum, false, view);
    return true;
}

template <typename T>
bool dt_cuda_attention_cudnn_backward(dt_cuda *cuda, const dt_attention_task<T> &task,
                                      const dt_device_batch *batch)
{
    const dt_batch_view view = dt_cuda_batch_of(batch)->view;
    const attention_plan *plan = plan_for(cuda, task, batch, true);
    if (!plan)
        return true;
    clear_excess(cuda, task, view);
    if (plan->shape.packed) {
        run(cuda, plan, task, view);
        dt_cuda_attention_bias(cuda, task, batch, 0);
        return true;
    }
    int32_t count = 0;
    matrix_list in = no_matrices(plan);
    add_matrix(&in, &count, plan, DT_CUDNN_Q, task.q, task.query_stride);
    add_matrix(&in, &count, plan, DT_CUDNN_K, task.k, task.key_stride);
    add_matrix(&in, &count, plan, DT_CUDNN_V, task.v, task.key_stride);
    add_matrix(&in, &count, plan, DT_CUDNN_Y, task.y, in.hidden);
    add_matrix(&in, &count, plan, DT_CUDNN_DY, task.dy, in.hidden);
    pad(cuda, plan, in, count, view);
    move_statistics(cuda, plan, task.log_sum, true, view);
    run(cuda, plan, task, view);
    count = 0;
    matrix_list out = no_matrices(plan);
    add_matrix(&out, &count, plan, DT_CUDNN_DQ, task.dq, task.query_stride);
    add_matrix(&out, &count, plan, DT_CUDNN_DK, task.dk, task.key_stride);
    add_matrix(&out, &count, plan, DT_CUDNN_DV, task.dv, task.key_stride);
    unpad(cuda, plan, out, count, view);
    dt_cuda_attention_bias(cuda, task, batch, 0);
    return true;
}

#define INSTANTIATE(T)                                                                             \
    template bool dt_cuda_attention_cudnn_forward<T>(dt_cuda *, const dt_attention_task<T> &,      \
                                                     const dt_device_batch *);                     \
    template bool dt_cuda_attention_cudnn_backward<T>(dt_cuda *, const dt_attention_task<T> &,     \
                                                      const dt_device_batch *);
DT_FOR_ACTIVATION_TYPES(INSTANTIATE)
