#include "model/fit.h"

#include <stdio.h>

#include "core/limits.h"
#include "core/log.h"

/* Fractions of the free memory that may be used; the rest is for the system, libraries, lazily
 * loaded GPU kernels, and other processes. */
#define SHARE_OF_FREE_GPU 0.9
#define SHARE_OF_FREE_HOST 0.75

/* Returns the memory limit of this process on a host: of the total memory in training, otherwise of
 * the free memory. */
static dt_memory_limit host_limit(const dt_fit *fit)
{
    dt_memory_limit total;
    dt_memory_limit available;
    dt_memory_limits("", fit->sharing > 1 ? fit->sharing : 1, &total, &available);
    return dt_model_trains(fit->model) ? total : available;
}

static int64_t usable_memory(const dt_fit *fit)
{
    dt_backend *backend = dt_model_backend(fit->model);
    if (!backend->host_memory) {
        int64_t available;
        int64_t total;
        backend->ops->memory(backend, &available, &total);
        return (int64_t)(SHARE_OF_FREE_GPU * (double)available);
    }
    const double share = dt_model_trains(fit->model) ? DT_SHARE_OF_HOST : SHARE_OF_FREE_HOST;
    return (int64_t)(share * (double)host_limit(fit).bytes);
}

/* Formats " (limited by ulimit -v)", or "". */
static const char *limited_by(const dt_fit *fit, char out[DT_LIMIT_NAME + 32])
{
    const dt_memory_limit limit = host_limit(fit);
    out[0] = '\0';
    if (dt_model_backend(fit->model)->host_memory && limit.by[0])
        snprintf(out, DT_LIMIT_NAME + 32, " (limited by %s)", limit.by);
    return out;
}

dt_status dt_fit_bytes(const dt_fit *fit, int32_t sequences, int64_t *bytes)
{
    int32_t most;
    int64_t tokens;
    DT_TRY(fit->bound(fit->context, sequences, &most, &tokens));
    const int64_t vectors = dt_model_vector_bytes(fit->model);
    const int64_t buffers = dt_model_buffer_bytes(fit->model, most, tokens);
    *bytes = buffers < INT64_MAX - vectors ? vectors + buffers : INT64_MAX;
    return DT_OK;
}

static int32_t half(int32_t sequences)
{
    return (sequences + 1) / 2;
}

/* Fails for lack of memory. `why`: the memory needed and available, or the device's error. */
static dt_status out_of_memory(const dt_fit *fit, int32_t sequences, const char *why)
{
    char limit[DT_LIMIT_NAME + 32];
    limited_by(fit, limit);
    if (fit->fixed && sequences > 1)
        return dt_fail(DT_ERR_MEMORY,
                       "--%s %d does not fit in the device's memory: %s%s: lower or omit it",
                       fit->flag, sequences, why, limit);
    return dt_fail(DT_ERR_MEMORY,
                   "the model does not fit in the device's memory, not even with one sequence at "
                   "a time: %s%s: %s",
                   why, limit, fit->advice);
}

/* Formats "3.2 MB" or "81.1 GB". out: 32 bytes. */
static const char *format_bytes(char *out, int64_t bytes)
{
    if (bytes < 1000000000)
        snprintf(out, 32, "%.1f MB", (double)bytes * 1e-6);
    else
        snprintf(out, 32, "%.1f GB", (double)bytes * 1e-9);
    return out;
}

static dt_status plan(const dt_fit *fit, int32_t *sequences)
{
    const int64_t usable = usable_memory(fit);
    int64_t bytes;
    DT_TRY(dt_fit_bytes(fit, *sequences, &bytes));
    while (bytes > usable && *sequences > 1 && !fit->fixed) {
        *sequences = half(*sequences);
        DT_TRY(dt_fit_bytes(fit, *sequences, &bytes));
    }
    if (bytes <= usable)
        return DT_OK;
    char why[96];
    char needed[32];
    char limit[32];
    snprintf(why, sizeof why, "it needs %s, but only %s can be used", format_bytes(needed, bytes),
             format_bytes(limit, usable));
    return out_of_memory(fit, *sequences, why);
}

static dt_status take(const dt_fit *fit, int32_t *sequences)
{
    for (;;) {
        int32_t most;
        int64_t tokens;
        DT_TRY(fit->bound(fit->context, *sequences, &most, &tokens));
        const dt_status status = dt_model_reserve(fit->model, most, tokens);
        if (status != DT_ERR_MEMORY)
            return status;
        if (fit->fixed || *sequences == 1)
            return out_of_memory(fit, *sequences, dt_error_message());
        *sequences = half(*sequences);
    }
}

dt_status dt_fit_batch(const dt_fit *fit, bool reserve, int32_t *sequences)
{
    const int32_t requested = *sequences;
    DT_TRY(plan(fit, sequences));
    if (reserve)
        DT_TRY(take(fit, sequences));
    char limit[DT_LIMIT_NAME + 32];
    if (*sequences < requested)
        dt_notice("--%s is lowered from %d to %d to fit the device's memory%s; the result is the "
                  "same",
                  fit->flag, requested, *sequences, limited_by(fit, limit));
    return DT_OK;
}
