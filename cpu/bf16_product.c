#include "cpu/bf16_product.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bf16.h"
#include "core/memory.h"
#include "cpu/onednn.h"
#include "cpu/real.h"
#include "cpu/vector_math.h"

/* A product is divided into blocks of at most BLOCK_ROWS rows, each computed by one thread and
 * small enough for the caches, where a GELU then finds its input. All blocks of a product have the
 * same number of rows, a multiple of ROW_STEP, so that a weight needs at most KERNELS kernels; the
 * last block goes through a buffer if it is incomplete. */
enum { BLOCK_ROWS = 256, ROW_STEP = 16, KERNELS = BLOCK_ROWS / ROW_STEP };

typedef struct {
    const float *source;
    int32_t in, out;
    bool stale; /* the source has changed since it was packed */
    dt_onednn_weight weight;
    dt_onednn_kernel kernel[KERNELS]; /* for (i + 1) · ROW_STEP rows, created on demand */
} packed_weight;

/* Buffers of one thread. */
typedef struct {
    uint16_t *in;  /* (BLOCK_ROWS, in): rows of x in bf16 */
    float *out;    /* (BLOCK_ROWS, out): an incomplete block */
    void *scratch; /* scratch memory of the kernels */
} thread_buffers;

struct dt_bf16 {
    int threads;
    dt_onednn library;
    packed_weight *weight;
    size_t weights, weights_capacity;
    thread_buffers *buffers;           /* (threads) */
    int64_t in_capacity, out_capacity; /* capacity of the buffers, in elements per row */
    int64_t scratch_capacity;          /* bytes */
};

/* ---- buffers -------------------------------------------------------------------------------- */

/* Replaces a buffer with one of `bytes`; its content is lost. */
static dt_status widen(void **buffer, int64_t bytes)
{
    free(*buffer);
    *buffer = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64));
    if (!*buffer)
        return dt_fail(DT_ERR_MEMORY, "out of memory: %.1f MB for a product in bf16",
                       (double)bytes / 1e6);
    return DT_OK;
}

static dt_status reserve(dt_bf16 *p, int64_t in, int64_t out, int64_t scratch)
{
    for (int t = 0; t < p->threads; ++t) {
        thread_buffers *b = &p->buffers[t];
        if (in > p->in_capacity)
            DT_TRY(widen((void **)&b->in, BLOCK_ROWS * in * (int64_t)sizeof *b->in));
        if (out > p->out_capacity)
            DT_TRY(widen((void **)&b->out, BLOCK_ROWS * out * (int64_t)sizeof *b->out));
        if (scratch > p->scratch_capacity)
            DT_TRY(widen(&b->scratch, scratch));
    }
    p->in_capacity = in > p->in_capacity ? in : p->in_capacity;
    p->out_capacity = out > p->out_capacity ? out : p->out_capacity;
    p->scratch_capacity = scratch > p->scratch_capacity ? scratch : p->scratch_capacity;
    return DT_OK;
}

/* ---- weights -------------------------------------------------------------------------------- */

static void release(packed_weight *w)
{
    for (int i = 0; i < KERNELS; ++i)
        dt_onednn_kernel_free(&w->kernel[i]);
    dt_onednn_weight_free(&w->weight);
}

static packed_weight *find(dt_bf16 *p, const dt_bf16_product *product)
{
    for (size_t i = 0; i < p->weights; ++i) {
        packed_weight *w = &p->weight[i];
        if (w->source == product->weight && w->in == product->in && w->out == product->out)
            return w;
    }
    return NULL;
}

/* Appends a weight. */
static dt_status add(dt_bf16 *p, const dt_bf16_product *product)
{
    DT_TRY(DT_GROW(p->weight, p->weights_capacity, p->weights + 1));
    packed_weight *w = &p->weight[p->weights];
    *w = (packed_weight){
        .source = product->weight, .in = product->in, .out = product->out, .stale = true};
    DT_TRY(dt_onednn_weight_create(&p->library, BLOCK_ROWS, product->in, product->out, &w->weight));
    ++p->weights;
    return DT_OK;
}

