/* Sequences' vectors and permutation importance: as a program says that computes them one by one,
 * and the same for any number of ranks. */
#include "core/pool.h"
#include "eval/embed.h"
#include "eval/importance.h"
#include "test.h"
#include "unit/train/thread_comm.h"

enum {
    SEQUENCES = 23,
    MAX_LENGTH = 20,
    VOCABULARY = 12,
    TAX_RANKS = 2,
    CLASSES = 8, /* of both */
    PIECE = 4,
    REGION = 6,
    REGIONS = 4, /* of MAX_LENGTH */
    SEED = 9,
};

static dt_model_config config_of(dt_model_type type)
{
    return (dt_model_config){.type = type,
                             .vocabulary = VOCABULARY,
                             .pad_id = 3,
                             .max_length = MAX_LENGTH,
                             .embed_dim = 8,
                             .filters = 4,
                             .kernels = 2,
                             .width = {3, 5},
                             .conv_layers = 1,
                             .hidden = 6,
                             .layers = 2,
                             .heads = 2,
                             .intermediate = 16,
                             .dropout = 0.2,
                             .tax_ranks = TAX_RANKS,
                             .classes = {3, 5}};
}

/* Biases of 0 and large weights: what a model just drawn says depends on little but these. */
static void widen_heads(dt_model *model)
{
    const dt_param_table *table = dt_model_params(model);
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        float values[64];
        if (strncmp(spec->name, "classifiers.", 12) != 0)
            continue;
        ASSERT_OK(dt_params_read(dt_model_backend(model), DT_PARAMETERS, spec->offset, spec->count,
                                 values));
        for (int64_t k = 0; k < spec->count; ++k)
            values[k] *= spec->dims == 1 ? 0.0f : 20.0f;
        ASSERT_OK(dt_params_write(dt_model_backend(model), DT_PARAMETERS, spec->offset, spec->count,
                                  values));
    }
}

static dt_model *model_of(dt_backend *backend, dt_model_type type)
{
    const dt_model_config config = config_of(type);
    dt_model *model;
    dt_pool *pool;
    ASSERT_OK(dt_model_create(&model, &config, backend, false));
    ASSERT_OK(dt_model_reserve(model, SEQUENCES, SEQUENCES * MAX_LENGTH));
    ASSERT_OK(dt_pool_create(&pool, 1));
    ASSERT_OK(dt_params_init(dt_model_params(model), backend, 42, pool));
    dt_pool_destroy(pool);
    widen_heads(model);
    return model;
}

/* Sequences of 3 … 23 tokens between [CLS] 1 and [SEP] 2, some longer than the model reads; none
 * reaches the last region with tokens of its own but those that are cut. */
typedef struct {
    dt_dataset dataset;
    uint16_t tokens[SEQUENCES * 32];
    int64_t offsets[SEQUENCES + 1];
    int32_t labels[SEQUENCES * TAX_RANKS];
    int64_t indices[SEQUENCES - 2]; /* all but two */
} small_set;

static void make_set(small_set *set)
{
    uint32_t bits = 5;
    *set = (small_set){0};
    for (int64_t i = 0; i < SEQUENCES; ++i) {
        const int64_t own = 1 + i * 8 % 21;
        uint16_t *at = set->tokens + set->offsets[i];
        *at++ = 1;
        for (int64_t t = 0; t < own; ++t) {
            bits = bits * 1664525u + 1013904223u;
            *at++ = (uint16_t)(4 + (bits >> 24) % (VOCABULARY - 4));
        }
        *at++ = 2;
        set->offsets[i + 1] = set->offsets[i] + own + 2;
        set->labels[i * TAX_RANKS] = (int32_t)(i % 3);
        set->labels[i * TAX_RANKS + 1] = (int32_t)(i % 5);
    }
    for (int64_t i = 0; i < SEQUENCES - 2; ++i)
        set->indices[i] = i + (i >= 4) + (i >= 15);
    set->dataset = (dt_dataset){.count = SEQUENCES,
                                .tokens = set->tokens,
                                .offsets = set->offsets,
                                .labels = set->labels,
                                .taxonomy = {.tax_ranks = TAX_RANKS},
                                .suffix_count = 1};
}

