#include "cpu/onednn.h"

#include <omp.h>
#include <stdlib.h>

#define MATRIX 2 /* dimensions */

static dt_status failed(const char *what, dnnl_status_t status)
{
    return status == dnnl_out_of_memory
               ? dt_fail(DT_ERR_MEMORY, "out of memory: %s in bf16", what)
               : dt_fail(DT_ERR_DEVICE, "oneDNN cannot create %s in bf16 (status %d)", what,
                         (int)status);
}

/* ---- layouts, for both versions of the API -------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t layout_plain(dt_onednn_layout *out, const dnnl_dims_t size,
                                  dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(out, MATRIX, size, type, strides);
}

static dnnl_status_t layout_any(dt_onednn_layout *out, const dnnl_dims_t size,
                                dnnl_data_type_t type)
{
    return dnnl_memory_desc_create_with_tag(out, MATRIX, size, type, dnnl_format_tag_any);
}

static dnnl_status_t layout_asked(dt_onednn_layout *out, const_dnnl_primitive_desc_t kernel,
                                  dnnl_query_t what)
{
    return dnnl_memory_desc_clone(out, dnnl_primitive_desc_query_md(kernel, what, 0));
}

static void layout_free(dt_onednn_layout layout)
{
    if (layout)
        dnnl_memory_desc_destroy(layout);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, const dt_onednn *library,
                                      dt_onednn_layout x, dt_onednn_layout weight,
                                      dt_onednn_layout bias, dt_onednn_layout y)
{
    return dnnl_matmul_primitive_desc_create(out, library->engine, x, weight, bias, y,
                                             library->attributes);
}

#else

static dnnl_status_t layout_new(dt_onednn_layout *out)
{
    *out = calloc(1, sizeof **out);
    return *out ? dnnl_success : dnnl_out_of_memory;
}

static dnnl_status_t layout_plain(dt_onednn_layout *out, const dnnl_dims_t size,
                                  dnnl_data_type_t type, const dnnl_dims_t strides)
{
    const dnnl_status_t status = layout_new(out);
    return status ? status : dnnl_memory_desc_init_by_strides(*out, MATRIX, size, type, strides);
}

static dnnl_status_t layout_any(dt_onednn_layout *out, const dnnl_dims_t size,
                                dnnl_data_type_t type)
{
    const dnnl_status_t status = layout_new(out);
    return status ? status
                  : dnnl_memory_desc_init_by_tag(*out, MATRIX, size, type, dnnl_format_tag_any);
}

static dnnl_status_t layout_asked(dt_onednn_layout *out, const_dnnl_primitive_desc_t kernel,
                                  dnnl_query_t what)
{
    const dnnl_status_t status = layout_new(out);
    if (!status)
        **out = *dnnl_primitive_desc_query_md(kernel, what, 0);
    return status;
}

static void layout_free(dt_onednn_layout layout)
{
    free(layout);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, const dt_onednn *library,
                                      dt_onednn_layout x, dt_onednn_layout weight,
                                      dt_onednn_layout bias, dt_onednn_layout y)
{
    dnnl_matmul_desc_t product;
    const dnnl_status_t status = dnnl_matmul_desc_init(&product, x, weight, bias, y);
    return status ? status
                  : dnnl_primitive_desc_create(out, &product, library->attributes, library->engine,
                                               NULL);
}

#endif

/* A row-major matrix. */
static dnnl_status_t layout_rows(dt_onednn_layout *out, int64_t rows, int64_t columns,
                                 dnnl_data_type_t type)
{
    const dnnl_dims_t size = {rows, columns};
    const dnnl_dims_t strides = {columns, 1};
    return layout_plain(out, size, type, strides);
}

/* ---- the library ---------------------------------------------------------------------------- */

dt_status dt_onednn_open(dt_onednn *library)
{
    const unsigned wanted = dnnl_cpu_isa_avx512_core_bf16;
    *library = (dt_onednn){0};
    if (((unsigned)dnnl_get_effective_cpu_isa() & wanted) != wanted)
        return dt_fail(DT_ERR_DEVICE, "--precision bf16: oneDNN does not use this processor's "
                                      "avx512_bf16 (DNNL_MAX_CPU_ISA may disable it): omit "
                                      "--precision");
    dnnl_status_t status = dnnl_engine_create(&library->engine, dnnl_cpu, 0);
    if (!status)
        status = dnnl_stream_create(&library->stream, library->engine, dnnl_stream_default_flags);
    if (!status)
        status = dnnl_primitive_attr_create(&library->attributes);
    if (!status)
        status =
            dnnl_primitive_attr_set_scratchpad_mode(library->attributes, dnnl_scratchpad_mode_user);
    return status ? failed("engine", status) : DT_OK;
}

