#include "cpu/backend_cpu.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/module.h"
#include "cpu/host.h"

/* ---- errors, scratch ------------------------------------------------------------------------ */

void dt_cpu_fail(dt_cpu *cpu, dt_status code, const char *format, ...)
{
    if (cpu->error)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cpu->message, sizeof cpu->message, format, arguments);
    va_end(arguments);
    cpu->error = code;
}

static dt_status check(dt_backend *backend)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    return cpu->error ? dt_fail(cpu->error, "%s", cpu->message) : DT_OK;
}

int64_t dt_cpu_thread(void)
{
    return omp_get_thread_num();
}

dt_real *dt_cpu_scratch(const dt_cpu *cpu, int which)
{
    return cpu->scratch + (dt_cpu_thread() * DT_CPU_ROWS + which) * cpu->scratch_row;
}

bool dt_cpu_fits_scratch(dt_cpu *cpu, int64_t count, const char *what)
{
    if (cpu->scratch && count <= cpu->scratch_row)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "%s of %lld is more than the %lld that the CPU backend takes",
                what, (long long)count, (long long)cpu->scratch_row);
    return false;
}

/* ---- memory --------------------------------------------------------------------------------- */

static void zero(const dt_cpu *cpu, void *memory, int64_t bytes)
{
    const int64_t piece = (int64_t)1 << 20;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < bytes; first += piece)
        memset((char *)memory + first, 0, (size_t)(bytes - first < piece ? bytes - first : piece));
}

#define HUGE_PAGE ((int64_t)2 << 20)

dt_status dt_cpu_alloc(const dt_cpu *cpu, void **out, int64_t bytes)
{
    const int64_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : 256;
    const int64_t size = (bytes / alignment + 1) * alignment;
    int64_t available;
    int64_t total;
    dt_host_memory(&available, &total);
    *out = size <= available ? aligned_alloc((size_t)alignment, (size_t)size) : NULL;
    if (!*out)
        return dt_fail(DT_ERR_MEMORY, "%.1f MB of memory were asked for, and %.1f MB are left",
                       (double)bytes / 1e6, (double)available / 1e6);
    if (alignment == HUGE_PAGE)
        madvise(*out, (size_t)size, MADV_HUGEPAGE); /* a wish only */
    zero(cpu, *out, size);
    return DT_OK;
}

static dt_status op_alloc(dt_backend *backend, void **out, int64_t bytes)
{
    return dt_cpu_alloc(dt_cpu_of(backend), out, bytes);
}

static void op_free(dt_backend *backend, void *memory)
{
    (void)backend;
    free(memory);
}

static void op_memory(dt_backend *backend, int64_t *available, int64_t *total)
{
    (void)backend;
    dt_host_memory(available, total);
}

static void copy(void *to, const void *from, int64_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, (size_t)bytes);
}

static void op_upload(dt_backend *backend, void *device, const void *host, int64_t bytes)
{
    if (!dt_cpu_of(backend)->error)
        copy(device, host, bytes);
}

static void op_download(dt_backend *backend, void *host, const void *device, int64_t bytes)
{
    if (!dt_cpu_of(backend)->error)
        copy(host, device, bytes);
}

/* ---- downloads in slots: copied at once, with the rules of a device that copies later -------- */

static bool is_slot(dt_cpu *cpu, int32_t slot)
{
    if (slot >= 0 && slot < DT_DOWNLOAD_SLOTS)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "there is no slot %d for downloads", slot);
    return false;
}

static dt_status download_reserve(dt_backend *backend, int32_t slot, int64_t bytes)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!is_slot(cpu, slot))
        return check(backend);
    if (cpu->copy[slot].busy)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is reserved while it is used", slot);
    else if (cpu->copy[slot].room < bytes)
        cpu->copy[slot].room = bytes;
    return check(backend);
}

static void download_start(dt_backend *backend, void *host, const void *device, int64_t rows,
                           int64_t bytes, int64_t stride, int32_t slot)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error || !is_slot(cpu, slot))
        return;
    dt_cpu_download *download = &cpu->copy[slot];
    if (download->busy || rows * bytes > download->room) {
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is %s", slot,
                    download->busy ? "started twice" : "too small for what is asked for");
        return;
    }
    download->busy = true;
    for (int64_t row = 0; row < rows; ++row)
        copy((char *)host + row * bytes, (const char *)device + row * stride, bytes);
}

static void download_finish(dt_backend *backend, int32_t slot)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!is_slot(cpu, slot))
        return;
    if (!cpu->copy[slot].busy)
        dt_cpu_fail(cpu, DT_ERR_INTERNAL, "download slot %d is finished before it is started",
                    slot);
    cpu->copy[slot].busy = false;
}

/* ---- flat vectors --------------------------------------------------------------------------- */

static int64_t vectors_bytes(dt_backend *backend, int64_t count, bool training)
{
    const int64_t narrow =
        dt_cpu_of(backend)->bf16 ? count * (int64_t)sizeof(uint16_t) : 0; /* at most */
    return training ? DT_VECTORS * count * (int64_t)sizeof(dt_real) + dt_cpu_update_bytes(count)
                    : count * (int64_t)sizeof(dt_real) + narrow;
}