/* What every rank does: a backend and a model of its own. */
typedef struct {
    const small_set *set;
    dt_model_type type;
    int32_t piece[MOST_RANKS]; /* that a rank has memory for; 0: PIECE */
    int64_t collected;
    float vectors[SEQUENCES * 8];
    dt_importance importance[MOST_RANKS];
    double loss[MOST_RANKS][TAX_RANKS * REGIONS];
    dt_status status[MOST_RANKS];
    const atomic_int *stop;
    bool measures; /* the importance, else the vectors */
} work;

static dt_status collect(void *context, const float *vectors, int64_t count)
{
    work *w = context;
    const dt_model_config config = config_of(w->type);
    const int64_t row = dt_model_features(&config);
    assert_true(w->collected + count <= SEQUENCES);
    memcpy(w->vectors + w->collected * row, vectors, (size_t)(count * row) * sizeof *vectors);
    w->collected += count;
    return DT_OK;
}

static dt_backend *open_cpu(void)
{
    dt_backend *backend;
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    return backend;
}

static void run_rank_of(dt_comm *comm, void *context)
{
    work *w = context;
    const int32_t rank = comm->world_rank;
    const int32_t piece = w->piece[rank] ? w->piece[rank] : PIECE;
    dt_backend *backend = open_cpu();
    dt_model *model = model_of(backend, w->type);
    dt_batch_memory memory;
    ASSERT_OK(dt_batch_memory_create(&memory, piece, (int64_t)piece * MAX_LENGTH, TAX_RANKS));
    const dt_evaluation_job job = {.model = model,
                                   .comm = comm,
                                   .dataset = &w->set->dataset,
                                   .indices = w->set->indices,
                                   .count = SEQUENCES - 2,
                                   .memory = &memory,
                                   .stop = w->stop};
    if (w->measures) {
        w->status[rank] = dt_importance_measure(&w->importance[rank], &job, REGION, SEED);
        if (w->status[rank] == DT_OK)
            memcpy(w->loss[rank], w->importance[rank].loss, sizeof w->loss[rank]);
        dt_importance_free(&w->importance[rank]);
    } else {
        w->status[rank] = dt_embed(&job, collect, w);
    }
    dt_batch_memory_free(&memory);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

static void run_world(work *w, int32_t size)
{
    thread_world world;
    thread_world_init(&world, size);
    w->collected = 0;
    run_ranks(&world, run_rank_of, w);
}

static void tensor(dt_model *model, const char *name, float *out)
{
    const dt_param_spec *spec = dt_params_find(dt_model_params(model), name);
    assert_non_null(spec);
    ASSERT_OK(
        dt_params_read(dt_model_backend(model), DT_PARAMETERS, spec->offset, spec->count, out));
}

/* y = x · Wᵀ + b with the tensors of this name. */
static void linear(dt_model *model, const char *name, float *y, const float *x, int in, int out)
{
    char full[64];
    float weight[64];
    float bias[8];
    snprintf(full, sizeof full, "%s.weight", name);
    tensor(model, full, weight);
    snprintf(full, sizeof full, "%s.bias", name);
    tensor(model, full, bias);
    for (int o = 0; o < out; ++o) {
        y[o] = bias[o];
        for (int i = 0; i < in; ++i)
            y[o] += weight[o * in + i] * x[i];
    }
}

/* What the heads make of a vector, without dropout. */
static void logits_of(dt_model *model, float *logits, const float *vector)
{
    const dt_model_config *config = dt_model_config_of(model);
    const int features = dt_model_features(config);
    int first = 0;
    for (int r = 0; r < TAX_RANKS; ++r) {
        char name[32];
        float inner[8];
        if (config->type == DT_MODEL_CNN) {
            snprintf(name, sizeof name, "classifiers.%d.0", r);
            linear(model, name, inner, vector, features, features);
            for (int i = 0; i < features; ++i)
                inner[i] = inner[i] > 0.0f ? inner[i] : 0.0f;
            snprintf(name, sizeof name, "classifiers.%d.3", r);
            linear(model, name, logits + first, inner, features, config->classes[r]);
        } else {
            snprintf(name, sizeof name, "classifiers.%d", r);
            linear(model, name, logits + first, vector, features, config->classes[r]);
        }
        first += config->classes[r];
    }
}

/* The logits of all sequences of the set in its order, in one batch. */
static void all_logits(dt_model *model, const small_set *set, float *logits)
{
    dt_backend *backend = dt_model_backend(model);
    dt_batch_memory memory;
    ASSERT_OK(dt_batch_memory_create(&memory, SEQUENCES, SEQUENCES * MAX_LENGTH, TAX_RANKS));
    const dt_batch batch =
        dt_batch_pack(&memory, &set->dataset, set->indices, SEQUENCES - 2, MAX_LENGTH, NULL, NULL);
    const void *on_device =
        dt_model_forward(model, backend->ops->batch_upload(backend, &batch), false);
    backend->ops->download(backend, logits, on_device,
                           (int64_t)(SEQUENCES - 2) * CLASSES * (int64_t)sizeof *logits);
    ASSERT_OK(backend->ops->check(backend));
    dt_batch_memory_free(&memory);
}

static void vectors_are_what_the_heads_read_on_any_number_of_ranks(void **state)
{
    (void)state;
    static const dt_model_type types[] = {DT_MODEL_HYBRID, DT_MODEL_BERT, DT_MODEL_CNN};
    static small_set set;
    static float wanted[SEQUENCES * CLASSES];
    make_set(&set);
    for (int k = 0; k < 3; ++k) {
        dt_backend *backend = open_cpu();
        dt_model *model = model_of(backend, types[k]);
        const dt_model_config config = config_of(types[k]);
        const int features = dt_model_features(&config);
        all_logits(model, &set, wanted);
        for (int32_t size = 1; size <= MOST_RANKS; ++size) {
            work w = {.set = &set, .type = types[k], .piece = {0, 3}};
            run_world(&w, size);
            for (int32_t q = 0; q < size; ++q)
                assert_int_equal(w.status[q], DT_OK);
            assert_int_equal(w.collected, SEQUENCES - 2);
            for (int i = 0; i < SEQUENCES - 2; ++i) {
                float logits[CLASSES];
                logits_of(model, logits, w.vectors + (ptrdiff_t)i * features);
                for (int c = 0; c < CLASSES; ++c)
                    if (!(fabsf(logits[c] - wanted[i * CLASSES + c]) <=
                          1e-4f * (1.0f + fabsf(logits[c]))))
                        fail_msg("type %d, %d ranks, sequence %d, class %d: %g instead of %g", k,
                                 size, i, c, (double)logits[c], (double)wanted[i * CLASSES + c]);
            }
        }
        dt_model_destroy(model);
        backend->ops->destroy(backend);
    }
}

/* Tokens of the sequence's own that the model reads, [CLS] included, [SEP] not. */
static int32_t own_end(const small_set *set, int64_t i)
{
    return dt_dataset_length(&set->dataset, i, MAX_LENGTH) - 1;
}

static void partners_are_a_permutation_of_those_that_reach_the_region(void **state)
{
    (void)state;
    static small_set set;
    int64_t partner[SEQUENCES];
    int64_t other[SEQUENCES];
    int64_t differing = 0;
    make_set(&set);
    for (int32_t g = 0; g < REGIONS; ++g) {
        int taken[SEQUENCES] = {0};
        int64_t reaching = 0;
        ASSERT_OK(dt_importance_partners(partner, &set.dataset, set.indices, SEQUENCES - 2,
                                         MAX_LENGTH, g * REGION, SEED, g));
        ASSERT_OK(dt_importance_partners(other, &set.dataset, set.indices, SEQUENCES - 2,
                                         MAX_LENGTH, g * REGION, SEED + 1, g));
        for (int64_t i = 0; i < SEQUENCES - 2; ++i) {
            const bool reaches = own_end(&set, set.indices[i]) > g * REGION;
            assert_int_equal(partner[i] >= 0, reaches);
            differing += partner[i] != other[i];
            if (!reaches)
                continue;
            assert_true(own_end(&set, partner[i]) > g * REGION);
            assert_int_equal(taken[partner[i]]++, 0);
            assert_true(partner[i] != 4 && partner[i] != 16); /* no part of the indices */
            reaching++;
        }
        assert_true(reaching >= 2);
    }
    assert_true(differing > 0);
}

/* The set with region g exchanged, made token by token. */
static void exchange_region(small_set *out, const small_set *set, int32_t g)
{
    int64_t partner[SEQUENCES];
    *out = *set;
    out->dataset.tokens = out->tokens;
    out->dataset.offsets = out->offsets;
    ASSERT_OK(dt_importance_partners(partner, &set->dataset, set->indices, SEQUENCES - 2,
                                     MAX_LENGTH, g * REGION, SEED, g));
    for (int64_t i = 0; i < SEQUENCES - 2; ++i)
        for (int32_t t = g * REGION; t < (g + 1) * REGION && partner[i] >= 0; ++t)
            if (t < own_end(set, set->indices[i]) && t < own_end(set, partner[i]))
                out->tokens[set->offsets[set->indices[i]] + t] =
                    set->tokens[set->offsets[partner[i]] + t];
}

/* Labels that the model finds for two sequences in three, so that there is accuracy to lose. */
static void learn_labels(small_set *set, dt_model *model)
{
    static float logits[SEQUENCES * CLASSES];
    all_logits(model, set, logits);
    for (int64_t i = 0; i < SEQUENCES - 2; ++i)
        for (int r = 0, first = 0; r < TAX_RANKS && i % 3; first += 3, ++r) {
            int best = 0;
            for (int c = 0; c < (r ? 5 : 3); ++c)
                if (logits[i * CLASSES + first + c] > logits[i * CLASSES + first + best])
                    best = c;
            set->labels[set->indices[i] * TAX_RANKS + r] = best;
        }
}

static void count_accuracy(double *accuracy, const small_set *set, dt_model *model)
{
    static float logits[SEQUENCES * CLASSES];
    all_logits(model, set, logits);
    for (int r = 0, first = 0; r < TAX_RANKS; first += 3, ++r) {
        int right = 0;
        for (int64_t i = 0; i < SEQUENCES - 2; ++i) {
            const float *row = logits + i * CLASSES + first;
            const int32_t label = set->labels[set->indices[i] * TAX_RANKS + r];
            bool best = true;
            for (int c = 0; c < (r ? 5 : 3); ++c)
                best = best && row[c] <= row[label];
            right += best;
        }
        accuracy[r] = (double)right / (SEQUENCES - 2);
    }
}

static void importance_is_the_accuracy_that_an_exchanged_region_costs(void **state)
{
    (void)state;
    static small_set set;
    static small_set changed;
    double before[TAX_RANKS];
    double after[TAX_RANKS];
    double total = 0.0;
    dt_backend *backend = open_cpu();
    dt_model *model = model_of(backend, DT_MODEL_CNN);
    make_set(&set);
    learn_labels(&set, model);
    count_accuracy(before, &set, model);
    assert_true(before[0] > 0.6);
    assert_int_equal(dt_importance_regions(MAX_LENGTH, REGION), REGIONS);
    assert_int_equal(dt_importance_regions(MAX_LENGTH, MAX_LENGTH), 1);
    for (int32_t size = 1; size <= MOST_RANKS; ++size) {
        work w = {.set = &set, .type = DT_MODEL_CNN, .piece = {0, 3}, .measures = true};
        run_world(&w, size);
        for (int32_t q = 0; q < size; ++q) {
            assert_int_equal(w.status[q], DT_OK);
            assert_memory_equal(w.loss[q], w.loss[0], sizeof w.loss[0]);
        }
        for (int32_t g = 0; g < REGIONS; ++g) {
            exchange_region(&changed, &set, g);
            count_accuracy(after, &changed, model);
            for (int r = 0; r < TAX_RANKS; ++r) {
                assert_true(fabs(w.loss[0][r * REGIONS + g] - (before[r] - after[r])) < 1e-12);
                total += fabs(w.loss[0][r * REGIONS + g]);
            }
        }
    }
    assert_true(total > 0.0);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

static void a_signal_stops_all_ranks(void **state)
{
    (void)state;
    static small_set set;
    atomic_int stop = 10;
    make_set(&set);
    for (int measures = 0; measures < 2; ++measures) {
        work w = {.set = &set, .type = DT_MODEL_BERT, .measures = measures == 1, .stop = &stop};
        run_world(&w, 3);
        for (int q = 0; q < 3; ++q)
            assert_int_equal(w.status[q], DT_STOPPED);
        assert_int_equal(w.collected, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_what_the_heads_read_on_any_number_of_ranks),
        cmocka_unit_test(partners_are_a_permutation_of_those_that_reach_the_region),
        cmocka_unit_test(importance_is_the_accuracy_that_an_exchanged_region_costs),
        cmocka_unit_test(a_signal_stops_all_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