/* Prepares the product's weight: packs it, and creates a kernel for blocks of `block` rows. */
static dt_status prepare(dt_bf16 *p, const dt_bf16_product *product, int64_t block,
                         packed_weight **out)
{
    packed_weight *w = find(p, product);
    if (!w) {
        DT_TRY(add(p, product));
        w = &p->weight[p->weights - 1];
    }
    if (w->stale)
        DT_TRY(dt_onednn_weight_pack(&p->library, &w->weight, w->source));
    w->stale = false;
    dt_onednn_kernel *kernel = &w->kernel[block / ROW_STEP - 1];
    if (!kernel->primitive)
        DT_TRY(dt_onednn_kernel_create(&p->library, &w->weight, block, kernel));
    *out = w;
    return reserve(p, w->in, w->out, kernel->scratch_bytes);
}

/* ---- the product ---------------------------------------------------------------------------- */

static void round_row(uint16_t *to, const float *from, int64_t count)
{
    DT_SIMD
    for (int64_t i = 0; i < count; ++i)
        to[i] = dt_bf16_of(from[i]);
}

static void gelu_row(float *y, const float *u, int64_t count)
{
    DT_SIMD
    for (int64_t i = 0; i < count; ++i)
        y[i] = dt_gelu(u[i]);
}

/* Computes `rows` rows of `product` from row `first` on, with a kernel for `block` rows; returns
 * oneDNN's status. */
static int compute_block(const dt_bf16 *p, const dt_bf16_product *product, packed_weight *w,
                         int64_t first, int64_t rows, int64_t block)
{
    const thread_buffers *b = &p->buffers[omp_get_thread_num()];
    const int64_t in = w->in;
    const int64_t out = w->out;
    round_row(b->in, product->x + first * in, rows * in);
    memset(b->in + rows * in, 0, (size_t)((block - rows) * in) * sizeof *b->in);
    float *result = (product->u ? product->u : product->y) + first * out;
    float *u = rows == block ? result : b->out;
    const int status = dt_onednn_run(&p->library, &w->weight, &w->kernel[block / ROW_STEP - 1],
                                     b->in, product->bias, u, b->scratch);
    if (u != result && product->u)
        memcpy(result, u, (size_t)(rows * out) * sizeof *u);
    if (product->y)
        gelu_row(product->y + first * out, u, rows * out);
    return status;
}

static dt_status multiply(dt_bf16 *p, const dt_bf16_product *product)
{
    const int64_t fewest = (product->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const int64_t parts = (fewest + p->threads - 1) / p->threads * p->threads;
    const int64_t share = (product->rows + parts - 1) / parts;
    const int64_t block = (share + ROW_STEP - 1) / ROW_STEP * ROW_STEP;
    const int64_t blocks = (product->rows + block - 1) / block;
    packed_weight *w = NULL;
    int worst = 0;
    DT_TRY(prepare(p, product, block, &w));
#pragma omp parallel for num_threads(p->threads) schedule(dynamic) reduction(max : worst)
    for (int64_t i = 0; i < blocks; ++i) {
        omp_set_num_threads(1); /* status of this thread, until the end of the region */
        const int64_t left = product->rows - i * block;
        const int status =
            compute_block(p, product, w, i * block, left < block ? left : block, block);
        worst = status > worst ? status : worst;
    }
    return worst ? dt_fail(DT_ERR_DEVICE, "a product by oneDNN failed (status %d)", worst) : DT_OK;
}

static void forget(dt_bf16 *p)
{
    for (size_t i = 0; i < p->weights; ++i)
        p->weight[i].stale = true;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void close_products(dt_bf16 *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->weights; ++i)
        release(&p->weight[i]);
    for (int t = 0; p->buffers && t < p->threads; ++t) {
        free(p->buffers[t].in);
        free(p->buffers[t].out);
        free(p->buffers[t].scratch);
    }
    dt_onednn_close(&p->library);
    free(p->buffers);
    free(p->weight);
    free(p);
}

static dt_status open_products(int threads, dt_bf16 **out)
{
    dt_bf16 *p;
    DT_TRY(DT_NEW(p, 1));
    p->threads = threads;
    dt_status status = DT_NEW(p->buffers, (size_t)threads);
    if (status == DT_OK)
        status = dt_onednn_open(&p->library);
    if (status != DT_OK) {
        close_products(p);
        return status;
    }
    *out = p;
    return DT_OK;
}

static void describe(char *out, int64_t size)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(out, (size_t)size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

extern const dt_bf16_ops dt_bf16_products __attribute__((visibility("default")));
const dt_bf16_ops dt_bf16_products = {
    .contract = DT_BF16_CONTRACT,
    .open = open_products,
    .close = close_products,
    .describe = describe,
    .multiply = multiply,
    .forget = forget,
};