static void vectors_free(dt_cpu *cpu)
{
    for (int i = 0; i < DT_VECTORS; ++i) {
        free(cpu->vector[i]);
        cpu->vector[i] = NULL;
    }
    free(cpu->norm_sums);
    cpu->norm_sums = NULL;
}

static dt_status vectors_alloc(dt_backend *backend, int64_t count, bool training)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    dt_status status = DT_OK;
    if (training && cpu->bf16)
        return dt_fail(DT_ERR_INTERNAL, "a CPU backend in bf16 was asked to train");
    cpu->count = count;
    for (int i = 0; status == DT_OK && i < (training ? DT_VECTORS : 1); ++i)
        status = dt_cpu_alloc(cpu, (void **)&cpu->vector[i], count * (int64_t)sizeof(dt_real));
    if (status == DT_OK && training)
        status = dt_cpu_update_alloc(cpu);
    if (status != DT_OK)
        vectors_free(cpu);
    return status;
}

static void vector_write(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                         const void *host)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (cpu->error)
        return;
    copy(cpu->vector[which] + offset, host, count * (int64_t)sizeof(dt_real));
    if (cpu->bf16 && which == DT_PARAMETERS)
        cpu->bf16_ops->forget(cpu->bf16);
}

static void vector_read(dt_backend *backend, dt_vector which, int64_t offset, int64_t count,
                        void *host)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu->error)
        copy(host, cpu->vector[which] + offset, count * (int64_t)sizeof(dt_real));
}

static void *vector_data(dt_backend *backend, dt_vector which)
{
    return dt_cpu_of(backend)->vector[which];
}

static void gradients_zero(dt_backend *backend)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu->error)
        zero(cpu, cpu->vector[DT_GRADIENTS], cpu->count * (int64_t)sizeof(dt_real));
}

/* There is one way, for every head size; others were refused when the backend was opened. */
static dt_status attention_check(dt_backend *backend, int32_t head_size, bool training)
{
    (void)backend;
    (void)head_size;
    (void)training;
    return DT_OK;
}

/* ---- the table ------------------------------------------------------------------------------ */

static void destroy(dt_backend *backend)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu)
        return;
    if (cpu->bf16)
        cpu->bf16_ops->close(cpu->bf16);
    dt_cpu_batch_free(cpu);
    vectors_free(cpu);
    free(cpu->gemm.scratch);
    free(cpu);
}

static const dt_backend_ops table = {
    .destroy = destroy,
    .check = check,
    .sync = check,
    .alloc = op_alloc,
    .free = op_free,
    .memory = op_memory,
    .upload = op_upload,
    .download = op_download,
    .download_reserve = download_reserve,
    .download_start = download_start,
    .download_finish = download_finish,
    .vectors_alloc = vectors_alloc,
    .vectors_bytes = vectors_bytes,
    .vector_write = vector_write,
    .vector_read = vector_read,
    .vector_data = vector_data,
    .gradients_to_bf16 = dt_cpu_gradients_to_bf16,
    .gradients_from_bf16 = dt_cpu_gradients_from_bf16,
    .gradients_zero = gradients_zero,
    .batch_reserve = dt_cpu_batch_reserve,
    .batch_bytes = dt_cpu_batch_bytes,
    .batch_upload = dt_cpu_batch_upload,
    .embedding_forward = dt_cpu_embedding_forward,
    .embedding_backward = dt_cpu_embedding_backward,
    .linear_forward = dt_cpu_linear_forward,
    .linear_backward = dt_cpu_linear_backward,
    .linear_gelu_forward = dt_cpu_linear_gelu_forward,
    .gelu_backward = dt_cpu_gelu_backward,
    .attention_check = attention_check,
    .attention_forward = dt_cpu_attention_forward,
    .attention_backward = dt_cpu_attention_backward,
    .add_norm_forward = dt_cpu_add_norm_forward,
    .add_norm_backward = dt_cpu_add_norm_backward,
    .gather_first_forward = dt_cpu_gather_first_forward,
    .gather_first_backward = dt_cpu_gather_first_backward,
    .mean_forward = dt_cpu_mean_forward,
    .mean_backward = dt_cpu_mean_backward,
    .activate_forward = dt_cpu_activate_forward,
    .activate_backward = dt_cpu_activate_backward,
    .conv_max_forward = dt_cpu_conv_max_forward,
    .conv_max_backward = dt_cpu_conv_max_backward,
    .conv_max_scratch = dt_cpu_conv_max_scratch,
    .lookup_forward = dt_cpu_lookup_forward,
    .lookup_backward = dt_cpu_lookup_backward,
    .conv_layer_forward = dt_cpu_conv_layer_forward,
    .conv_layer_backward = dt_cpu_conv_layer_backward,
    .conv_layer_scratch = dt_cpu_conv_layer_scratch,
    .position_max_forward = dt_cpu_position_max_forward,
    .position_max_backward = dt_cpu_position_max_backward,
    .fuse_forward = dt_cpu_fuse_forward,
    .fuse_backward = dt_cpu_fuse_backward,
    .heads_forward = dt_cpu_heads_forward,
    .heads_backward = dt_cpu_heads_backward,
    .loss = dt_cpu_loss,
    .classify = dt_cpu_classify,
    .update = dt_cpu_update,
    .state_write = dt_cpu_state_write,
    .state_read = dt_cpu_state_read,
};

