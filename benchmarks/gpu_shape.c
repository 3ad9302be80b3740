#include "gpu_shape.h"

#include <math.h>
#include <stdlib.h>

#include "../tests/gpu/real_model.h"

/* Of 20,469 tokens of 64 nearly full-length 16S sequences, tokenised with DNABERT-2's BPE: distinct
 * ids, and tokens with the most frequent one. */
#define REAL_TOKENS 20469.0
#define REAL_IDS 1616.0
#define REAL_LARGEST 476.0

#define ROW_UNIT 64.0 /* DT_CUDA_ROW_UNIT */

static double round_up(double count, double unit)
{
    return ceil(count / unit) * unit;
}

/* The largest power of two times the unit up to `most` (cuda/batch.cu). */
static double unit_below(double most)
{
    double unit = ROW_UNIT;
    while (2.0 * unit <= most)
        unit *= 2.0;
    return unit;
}

static void add_lengths(dt_gpu_shape *s, const real_data *data)
{
    for (int32_t i = 0; i < data->sequences; ++i) {
        const double n = data->cu_seqlens[i + 1] - data->cu_seqlens[i];
        s->squares += n * n;
        s->tiles += round_up(n, 16.0) * round_up(n, 32.0);
        s->block_tiles += round_up(n, 64.0) * round_up(n, 32.0);
        s->longest = fmax(s->longest, n);
    }
    s->tokens = data->cu_seqlens[data->sequences];
    s->rows = round_up(s->tokens, unit_below(s->tokens / 128.0));
}

static void add_widths(dt_gpu_shape *s, const dt_model_config *config)
{
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        s->classes += config->classes[r];
    for (int32_t i = 0; i < config->kernels; ++i)
        s->taps += (double)config->width[i] * config->filters;
    s->channels = (double)config->kernels * config->filters;
}

static dt_status count_ids(dt_gpu_shape *s, const real_data *data)
{
    int32_t *count;
    DT_TRY(DT_NEW(count, (size_t)s->config.vocabulary));
    for (int64_t t = 0; t < (int64_t)s->tokens; ++t) {
        const int32_t id = data->token_ids[t];
        s->groups += count[id] == 0;
        s->largest = fmax(s->largest, ++count[id]);
    }
    free(count);
    return DT_OK;
}

dt_status dt_gpu_shape_make(dt_gpu_shape *shape, const dt_model_config *config,
                            const dt_gpu_batch *batch)
{
    real_data data;
    dt_param_table parameters;
    *shape = (dt_gpu_shape){.config = *config, .sequences = batch->sequences, .training = true};
    DT_TRY(dt_model_layout(config, &parameters));
    shape->trained = (double)parameters.trained;
    dt_params_free(&parameters);
    add_widths(shape, config);
    dt_status status =
        real_data_make(&data, config, batch->sequences, batch->sequences, batch->low, batch->high);
    if (status == DT_OK)
        add_lengths(shape, &data);
    if (status == DT_OK && batch->made_ids)
        status = count_ids(shape, &data);
    real_data_free(&data);
    if (!batch->made_ids) {
        shape->groups = fmin(REAL_IDS, shape->tokens);
        shape->largest = ceil(REAL_LARGEST * shape->tokens / REAL_TOKENS);
    }
    shape->groups = round_up(shape->groups, unit_below(shape->groups / 4.0));
    return status;
}