void dt_onednn_close(dt_onednn *library)
{
    if (library->attributes)
        dnnl_primitive_attr_destroy(library->attributes);
    if (library->stream)
        dnnl_stream_destroy(library->stream);
    if (library->engine)
        dnnl_engine_destroy(library->engine);
    *library = (dt_onednn){0};
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* Describes a product of `rows` rows with a weight in `layout`: the layouts of x, bias and y, and
 * the product. A kernel uses as many threads as were active when it was created: one. */
static dnnl_status_t describe_kernel(const dt_onednn *library, const dt_onednn_weight *weight,
                                     dt_onednn_layout layout, int64_t rows,
                                     dt_onednn_kernel *kernel, dnnl_primitive_desc_t *out)
{
    dnnl_status_t status = layout_rows(&kernel->x, rows, weight->in, dnnl_bf16);
    if (!status)
        status = layout_rows(&kernel->bias, 1, weight->out, dnnl_f32);
    if (!status)
        status = layout_rows(&kernel->y, rows, weight->out, dnnl_f32);
    if (status)
        return status;
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    status = describe_product(out, library, kernel->x, layout, kernel->bias, kernel->y);
    omp_set_num_threads(threads);
    return status;
}

dt_status dt_onednn_kernel_create(const dt_onednn *library, const dt_onednn_weight *weight,
                                  int64_t rows, dt_onednn_kernel *kernel)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        describe_kernel(library, weight, weight->layout, rows, kernel, &description);
    if (!status)
        status = layout_asked(&kernel->scratch, description, dnnl_query_scratchpad_md);
    if (!status) {
        kernel->scratch_bytes = (int64_t)dnnl_memory_desc_get_size(kernel->scratch);
        status = dnnl_primitive_create(&kernel->primitive, description);
    }
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (!status)
        return DT_OK;
    dt_onednn_kernel_free(kernel);
    return failed("kernel", status);
}

void dt_onednn_kernel_free(dt_onednn_kernel *kernel)
{
    if (kernel->primitive)
        dnnl_primitive_destroy(kernel->primitive);
    layout_free(kernel->x);
    layout_free(kernel->y);
    layout_free(kernel->bias);
    layout_free(kernel->scratch);
    *kernel = (dt_onednn_kernel){0};
}

/* ---- weights -------------------------------------------------------------------------------- */

/* Finds the weight layout that a kernel for `rows` rows prefers. */
static dnnl_status_t choose_layout(const dt_onednn *library, int64_t rows, dt_onednn_weight *weight)
{
    const dnnl_dims_t size = {weight->in, weight->out};
    dt_onednn_kernel kernel = {0};
    dt_onednn_layout any = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status = layout_any(&any, size, dnnl_bf16);
    if (!status)
        status = describe_kernel(library, weight, any, rows, &kernel, &description);
    if (!status)
        status = layout_asked(&weight->layout, description, dnnl_query_weights_md);
    if (description)
        dnnl_primitive_desc_destroy(description);
    dt_onednn_kernel_free(&kernel);
    layout_free(any);
    return status;
}

dt_status dt_onednn_weight_create(const dt_onednn *library, int64_t rows, int64_t in, int64_t out,
                                  dt_onednn_weight *weight)
{
    *weight = (dt_onednn_weight){.in = in, .out = out};
    dnnl_status_t status = choose_layout(library, rows, weight);
    if (!status) {
        const size_t bytes = dnnl_memory_desc_get_size(weight->layout);
        weight->packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
        status = weight->packed ? dnnl_memory_create(&weight->memory, weight->layout,
                                                     library->engine, weight->packed)
                                : dnnl_out_of_memory;
    }
    if (!status)
        return DT_OK;
    dt_onednn_weight_free(weight);
    return failed("weight", status);
}

dt_status dt_onednn_weight_pack(const dt_onednn *library, const dt_onednn_weight *weight,
                                const float *source)
{
    const dnnl_dims_t size = {weight->in, weight->out};
    const dnnl_dims_t transposed = {1, weight->in};
    dt_onednn_layout plain = NULL;
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_status_t status = layout_plain(&plain, size, dnnl_f32, transposed);
    if (!status)
        status = dnnl_memory_create(&from, plain, library->engine, (void *)source);
    if (!status)
        status = dnnl_reorder_primitive_desc_create(&description, plain, library->engine,
                                                    weight->layout, library->engine, NULL);
    if (!status)
        status = dnnl_primitive_create(&reorder, description);
    if (!status) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, weight->memory}};
        status = dnnl_primitive_execute(reorder, library->stream, 2, arguments);
    }
    if (!status)
        status = dnnl_stream_wait(library->stream);
    if (reorder)
        dnnl_primitive_destroy(reorder);
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (from)
        dnnl_memory_destroy(from);
    layout_free(plain);
    return status ? failed("weight", status) : DT_OK;
}

void dt_onednn_weight_free(dt_onednn_weight *weight)
{
    if (weight->memory)
        dnnl_memory_destroy(weight->memory);
    free(weight->packed);
    layout_free(weight->layout);
    *weight = (dt_onednn_weight){0};
}

/* ---- running -------------------------------------------------------------------------------- */

int dt_onednn_run(const dt_onednn *library, const dt_onednn_weight *weight,
                  const dt_onednn_kernel *kernel, const uint16_t *x, const float *bias, float *y,
                  void *scratch)
{
    enum { X, BIAS, Y, SCRATCH, MEMORIES };
    const dt_onednn_layout layout[] = {kernel->x, kernel->bias, kernel->y, kernel->scratch};
    void *const at[] = {(void *)x, (void *)bias, y, scratch};
    dnnl_memory_t memory[MEMORIES] = {NULL};
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < MEMORIES && !status; ++i)
        status = dnnl_memory_create(&memory[i], layout[i], library->engine, at[i]);
    if (!status) {
        const dnnl_exec_arg_t arguments[] = {
            {DNNL_ARG_SRC, memory[X]},
            {DNNL_ARG_WEIGHTS, weight->memory},
            {DNNL_ARG_BIAS, memory[BIAS]},
            {DNNL_ARG_DST, memory[Y]},
            {DNNL_ARG_SCRATCHPAD, memory[SCRATCH]},
        };
        status = dnnl_primitive_execute(kernel->primitive, library->stream, 5, arguments);
    }
    if (!status)
        status = dnnl_stream_wait(library->stream);
    for (int i = 0; i < MEMORIES; ++i)
        if (memory[i])
            dnnl_memory_destroy(memory[i]);
    return (int)status;
}
