/* What the tests of the predictor share: a tiny model, sequences for it, and a sink that keeps all
 * that it is given. */
#ifndef DT_TESTS_PREDICTOR_TEST_H
#define DT_TESTS_PREDICTOR_TEST_H

#include "layers.h"
#include "predict/predictor.h"
#include "unit/sequence/small_tokenizer.h"
#include "unit/predict/predict_test.h"

#define SEQUENCES 100
#define TAX_RANKS 2
#define MAX_LENGTH 12
#define VOCABULARY 12
#define COLUMNS 8  /* classes of both tax_ranks */
#define FEATURES 8 /* dt_model_features() of small_model() */

/* What the sink was given, all of it. */
typedef struct {
    int count;
    int largest_batch;
    int fail_at; /* sequences after which the sink fails; 0: never */
    char id[SEQUENCES][32];
    int64_t length[SEQUENCES];
    dt_prediction prediction[SEQUENCES][TAX_RANKS];
    bool has_probability;
    float probability[SEQUENCES][COLUMNS];
    bool has_independent, has_logits;
    int32_t independent[SEQUENCES][TAX_RANKS];
    float logits[SEQUENCES][COLUMNS];
    bool has_embedding;
    float embedding[SEQUENCES][4]; /* the first elements */
} collected;

static inline dt_status collect(void *context, const dt_predicted *predicted)
{
    collected *c = context;
    assert_int_equal(predicted->tax_ranks, TAX_RANKS);
    for (int32_t i = 0; i < predicted->sequences; ++i, ++c->count) {
        assert_true(c->count < SEQUENCES);
        snprintf(c->id[c->count], sizeof c->id[0], "%s", predicted->record[i].id.data);
        c->length[c->count] = (int64_t)predicted->record[i].sequence.length;
        memcpy(c->prediction[c->count], predicted->prediction + (ptrdiff_t)i * TAX_RANKS,
               sizeof c->prediction[0]);
        c->has_independent = predicted->independent != NULL;
        c->has_logits = predicted->logits != NULL;
        if (predicted->independent)
            memcpy(c->independent[c->count], predicted->independent + (ptrdiff_t)i * TAX_RANKS,
                   sizeof c->independent[0]);
        if (predicted->logits)
            memcpy(c->logits[c->count], (const float *)predicted->logits + (ptrdiff_t)i * COLUMNS,
                   sizeof c->logits[0]);
        c->has_embedding = predicted->embedding != NULL;
        if (predicted->embedding)
            memcpy(c->embedding[c->count], predicted->embedding + (ptrdiff_t)i * FEATURES,
                   sizeof c->embedding[0]);
        c->has_probability = predicted->probability != NULL;
        if (predicted->probability)
            memcpy(c->probability[c->count], predicted->probability + (ptrdiff_t)i * COLUMNS,
                   sizeof c->probability[0]);
    }
    if (predicted->sequences > c->largest_batch)
        c->largest_batch = predicted->sequences;
    if (c->fail_at && c->count >= c->fail_at)
        return dt_fail(DT_ERR_IO, "the sink is full");
    return DT_OK;
}

/* Empties `c`, and collects there. */
static inline dt_predictor small_predictor(dt_model *model, const dt_tokenizer *tokenizer,
                                           collected *c, int32_t batch_size, int threads)
{
    memset(c, 0, sizeof *c);
    return (dt_predictor){.model = model,
                          .tokenizer = tokenizer,
                          .normalize = true,
                          .batch_size = batch_size,
                          .threads = threads,
                          .sink = collect,
                          .context = c};
}

static inline dt_status predict_file(const dt_predictor *predictor, const char *path,
                                     int64_t *sequences)
{
    dt_fasta *input;
    ASSERT_OK(dt_fasta_open(&input, path));
    dt_predictor_counts counts;
    const dt_status status = dt_predictor_run(predictor, input, &counts);
    dt_fasta_close(input);
    if (sequences)
        *sequences = counts.predicted;
    return status;
}

/* Sequences of 1 … 60 bases: shorter than the longest that the model reads, as long, and longer.
 * Some are lower case with gaps. */
static inline void write_sequences(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    uint32_t bits = 7;
    for (int i = 0; i < SEQUENCES; ++i) {
        fprintf(file, ">s%03d description\n", i);
        for (int k = 0; k < 1 + i * 37 % 60; ++k) {
            bits = bits * 1664525u + 1013904223u;
            fputc((i % 5 ? "ACGT" : "acgu")[bits >> 30], file);
            if (i % 5 == 0)
                fputc('-', file);
        }
        fputc('\n', file);
    }
    fclose(file);
}

/* With parameters drawn from a fixed seed. The tokenizer has ids below VOCABULARY. */
static inline dt_model *small_model(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                                    int32_t vocabulary)
{
    const dt_model_config config = {.type = DT_MODEL_HYBRID,
                                    .vocabulary = vocabulary,
                                    .pad_id = 3,
                                    .max_length = MAX_LENGTH,
                                    .embed_dim = 8,
                                    .filters = 4,
                                    .kernels = 2,
                                    .width = {3, 5},
                                    .conv_layers = 1,
                                    .hidden = 8,
                                    .layers = 2,
                                    .heads = 2,
                                    .intermediate = 16,
                                    .dropout = 0.2,
                                    .tax_ranks = TAX_RANKS,
                                    .classes = {3, 5}};
    dt_model *model;
    dt_pool *pool;
    assert_int_equal(dt_model_features(&config), FEATURES);
    ASSERT_OK(dt_model_create(&model, &config, backend, false));
    ASSERT_OK(dt_model_reserve(model, max_sequences, max_tokens));
    ASSERT_OK(dt_pool_create(&pool, 1));
    ASSERT_OK(dt_params_init(dt_model_params(model), backend, 42, pool));
    dt_pool_destroy(pool);
    return model;
}

static inline void assert_near(float a, float b)
{
    if (!(fabsf(a - b) <= 1e-5f))
        fail_msg("%.9g is not %.9g", (double)a, (double)b);
}

#endif
