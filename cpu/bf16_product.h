/* Matrix products in bf16, for prediction: inputs are rounded to bf16 (8 bits of precision), sums
 * and results are float. A processor with avx512_bf16 executes two such multiplications in the time
 * of one in float; one with AMX executes many more.
 *
 * The products are computed by oneDNN, a large library that many machines lack. They are therefore
 * in a separate module (libdeeptaxa_onednn.so), which the CPU backend loads only if bf16 is
 * requested. The module is built for x86-64-v4: the caller must check that the processor has
 * avx512_bf16 before loading it.
 *
 * Weights are rounded and packed for the processor on first use, and kept; so are the kernels that
 * oneDNN creates for each size. The first batch therefore takes additional memory and milliseconds.
 *
 * A row of a result is computed by one thread and depends only on the same row of x.
 */
#ifndef DT_CPU_BF16_PRODUCT_H
#define DT_CPU_BF16_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* The packed weights, kernels and buffers of a backend; not thread-safe. */
typedef struct dt_bf16 dt_bf16;

/* u = x · weightᵀ + bias, and y = gelu(u). Row major. */
typedef struct {
    int64_t rows;
    int32_t in, out;
    const float *x;      /* (rows, in) */
    const float *weight; /* (out, in): identified by its address and sizes */
    const float *bias;   /* (out) */
    float *u;            /* (rows, out); NULL: not computed; not both NULL */
    float *y;            /* (rows, out), may be u; NULL: not computed */
} dt_bf16_product;

/* Exported by the module as DT_BF16_SYMBOL. */
typedef struct {
    int32_t contract; /* DT_BF16_CONTRACT of its build */
    /* open() returns DT_ERR_DEVICE if oneDNN would not use the processor's bf16 instructions.
     * close(NULL) is fine. */
    dt_status (*open)(int threads, dt_bf16 **out);
    void (*close)(dt_bf16 *products);
    /* Writes the name of the library, e.g. "oneDNN 2.6.3". */
    void (*describe)(char *out, int64_t size);
    /* Returns DT_ERR_MEMORY, or DT_ERR_DEVICE with oneDNN's status in the message. */
    dt_status (*multiply)(dt_bf16 *products, const dt_bf16_product *product);
    /* Call when the weights have changed: each is packed again when it is used next. */
    void (*forget)(dt_bf16 *products);
} dt_bf16_ops;

#define DT_BF16_CONTRACT 1
#define DT_BF16_MODULE "onednn"
#define DT_BF16_SYMBOL "dt_bf16_products"

#endif