static void describe(dt_cpu *cpu)
{
    char processor[128];
    dt_host_processor(processor, sizeof processor);
    char products[36] = "";
    if (cpu->bf16) {
        const char before[] = "; products in bf16: ";
        memcpy(products, before, sizeof before);
        cpu->bf16_ops->describe(products + sizeof before - 1,
                                (int64_t)(sizeof products - sizeof before + 1));
    }
    snprintf(cpu->base.description, sizeof cpu->base.description, "%s, %d thread%s (%s%s)",
             processor, cpu->threads, cpu->threads == 1 ? "" : "s", DT_CPU_BUILD, products);
}

/* ---- number formats ------------------------------------------------------------------------- */

/* AMX multiplies bf16 too; a processor that has it has this. */
static bool processor_has_bf16(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

static dt_status check_precision(const dt_backend_options *options)
{
    const bool fp32 =
        options->precision == DT_PRECISION_AUTO || options->precision == DT_PRECISION_FP32;
    if (!fp32 && options->training)
        return dt_fail(DT_ERR_USAGE,
                       "the CPU trains in fp32 only, bf16 serves prediction there: leave "
                       "--precision away, or use a GPU");
    if (options->precision == DT_PRECISION_FP16)
        return dt_fail(DT_ERR_USAGE, "the CPU computes in fp32 or bf16, not in fp16: leave "
                                     "--precision away, or use a GPU");
    if (!fp32 && sizeof(dt_real) == sizeof(double))
        return dt_fail(DT_ERR_USAGE, "the build in double precision takes no other");
    return DT_OK;
}

/* The module for products in bf16, for who asked for them. */
static dt_status open_bf16(dt_cpu *cpu)
{
    void *symbol;
    if (!dt_module_present(DT_BF16_MODULE))
        return dt_fail(DT_ERR_DEVICE,
                       "--precision bf16: this installation has no products in bf16 for the CPU "
                       "(libdeeptaxa_" DT_BF16_MODULE ".so): leave --precision away, or build it "
                       "where oneDNN is");
    if (!processor_has_bf16())
        return dt_fail(DT_ERR_DEVICE, "--precision bf16: this processor does not multiply bf16 (it "
                                      "lacks avx512_bf16): leave --precision away, or use a GPU");
    DT_TRY(dt_module_symbol(DT_BF16_MODULE, DT_BF16_SYMBOL, &symbol));
    cpu->bf16_ops = symbol;
    DT_TRY(dt_module_check(DT_BF16_MODULE, cpu->bf16_ops->contract, DT_BF16_CONTRACT));
    return cpu->bf16_ops->open(cpu->threads, &cpu->bf16);
}

/* ---- opening -------------------------------------------------------------------------------- */

static dt_status open_backend(const dt_backend_options *options, dt_backend **out)
{
    DT_TRY(check_precision(options));
    if (options->attention != DT_ATTENTION_AUTO)
        return dt_fail(DT_ERR_USAGE, "the CPU has one way to compute attention: leave --attention "
                                     "away, or use a GPU");
    dt_cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return dt_fail(DT_ERR_MEMORY, "no memory for the CPU backend");
    cpu->threads = options->threads > 0 ? options->threads : omp_get_max_threads();
    cpu->state.loss_scale = 1.0;
    cpu->gemm.threads = cpu->threads;
    const bool narrow = options->precision == DT_PRECISION_BF16;
    dt_status status = narrow ? open_bf16(cpu) : DT_OK;
    if (status == DT_OK)
        status = dt_cpu_alloc(cpu, (void **)&cpu->gemm.scratch,
                              cpu->threads * (int64_t)sizeof(dt_real) * DT_GEMM_SCRATCH);
    if (status != DT_OK) {
        destroy(&cpu->base);
        return status;
    }
    cpu->base = (dt_backend){
        .ops = &table,
        .name = sizeof(dt_real) == sizeof(double) ? "cpu64" : "cpu",
        .precision = narrow ? DT_PRECISION_BF16 : DT_PRECISION_FP32,
        .activation_size = sizeof(dt_real),
        .statistic_size = sizeof(dt_real),
        .master_size = sizeof(dt_real),
        .row_multiple = 1,
        .host_memory = true,
    };
    describe(cpu);
    *out = &cpu->base;
    return DT_OK;
}

extern const dt_backend_module dt_backend_module_symbol __asm__("dt_backend_module")
    __attribute__((visibility("default")));
const dt_backend_module dt_backend_module_symbol = {.contract = DT_BACKEND_CONTRACT,
                                                    .open = open_backend};
