/* The state of the CPU backend, and the declarations that its files share. src/backend.h and
 * layers.h describe the operations; each file implements the forward and backward operations of one
 * topic.
 *
 * Threads. Every operation opens OpenMP regions of `threads` threads, which share its rows, columns
 * or tiles. Each element of a result is computed by one thread, in an order that does not depend on
 * the number of threads nor, for an element of a row or a sequence, on the other sequences of the
 * batch; this includes matrix products (gemm.h). Equal inputs therefore give identical bits.
 */
#ifndef DT_CPU_BACKEND_CPU_H
#define DT_CPU_BACKEND_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "core/update_rule.h"
#include "cpu/bf16_product.h"
#include "cpu/gemm.h"
#include "cpu/real.h"
#include "cpu/vector_math.h"

/* A batch in the form that the operations need. */
typedef struct {
    dt_device_batch device; /* must be first: the model holds a pointer to it */
    int32_t tax_ranks;
    bool has_labels;
    int32_t *token_ids;       /* (tokens) */
    int32_t *cu_seqlens;      /* (B + 1) */
    int32_t *sequence_of_row; /* (tokens) */
    int32_t *labels;          /* (B, R) */
    /* The rows in the order of their token ids (and of their own number among equals): group g, of
     * `groups` distinct ids, has order[group_first[g]] … order[group_first[g + 1] - 1]. */
    int32_t *order;        /* (tokens) */
    int32_t *group_first;  /* (tokens + 1) */
    int32_t *group_of_row; /* (tokens) */
    int32_t groups;
    int32_t largest_id;
    uint32_t seed, step;
    int64_t first_sequence;
    double loss_scale[DT_MAX_TAX_RANKS];
} dt_cpu_batch;

/* A copy between download_start and download_finish. */
typedef struct {
    int64_t capacity; /* bytes reserved */
    bool busy;        /* started, not finished */
} dt_cpu_transfer;

typedef struct {
    dt_backend base; /* first */
    int threads;
    dt_status error; /* sticky */
    char message[512];
    int64_t count; /* elements of each vector */
    dt_real *vector[DT_VECTORS];
    dt_range share;    /* elements whose moments are here; they are the first of their vectors */
    double *norm_sums; /* sums of squares of the update, two per block of the vector */
    dt_cpu_batch slot[2];
    int next_slot;
    dt_cpu_transfer copy[DT_DOWNLOAD_SLOTS];
    int32_t max_sequences;
    int64_t max_tokens;
    int32_t max_tax_ranks;
    uint64_t *sort_keys;   /* (2, max_tokens) */
    double *sequence_sums; /* (B, max(R, 2)): one number per sequence, to be summed in order */
    dt_gemm_threads gemm;  /* the same threads, with their memory for products */
    dt_real *scratch;      /* (threads, DT_CPU_ROWS, scratch_row) */
    int64_t scratch_row;
    dt_update_state state;
    double pending[DT_MAX_TAX_RANKS]; /* loss since the last update */
    const dt_bf16_ops *bf16_ops;      /* NULL: all products are computed in dt_real */
    dt_bf16 *bf16;                    /* computes linear_forward and linear_gelu_forward */
} dt_cpu;

/* Number of scratch rows per thread, of scratch_row elements each. */
#define DT_CPU_ROWS 3

static inline dt_cpu *dt_cpu_of(dt_backend *backend)
{
    return (dt_cpu *)backend;
}

static inline const dt_cpu_batch *dt_cpu_batch_of(const dt_device_batch *batch)
{
    return (const dt_cpu_batch *)batch;
}

static inline dt_real *dt_cpu_param(const dt_cpu *cpu, dt_param offset)
{
    return cpu->vector[DT_PARAMETERS] + offset;
}

static inline dt_real *dt_cpu_gradient(const dt_cpu *cpu, dt_param offset)
{
    return cpu->vector[DT_GRADIENTS] + offset;
}

/* Sets the sticky error, unless there is one already. */
void dt_cpu_fail(dt_cpu *cpu, dt_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns the number of the calling thread in its parallel region. */
int64_t dt_cpu_thread(void);

/* Returns scratch row `which` of the calling thread; call only in a parallel region of
 * cpu->threads. */
dt_real *dt_cpu_scratch(const dt_cpu *cpu, int which);

/* Returns false, with a sticky error, if `count` elements do not fit into a scratch row. */
bool dt_cpu_fits_scratch(dt_cpu *cpu, int64_t count, const char *what);

/* Returns false, with a sticky error, if the batch has a token id >= vocabulary. */
bool dt_cpu_ids_in(dt_cpu *cpu, const dt_cpu_batch *batch, int32_t vocabulary);

/* Allocates zeroed memory at a 256-byte boundary (large blocks: at 2 MiB, in huge pages if the
 * system provides them), first touched by the threads that will use it. The caller calls free(). */
dt_status dt_cpu_memory_new(const dt_cpu *cpu, void **out, int64_t bytes);

/* Clear or copy `bytes` bytes, on all threads; `bytes` may be 0. */
void dt_cpu_zero(const dt_cpu *cpu, void *memory, int64_t bytes);
void dt_cpu_copy(void *to, const void *from, int64_t bytes);

/* out[c] += Σ x[row][c] over the rows of x (rows, columns) with row stride `stride`, in a fixed
 * order. */
void dt_cpu_column_sums(const dt_cpu *cpu, dt_real *out, const dt_real *x, int64_t rows,
                        int64_t columns, int64_t stride);

/* Columns and rows that a thread sums at a time, here and in norm.c. */
#define DT_SUM_COLUMNS 64
#define DT_SUM_ROWS 128

/* ---- the operations ------------------------------------------------------------------------ */

#define DT_CPU_PROTOTYPE(name) dt_op_##name dt_cpu_##name;
DT_REQUIRED_OPERATIONS(DT_CPU_PROTOTYPE)
#undef DT_CPU_PROTOTYPE

/* Free the memory allocated by batch_reserve() and vectors_alloc(). */
void dt_cpu_batch_free(dt_cpu *cpu);
void dt_cpu_vectors_free(dt_cpu *cpu);

int64_t dt_cpu_update_bytes(int64_t count); /* of norm_sums */

#endif
