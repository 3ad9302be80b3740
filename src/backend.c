#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bf16.h"
#include "core/module.h"

/* Builds of the CPU backend, best first. */
static const char *const cpu_builds[] = {"cpu_v4", "cpu_v3", "cpu"};

static bool processor_runs(const char *build)
{
#if defined(__x86_64__)
    if (strcmp(build, "cpu_v4") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512cd");
    if (strcmp(build, "cpu_v3") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi2");
#endif
    return strcmp(build, "cpu") == 0;
}

static const char *const precision_names[] = {
    [DT_PRECISION_AUTO] = "auto",
    [DT_PRECISION_FP32] = "fp32",
    [DT_PRECISION_BF16] = "bf16",
    [DT_PRECISION_FP16] = "fp16",
};
#define PRECISIONS ((int)(sizeof precision_names / sizeof *precision_names))

const char *dt_precision_name(dt_precision precision)
{
    return precision_names[precision];
}

dt_precision dt_precision_named(const char *name)
{
    for (int i = 0; i < PRECISIONS; ++i)
        if (strcmp(name, precision_names[i]) == 0)
            return (dt_precision)i;
    return DT_PRECISION_AUTO;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 of fraction. */
static float from_fp16(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    const uint32_t exponent = bits >> 10 & 0x1fu;
    const uint32_t fraction = bits & 0x3ffu;
    if (exponent == 31) /* infinity or NaN */
        return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

void dt_backend_floats(const dt_backend *backend, float *out, const void *activations,
                       int64_t count)
{
    const uint16_t *narrow = activations;
    const double *wide = activations;
    if (backend->activation_size == sizeof(float))
        memcpy(out, activations, (size_t)count * sizeof *out);
    else if (backend->activation_size == sizeof(double))
        for (int64_t i = 0; i < count; ++i)
            out[i] = (float)wide[i];
    else
        for (int64_t i = 0; i < count; ++i)
            out[i] = backend->precision == DT_PRECISION_BF16 ? dt_bf16_value(narrow[i])
                                                             : from_fp16(narrow[i]);
}

static dt_status load_module(const char *name, const dt_backend_entry **entry)
{
    void *symbol;
    DT_TRY(dt_module_symbol(name, "dt_backend_module", &symbol));
    *entry = symbol;
    return dt_module_check(name, (*entry)->contract, DT_BACKEND_CONTRACT);
}

static dt_status open_module(const char *name, const dt_backend_options *options, dt_backend **out)
{
    const dt_backend_entry *entry;
    DT_TRY(load_module(name, &entry));
    return entry->open(options, out);
}

/* By default GNU OpenMP spins practically forever, which makes a run several times slower when other
 * processes compete for the cores. This value covers the gaps between operations on an idle machine,
 * and is small enough that two threads next to a busy process are hardly slower than one
 * (docs/performance.md). The OpenMP runtime reads the variable when it is loaded with the module; a
 * value set by the user is kept. */
void dt_backend_let_waiting_threads_sleep(void)
{
    if (!getenv("OMP_WAIT_POLICY"))
        setenv("GOMP_SPINCOUNT", "1000", 0);
}

/* Opens the build named by DEEPTAXA_CPU_BUILD, to compare builds on one machine. */
static dt_status open_named_build(const char *build, const dt_backend_options *options,
                                  dt_backend **out)
{
    for (size_t i = 0; i < sizeof cpu_builds / sizeof *cpu_builds; ++i) {
        if (strcmp(build, cpu_builds[i]) != 0)
            continue;
        if (!processor_runs(build))
            return dt_fail(DT_ERR_USAGE,
                           "DEEPTAXA_CPU_BUILD=%s: this processor does not support it", build);
        return open_module(build, options, out);
    }
    return dt_fail(DT_ERR_USAGE, "DEEPTAXA_CPU_BUILD=%s: expected cpu, cpu_v3 or cpu_v4", build);
}

static dt_status open_cpu(const dt_backend_options *options, dt_backend **out)
{
    const char *build = getenv("DEEPTAXA_CPU_BUILD");
    dt_backend_let_waiting_threads_sleep();
    if (build && *build)
        return open_named_build(build, options, out);
    for (size_t i = 0; i < sizeof cpu_builds / sizeof *cpu_builds; ++i)
        if (processor_runs(cpu_builds[i]) && dt_module_present(cpu_builds[i]))
            return open_module(cpu_builds[i], options, out);
    return open_module("cpu", options, out);
}

/* For --device cuda: explains why there is no CUDA backend. */
static dt_status check_cuda(void)
{
    void *symbol;
    if (!dt_module_present("cuda"))
        return dt_fail(DT_ERR_DEVICE,
                       "this installation has no CUDA backend (libdeeptaxa_cuda.so): use --device "
                       "cpu, or build on a machine with the CUDA toolkit, with -DDEEPTAXA_CUDA=ON");
    if (dt_module_symbol("cuda", "dt_backend_module", &symbol) != DT_OK)
        return dt_fail(DT_ERR_DEVICE, "%s; fix this, or use --device cpu", dt_error_message());
    return DT_OK;
}

dt_status dt_backend_open(const char *name, const dt_backend_options *options, dt_backend **out)
{
    if (strcmp(name, "cpu") == 0)
        return open_cpu(options, out);
    if (strcmp(name, "cuda") == 0)
        DT_TRY(check_cuda());
    return open_module(name, options, out);
}

dt_status dt_backend_identify(const char *name, const dt_backend_options *options, char *out,
                              size_t size)
{
    const dt_backend_entry *entry;
    if (strcmp(name, "cuda") == 0)
        DT_TRY(check_cuda());
    DT_TRY(load_module(name, &entry));
    if (entry->identify)
        return entry->identify(options, out, size);
    snprintf(out, size, "%s", name);
    return DT_OK;
}
