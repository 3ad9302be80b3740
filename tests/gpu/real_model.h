/* The default model with made sequences, for tests and benchmarks on a GPU. Nothing is read: tokens
 * and labels come from Philox. With DEEPTAXA_TEST_SIZE=small everything shrinks to what the
 * CUDA emulator runs in seconds, so that these programs are tried on machines without a GPU.
 */
#ifndef DT_TESTS_GPU_REAL_MODEL_H
#define DT_TESTS_GPU_REAL_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/pool.h"
#include "core/update_rule.h"
#include "layers.h"
#include "model/model.h"
#include "../published_sizes.h"

static inline bool small_sizes(void)
{
    const char *size = getenv("DEEPTAXA_TEST_SIZE");
    return size && strcmp(size, "small") == 0;
}

/* The published sizes and Greengenes2's classes. */
static inline dt_model_config published_config(void)
{
    static const int32_t published[] = {2, 129, 349, 997, 2250, 7287, 16909};
    dt_model_config config = published_sizes();
    config.vocabulary = 4096;
    config.pad_id = 3;
    config.tax_ranks = 7;
    memcpy(config.classes, published, sizeof published);
    return config;
}

/* The same, or small. */
static inline dt_model_config real_config(void)
{
    dt_model_config config = published_config();
    if (small_sizes()) {
        config.vocabulary = 60;
        config.max_length = 40;
        config.embed_dim = 24;
        config.filters = 8;
        config.hidden = 128;
        config.heads = 1;
        config.layers = 2;
        config.intermediate = 96;
        for (int32_t r = 0; r < 7; ++r)
            config.classes[r] = 2 + 3 * r;
    }
    return config;
}

/* What a full-length 16S sequence has with DNABERT-2's tokenizer. */
static inline void real_lengths(int32_t *low, int32_t *high)
{
    *low = small_sizes() ? 20 : 263;
    *high = small_sizes() ? 38 : 367;
}

typedef struct {
    int32_t sequences, tax_ranks;
    int32_t *token_ids;  /* back to back */
    int32_t *cu_seqlens; /* (sequences + 1) */
    int32_t *labels;     /* (sequences, tax_ranks) */
} real_data;

static inline uint32_t real_draw(uint32_t stream, uint32_t index)
{
    uint32_t bits[4];
    dt_philox(1, stream, index, 0, 0, 0, bits);
    return bits[0];
}

static inline int32_t real_between(uint32_t stream, uint32_t index, int32_t low, int32_t high)
{
    return low + (int32_t)(real_draw(stream, index) % (uint32_t)(high - low + 1));
}

/* `sequences` copies of `species` random sequences, in turn, with one token in 50 replaced; low …
 * high tokens each. The labels follow from the species, so that a model can learn them. */
static inline dt_status real_data_make(real_data *data, const dt_model_config *config,
                                       int32_t sequences, int32_t species, int32_t low,
                                       int32_t high)
{
    *data = (real_data){.sequences = sequences, .tax_ranks = config->tax_ranks};
    DT_TRY(DT_NEW(data->token_ids, (size_t)sequences * (size_t)high));
    DT_TRY(DT_NEW(data->cu_seqlens, (size_t)sequences + 1));
    DT_TRY(DT_NEW(data->labels, (size_t)sequences * (size_t)config->tax_ranks));
    for (int32_t s = 0; s < sequences; ++s) {
        const int32_t kind = s % species;
        const int32_t tokens = real_between(1, (uint32_t)kind, low, high);
        const int32_t first = data->cu_seqlens[s];
        data->cu_seqlens[s + 1] = first + tokens;
        for (int32_t t = 0; t < tokens; ++t) {
            const uint32_t mine = (uint32_t)(first + t);
            const bool replaced = real_draw(3, mine) % 50 == 0;
            data->token_ids[first + t] =
                real_between(replaced ? 4 : 2, replaced ? mine : (uint32_t)(kind * high + t), 5,
                             config->vocabulary - 1);
        }
        data->token_ids[first] = 1;              /* [CLS] */
        data->token_ids[first + tokens - 1] = 2; /* [SEP] */
        for (int32_t r = 0; r < config->tax_ranks; ++r)
            data->labels[s * config->tax_ranks + r] = real_between(
                5, (uint32_t)(kind * config->tax_ranks + r), 0, config->classes[r] - 1);
    }
    return DT_OK;
}

static inline void real_data_free(real_data *data)
{
    free(data->token_ids);
    free(data->cu_seqlens);
    free(data->labels);
}

/* Sequences first … first+count-1 as a batch of their own; `cu_seqlens` (count + 1) is the caller's
 * and must live as long as the batch. Losses are averaged over `of` sequences. */
static inline dt_batch real_batch(const real_data *data, int32_t first, int32_t count, int32_t of,
                                  int32_t *cu_seqlens)
{
    const int32_t begin = data->cu_seqlens[first];
    dt_batch batch = {.sequences = count,
                      .tax_ranks = data->tax_ranks,
                      .token_ids = data->token_ids + begin,
                      .cu_seqlens = cu_seqlens,
                      .labels = data->labels + (int64_t)first * data->tax_ranks,
                      .seed = 42,
                      .first_sequence = first};
    for (int32_t s = 0; s <= count; ++s)
        cu_seqlens[s] = data->cu_seqlens[first + s] - begin;
    for (int32_t r = 0; r < data->tax_ranks; ++r)
        batch.loss_scale[r] = 1.0 / of;
    return batch;
}

/* A backend and the model with its initial values on it. */
typedef struct {
    dt_backend *backend;
    dt_model *model;
} real_subject;

/* Makes the model on s->backend, with room for `sequences` of `longest` tokens at a time. */
static inline dt_status real_make(real_subject *s, const dt_model_config *config, int32_t sequences,
                                  int32_t longest)
{
    dt_pool *pool;
    DT_TRY(dt_model_create(&s->model, config, s->backend, true));
    DT_TRY(dt_model_reserve(s->model, sequences, (int64_t)sequences * longest));
    DT_TRY(dt_pool_create(&pool, 2));
    const dt_status status = dt_params_init(dt_model_params(s->model), s->backend, 42, pool);
    dt_pool_destroy(pool);
    if (status == DT_OK)
        s->backend->ops->state_write(s->backend, &(dt_update_state){.loss_scale = 1.0});
    return status;
}

/* Opens both. */
static inline dt_status real_open(real_subject *s, const char *device,
                                  const dt_backend_options *options, const dt_model_config *config,
                                  int32_t sequences, int32_t longest)
{
    *s = (real_subject){0};
    DT_TRY(dt_backend_open(device, options, &s->backend));
    return real_make(s, config, sequences, longest);
}

static inline void real_close(real_subject *s)
{
    dt_model_destroy(s->model);
    if (s->backend)
        s->backend->ops->destroy(s->backend);
    *s = (real_subject){0};
}

#endif
