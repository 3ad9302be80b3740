/* Products of prediction in bf16: their inputs are rounded to bf16 (8 bits of precision), summed in
 * float, and the result is float. A processor with avx512_bf16 does two such multiplications in the
 * time of one in float, one with AMX many.
 *
 * They are computed by oneDNN, a large library that not every machine has, so they are a module of
 * their own (libdeeptaxa_onednn.so) that the CPU backend loads when bf16 is asked for, and only
 * then. The module is built for x86-64-v4: who loads it has asked the processor for avx512_bf16
 * before.
 *
 * Weights are rounded and laid out as the processor wants them when they are used first, and kept.
 * So are the kernels that oneDNN makes for each size: a first batch takes memory and milliseconds
 * that later ones do not.
 *
 * A row of a result is computed by one thread and depends on that row of x alone.
 */
#ifndef DT_CPU_BF16_PRODUCT_H
#define DT_CPU_BF16_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* The packed weights, kernels and buffers of one backend; one caller at a time. */
typedef struct dt_bf16 dt_bf16;

/* u = x · weightᵀ + bias, and y = gelu(u). Row major. */
typedef struct {
    int64_t rows;
    int32_t in, out;
    const float *x;      /* (rows, in) */
    const float *weight; /* (out, in): known again by its address and sizes */
    const float *bias;   /* (out) */
    float *u;            /* (rows, out); NULL: not wanted. One of u and y is */
    float *y;            /* (rows, out), may be u; NULL: not wanted */
} dt_bf16_product;

/* What the module exports under the name DT_BF16_SYMBOL. */
typedef struct {
    int32_t contract; /* DT_BF16_CONTRACT of its build */
    /* DT_ERR_DEVICE where oneDNN would not use the processor's bf16. close() takes NULL too. */
    dt_status (*open)(int threads, dt_bf16 **out);
    void (*close)(dt_bf16 *products);
    /* The library, as "oneDNN 2.6.3". */
    void (*describe)(char *out, int64_t size);
    /* DT_ERR_MEMORY; DT_ERR_DEVICE with oneDNN's own status. */
    dt_status (*multiply)(dt_bf16 *products, const dt_bf16_product *product);
    /* The weights have changed: each is packed again when it is used next. */
    void (*forget)(dt_bf16 *products);
} dt_bf16_ops;

#define DT_BF16_CONTRACT 1
#define DT_BF16_MODULE "onednn"
#define DT_BF16_SYMBOL "dt_bf16_products"

#endif
