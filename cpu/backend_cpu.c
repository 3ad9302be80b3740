#include "cpu/backend_cpu.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/module.h"
#include "cpu/host.h"

/* ---- the table ------------------------------------------------------------------------------ */

void dt_cpu_destroy(dt_backend *backend)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    if (!cpu)
        return;
    if (cpu->bf16)
        cpu->bf16_ops->close(cpu->bf16);
    dt_cpu_batch_free(cpu);
    dt_cpu_vectors_free(cpu);
    free(cpu->gemm.scratch);
    free(cpu);
}

#define ENTRY(name) .name = dt_cpu_##name,
static const dt_backend_ops table = {DT_REQUIRED_OPERATIONS(ENTRY)};

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

/* Processors with AMX, which also multiplies bf16, have avx512_bf16 too. */
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
                       "the CPU backend trains in fp32 only and supports bf16 for prediction: omit "
                       "--precision, or use a GPU");
    if (options->precision == DT_PRECISION_FP16)
        return dt_fail(DT_ERR_USAGE,
                       "the CPU backend supports fp32 and bf16, not fp16: omit --precision, or use "
                       "a GPU");
    if (!fp32 && sizeof(dt_real) == sizeof(double))
        return dt_fail(DT_ERR_USAGE, "the double-precision build supports no other precision");
    return DT_OK;
}

/* Loads the module for products in bf16, for --precision bf16. */
static dt_status open_bf16(dt_cpu *cpu)
{
    void *symbol;
    if (!dt_module_present(DT_BF16_MODULE))
        return dt_fail(DT_ERR_DEVICE,
                       "--precision bf16: this installation has no products in bf16 for the CPU "
                       "(libdeeptaxa_" DT_BF16_MODULE ".so): omit --precision, or rebuild "
                       "with oneDNN installed");
    if (!processor_has_bf16())
        return dt_fail(DT_ERR_DEVICE, "--precision bf16: this processor cannot multiply bf16 (it "
                                      "lacks avx512_bf16): omit --precision, or use a GPU");
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
        return dt_fail(DT_ERR_USAGE, "the CPU backend has a single implementation of attention: "
                                     "omit --attention, or use a GPU");
    dt_cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return dt_fail(DT_ERR_MEMORY, "out of memory for the CPU backend");
    cpu->threads = options->threads > 0 ? options->threads : omp_get_max_threads();
    cpu->state.loss_scale = 1.0;
    cpu->share.end = INT64_MAX;
    cpu->gemm.threads = cpu->threads;
    const bool narrow = options->precision == DT_PRECISION_BF16;
    dt_status status = narrow ? open_bf16(cpu) : DT_OK;
    if (status == DT_OK)
        status = dt_cpu_memory_new(cpu, (void **)&cpu->gemm.scratch,
                                   cpu->threads * (int64_t)sizeof(dt_real) * DT_GEMM_SCRATCH);
    if (status != DT_OK) {
        dt_cpu_destroy(&cpu->base);
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

extern const dt_backend_entry dt_backend_module __attribute__((visibility("default")));
const dt_backend_entry dt_backend_module = {.contract = DT_BACKEND_CONTRACT, .open = open_backend};
